/**
 * Keys: `wp_<id>_<secret>`, the secret 32 random bytes and a checksum. They are shown once and stored as SHA-256: with 256
 * bits of chance there is nothing to guess, so that a slow hash would only slow us down (SR-01).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { secret, sha256, uuidv7 } from '../../platform/ids.ts'
import { type Caller, DEFAULT_TENANT } from '../../ports.ts'
import * as store from '../../store/callers.ts'
import type { Db } from '../../store/db.ts'
import { denied, isOperator } from './permits.ts'

/** What a token of a mailbox agent may do: collect, and take part like any client. */
export const AGENT_PERMITS: readonly string[] = ['agent', 'send', 'read', 'cancel', 'push']
/** What a key may do if nobody says. */
export const CLIENT_PERMITS: readonly string[] = ['send', 'read', 'cancel', 'push']

const SECRET_BYTES = 32
const CHECKSUM_CHARS = 6
const FORM = /^wp_([A-Za-z0-9]{1,32})_([A-Za-z0-9_-]{32,128})$/

const checksum = (body: string): string => sha256(`waypost key ${body}`).slice(0, CHECKSUM_CHARS)

export interface KeyText {
  readonly id: string
  readonly key: string
}

export function makeKey(): KeyText {
  const id = randomBytes(8).toString('hex')
  const body = `wp_${id}_${secret(SECRET_BYTES)}`
  return { id, key: `${body}${checksum(body)}` }
}

/** The id within, or undefined for what is not a key at all. */
export const keyIdOf = (text: string): string | undefined => FORM.exec(text)?.[1]

/** A mistyped or cut key is seen without asking the database. */
export function isWellFormed(text: string): boolean {
  if (!FORM.test(text)) return false
  return sameText(text.slice(-CHECKSUM_CHARS), checksum(text.slice(0, -CHECKSUM_CHARS)))
}

/** In constant time, whatever the lengths. */
export const sameText = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())

/** An agent's token and the row that is stored of it. Its caller has the name of the agent's lane. */
export function newAgentKey({ tenant, name, by }: { tenant: string; name: string; by: string }): {
  token: string
  key: store.NewKey
} {
  const { id, key } = makeKey()
  return {
    token: key,
    key: {
      id,
      tenant,
      caller: `agent:${name}`,
      kind: 'agent',
      label: `token of the agent ${name}`,
      permits: AGENT_PERMITS,
      agents: null,
      hash: sha256(key),
      createdBy: by,
      expiresInSeconds: null,
      rate: null,
    },
  }
}

export interface KeyRequest {
  readonly label: string
  /** Default: that of whoever makes it. Another one is an operator's to say. */
  readonly tenant?: string
  /** Whose key it is; several keys may be one caller's. Default: a caller of its own. */
  readonly caller?: string
  /** Permits and scopes, as `permits.ts` knows them. */
  readonly permits?: readonly string[]
  readonly agents?: readonly string[]
  readonly expiresInSeconds?: number
  /** Messages a second and how many at once, `50/200`, or `off`. Default: what callers in general may send. */
  readonly rate?: string
}

/** Nobody gives what he has not got himself, and an operator's key is of the gateway, not of a tenant. */
function assertMayGive(words: readonly string[], tenant: string, by: Caller): void {
  if ((tenant !== by.tenant || words.includes('operator')) && !isOperator(by)) throw denied('operator')
  if (words.includes('operator') && tenant !== DEFAULT_TENANT) {
    const description = 'an operator belongs to no tenant: give "admin"'
    throw new A2AError('INVALID_PARAMS', description, { violations: [{ field: 'permits', description }] })
  }
}

/** Names that belong to nobody who has a key. */
export const OWN_CALLERS = /^(operator|local|anonymous|agent:.*)$/

export interface ApiKeys {
  /** `key` is shown this once. Throws INVALID_PARAMS, PERMISSION_DENIED, CONFIG_LIMIT. */
  create(request: KeyRequest, by: Caller): Promise<{ key: string; row: store.KeyRow }>
  list(query: store.KeyQuery): Promise<store.KeyRow[]>
  /** false: there is no such key, or it was revoked before. */
  revoke(id: string, by: Caller): Promise<boolean>
}

export interface ApiKeysTools {
  readonly db: Db
  readonly keysMax?: number
  /** A key was revoked here: what is cached of it is worth nothing. */
  readonly onRevoked: (id: string) => void
}

export function createApiKeys({ db, keysMax = LIMITS.keysPerTenantMax, onRevoked }: ApiKeysTools): ApiKeys {
  return {
    async create({ label, caller, permits = CLIENT_PERMITS, agents, expiresInSeconds, rate, ...wish }, by) {
      const { tenant = by.tenant } = wish
      assertMayGive(permits, tenant, by)
      if (caller !== undefined && OWN_CALLERS.test(caller)) {
        const description = 'this name is not for keys'
        throw new A2AError('INVALID_PARAMS', description, { violations: [{ field: 'caller', description }] })
      }
      const { id, key } = makeKey()
      const row = await store.createKey(
        db,
        {
          id,
          tenant,
          caller: caller ?? `key:${id}`,
          kind: 'key',
          label,
          permits,
          agents: agents ?? null,
          hash: sha256(key),
          createdBy: by.id,
          expiresInSeconds: expiresInSeconds ?? null,
          rate: rate ?? null,
        },
        {
          keysMax,
          note: {
            id: uuidv7(),
            actor: by.id,
            action: 'key.created',
            subject: id,
            detail: { label, permits, agents, rate },
          },
        },
      )
      if (!row) throw new A2AError('CONFIG_LIMIT', `there is room for ${keysMax} keys, and they are all there`)
      return { key, row }
    },
    list: (query) => store.listKeys(db, query),
    async revoke(id, by) {
      const note = { id: uuidv7(), actor: by.id, action: 'key.revoked', subject: id }
      const row = await store.revokeKey(db, by.tenant, id, note)
      onRevoked(id)
      return row !== undefined
    },
  }
}
