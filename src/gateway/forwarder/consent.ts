/**
 * Whether a receiver wants a tenant's webhooks (SR-34): without that, whoever may register one could have us send to anybody.
 *
 * A place (scheme, host, port, path) has agreed when it has echoed a challenge, or when its domain says so in a TXT record,
 * or the operator for it; that holds for thirty days. One that has not is asked once in ten minutes, whoever wants it to
 * be, and gets no event.
 */
import type { Verdict } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { secret, sha256, uuidv7 } from '../../platform/ids.ts'
import { type ChallengeWebhook, DEFAULT_TENANT, type Rate } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { claimChallenge, isProved, prove } from '../../store/webhookProofs.ts'
import { createBuckets } from '../callers/quotas.ts'

/** `optional`: only of tenants other than the default one, who share the gateway with strangers. */
export type ProofMode = 'required' | 'optional' | 'off'

export interface ConsentTools {
  readonly db: Db
  readonly clock: Pick<Clock, 'elapsed'>
  readonly mode: ProofMode
  readonly challenge: ChallengeWebhook
  /** The TXT records of a name; rejects when there are none. */
  readonly resolveTxt: (name: string) => Promise<readonly (readonly string[])[]>
  /** Domains that an operator has approved, with all below them. */
  readonly domains: readonly string[]
  /** The gateway's own name, as a TXT record says it. */
  readonly gatewayHost: () => string
  /** Webhooks a second to one host, of all tenants; undefined: any number. */
  readonly hostRate?: Rate | undefined
}

export interface Consent {
  /** Whether anything is to be asked at all. */
  readonly asks: (tenant: string) => boolean
  /** Why nothing may be sent to this address now; undefined: it may. */
  refusal(tenant: string, url: string, signal: AbortSignal): Promise<Extract<Verdict, { kind: 'refused' }> | undefined>
}

const AGAIN_SECONDS = 600
const KNOWN_MS = 10 * 60_000
const PLACES_MAX = 10_000

/** Without query and fragment: they may hold what changes from task to task. */
export const placeOf = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`

export function createConsent(tools: ConsentTools): Consent {
  const { db, clock, mode, domains, hostRate } = tools
  const known = new Map<string, number>()
  const buckets = createBuckets()
  const mustProve = (tenant: string) => mode === 'required' || (mode === 'optional' && tenant !== DEFAULT_TENANT)

  function remember(key: string): void {
    if (known.size >= PLACES_MAX) known.delete(known.keys().next().value as string)
    known.set(key, clock.elapsed() + KNOWN_MS)
  }

  async function agreed(tenant: string, url: URL, signal: AbortSignal): Promise<boolean> {
    if (domains.some((domain) => url.hostname === domain || url.hostname.endsWith(`.${domain}`))) return true
    const place = sha256(placeOf(url))
    if (await isProved(db, tenant, place)) return true
    if (!(await claimChallenge(db, { tenant, place, host: url.host }, AGAIN_SECONDS))) return false
    const how = (await saidByDomain(tenant, url.hostname))
      ? 'dns'
      : (await echoes(url, signal))
        ? 'challenge'
        : undefined
    if (how === undefined) return false
    const note = { id: uuidv7(), actor: 'gateway', action: 'webhook.proved', subject: placeOf(url), detail: { how } }
    await prove(db, { tenant, place, how, days: LIMITS.webhookProofDays }, note)
    return true
  }

  async function echoes(url: URL, signal: AbortSignal): Promise<boolean> {
    return await tools.challenge(placeOf(url) + url.search, secret(32), signal)
  }

  async function saidByDomain(tenant: string, host: string): Promise<boolean> {
    const wanted = `tenant=${tenant}@${tools.gatewayHost()}`
    const records = await tools.resolveTxt(`_waypost.${host}`).catch(() => [])
    return records.some((pieces) => pieces.join('') === wanted)
  }

  return {
    asks: (tenant) => hostRate !== undefined || mustProve(tenant),
    async refusal(tenant, address, signal) {
      if (!URL.canParse(address)) return undefined
      const url = new URL(address)
      if (hostRate) {
        const wait = buckets.take(url.host, hostRate, clock.elapsed())
        // Nobody's fault: it does not count as an attempt.
        if (wait > 0) return refused('STOPPED', 'the host is sent as many webhooks as it may be', Math.ceil(wait))
      }
      if (!mustProve(tenant)) return undefined
      const key = `${tenant} ${placeOf(url)}`
      if ((known.get(key) ?? 0) > clock.elapsed()) return undefined
      if (!(await agreed(tenant, url, signal)))
        return refused(
          'UNPROVED',
          'the receiver has not agreed to have these: it must echo a challenge',
          AGAIN_SECONDS * 1_000,
        )
      remember(key)
      return undefined
    },
  }
}

const refused = (code: 'STOPPED' | 'UNPROVED', reason: string, retryAfterMs: number) =>
  ({ kind: 'refused', code, reason, retry: true, retryAfterMs }) as const
