/**
 * JWT bearer tokens (RFC 7519, RFC 9068): who signed, for whom, since when, until when, and what that makes of a caller.
 *
 * What a token says of its own verification is not believed: the issuer is looked up before anything is fetched, the
 * algorithm must be one of ours, and keys in or named by the token (`jwk`, `jku`, `x5u`) are not looked at (SR-05 to SR-09).
 */
import { importJWK, jwtVerify } from 'jose'
import type { Clock } from '../../platform/clock.ts'
import { sha256 } from '../../platform/ids.ts'
import type { Caller } from '../../ports.ts'
import { createIssuerKeys, type IssuerKeys, type IssuerKeysTools, type PublicKey } from './issuerKeys.ts'
import { grantsFor, type Issuer, TOKEN_ALGORITHMS, tenantOf } from './issuers.ts'

export interface VerifiedToken {
  readonly caller: Caller
  /** Until it ends by its own word; 0 or less: it lives on by our tolerance. */
  readonly expiresInMs: number
}

export interface TokenVerifier {
  /** undefined: it is no good. Rejects with an IssuerUnavailable when that cannot be told. */
  verify(token: string): Promise<VerifiedToken | undefined>
  /** Asks every issuer for its keys now; what was verified before is worth nothing. */
  refresh(): Promise<readonly { issuer: string; keys?: number; problem?: string }[]>
}

export interface TokenTools extends IssuerKeysTools {
  readonly clock: Pick<Clock, 'elapsed' | 'now'>
  readonly issuers: readonly Issuer[]
}

/** Clocks of issuers and ours may differ by this (SR-06). */
const SKEW_SECONDS = 60
const KID_CHARS_MAX = 256
const TYPES = /^(application\/)?(at\+)?jwt$/i
const SUBJECT = /^[\x21-\x7e]{1,255}$/
const TENANT_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** Whether this can be a token at all: three texts in base64url, the first of them a JSON object. */
export const isTokenForm = (text: string): boolean => text.startsWith('eyJ') && FORM.test(text)

/** Names whom a token speaks of, believed or not: who guesses at one subject does not lock out another. */
export function tokenSubject(token: string): string {
  const { iss, sub } = decoded(token.split('.')[1] ?? '') ?? {}
  return `jwt ${sha256(JSON.stringify([iss, sub])).slice(0, 16)}`
}

export function createTokenVerifier(tools: TokenTools): TokenVerifier {
  const known = new Map(
    tools.issuers.map((issuer) => [issuer.issuer, { issuer, keys: createIssuerKeys(issuer, tools) }]),
  )
  return {
    async verify(token) {
      const parts = token.split('.')
      // Several texts stand for the same bytes, and only one of them is the token (SR-08).
      if (parts.length !== 3 || !parts.every(isCanonical)) return undefined
      const [header, claims] = [decoded(parts[0] as string), decoded(parts[1] as string)]
      if (!header || !claims || typeof claims.iss !== 'string') return undefined
      const from = known.get(claims.iss)
      if (!from || !isHeader(header, from.issuer)) return undefined
      return (await isSigned(token, header, from, tools.clock.now()))
        ? callerOf(claims, from.issuer, tools.clock.now())
        : undefined
    },
    refresh: () =>
      Promise.all(
        [...known.values()].map(async ({ issuer: { issuer }, keys }) => {
          try {
            return { issuer, keys: await keys.refresh() }
          } catch (error) {
            return { issuer, problem: (error as Error).message }
          }
        }),
      ),
  }
}

type Fields = Readonly<Record<string, unknown>>
interface Header extends Fields {
  readonly alg: string
  readonly kid?: string
}

const isCanonical = (text: string): boolean => Buffer.from(text, 'base64url').toString('base64url') === text

function decoded(text: string): Fields | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64url')))
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Fields) : undefined
  } catch {
    return undefined
  }
}

function isHeader(header: Fields, { algorithms }: Issuer): header is Header {
  const { alg, kid, typ, crit } = header
  if (!((algorithms ?? TOKEN_ALGORITHMS) as readonly unknown[]).includes(alg) || crit !== undefined) return false
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.test(typ))) return false
  return kid === undefined || (typeof kid === 'string' && kid.length <= KID_CHARS_MAX)
}

const imported = new WeakMap<PublicKey, Map<string, ReturnType<typeof importJWK>>>()

/** The key for an algorithm, made once. */
function keyFor(jwk: PublicKey, alg: string): ReturnType<typeof importJWK> {
  const made = imported.get(jwk) ?? new Map<string, ReturnType<typeof importJWK>>()
  imported.set(jwk, made)
  let key = made.get(alg)
  if (!key) {
    const { kty, crv, x, y, n, e } = jwk
    key = importJWK(JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })), alg)
    made.set(alg, key)
    key.catch(() => {})
  }
  return key
}

/** Signed by one of the issuer's keys, for us, and within its time. */
async function isSigned(
  token: string,
  { alg, kid }: Header,
  { issuer, keys }: { issuer: Issuer; keys: IssuerKeys },
  now: Date,
): Promise<boolean> {
  const candidates = (await keys.find(kid)).filter((jwk) => jwk.alg === undefined || jwk.alg === alg)
  // Who publishes several keys says by which one he signs.
  if (kid === undefined && candidates.length > 1) return false
  const options = {
    issuer: issuer.issuer,
    audience: issuer.audience,
    algorithms: [alg],
    clockTolerance: SKEW_SECONDS,
    requiredClaims: ['exp', 'iat', 'sub'],
    maxTokenAge: issuer.maxAgeSeconds,
    currentDate: now,
  }
  for (const jwk of candidates) {
    const good = await keyFor(jwk, alg)
      .then((key) => jwtVerify(token, key, options))
      .catch(() => undefined)
    if (good) return true
  }
  return false
}

function callerOf(claims: Fields, issuer: Issuer, now: Date): VerifiedToken | undefined {
  const { exp, iat, sub } = claims as { exp: number; iat: number; sub: unknown }
  // One that never ends is none of ours, whatever its signature.
  if (exp - iat > issuer.maxAgeSeconds + SKEW_SECONDS) return undefined
  const who = issuer.callerClaim === undefined ? sub : claims[issuer.callerClaim]
  const tenant = tenantOf(issuer) ?? claims[issuer.tenantClaim ?? '']
  if (typeof who !== 'string' || !SUBJECT.test(who)) return undefined
  if (typeof tenant !== 'string' || !TENANT_NAME.test(tenant)) return undefined
  const said = wordsIn(issuer.scopeClaim === undefined ? (claims.scope ?? claims.scp) : claims[issuer.scopeClaim])
  const caller: Caller = { tenant, id: `${issuer.name}:${who}`, kind: 'jwt', ...grantsFor(issuer, said) }
  return { caller, expiresInMs: exp * 1_000 - now.getTime() }
}

/** A text with blanks (RFC 6749 §3.3), or a list. */
function wordsIn(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter(Boolean)
  return Array.isArray(claim) ? claim.filter((word): word is string => typeof word === 'string') : []
}
