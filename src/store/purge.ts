/**
 * Retention (P27): what has ended long ago and is owed to nobody goes, with all that is its own.
 *
 * Narrow: a task's own state is final, so that seeing it ended once is enough; what can still change is a delivery, which
 * an operator may replay. Deliveries are therefore locked and judged again after the lock, and counted against what the
 * statement has seen: one that somebody has replayed meanwhile is missing, and its task stays. What others hold locked
 * is passed over until the next walk, so nobody waits for a purge and a purge waits for nobody.
 */
import { columns } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import { FORGET, OWED } from './forget.ts'
import { TENANTS } from './tenants.ts'

const HAVING: Statement = { name: 'purge.tenants', write: false, text: TENANTS }

/** Tenants that have tasks. */
export const tenantsWithTasks = async (db: Db): Promise<string[]> =>
  (await db.query<{ tenant: string }>(HAVING, [])).map(({ tenant }) => tenant)

const TURN: Statement = {
  name: 'purge.turn',
  write: false,
  text: 'select id::text from replicas where until > now() order by id limit 1',
}

/** Of the replicas that live the oldest does what one must do for all. */
export const isOldestReplica = async (db: Db, id: string): Promise<boolean> =>
  (await db.query<{ id: string }>(TURN, []))[0]?.id === id

const long = (parameter: string) => `now() - make_interval(secs => ${parameter}::float8)`
const ENDED = (t: string) => `${t}.state in (3, 4, 5, 7) and ${t}.status_at < ${long('$4')}`
/** Nothing will come of it any more, and nobody has to look at it: done, void, dead for long, or a result that nobody came for. */
const SETTLED = `(d.state in (2, 4) or (d.state in (3, 5) and coalesce(d.settled_at, d.created_at) < ${long('$5')})
  or (d.state = 0 and d.kind = 'result' and d.expires_at < now()))`

// A child goes no sooner than its parent might: the parent tells of it, and counts it. What a task weighs is what is to be
// removed with it; webhooks are as many again as its events, several times.
const PURGE: Statement = {
  name: 'tasks.purge',
  write: true,
  text: `
with page as materialized (
  select id from (
    select id, sum(weight) over (order by id rows unbounded preceding) - weight as before from (
      select id, last_seq::bigint * case when has_push then 4 else 1 end as weight from tasks
      where tenant = $1 and id > $2::uuid and id <= $3::uuid order by id limit $6::int) w) x
  where before < $7::bigint
), ripe as materialized (
  select t.id from tasks t
  where t.tenant = $1 and t.id = any(array(select id from page)) and ${ENDED('t')}
    and not exists (select 1 from task_children k where k.tenant = $1 and k.parent_id = t.id and k.outcome is null)
    and not exists (select 1 from task_children k join tasks p on p.tenant = k.tenant and p.id = k.parent_id
      where k.tenant = $1 and k.child_id = t.id and (k.outcome is null or not (${ENDED('p')})))
), ${OWED('ripe', `, ${SETTLED} as settled`)}, clean as materialized (
  select id from ripe except select task_id from owed where not settled
), held as materialized (
  select d.id from deliveries d
  where d.tenant = $1 and d.id = any(array(select o.id from owed o join clean c on c.id = o.task_id)) and ${SETTLED}
  for update skip locked
), ended as materialized (
  select t.id from tasks t where t.tenant = $1 and t.id = any(array(select id from clean)) and ${ENDED('t')} for update skip locked
), doomed as materialized (
  select id from ended except select o.task_id from owed o left join held h on h.id = o.id where h.id is null
), ${FORGET}
select (select count(*)::int from page) as looked, (select id::text from page order by id desc limit 1) as last,
  (select string_agg(id::text, ' ' order by id) from gone) as gone,
  (select id::text from page where id not in (select id from doomed) order by id limit 1) as kept`,
}

export interface PurgeQuery {
  readonly tenant: string
  /** Walks on from behind this task, up to that one. */
  readonly after: string
  readonly upTo: string
  /** How long what has ended is kept, and what is dead; seconds. */
  readonly keepSeconds: number
  readonly keepDeadSeconds: number
  /** Tasks that are looked at, and rows that are removed with them (about; one task is always taken whole). */
  readonly tasksMax: number
  readonly rowsMax: number
}
export interface Purged {
  readonly looked: number
  /** The last task that was looked at; null: there was none. */
  readonly last: string | null
  /** What is gone now. */
  readonly gone: readonly string[]
  /** The first of those that stay. */
  readonly kept: string | null
}

