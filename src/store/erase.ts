/**
 * Everything of one caller, or of a whole tenant, is removed; of the audit nothing, where by design only ids stand. Each
 * statement takes a bounded part and can be said again: who was interrupted begins anew and finds less.
 */
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'
import { FORGET, OWED } from './forget.ts'

/** Whose: one caller's of the tenant, or (undefined) everybody's. */
export interface Principal {
  readonly tenant: string
  readonly caller?: string | undefined
}

// For each of the two a statement, so that each walks the index that fits.
const both = (name: string, write: boolean, text: (who: string) => string) => ({
  one: { name: `${name}One`, write, text: text('caller = $2') } satisfies Statement,
  all: { name: `${name}All`, write, text: text('$2::text is null') } satisfies Statement,
})
type Both = ReturnType<typeof both>
const chosen = ({ one, all }: Both, { caller }: Principal): Statement => (caller === undefined ? all : one)

const COUNT = both(
  'erase.count',
  false,
  (who) => `select count(*)::int as tasks, (count(*) filter (where state in (0, 1, 2, 6, 8)))::int as open
from (select state from tasks where tenant = $1 and ${who} limit $3) t`,
)
export interface TaskCount {
  readonly tasks: number
  readonly open: number
}
/** How many tasks there are, and how many of them have not ended; counted up to `max`. */
export const countTasks = async (db: Db, who: Principal, max: number): Promise<TaskCount> =>
  (await db.query<TaskCount>(chosen(COUNT, who), [who.tenant, who.caller ?? null, max]))[0] ?? { tasks: 0, open: 0 }

const OPEN = both(
  'erase.open',
  false,
  (
    who,
  ) => `select id::text, agent, caller, context_id as "contextId", (extract(epoch from created_at) * 1000)::float8 as "createdAt"
from tasks where tenant = $1 and ${who} and state in (0, 1, 2, 6, 8) limit $3`,
)
export interface OpenTask {
  readonly id: string
  readonly agent: string
  readonly caller: string
  readonly contextId: string
  readonly createdAt: number
}
export const openTasks = (db: Db, who: Principal, limit: number): Promise<OpenTask[]> =>
  db.query<OpenTask>(chosen(OPEN, who), [who.tenant, who.caller ?? null, limit])

// What is still owed goes, too: who holds a lease of it finds it lost.
const ERASE = both(
  'tasks.erase',
  true,
  (who) => `
with doomed as materialized (
  select id from (
    select id, sum(weight) over (order by id rows unbounded preceding) - weight as before from (
      select id, last_seq::bigint * case when has_push then 4 else 1 end as weight from tasks
      where tenant = $1 and ${who} and state in (3, 4, 5, 7) limit $3::int for update skip locked) w) x
  where before < $4::bigint
), ${OWED('doomed')}, ${FORGET}
select id::text from gone`,
)
/** Removes tasks that have ended, whatever is still owed of them; answers which. */
export const eraseTasks = async (
  db: Db,
  who: Principal,
  { tasksMax, rowsMax }: { tasksMax: number; rowsMax: number },
): Promise<string[]> =>
  (await db.query<{ id: string }>(chosen(ERASE, who), [who.tenant, who.caller ?? null, tasksMax, rowsMax])).map(
    ({ id }) => id,
  )

const LOCK_OUT: Statement = {
  name: 'erase.lockOut',
  write: true,
  text: `update api_keys set revoked_at = now()
where tenant = $1 and ($2::text is null or caller = $2) and caller <> $3 and revoked_at is null returning id`,
}
/** Their keys open no more, but for those of who erases: it may have to ask again. Answers which. */
export const lockOut = async (db: Db, who: Principal, by: string): Promise<string[]> =>
  (await db.query<{ id: string }>(LOCK_OUT, [who.tenant, who.caller ?? null, by])).map(({ id }) => id)

const NAMES = (name: string, table: string, more = ''): Statement => ({
  name,
  write: false,
  text: `select name from ${table} where tenant = $1 and ($2::text is null or owner = $2)${more} order by name limit 100`,
})
const AGENTS = NAMES('erase.agents', 'agents', ' and not provisioned')
const CHANNELS = NAMES('erase.channels', 'channels')
const named = async (db: Db, statement: Statement, who: Principal): Promise<string[]> =>
  (await db.query<{ name: string }>(statement, [who.tenant, who.caller ?? null])).map(({ name }) => name)
/** Agents that are theirs, but for those that stand in a file. A hundred at a time. */
export const ownAgents = (db: Db, who: Principal): Promise<string[]> => named(db, AGENTS, who)
export const ownChannels = (db: Db, who: Principal): Promise<string[]> => named(db, CHANNELS, who)

const WIPED = [
  ...['task_children', 'parents', 'task_events', 'deliveries', 'submissions', 'attempts', 'push_configs'],
  ...['channel_posts', 'channel_members', 'channels', 'contacts', 'lanes', 'webhook_proofs', 'api_keys'],
] as const
const WIPE: readonly Statement[] = WIPED.map((table) => ({
  name: `erase.${table}`,
  write: true,
  text: `delete from ${table} where ctid = any(array(select ctid from ${table} where tenant = $1 limit 5000)) returning 1`,
}))
const HOSTS: Statement = {
  name: 'erase.webhookHosts',
  write: true,
  text: 'delete from webhook_hosts h where not exists (select 1 from webhook_proofs p where p.host = h.host)',
}
/** Whatever else has the tenant's name on it, its keys last. */
async function wipeTenant(db: Db, tenant: string): Promise<void> {
  for (const statement of WIPE) while ((await db.query(statement, [tenant])).length > 0);
  await db.query(HOSTS, [])
}

const TRACES: readonly Statement[] = [
  { name: 'erase.contacts', write: true, text: 'delete from contacts where tenant = $1 and contact = $2' },
  {
    name: 'erase.decisions',
    write: true,
    text: `update contacts set decided_by = '' where tenant = $1 and decided_by = $2`,
  },
  {
    name: 'erase.visits',
    write: true,
    text: 'delete from channel_members where tenant = $1 and by = $2 and not agent',
  },
  { name: 'erase.invitations', write: true, text: `update channel_members set by = '' where tenant = $1 and by = $2` },
  {
    name: 'erase.receivers',
    write: true,
    text: `delete from lanes l where l.tenant = $1 and $2::text is not null and l.destination like 'webhook:%'
  and not exists (select 1 from push_configs p where p.tenant = l.tenant and p.destination = l.destination)`,
  },
  {
    name: 'erase.makers',
    write: true,
    text: `update api_keys set created_by = '' where tenant = $1 and created_by = $2 and caller <> $2`,
  },
  { name: 'erase.keys', write: true, text: 'delete from api_keys where tenant = $1 and caller = $2' },
]

/** What is left of them where their tasks, agents and channels have gone; their keys last. */
export async function wipeRest(db: Db, { tenant, caller }: Principal): Promise<void> {
  if (caller === undefined) return wipeTenant(db, tenant)
  for (const statement of TRACES) await db.query(statement, [tenant, caller])
}

const TOLD: Statement = {
  name: 'erase.told',
  write: true,
  text: `with told as (select $1::text as tenant), ${noting('told', 2)} select 1 from noted`,
}
export const noteErasing = async (db: Db, tenant: string, note: AuditNote): Promise<void> => {
  await db.query(TOLD, [tenant, ...auditValues(note)])
}
