/** Agents: registered, changed, paused, removed. Each change is one statement, its audit note in it. */
import type { AgentCard } from '../a2a/agentCard.ts'
import { QUIET } from '../delivery.ts'
import { DEFAULT_TENANT } from '../ports.ts'
import { arrayLiteral } from './arrays.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import { insertKey, keyValues, type NewKey } from './callers.ts'
import type { Db, Statement } from './db.ts'

export interface AgentRow {
  readonly tenant: string
  readonly name: string
  readonly owner: string
  /** The document as registered, without its credentials. */
  readonly registration: unknown
  /** Sealed. */
  readonly credentials: string | null
  /** The upstream's own, canonical. */
  readonly card: AgentCard | null
  /** Milliseconds since 1970, like all times here. */
  readonly cardFetchedAt: number | null
  readonly modifiedAt: number
  readonly createdAt: number
  readonly pausedAt: number | null
  readonly pausedReason: string | null
  /** As `gateway/agents/identity.ts` has it. */
  readonly identity: unknown
  /** The same, without the card that waits. */
  readonly pending: unknown
  readonly cardProblem: CardProblemRow | null
  readonly provisioned: boolean
}

/** Why the last card that was fetched has not been taken. */
export interface CardProblemRow {
  readonly code: string
  readonly reason: string
  readonly at: number
}

export const columnsOf = (
  alias: string,
) => `${alias}.tenant, ${alias}.name, ${alias}.owner, ${alias}.registration, ${alias}.credentials, ${alias}.card,
  ${alias}.identity, ${alias}.pending - 'card' as pending, ${alias}.card_problem as "cardProblem",
  ${alias}.paused_reason as "pausedReason", ${alias}.provisioned, (extract(epoch from ${alias}.card_fetched_at) * 1000)::float8 as "cardFetchedAt",
  (extract(epoch from ${alias}.modified_at) * 1000)::float8 as "modifiedAt", (extract(epoch from ${alias}.created_at) * 1000)::float8 as "createdAt",
  (extract(epoch from ${alias}.paused_at) * 1000)::float8 as "pausedAt"`

const FIND: Statement = {
  name: 'agents.find',
  write: false,
  text: `select ${columnsOf('a')} from agents a where a.tenant = $1 and a.name = $2`,
}

export async function findAgent(db: Db, tenant: string, name: string): Promise<AgentRow | undefined> {
  return (await db.query<AgentRow>(FIND, [tenant, name]))[0]
}

const FIND_BY_NAME: Statement = {
  name: 'agents.findByName',
  write: false,
  text: `select ${columnsOf('a')} from agents a where a.name = $1`,
}

/** Whoever's it is: no two tenants have agents of one name. What it says is not for everybody. */
export async function findAgentByName(db: Db, name: string): Promise<AgentRow | undefined> {
  return (await db.query<AgentRow>(FIND_BY_NAME, [name]))[0]
}

export const tenantOfAgent = async (db: Db, name: string): Promise<string | undefined> =>
  (await findAgentByName(db, name))?.tenant

export interface NewAgent {
  readonly tenant: string
  readonly name: string
  readonly owner: string
  readonly registration: unknown
  readonly credentials: string | null
  readonly provisioned: boolean
}

const CREATE: Statement = {
  name: 'agents.create',
  write: true,
  text: `
with made as (
  insert into agents (tenant, name, owner, registration, credentials, provisioned)
  select $1::text, $2::text, $3::text, $4::text::jsonb, $5::text, $6::boolean
  where (select count(*) from agents where tenant = $1) < $7::int
    and ($24::int is null or (select count(*) from agents where tenant = $1 and owner = $3) < $24)
  on conflict do nothing
  returning *
), ${noting('made', 8)}, key as (
  ${insertKey('made where $13::text is not null', 13)}
)
select ${columnsOf('a')} from made a`,
}

const NO_KEY = Array.from({ length: 11 }, () => null)

/**
 * undefined: the name is taken, in this tenant or another, or the tenant has `agentsMax` agents, or its owner `ownedMax`.
 * With `key`: its token, made by the same statement.
 */
export async function createAgent(
  db: Db,
  agent: NewAgent,
  { agentsMax, ownedMax, note, key }: { agentsMax: number; ownedMax?: number; note: AuditNote; key?: NewKey },
): Promise<AgentRow | undefined> {
  const { tenant, name, owner, registration, credentials, provisioned } = agent
  const values = [tenant, name, owner, JSON.stringify(registration), credentials, provisioned, agentsMax]
  const keys = key ? keyValues(key) : NO_KEY
  return (await db.query<AgentRow>(CREATE, [...values, ...auditValues(note), ...keys, ownedMax ?? null]))[0]
}

// The fronted card says what the registration says, so a change of it moves modified_at; another address, another card.
const REPLACE: Statement = {
  name: 'agents.replace',
  write: true,
  text: `
with saved as (
  update agents a set registration = $3::text::jsonb, credentials = $4, provisioned = $5,
    modified_at = case when a.registration = $3::text::jsonb then a.modified_at else now() end,
    card = case when a.registration -> 'connector' = $3::text::jsonb -> 'connector' then a.card end,
    identity = case when a.registration -> 'connector' = $3::text::jsonb -> 'connector' then a.identity end,
    pending = case when a.registration -> 'connector' = $3::text::jsonb -> 'connector' then a.pending end,
    card_problem = null,
    card_fetched_at = case when a.registration -> 'connector' = $3::text::jsonb -> 'connector'
      and a.registration -> 'signatures' is not distinct from $3::text::jsonb -> 'signatures' then a.card_fetched_at end
  where a.tenant = $1 and a.name = $2 and (a.owner = $6 or $7::boolean)
  returning a.*
), ${noting('saved', 8)}
select ${columnsOf('a')} from saved a`,
}