/** One page of the walk, oldest task first. */
export async function purgeTasks(db: Db, q: PurgeQuery): Promise<Purged> {
  type Row = Omit<Purged, 'gone'> & { gone: string | null }
  const values = [q.tenant, q.after, q.upTo, q.keepSeconds, q.keepDeadSeconds, q.tasksMax, q.rowsMax]
  const [row] = await db.query<Row>(PURGE, values)
  return { looked: 0, last: null, kept: null, ...row, gone: row?.gone ? row.gone.split(' ') : [] }
}

const NEXT: Statement = {
  name: 'purge.next',
  write: false,
  text: 'select id::text from tasks where tenant = $1 and id > $2::uuid and id <= $3::uuid order by id limit 1',
}
/** The first task that the next page would look at; null: there is none. */
export const nextTask = async (db: Db, tenant: string, after: string, upTo: string): Promise<string | null> =>
  (await db.query<{ id: string }>(NEXT, [tenant, after, upTo]))[0]?.id ?? null

const EXISTING: Statement = {
  name: 'tasks.existing',
  write: false,
  text: `select t.id::text from unnest($1::text[], $2::uuid[]) as w (tenant, id) join tasks t on t.tenant = w.tenant and t.id = w.id`,
}
/** Which of these are there; their ids. */
export const existingTasks = async (
  db: Db,
  asked: readonly { readonly tenant: string; readonly taskId: string }[],
): Promise<string[]> =>
  (await db.query<{ id: string }>(EXISTING, columns(asked, ['tenant', 'taskId']))).map(({ id }) => id)

const FLUSH: Statement = { name: 'purge.flush', write: false, text: 'select pg_stat_force_next_flush()' }
// Autovacuum's own measure.
const LITTERED: Statement = {
  name: 'purge.littered',
  write: false,
  text: `select s.relname as "table" from pg_stat_user_tables s join pg_class c on c.oid = s.relid
where s.schemaname = 'public' and s.n_dead_tup > 1000 + greatest(c.reltuples, 0) / 5`,
}

/** Makes room of what is gone. Postgres does so by itself (autovacuum); the embedded database has nobody who does. */
export async function vacuum(db: Db): Promise<void> {
  await db.query(FLUSH, [])
  for (const { table } of await db.query<{ table: string }>(LITTERED, []))
    await db.query({ name: 'purge.vacuum', write: false, text: `vacuum analyze "${table}"` }, [])
}

const TIDY: readonly Statement[] = [
  {
    name: 'lanes.tidy',
    write: true,
    text: `delete from lanes l using (
  select tenant, destination from lanes where destination like 'webhook:%' and coalesce(greatest(seen_at, closed_at, probe_at), '-infinity') < now() - interval '1 day'
    and not exists (select 1 from deliveries d where d.tenant = lanes.tenant and d.destination = lanes.destination and d.state = 0)
  limit 1000 for update skip locked) k
where l.tenant = k.tenant and l.destination = k.destination`,
  },
  {
    name: 'webhookProofs.tidy',
    write: true,
    text: `delete from webhook_proofs p using (
  select tenant, place from webhook_proofs
  where coalesce(proved_until, '-infinity') < now() - interval '30 days' and coalesce(challenged_at, '-infinity') < now() - interval '30 days'
  limit 1000 for update skip locked) k
where p.tenant = k.tenant and p.place = k.place`,
  },
  {
    name: 'webhookHosts.tidy',
    write: true,
    text: `delete from webhook_hosts h using (
  select host from webhook_hosts where challenged_at < now() - interval '1 day' limit 1000 for update skip locked) k
where h.host = k.host`,
  },
  {
    name: 'keys.tidy',
    write: true,
    text: `delete from api_keys a using (
  select id from api_keys where least(revoked_at, expires_at) < now() - make_interval(secs => $1::float8) limit 1000 for update skip locked) k
where a.id = k.id`,
  },
]

/** What says nothing any more: lanes of receivers that nothing waits for, proofs and challenges of long ago, keys that ended (`keepSeconds` ago). */
export async function tidy(db: Db, keepSeconds: number): Promise<void> {
  for (const statement of TIDY) await db.query(statement, statement.name === 'keys.tidy' ? [keepSeconds] : [])
}
