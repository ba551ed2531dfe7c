/** What an agent says that it has looked at, and what has come since it last looked. Nothing of it takes anything. */
import { HELD } from '../delivery.ts'
import { arrayLiteral, columns } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import { INBOX_COLUMNS, INBOX_FROM, type InboxRow, type Mailbox } from './inbox.ts'
import { TOLD, UNACKNOWLEDGED } from './results.ts'

const MARK: Statement = {
  name: 'inbox.mark',
  write: true,
  text: `update deliveries d set read_at = case when $4::boolean then coalesce(d.read_at, now()) end
where d.tenant = $1 and d.id = any($3::uuid[]) and d.destination = $2 and d.kind in ('mailbox', 'result')
returning d.id::text`,
}

/** Sets or takes back the mark; answers the ids of those that are this mailbox's. */
export const markRead = async (
  db: Db,
  { tenant, destination }: Mailbox,
  ids: readonly string[],
  read: boolean,
): Promise<string[]> =>
  (await db.query<{ id: string }>(MARK, [tenant, destination, arrayLiteral(ids), read])).map(({ id }) => id)

/** Where a watch has come to: a place in the order of arrival, and what was shown of what may still be overtaken. */
export interface WatchCursor {
  /** Microseconds since 1970, by the database's clock. */
  readonly position: number
  readonly seen: readonly { readonly id: string; readonly position: number }[]
}
export interface ArrivedRow extends InboxRow {
  readonly position: number
  /** The database's now, as a position. */
  readonly now: number
}

// By arrival. A statement has its time before it is committed: what is younger than the longest of them may be overtaken,
// so it is looked at again, and left out where it has been shown.
const ARRIVED: Statement = {
  name: 'inbox.arrived',
  write: false,
  text: `select ${INBOX_COLUMNS}, d.position::float8 as position, (extract(epoch from now()) * 1000000)::float8 as now
${INBOX_FROM}
where d.tenant = $1 and d.destination = $2 and d.state = 0 and d.priority <= $3::smallint and d.position > $4::bigint
  and d.id <> all($5::uuid[]) and ($6::smallint[] is null or coalesce(d.mail_kind, 0) = any($6::smallint[]))
  and ($7::text is null or $7 = any(d.labels))
order by d.position, d.id limit $8`,
}
export interface ArrivedQuery extends Mailbox {
  readonly level: number
  readonly kinds: readonly number[] | null
  readonly label: string | null
  readonly after: WatchCursor
  readonly limit: number
}

export const arrivedMail = (db: Db, q: ArrivedQuery): Promise<ArrivedRow[]> =>
  db.query<ArrivedRow>(ARRIVED, [
    q.tenant,
    q.destination,
    q.level,
    Math.floor(q.after.position),
    arrayLiteral(q.after.seen.map(({ id }) => id)),
    q.kinds === null ? null : arrayLiteral(q.kinds),
    q.label,
    q.limit,
  ])

const WITH_KEY: Statement = {
  name: 'inbox.withKey',
  write: false,
  text: `select t.id::text as "taskId", t.context_id as "contextId" from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id
where d.tenant = $1 and d.destination = $2 and d.state = 0 and d.dedupe_key is not null and d.dedupe_key = $3 and d.id = d.task_id
  and t.caller = $4 and d.id < $5::uuid
order by d.id limit $6`,
}
/** Tasks of this sender that wait under the same key and are older. */
export const waitingWithKey = (
  db: Db,
  q: Mailbox & { dedupeKey: string; caller: string; newest: string; limit: number },
): Promise<{ taskId: string; contextId: string }[]> =>
  db.query(WITH_KEY, [q.tenant, q.destination, q.dedupeKey, q.caller, q.newest, q.limit])

const REMIND: Statement = {
  name: 'inbox.remind',
  write: true,
  text: `update deliveries d set reminded_at = now(), read_at = null, priority = least(d.priority, 1)
from (select tenant, id from deliveries where state in (0, 1) and ack_by < now() and reminded_at is null and priority < ${HELD} limit $1 for update skip locked) k
where d.tenant = k.tenant and d.id = k.id
returning d.tenant, d.destination, d.id::text as delivery, d.task_id::text as "taskId"`,
}
export interface Overdue extends Mailbox {
  readonly delivery: string
  readonly taskId: string
}
/** What should have been acknowledged by now and was not: once. It goes before what is not urgent from now on. */
export const remindOverdue = (db: Db, limit: number): Promise<Overdue[]> => db.query<Overdue>(REMIND, [limit])

const TELL: Statement = {
  name: 'inbox.tellUnacknowledged',
  write: true,
  text: `
with late as (
  update deliveries d set ack_by = null
  from (select tenant, id from deliveries where state in (0, 1) and ack_by is not null and reminded_at < now() - make_interval(secs => $1::float8 / 1000)
    limit $2 for update skip locked) k
  where d.tenant = k.tenant and d.id = k.id
  returning d.tenant, d.task_id
), head as (
  select t.tenant, t.id, t.caller, t.home, t.last_seq from late l join tasks t on t.tenant = l.tenant and t.id = l.task_id
), ${TOLD('true', UNACKNOWLEDGED)}
select tenant, destination from told`,
}
/** Those who were reminded this long ago and have not answered: their senders are told, if they collect. Answers whose mailboxes. */
export const tellUnacknowledged = (db: Db, graceMs: number, limit: number): Promise<Mailbox[]> =>
  db.query<Mailbox>(TELL, [graceMs, limit])

const SEEN: Statement = {
  name: 'lanes.seenMany',
  write: true,
  text: `insert into lanes (tenant, destination, seen_at, worked_at)
select tenant, destination, now(), case when worked then now() end from unnest($1::text[], $2::text[], $3::boolean[]) as w (tenant, destination, worked)
order by tenant, destination
on conflict (tenant, destination) do update set closed_at = null, reason = null, failures = 0, probe_at = null, seen_at = now(),
  worked_at = coalesce(excluded.worked_at, lanes.worked_at)`,
}

export interface SeenMailbox extends Mailbox {
  /** It took, renewed or settled: the agent itself, and not only what listens for it. */
  readonly worked: boolean
}
/** These agents are there, just now. Each once. */
export const seenMany = async (db: Db, mailboxes: readonly SeenMailbox[]): Promise<void> => {
  if (mailboxes.length > 0) await db.query(SEEN, columns(mailboxes, ['tenant', 'destination', 'worked']))
}
