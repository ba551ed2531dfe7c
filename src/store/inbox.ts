/** Looking at mailboxes without taking anything: for lists, for those who wait, for hints. Reads, each bounded; and who was seen. */
import { HELD, QUIET } from '../delivery.ts'
import { arrayLiteral, columns } from './arrays.ts'
import { skillNeedle } from './collect.ts'
import type { Db, Statement } from './db.ts'

export interface Mailbox {
  readonly tenant: string
  readonly destination: string
}

export interface DueMail extends Mailbox {
  /** Due and waiting, counted up to DUE_COUNT_MAX; some may be behind what is in hand. */
  readonly due: number
  /** The most urgent of them: 0 urgent … 3 low; null: none. */
  readonly level: number | null
  /** Results that wait and wake nobody. */
  readonly results: number
}
/** Counting further costs more than the number is worth. */
export const DUE_COUNT_MAX = 1_000

const DUE: Statement = {
  name: 'inbox.due',
  write: false,
  text: `select w.tenant, w.destination, coalesce(sum(k.due) filter (where k.level < ${QUIET}), 0)::int as due,
  (min(k.level) filter (where k.level < ${QUIET}))::int as level, coalesce(sum(k.due) filter (where k.level = ${QUIET}), 0)::int as results
from unnest($1::text[], $2::text[]) as w (tenant, destination)
cross join (values (0), (1), (2), (3), (${QUIET})) as p (level)
cross join lateral (select count(*) as due, p.level from (select 1 from deliveries d
  where d.tenant = w.tenant and d.destination = w.destination and d.state = 0 and d.priority = p.level and d.due_at <= now()
  limit ${DUE_COUNT_MAX}) x) k
where k.due > 0
group by w.tenant, w.destination`,
}

/** Those of these mailboxes that have something due: one statement for all who wait in this process. */
export const dueMail = (db: Db, watched: readonly Mailbox[]): Promise<DueMail[]> =>
  watched.length === 0 ? Promise.resolve([]) : db.query<DueMail>(DUE, columns(watched, ['tenant', 'destination']))

export interface HeldSign extends Mailbox {
  readonly delivery: string
  readonly taskId: string
  readonly cancelWanted: boolean
  /** Further messages of the sender to the same task. */
  readonly pending: number
}

const SIGNS: Statement = {
  name: 'inbox.signs',
  write: false,
  text: `select * from (
  select d.tenant, d.destination, d.id::text as delivery, d.task_id::text as "taskId", t.cancel_at is not null as "cancelWanted",
    (select count(*)::int from deliveries n where n.tenant = d.tenant and n.task_id = d.task_id and n.id <> n.task_id and n.id <> d.id
      and n.kind = 'mailbox' and n.state = 0) as pending
  from unnest($1::text[], $2::text[]) as w (tenant, destination)
  join deliveries d on d.tenant = w.tenant and d.destination = w.destination and d.state = 1 and d.kind = 'mailbox'
  join tasks t on t.tenant = d.tenant and t.id = d.task_id) s
where "cancelWanted" or pending > 0 limit 10000`,
}

/** What holders of leases should know: their caller wants to cancel, or has said more. */
export const heldSigns = (db: Db, watched: readonly Mailbox[]): Promise<HeldSign[]> =>
  watched.length === 0 ? Promise.resolve([]) : db.query<HeldSign>(SIGNS, columns(watched, ['tenant', 'destination']))

export interface CancelDue extends Mailbox {
  readonly id: string
  readonly lease: string
  readonly taskId: string
  readonly agent: string
  readonly contextId: string
  readonly acceptedAt: number
}

// The partial index of what is in flight is small; only mailboxes' rows are looked up further.
const CANCEL_DUE: Statement = {
  name: 'inbox.cancelDue',
  write: false,
  text: `select d.tenant, d.destination, d.id::text, d.lease::text, d.task_id::text as "taskId", t.agent, t.context_id as "contextId",
  (extract(epoch from t.created_at) * 1000)::float8 as "acceptedAt"
from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id
where d.state = 1 and d.kind = 'mailbox'
  and (t.cancel_at < now() - make_interval(secs => $1::float8 / 1000) or t.state in (3, 4, 5, 7)) limit 200`,
}

/** Held although its caller asked to cancel it longer than `graceMs` ago, or its task has ended otherwise. */
export const cancelDue = (db: Db, graceMs: number): Promise<CancelDue[]> => db.query<CancelDue>(CANCEL_DUE, [graceMs])

