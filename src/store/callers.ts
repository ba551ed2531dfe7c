/** API keys: by id, with the hash of the secret. The database's clock says what has expired (D9). */
import { arrayLiteral } from './arrays.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'

export interface KeyRow {
  readonly id: string
  readonly tenant: string
  readonly caller: string
  readonly kind: 'key' | 'agent'
  readonly label: string
  /** Words as they were given: permits and scopes. */
  readonly permits: readonly string[]
  /** null: every agent of the tenant. */
  readonly agents: readonly string[] | null
  /** Messages a second and how many at once, `50/200`, or `off`; null: what callers in general may send. */
  readonly rate: string | null
  readonly createdAt: number
  readonly createdBy: string
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  readonly lastUsedAt: number | null
}

export interface NewKey {
  readonly id: string
  readonly tenant: string
  readonly caller: string
  readonly kind: 'key' | 'agent'
  readonly label: string
  /** Words as they were given: permits and scopes. */
  readonly permits: readonly string[]
  readonly agents: readonly string[] | null
  readonly hash: string
  readonly createdBy: string
  readonly expiresInSeconds: number | null
  readonly rate: string | null
}

// Arrays as JSON: the drivers differ in how they read text[] without type information.
const KEY_COLUMNS = `id, tenant, caller, kind, label, array_to_json(permits)::text as permits, array_to_json(agents)::text as agents, rate, created_by as "createdBy",
  (extract(epoch from created_at) * 1000)::float8 as "createdAt", (extract(epoch from expires_at) * 1000)::float8 as "expiresAt",
  (extract(epoch from revoked_at) * 1000)::float8 as "revokedAt", (extract(epoch from last_used_at) * 1000)::float8 as "lastUsedAt"`

type RawKey = Omit<KeyRow, 'permits' | 'agents'> & { permits: string; agents: string | null }
const toKey = (raw: RawKey): KeyRow => ({
  ...raw,
  permits: JSON.parse(raw.permits) as string[],
  agents: raw.agents === null ? null : (JSON.parse(raw.agents) as string[]),
})

/** A key's parameters in the order of `insertKey`. */
export const keyValues = (key: NewKey) => [
  key.id,
  key.tenant,
  key.caller,
  key.kind,
  key.label,
  arrayLiteral(key.permits),
  key.agents && arrayLiteral(key.agents),
  key.hash,
  key.createdBy,
  key.expiresInSeconds,
  key.rate,
]

/** A key from eleven parameters from `first` on, made for each row of `source`; part of a changing statement. */
export const insertKey = (source: string, first: number): string => {
  const at = (offset: number) => `$${first + offset}`
  return `insert into api_keys (id, tenant, caller, kind, label, permits, agents, hash, created_by, expires_at, rate)
  select ${at(0)}::text, ${at(1)}::text, ${at(2)}::text, ${at(3)}::text, ${at(4)}::text, ${at(5)}::text[], ${at(6)}::text[], ${at(7)}::text, ${at(8)}::text,
    now() + make_interval(secs => ${at(9)}::float8), ${at(10)}::text from ${source}`
}

const CREATE: Statement = {
  name: 'keys.create',
  write: true,
  text: `
with room as (
  select 1 where (select count(*) from api_keys where tenant = $2 and revoked_at is null) < $12::int
), made as (
  ${insertKey('room', 1)}
  returning *
), ${noting('made', 13)}
select ${KEY_COLUMNS} from made`,
}

/** undefined: the tenant has `keysMax` keys that are not revoked. */
export async function createKey(
  db: Db,
  key: NewKey,
  { keysMax, note }: { keysMax: number; note: AuditNote },
): Promise<KeyRow | undefined> {
  const [row] = await db.query<RawKey>(CREATE, [...keyValues(key), keysMax, ...auditValues(note)])
  return row && toKey(row)
}

