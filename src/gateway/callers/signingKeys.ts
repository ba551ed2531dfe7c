/**
 * The keys that sign cards and webhooks, one ring for all replicas: sealed in the store, looked at every few seconds.
 * A new key is published before anybody signs with it, and an old one stays published for a grace after it, so that at
 * no moment a signature is about whose key cannot be found.
 */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Seal } from '../../platform/seal.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import type { Caller } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { countReplicas, readSecret, replaceSecret, sharedSecret } from '../../store/secrets.ts'

/** A private key as it is stored: a JWK, from when on it signs and until when it is published (seconds since 1970). */
export interface StoredKey {
  readonly kid?: string
  readonly nbf?: number
  readonly exp?: number
  readonly [member: string]: unknown
}

/** What people may know of a key. */
export interface SigningKey {
  readonly id: string
  /** `next`: published, and signs from `from` on; `retiring`: has signed, and is published until `until`. */
  readonly state: 'current' | 'next' | 'retiring'
  readonly from?: Date
  readonly until?: Date
}

export interface SigningKeys extends Service {
  /** The newest first. */
  list(): readonly SigningKey[]
  /**
   * A new key. The others stay published for `graceSeconds`; 0: they end at once, because one of them is known to others.
   * Throws CONFLICT when too many are published already, or somebody else rotates at the same moment.
   */
  rotate(by: Caller, options?: { graceSeconds?: number }): Promise<readonly SigningKey[]>
}

export interface SigningKeyTools {
  readonly db: Db
  readonly seal: Seal
  readonly clock: Clock
  readonly loopTools: LoopTools
  /** The database's time. */
  readonly now: () => Date
  readonly generate: () => Promise<StoredKey>
  /** Signs with the first from now on, and publishes all. */
  readonly use: (ring: { keys: readonly StoredKey[]; since?: Date }) => Promise<void>
  readonly graceSeconds: number
  readonly everyMs?: number
}

const NAME = 'signing-keys'
/** Where the ring stands, sealed. */
export const SIGNING_KEYS_PLACE = 'secrets/signing-keys'
const PLACE = SIGNING_KEYS_PLACE

const seconds = (date: Date): number => Math.floor(date.getTime() / 1_000)
const dated = (at: number | undefined): Date | undefined => (at === undefined ? undefined : new Date(at * 1_000))

/** Those that are published at this moment, the one that signs first, then the newest. Pure. */
export function ringAt(stored: readonly StoredKey[], now: number): readonly StoredKey[] {
  const published = stored.filter(({ exp }) => exp === undefined || exp > now)
  const usable = published.length > 0 ? published : stored.slice(0, 1)
  const current = usable.find(({ nbf = 0 }) => nbf <= now) ?? usable.at(-1)
  return usable.filter((key) => key === current).concat(usable.filter((key) => key !== current))
}

/** The ring with one more, which signs from `from` on; the others end `graceSeconds` after that. Pure. */
export function withKey(
  stored: readonly StoredKey[],
  key: StoredKey,
  { now, from, graceSeconds }: { now: number; from: number; graceSeconds: number },
): readonly StoredKey[] {
  const until = from + graceSeconds
  const others = stored
    .map((old) => ({ ...old, exp: Math.min(old.exp ?? until, until) }))
    .filter(({ exp }) => exp > now && graceSeconds > 0)
  return [{ ...key, nbf: from }, ...others]
}

export async function openSigningKeys(tools: SigningKeyTools): Promise<SigningKeys> {
  const { db, seal, clock, now, use, everyMs = LIMITS.signingKeysEveryMs } = tools
  let sealed = ''
  let stored: readonly StoredKey[] = []
  let used = ''

  async function apply(text: string): Promise<void> {
    if (text !== sealed) stored = JSON.parse(seal.open(text, PLACE)) as StoredKey[]
    sealed = text
    const ring = ringAt(stored, seconds(now()))
    const names = ring.map(({ kid }) => kid).join(' ')
    if (names === used) return
    const since = dated(ring[0]?.nbf)
    await use({ keys: ring, ...(since && { since }) })
    used = names
  }

  async function refresh(): Promise<void> {
    const text = await readSecret(db, NAME)
    if (text !== undefined) await apply(text)
  }

  await apply(await sharedSecret(db, NAME, async () => seal.seal(JSON.stringify([await tools.generate()]), PLACE)))
  const looking = loop(
    'signing.keys',
    async (signal) => {
      await clock.sleep(everyMs, signal)
      if (!signal.aborted) await refresh()
    },
    tools.loopTools,
  )

  function list(): readonly SigningKey[] {
    const at = seconds(now())
    const ring = ringAt(stored, at)
    const shown = (key: StoredKey): SigningKey => {
      const [from, until] = [dated(key.nbf), dated(key.exp)]
      const state = key === ring[0] ? 'current' : (key.nbf ?? 0) > at ? 'next' : 'retiring'
      return { id: key.kid ?? '', state, ...(from && { from }), ...(until && { until }) }
    }
    return stored.filter((key) => ring.includes(key)).map(shown)
  }

  return {
    name: 'signing.keys',
    start: () => looking.start(),
    stop: () => looking.stop(),
    list,
    async rotate(by, { graceSeconds = tools.graceSeconds } = {}) {
      await refresh()
      const [known, at] = [sealed, seconds(now())]
      const published = ringAt(stored, at)
      if (graceSeconds > 0 && published.length >= LIMITS.signingKeysMax)
        throw new A2AError('CONFLICT', `${published.length} keys are published already: wait until one has ended`, {
          metadata: { hint: 'see when: waypost key signing' },
        })
      // Others must have seen it before it signs; a key that is known to strangers must not sign one second longer.
      const alone = graceSeconds === 0 || (await countReplicas(db)) <= 1
      const from = at + (alone ? 0 : Math.ceil((everyMs * PUBLISHED_ROUNDS) / 1_000))
      const key = await tools.generate()
      const text = seal.seal(JSON.stringify(withKey(stored, key, { now: at, from, graceSeconds })), PLACE)
      const detail = { key: key.kid, from: new Date(from * 1_000).toISOString(), graceSeconds }
      const note = { id: uuidv7(), actor: by.id, action: 'signingKey.rotated', subject: NAME, detail }
      if (!(await replaceSecret(db, { name: NAME, known, sealed: text, tenant: by.tenant }, note)))
        throw new A2AError('CONFLICT', 'somebody else rotates the keys at this moment; look before doing it again')
      await apply(text)
      return list()
    },
  }
}

/** A key signs after this many looks of every replica: one may be late, one may fail. */
const PUBLISHED_ROUNDS = 3