export interface InboxCursor {
  readonly priority: number
  readonly dueAt: number
  readonly id: string
}
export interface InboxQuery extends Mailbox {
  /** 0 waiting, 1 leased. */
  readonly state: 0 | 1
  readonly level: number
  readonly contextId: string | null
  readonly from: string | null
  /** Indexes in MAIL_KINDS; null: any. */
  readonly kinds: readonly number[] | null
  readonly label: string | null
  readonly skill: string | null
  /** Only what waits for a consent; false: only what does not. */
  readonly held: boolean
  /** Only what has no read mark. */
  readonly unread: boolean
  readonly after: InboxCursor | undefined
  readonly limit: number
}

export interface InboxRow {
  readonly id: string
  readonly state: number
  readonly priority: number
  /** Index in MAIL_KINDS. */
  readonly mailKind: number
  readonly labels: readonly string[] | null
  readonly attempt: number
  readonly createdAt: number
  readonly dueAt: number
  readonly expiresAt: number | null
  readonly leasedUntil: number | null
  readonly worker: string | null
  readonly readAt: number | null
  readonly ackBy: number | null
  readonly taskId: string
  readonly taskState: number
  readonly contextId: string
  readonly caller: string
  /** Who was asked to do it. */
  readonly agent: string
  readonly deadline: number | null
  readonly body: string
  readonly history: string | null
  readonly request: string | null
}

/** One message in an inbox, of the tables in `INBOX_FROM`. */
export const INBOX_COLUMNS = `d.id::text, d.state, d.priority, coalesce(d.mail_kind, 0)::int as "mailKind", to_jsonb(d.labels) as labels, d.attempt, (extract(epoch from d.created_at) * 1000)::float8 as "createdAt",
  (extract(epoch from d.due_at) * 1000)::float8 as "dueAt", (extract(epoch from d.expires_at) * 1000)::float8 as "expiresAt",
  (extract(epoch from d.leased_until) * 1000)::float8 as "leasedUntil", d.worker, d.task_id::text as "taskId", t.state as "taskState",
  t.context_id as "contextId", t.caller, t.agent, (extract(epoch from t.deadline) * 1000)::float8 as deadline, e.body, e.history, e.request,
  (extract(epoch from d.read_at) * 1000)::float8 as "readAt", (extract(epoch from d.ack_by) * 1000)::float8 as "ackBy"`
export const INBOX_FROM = `from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id
join task_events e on e.tenant = d.tenant and e.task_id = d.task_id and e.seq = d.seq`

const LIST: Statement = {
  name: 'inbox.list',
  write: false,
  text: `select ${INBOX_COLUMNS}
${INBOX_FROM}
where d.tenant = $1 and d.destination = $2 and d.state = $3::smallint and case when $14::boolean then d.priority >= ${HELD} else d.priority <= $4::smallint end
  and (not $15::boolean or d.read_at is null) and ($5::text is null or t.context_id = $5) and ($6::text is null or $6 = case d.kind when 'result' then 'agent:' || t.agent else t.caller end)
  and ($7::int is null or (d.priority, d.due_at, d.id) > ($7::smallint, to_timestamp($8::float8 / 1000), $9::uuid))
  and ($11::smallint[] is null or coalesce(d.mail_kind, 0) = any($11::smallint[])) and ($12::text is null or $12 = any(d.labels))
  and ($13::text is null or strpos(e.body || coalesce(e.history, '') || coalesce(e.request, ''), $13) > 0)
order by d.priority, d.due_at, d.id limit $10`,
}

/** In the order in which they would be taken. Changes nothing. */
export const listInbox = (db: Db, q: InboxQuery): Promise<InboxRow[]> =>
  db.query<InboxRow>(LIST, [
    q.tenant,
    q.destination,
    q.state,
    q.level,
    q.contextId,
    q.from,
    q.after?.priority ?? null,
    q.after?.dueAt ?? null,
    q.after?.id ?? null,
    q.limit,
    q.kinds === null ? null : arrayLiteral(q.kinds),
    q.label,
    skillNeedle(q.skill),
    q.held,
    q.unread,
  ])

const TASK_BYTES: Statement = {
  name: 'events.bytes',
  write: false,
  text: 'select coalesce(sum(octet_length(body)), 0)::float8 as bytes from task_events where tenant = $1 and task_id = $2::uuid',
}

/** How much a task's log holds. The lengths stand in the rows; no body is read. */
export async function taskBytes(db: Db, tenant: string, taskId: string): Promise<number> {
  const [row] = await db.query<{ bytes: number }>(TASK_BYTES, [tenant, taskId])
  return row?.bytes ?? 0
}
