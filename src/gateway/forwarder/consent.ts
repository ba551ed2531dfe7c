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
import { type ChallengeWebhook, DEFAULT_TENANT, type SendWebhook } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { claimChallenge, isProved, prove } from '../../store/webhookProofs.ts'
import type { HostRoom } from './hostRoom.ts'

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
  /** What one host is sent at most; undefined: as much as there is. */
  readonly hostRoom?: HostRoom | undefined
  /** Whose webhooks share that room: those of tenants whose receivers must agree, or all. Default: those. */
  readonly hostRoomOf?: 'strangers' | 'all'
}

type Refusal = Extract<Verdict, { kind: 'refused' }>

export interface Consent {
  /** Whether anything is to be asked at all. */
  readonly asks: (tenant: string) => boolean
  /** Sends what the receiver wants, when its host has room; the refusal otherwise. */
  send(to: { tenant: string; url: string }, send: SendWebhook, signal: AbortSignal): Promise<Verdict>
  /** Why nothing may be sent to this address now; undefined: it may. */
  refusal(tenant: string, url: string, signal: AbortSignal): Promise<Refusal | undefined>
}

const AGAIN_SECONDS = 600
const KNOWN_MS = 10 * 60_000
const PLACES_MAX = 10_000

/** Without query and fragment: they may hold what changes from task to task. */
export const placeOf = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`

export function createConsent(tools: ConsentTools): Consent {
  const { db, clock, mode, domains, hostRoom, hostRoomOf = 'strangers' } = tools
  const known = new Map<string, number>()
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

  async function refusal(tenant: string, address: string, signal: AbortSignal): Promise<Refusal | undefined> {
    if (!mustProve(tenant) || !URL.canParse(address)) return undefined
    const url = new URL(address)
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
  }

  const shares = (tenant: string) => hostRoom !== undefined && (hostRoomOf === 'all' || mustProve(tenant))

  return {
    asks: (tenant) => shares(tenant) || mustProve(tenant),
    refusal,
    async send({ tenant, url }, send, signal) {
      const refused = await refusal(tenant, url, signal)
      if (refused) return refused
      if (!hostRoom || !shares(tenant) || !URL.canParse(url)) return send(signal)
      const place = await hostRoom.enter(new URL(url).hostname, signal)
      if (typeof place === 'number') return busy(place)
      try {
        return await send(signal)
      } finally {
        place()
      }
    },
  }
}

/** Nobody's fault: it does not count as an attempt. */
const busy = (retryAfterMs: number): Refusal =>
  refused('STOPPED', 'the host is sent as many webhooks as it may be', retryAfterMs)

const refused = (code: 'STOPPED' | 'UNPROVED', reason: string, retryAfterMs: number): Refusal => ({
  kind: 'refused',
  code,
  reason,
  retry: true,
  retryAfterMs,
})
