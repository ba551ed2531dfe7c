/**
 * Who is calling. Fails closed: whatever goes wrong here ends in a refusal, never in an empty caller (SR-05).
 *
 * A credential that was verified is trusted for a few seconds without asking again, by the hash of it; one that was refused
 * is remembered as long. Revocation is therefore seen within `credentialCacheMs` everywhere, and at once where it was made.
 */
import { isIP } from 'node:net'
import { A2AError } from '../../a2a/errors.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { sha256 } from '../../platform/ids.ts'
import { type Authenticate, type Caller, type Credentials, DEFAULT_TENANT } from '../../ports.ts'
import { type FoundKey, findKey, touchKey } from '../../store/callers.ts'
import type { Db } from '../../store/db.ts'
import { isWellFormed, keyIdOf, sameText } from './apiKeys.ts'
import { createFailureCounter } from './attempts.ts'
import { type CertificateTools, callerByCertificate } from './certificates.ts'
import { grantsOf } from './permits.ts'
import { parseRate } from './quotas.ts'
import { isTokenForm, type TokenVerifier, tokenSubject } from './tokens.ts'

export interface AuthenticateTools {
  readonly db: Db
  readonly clock: Clock
  readonly signals: HappeningSignals
  /** The operator's key of the configuration. */
  readonly adminKey?: string
  /** `off`: whoever calls from this machine without credentials is the operator. */
  readonly auth: 'required' | 'off'
  /** Whose agent of this name takes callers without credentials; undefined: there is none that does. */
  readonly openTenant: (agent: string) => Promise<string | undefined>
  /** For tokens of issuers; undefined: none are taken. */
  readonly tokens?: TokenVerifier
  /** Who is known by a client certificate; undefined: nobody is. */
  readonly certificates?: CertificateTools
  /** Further parameters of the challenge in a 401. */
  readonly challenge?: () => string | undefined
  readonly limits?: Partial<
    Pick<Limits, 'credentialCacheMs' | 'credentialCacheMax' | 'authFailuresPerMinute' | 'tokenCacheMs'>
  >
}

export type Authenticator = Authenticate & {
  /** Forgets what is known of a key's credential: it was revoked here. `TOKENS`: of every issuer's tokens. */
  forget(keyId: string): void
}

export const OPERATOR: Caller = {
  tenant: DEFAULT_TENANT,
  id: 'operator',
  kind: 'key',
  ...grantsOf(['operator', 'send', 'read', 'cancel', 'push', 'agent', 'observe']),
}
const LOCAL_OPERATOR: Caller = { ...OPERATOR, kind: 'local' }
const OPEN_GRANTS = grantsOf(['send', 'read', 'cancel', 'push'])
/** A token longer than this is none (H-11). */
const CREDENTIAL_CHARS_MAX = 8_192
/** The scheme before it, and a few blanks. */
const BEARER_CHARS = 16
/** The id under which tokens are remembered. */
export const TOKENS = 'jwt'
/** A peer that tries key after key is stopped as well, only later: many callers may share its address. */
const FAILURES_PER_PEER_FACTOR = 10

interface Known {
  readonly until: number
  readonly keyId: string
  /** undefined: refused. */
  readonly caller?: Caller
}

export function createAuthenticate(tools: AuthenticateTools): Authenticator {
  const { clock, signals, adminKey, auth, openTenant } = tools
  const limits = { ...LIMITS, ...tools.limits }
  const cache = createCache(limits.credentialCacheMax)
  signals.on('agent.changed', ({ tenant, agent, what }) => {
    if (what === 'token' || what === 'removed')
      cache.forget(({ caller }) => caller?.tenant === tenant && caller.id === `agent:${agent}`)
  })
  const failures = createFailureCounter(clock, limits.authFailuresPerMinute)
  const peerFailures = createFailureCounter(clock, limits.authFailuresPerMinute * FAILURES_PER_PEER_FACTOR)
  const verify = createVerify(tools, limits, cache)

  function refuse(remote: string, keyId: string, reason: string): never {
    failures.add(`${remote} ${keyId}`)
    peerFailures.add(remote)
    signals.emit('auth.refused', { remote, reason })
    throw unauthenticated(tools)
  }

  async function withCredential(text: string, remote: string): Promise<Caller> {
    const hash = sha256(text)
    const known = cache.get(hash, clock.elapsed())
    if (known?.caller) return known.caller
    if (adminKey !== undefined && sameText(text, adminKey)) {
      cache.set(hash, { until: clock.elapsed() + limits.credentialCacheMs, keyId: 'operator', caller: OPERATOR })
      return OPERATOR
    }
    const isToken = tools.tokens !== undefined && isTokenForm(text)
    const keyId = isToken ? tokenSubject(text) : (isWellFormed(text) && keyIdOf(text)) || '-'
    const wait = failures.blockedFor(`${remote} ${keyId}`) || peerFailures.blockedFor(remote)
    if (wait > 0) {
      signals.emit('auth.refused', { remote, reason: 'too many failures' })
      throw new A2AError('RATE_LIMITED', 'too many failed attempts', { retryAfterSeconds: wait })
    }
    if (known || keyId === '-') return refuse(remote, keyId, known ? 'refused before' : 'malformed')
    return (await verify(text, hash, keyId)) ?? refuse(remote, keyId, 'unknown, revoked or expired')
  }

  async function withoutCredential(credentials: Credentials): Promise<Caller> {
    const { agent, remote } = credentials
    const named = tools.certificates && callerByCertificate(credentials, tools.certificates)
    if (named) return named
    if (auth === 'off' && isLoopbackAddress(remote)) return LOCAL_OPERATOR
    const tenant = agent === undefined ? undefined : await openTenant(agent)
    if (agent !== undefined && tenant !== undefined) {
      const agents = new Set([agent.toLowerCase()])
      return { tenant, id: 'anonymous', kind: 'anonymous', ...OPEN_GRANTS, agents }
    }
    // Not told as a refusal: whoever asks for a challenge, or enrols, comes without.
    throw unauthenticated(tools)
  }

  const authenticate: Authenticate = async (credentials) => {
    try {
      const text = credentialOf(credentials)
      if (text === undefined) return await withoutCredential(credentials)
      return await withCredential(text, credentials.remote)
    } catch (error) {
      if (error instanceof A2AError) throw error
      // An issuer that cannot be reached, the store, or a bug: nobody passes, and it is not the caller's fault.
      const reason = (error as Error)?.message ?? 'unknown'
      signals.emit('service.failed', { service: 'authenticate', error: reason })
      throw new A2AError('UNAVAILABLE', 'credentials cannot be checked now', { retryAfterSeconds: 1 })
    }
  }
  return Object.assign(authenticate, {
    forget: (keyId: string) => cache.forget((known) => known.keyId === keyId),
  })
}

