/** Posts one event to one push URL (A2A 1.0 §4.3.3), signed, and says what became of it. */
import { createHmac } from 'node:crypto'
import type { Verdict } from '../../delivery.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import type { EgressFailure, EgressStream } from '../../platform/egress.ts'
import { sha256 } from '../../platform/ids.ts'
import type { PrepareWebhook, WebhookPost } from '../../ports.ts'
import type { PushBody, VersionCodec } from '../versions/codec.ts'
import { codecFor } from '../versions/table.ts'
import type { ClientTools } from './agentClient.ts'
import { faultOfEgress, retryAfterMs, verdictOf } from './faults.ts'
import type { Signer } from './signing.ts'
import { thinPush } from './thinPush.ts'

export interface WebhookTools extends ClientTools {
  readonly sign: Pick<Signer, 'jwt'>
  readonly userAgent: string
}

interface Made {
  readonly headers: Record<string, string>
  readonly body: string
  /** When, by the monotonic clock. */
  readonly at: number
}

export function createPrepareWebhook(tools: WebhookTools): PrepareWebhook {
  const { egress, clock, limits = LIMITS } = tools
  return function prepareWebhook(post) {
    const codec = codecFor(post.version)
    if (!codec)
      return async () => ({
        kind: 'refused',
        code: 'FAILED',
        retry: false,
        reason: `A2A ${post.version} is not spoken here`,
      })
    const making = make(post, codec, tools)
    // Whoever sends hears of it.
    making.catch(() => {})
    return async function send(signal) {
      let made = await making
      if (clock.elapsed() - made.at > STALE_MS) made = await make(post, codec, tools)
      const began = clock.elapsed()
      const answer = await egress.open({
        url: post.url,
        method: 'POST',
        headers: made.headers,
        body: made.body,
        signal,
        headersMs: limits.webhookTotalMs,
        totalMs: limits.webhookTotalMs,
        idleMs: DRAIN_MS,
        bytesMax: limits.webhookReplyBytesMax,
      })
      const durationMs = Math.round(clock.elapsed() - began)
      if (answer.kind !== 'answered') return { ...verdictOfFailure(answer), durationMs }
      await drain(answer)
      const later = retryAfterMs(answer.headers['retry-after'], clock)
      return { ...verdictOfStatus(answer.status, later), status: answer.status, durationMs }
    }
  }
}
/** What has waited for its place longer than this is signed anew: receivers compare the time with theirs. */
const STALE_MS = 10_000

async function make(post: WebhookPost, codec: VersionCodec, tools: WebhookTools): Promise<Made> {
  const { body, contentType, thin } = await bodyOf(post, codec, tools.limits ?? LIMITS)
  const headers = {
    ...(await headersOf(post, body, tools)),
    'content-type': contentType,
    'a2a-version': codec.version,
    ...(thin && { 'webhook-thin': 'true' }),
  }
  return { headers, body, at: tools.clock.elapsed() }
}

async function bodyOf(
  { json, snapshot }: WebhookPost,
  codec: VersionCodec,
  { webhookBodyBytesMax }: Pick<Limits, 'webhookBodyBytesMax'>,
): Promise<PushBody & { readonly thin: boolean }> {
  const whole = await codec.encodePush(json, snapshot)
  const bytes = Buffer.byteLength(whole.body)
  if (bytes <= webhookBodyBytesMax) return { ...whole, thin: false }
  const thin = await thinPush(json, bytes, snapshot)
  return { ...(await codec.encodePush(thin.json, async () => thin.task)), thin: true }
}

async function headersOf(post: WebhookPost, body: string, { clock, sign, userAgent }: WebhookTools) {
  const now = clock.now()
  const timestamp = Math.floor(now.getTime() / 1_000)
  // What is no URL the egress refuses, and tells.
  const audience = URL.canParse(post.url) ? new URL(post.url).origin : ''
  const jwt = await sign.jwt({ audience, id: post.id, taskId: post.taskId, bodySha256: sha256(body), now })
  const authorization = authorizationOf(post, jwt)
  const headers: Record<string, string> = {
    'user-agent': userAgent,
    'webhook-id': post.id,
    'webhook-timestamp': String(timestamp),
    'webhook-seq': String(post.sequence),
    'webhook-attempt': String(post.attempt),
    'x-a2a-signature-jwt': jwt,
    ...(post.gap && { 'webhook-gap': 'true' }),
    ...(post.secret !== undefined && {
      'webhook-signature': signaturesOf(post.secret, `${post.id}.${timestamp}.${body}`),
    }),
    ...(authorization !== undefined && { authorization }),
    ...(post.token !== undefined && { 'x-a2a-notification-token': post.token }),
    ...(post.trace && { traceparent: post.trace.traceparent }),
    ...(post.trace?.tracestate && { tracestate: post.trace.tracestate }),
  }
  return headers
}

/** Exactly what the registration asks for; Bearer without credentials means: prove it yourself. */
function authorizationOf({ authentication }: WebhookPost, jwt: string): string | undefined {
  if (!authentication) return undefined
  const { scheme, credentials } = authentication
  if (credentials !== undefined && credentials !== '') return `${scheme} ${credentials}`
  return scheme.toLowerCase() === 'bearer' ? `Bearer ${jwt}` : undefined
}

/** Standard Webhooks: one signature for each secret, so that a receiver can rotate; `whsec_` and base64. */
function signaturesOf(secrets: string, content: string): string {
  return secrets
    .split(' ')
    .filter(Boolean)
    .map((secret) => {
      const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
      return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
    })
    .join(' ')
}

/** A reply is read so that the connection can be kept, never shown: it could be an internal service's. */
async function drain(answer: EgressStream): Promise<void> {
  for (let piece = 0; piece < DRAIN_PIECES_MAX; piece++) if ((await answer.read()).kind !== 'piece') return
  answer.close()
}
const DRAIN_PIECES_MAX = 4
/** A receiver that drips its reply does not hold its lane: the status is known. */
const DRAIN_MS = 1_000

/** At least once: what may have arrived is sent again, under the same `webhook-id`. */
function verdictOfFailure(failure: EgressFailure): Verdict {
  const verdict = verdictOf(faultOfEgress(failure))
  if (verdict.kind !== 'unknown') return verdict
  return { kind: 'refused', code: 'FAILED', retry: true, reason: verdict.reason }
}

/** No more than the status: a reply's words would make us an eye into the receiver's network. */
function verdictOfStatus(status: number, later: number | undefined): Verdict {
  if (status >= 200 && status < 300) return { kind: 'accepted' }
  const reason = `HTTP ${status}`
  if (status === 410) return { kind: 'refused', code: 'GONE', retry: false, reason }
  const busy = status === 408 || status === 425 || status === 429 || status === 503
  const wait = (busy || status >= 500) && later !== undefined ? { retryAfterMs: later } : {}
  return { kind: 'refused', code: busy ? 'BUSY' : 'FAILED', retry: true, reason, ...wait }
}
