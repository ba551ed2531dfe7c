/**
 * An issuer's public keys: fetched through the guarded door from where the operator has said, kept for ten minutes, asked
 * for anew at an unknown key but not more often than every half minute, and good for a day when they cannot be had (SR-10).
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Egress } from '../../platform/egress.ts'
import type { Issuer } from './issuers.ts'

export interface IssuerKeysTools {
  readonly egress: Pick<Egress, 'request'>
  readonly clock: Pick<Clock, 'elapsed'>
}

/** A public key as it was published (JWK). */
export type PublicKey = Readonly<Record<string, unknown>>

export interface IssuerKeys {
  /** Those of this id; without one, all. Empty: it has none such. Rejects with an IssuerUnavailable. */
  find(kid: string | undefined): Promise<readonly PublicKey[]>
  /** Asks at once, whatever is known. Rejects with an IssuerUnavailable. */
  refresh(): Promise<number>
}

/** Its keys cannot be had, so nobody can say whether a token is good. */
export class IssuerUnavailable extends Error {
  readonly code = 'WAYPOST_ERR_ISSUER'
  constructor(issuer: string, why: string) {
    super(`the keys of ${issuer} cannot be read: ${why}`)
    this.name = 'IssuerUnavailable'
  }
}

const KEYS_MAX = 64
/** After a failure nobody asks again before this: a dead issuer is not hammered by its own callers. */
const FAILED_MS = 5_000

interface Known {
  readonly keys: readonly PublicKey[]
  readonly at: number
}

export function createIssuerKeys(issuer: Issuer, { egress, clock }: IssuerKeysTools): IssuerKeys {
  let known: Known | undefined
  let failed: { at: number; error: IssuerUnavailable } | undefined
  let asking: Promise<Known> | undefined

  async function load(): Promise<Known> {
    try {
      const { keys } = await read(await addressOf(issuer, egress), issuer, egress)
      if (!Array.isArray(keys)) throw new IssuerUnavailable(issuer.issuer, 'it publishes no list of keys')
      known = { keys: keys.filter(isUsable).slice(0, KEYS_MAX), at: clock.elapsed() }
      failed = undefined
      return known
    } catch (error) {
      if (error instanceof IssuerUnavailable) failed = { at: clock.elapsed(), error }
      throw error
    }
  }

  /** One for all who ask at the same time. */
  function loadOnce(): Promise<Known> {
    asking ??= load().finally(() => {
      asking = undefined
    })
    return asking
  }

  /** What is known, unless it is too old for this id. */
  async function current(kid: string | undefined): Promise<Known> {
    const age = known ? clock.elapsed() - known.at : Number.POSITIVE_INFINITY
    const has = known !== undefined && of(known, kid).length > 0
    if (known && age < (has ? LIMITS.jwksFreshMs : LIMITS.jwksAgainMs)) return known
    const since = failed ? clock.elapsed() - failed.at : Number.POSITIVE_INFINITY
    const stale = known && age < LIMITS.jwksStaleMs ? known : undefined
    if (failed && since < (stale ? LIMITS.jwksAgainMs : FAILED_MS)) {
      if (stale) return stale
      throw failed.error
    }
    try {
      return await loadOnce()
    } catch (error) {
      if (stale && error instanceof IssuerUnavailable) return stale
      throw error
    }
  }

  return {
    find: async (kid) => of(await current(kid), kid),
    refresh: async () => (await loadOnce()).keys.length,
  }
}

/** The JSON object at an address. Rejects with an IssuerUnavailable. */
async function read(
  url: string,
  { issuer }: Issuer,
  egress: IssuerKeysTools['egress'],
): Promise<Record<string, unknown>> {
  const answer = await egress.request({
    url,
    headers: { accept: 'application/json, application/jwk-set+json' },
    headersMs: LIMITS.jwksFetchMs,
    totalMs: LIMITS.jwksFetchMs,
    bytesMax: LIMITS.jwksBytesMax,
  })
  // A redirect is an answer like any other, and not the one that was asked for (SR-32).
  if (answer.kind !== 'answered') throw new IssuerUnavailable(issuer, answer.reason)
  if (answer.status !== 200) throw new IssuerUnavailable(issuer, `HTTP ${answer.status}`)
  try {
    const json: unknown = JSON.parse(answer.body.toString('utf8'))
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw new IssuerUnavailable(issuer, 'what it answers is no JSON object')
}

/** Where the keys are. */
async function addressOf(from: Issuer, egress: IssuerKeysTools['egress']): Promise<string> {
  const { issuer } = from
  if (from.jwks !== undefined) return from.jwks
  const document = await read(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, from, egress)
  const { issuer: said, jwks_uri: jwks } = document
  if (said !== issuer) throw new IssuerUnavailable(issuer, 'its discovery document is another issuer’s')
  const secure = typeof jwks === 'string' && (jwks.startsWith('https://') || !issuer.startsWith('https://'))
  if (!secure) throw new IssuerUnavailable(issuer, 'its discovery document names no https:// address of keys')
  return jwks
}

const of = ({ keys }: Known, kid: string | undefined): readonly PublicKey[] =>
  kid === undefined ? keys : keys.filter((key) => key.kid === kid)

/** A public key for signatures. */
const isUsable = (key: unknown): key is PublicKey => {
  if (typeof key !== 'object' || key === null) return false
  const { kty, use, d, k } = key as Record<string, unknown>
  return ['RSA', 'EC', 'OKP'].includes(kty as string) && (use ?? 'sig') === 'sig' && d === undefined && k === undefined
}