/** The same words whatever was wrong (SR-03). */
function unauthenticated({ challenge }: AuthenticateTools): A2AError {
  const more = challenge?.()
  return new A2AError('UNAUTHENTICATED', 'a valid key is needed', more === undefined ? {} : { challenge: more })
}

/** The one credential; undefined: none was given. Throws for two, and for what is none. */
function credentialOf({ authorization, apiKey }: Credentials): string | undefined {
  // Node joins repeated headers by a comma, which no key has.
  if ((authorization !== undefined && apiKey !== undefined) || apiKey?.includes(','))
    throw new A2AError('INVALID_REQUEST', 'one credential per request: Authorization or X-API-Key')
  // One that is too long is none, and must not be taken for what its beginning is.
  if (authorization === undefined) return apiKey !== undefined && apiKey.length > CREDENTIAL_CHARS_MAX ? '' : apiKey
  // What is no bearer token becomes a credential that cannot be right, and is counted as such.
  const text = authorization.length > CREDENTIAL_CHARS_MAX + BEARER_CHARS ? '' : authorization
  const credential = /^Bearer +([^\s,]+) *$/i.exec(text)?.[1] ?? ''
  return credential.length > CREDENTIAL_CHARS_MAX ? '' : credential
}

/** Asks the store, once for all who ask at the same time. */
function createVerify(
  { db, clock, tokens }: AuthenticateTools,
  { credentialCacheMs: cacheMs, tokenCacheMs }: Pick<Limits, 'credentialCacheMs' | 'tokenCacheMs'>,
  cache: CredentialCache,
) {
  const running = new Map<string, Promise<Caller | undefined>>()

  async function look(text: string, hash: string, keyId: string): Promise<Caller | undefined> {
    const askedAt = clock.elapsed()
    const generation = cache.generation()
    const found = await findKey(db, keyId)
    const same = sameText(found?.hash ?? '', sha256(text))
    const caller = found?.live && same ? callerOf(found) : undefined
    const trustMs = Math.min(cacheMs, (caller && found?.expiresInMs) ?? cacheMs)
    // Revoked here while we asked: what was read may be older than that.
    if (cache.generation() === generation)
      cache.set(hash, { until: askedAt + trustMs, keyId, ...(caller && { caller }) })
    if (caller && found?.unseen) void touchKey(db, keyId).catch(() => {})
    return caller
  }

  /** By the hash of the whole token, and never beyond its end (SR-09). */
  async function judge(text: string, hash: string, { verify }: TokenVerifier): Promise<Caller | undefined> {
    const askedAt = clock.elapsed()
    const generation = cache.generation()
    const found = await verify(text)
    const trustMs = found ? Math.min(tokenCacheMs, found.expiresInMs) : cacheMs
    if (cache.generation() === generation && trustMs > 0)
      cache.set(hash, { until: askedAt + trustMs, keyId: TOKENS, ...(found && { caller: found.caller }) })
    return found?.caller
  }

  return (text: string, hash: string, keyId: string): Promise<Caller | undefined> => {
    const known = running.get(hash)
    if (known) return known
    const asked = tokens && isTokenForm(text) ? judge(text, hash, tokens) : look(text, hash, keyId)
    const looking = asked.finally(() => running.delete(hash))
    running.set(hash, looking)
    return looking
  }
}

function callerOf({ id, tenant, caller, kind, permits, agents, rate }: FoundKey): Caller {
  return {
    tenant,
    id: caller,
    kind,
    ...grantsOf(permits),
    ...(agents && { agents: new Set(agents) }),
    ...(rate !== null && { sendRate: { key: id, rate: parseRate(rate) } }),
  }
}

interface CredentialCache {
  get(hash: string, now: number): Known | undefined
  set(hash: string, known: Known): void
  forget(which: (known: Known) => boolean): void
  /** Moves with each `forget`. */
  generation(): number
}

function createCache(entriesMax: number): CredentialCache {
  const entries = new Map<string, Known>()
  let generation = 0
  return {
    get(hash, now) {
      const known = entries.get(hash)
      if (!known || known.until > now) return known
      entries.delete(hash)
      return undefined
    },
    set(hash, known) {
      entries.delete(hash)
      entries.set(hash, known)
      for (const oldest of entries.keys()) {
        if (entries.size <= entriesMax) break
        entries.delete(oldest)
      }
    },
    forget(which) {
      generation++
      for (const [hash, known] of entries) if (which(known)) entries.delete(hash)
    },
    generation: () => generation,
  }
}

/** `127.0.0.0/8`, `::1`, and the former as Node shows it on a dual socket. */
export function isLoopbackAddress(address: string): boolean {
  const plain = address.replace(/^::ffff:/i, '')
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}