const FIND: Statement = {
  name: 'keys.find',
  write: false,
  text: `select ${KEY_COLUMNS}, hash, (revoked_at is null and (expires_at is null or expires_at > now())) as live,
  (extract(epoch from expires_at - now()) * 1000)::float8 as "expiresInMs",
  (last_used_at is null or last_used_at < now() - interval '1 minute') as "unseen"
from api_keys where id = $1`,
}

export interface FoundKey extends KeyRow {
  readonly hash: string
  /** Neither revoked nor expired, by the database's clock. */
  readonly live: boolean
  readonly expiresInMs: number | null
  /** Its last use was not noted within the last minute. */
  readonly unseen: boolean
}

export async function findKey(db: Db, id: string): Promise<FoundKey | undefined> {
  const [row] = await db.query<RawKey & Pick<FoundKey, 'hash' | 'live' | 'expiresInMs' | 'unseen'>>(FIND, [id])
  return row && { ...row, ...toKey(row) }
}

const TOUCH: Statement = {
  name: 'keys.touch',
  write: true,
  text: `update api_keys set last_used_at = now() where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
}
/** At most one write per key and minute. */
export async function touchKey(db: Db, id: string): Promise<void> {
  await db.query(TOUCH, [id])
}

const REVOKE: Statement = {
  name: 'keys.revoke',
  write: true,
  text: `
with gone as (
  update api_keys set revoked_at = now() where tenant = $1 and id = $2 and revoked_at is null returning *
), ${noting('gone', 3)}
select ${KEY_COLUMNS} from gone`,
}
/** undefined: there is no such key, or it was revoked before. */
export async function revokeKey(db: Db, tenant: string, id: string, note: AuditNote): Promise<KeyRow | undefined> {
  const [row] = await db.query<RawKey>(REVOKE, [tenant, id, ...auditValues(note)])
  return row && toKey(row)
}

const LIST: Statement = {
  name: 'keys.list',
  write: false,
  text: `select ${KEY_COLUMNS} from api_keys
where tenant = $1 and ($2::text is null or caller = $2) and ($3::boolean or revoked_at is null)
  and ($4::float8 is null or (created_at, id) < (to_timestamp($4::float8 / 1000), $5::text))
order by created_at desc, id desc limit $6`,
}
export interface KeyQuery {
  readonly tenant: string
  readonly caller?: string
  /** Revoked ones too. */
  readonly all: boolean
  readonly before?: { readonly createdAt: number; readonly id: string }
  readonly limit: number
}
/** Newest first; never the hash. */
export const listKeys = async (db: Db, { tenant, caller, all, before, limit }: KeyQuery): Promise<KeyRow[]> => {
  const values = [tenant, caller ?? null, all, before?.createdAt ?? null, before?.id ?? null, limit]
  return (await db.query<RawKey>(LIST, values)).map(toKey)
}

const ROTATE: Statement = {
  name: 'keys.rotate',
  write: true,
  text: `
with old as (
  select 1 where exists (select 1 from agents where tenant = $2 and name = substr($3::text, 7))
), gone as (
  update api_keys set revoked_at = case when $17::float8 = 0 then now() end,
    expires_at = case when $17::float8 = 0 then expires_at else least(expires_at, now() + make_interval(secs => $17::float8)) end
  where tenant = $2 and caller = $3 and kind = 'agent' and revoked_at is null and id <> $1 returning id
), ${noting('(select $2::text as tenant from old)', 12)}
${insertKey('old', 1)} returning id`,
}
/**
 * A new key for an agent in place of its older ones, which are good for `graceSeconds` more. false: there is no such agent.
 *
 * The older rows and the new one are different rows of one table, so that both changes fit in one statement.
 */
export const rotateAgentKey = async (db: Db, key: NewKey, graceSeconds: number, note: AuditNote): Promise<boolean> =>
  (await db.query(ROTATE, [...keyValues(key), ...auditValues(note), graceSeconds])).length === 1