/** undefined: there is none, or it is another owner's. `anyOwner`: an operator's hand. */
export async function replaceAgent(
  db: Db,
  agent: NewAgent,
  { anyOwner, note }: { anyOwner: boolean; note: AuditNote },
): Promise<AgentRow | undefined> {
  const { tenant, name, owner, registration, credentials, provisioned } = agent
  const values = [tenant, name, JSON.stringify(registration), credentials, provisioned, owner, anyOwner]
  return (await db.query<AgentRow>(REPLACE, [...values, ...auditValues(note)]))[0]
}

const PAUSE: Statement = {
  name: 'agents.pause',
  write: true,
  text: `
with saved as (
  update agents a set paused_at = case when $3::boolean then coalesce(a.paused_at, now()) end, paused_reason = $4
  where a.tenant = $1 and a.name = $2 returning a.*
), ${noting('saved', 5)}
select ${columnsOf('a')} from saved a`,
}

/** Pauses (or, with `paused: false`, resumes). undefined: there is no such agent. */
export const pauseAgent = async (
  db: Db,
  { tenant, name, paused, reason }: { tenant: string; name: string; paused: boolean; reason: string | null },
  note: AuditNote,
): Promise<AgentRow | undefined> =>
  (await db.query<AgentRow>(PAUSE, [tenant, name, paused, reason, ...auditValues(note)]))[0]

const REMOVE: Statement = {
  name: 'agents.remove',
  write: true,
  text: `
with gone as (
  delete from agents a where a.tenant = $1 and a.name = $2
    and ($3::boolean or not exists (select 1 from deliveries d where d.tenant = $1 and d.destination = 'agent:' || $2::text and d.state = 0 and d.priority <> ${QUIET})
      and not exists (select 1 from deliveries d where d.tenant = $1 and d.destination = 'agent:' || $2::text and d.state = 1))
  returning a.tenant, a.name
), lane as (
  delete from lanes l using gone g where l.tenant = g.tenant and l.destination = 'agent:' || g.name
), keys as (
  update api_keys k set revoked_at = now() from gone g
  where k.tenant = g.tenant and k.caller = 'agent:' || g.name and k.kind = 'agent' and k.revoked_at is null
), ${noting('gone', 4)}
select name from gone`,
}

/** Removes the agent, what is known of its lane, and its tokens. false: there is none, or it is still owed something and not `force`. */
export const removeAgent = async (
  db: Db,
  { tenant, name, force }: { tenant: string; name: string; force: boolean },
  note: AuditNote,
): Promise<boolean> => (await db.query(REMOVE, [tenant, name, force, ...auditValues(note)])).length === 1

const RELEASE: Statement = {
  name: 'agents.release',
  write: true,
  text: `
with freed as (
  update agents a set provisioned = false where a.tenant = $1 and a.provisioned and a.name <> all($2::text[]) returning a.tenant, a.name
), ${noting('freed', 3)}
select name from freed`,
}

/** Agents that are no longer in the folder stay, and can be changed and removed like any other. Answers their names. */
export const releaseProvisioned = async (
  db: Db,
  tenant: string,
  keep: readonly string[],
  note: AuditNote,
): Promise<string[]> =>
  (await db.query<{ name: string }>(RELEASE, [tenant, arrayLiteral(keep), ...auditValues(note)])).map(
    ({ name }) => name,
  )

export interface AgentQuery {
  /** undefined: of all tenants. */
  readonly tenant?: string
  /** Part of the name, the description or a skill. */
  readonly q?: string
  /** A skill's id or name. */
  readonly skill?: string
  readonly tag?: string
  readonly visibility?: 'public' | 'private'
  /** Only these. */
  readonly names?: readonly string[]
  /** Continue after this name. */
  readonly after?: string
  readonly limit: number
}

// One page reads as many agents as it must; a tenant has at most thousands, and this is no hot path.
const LIST: Statement = {
  name: 'agents.list',
  write: false,
  text: `
select ${columnsOf('a')} from agents a
cross join lateral (select coalesce(a.card, a.registration) as c) v
where ($1::text is null or a.tenant = $1) and ($2::text is null or a.name > $2)
  and ($3::text is null or a.name like $3 or v.c ->> 'name' ilike $3 or v.c ->> 'description' ilike $3 or (v.c -> 'skills')::text ilike $3)
  and ($4::text is null or exists (select 1 from jsonb_array_elements(case when jsonb_typeof(v.c -> 'skills') = 'array' then v.c -> 'skills' else '[]' end) s
    where lower(s ->> 'id') = lower($4) or lower(s ->> 'name') = lower($4)))
  and ($5::text is null or exists (select 1 from jsonb_array_elements(case when jsonb_typeof(v.c -> 'skills') = 'array' then v.c -> 'skills' else '[]' end) s
    where s -> 'tags' @> jsonb_build_array($5::text)))
  and ($6::text is null or coalesce(a.registration ->> 'visibility', case a.tenant when '${DEFAULT_TENANT}' then 'public' else 'private' end) = $6)
  and ($7::text[] is null or a.name = any($7::text[]))
order by a.name limit $8`,
}

const like = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/** By name. */
export const listAgents = (db: Db, query: AgentQuery): Promise<AgentRow[]> =>
  db.query<AgentRow>(LIST, [
    query.tenant ?? null,
    query.after ?? null,
    query.q === undefined ? null : like(query.q.toLowerCase()),
    query.skill ?? null,
    query.tag ?? null,
    query.visibility ?? null,
    query.names ? arrayLiteral(query.names) : null,
    query.limit,
  ])
