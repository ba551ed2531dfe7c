/**
 * The log: appended to, read. `append` is the one statement through which a task changes after it was opened: log, head,
 * webhooks owed and the delivery that it settles, together or not at all.
 *
 * Fenced: `held` locks the delivery's row and looks at its lease again after the lock, so a lease that was taken over a
 * moment ago is seen. Final: `head` touches no task in a terminal state. Gapless: the sequence is taken from the head's
 * own row, under its lock; of 3,456 appends by concurrent writers none was missed by a reader (with a serial id: 26 %).
 */

import { arrayLiteral, columns, joinJson, splitJson } from './arrays.ts'
import type { Batch } from './batch.ts'
import { createBatch } from './batch.ts'
import type { Db, Statement } from './db.ts'
import { TOLD } from './results.ts'

export interface NewEvent {
  /** 1 a status update, 2 an artifact update. */
  readonly kind: 1 | 2
  /** The canonical StreamResponse, one line. */
  readonly body: string
  readonly history: string | null
}

/** One task's next events, and what becomes of the delivery under whose lease they came. */
export interface TaskChange {
  readonly tenant: string
  readonly taskId: string
  /** The delivery and its lease; null: nobody holds one (a sweep, an operator). */
  readonly deliveryId: string | null
  readonly lease: string | null
  readonly events: readonly NewEvent[]
  /** The number of the state after the last event; null: unchanged. */
  readonly state: number | null
  readonly statusAt: string | null
  readonly upstreamTask: string | null
  readonly upstreamContext: string | null
  /** The delivery's next state (index in DELIVERY_STATES); null: stays leased. */
  readonly settle: number | null
  readonly code: string | null
  readonly reason: string | null
  /** Only if the log ends with this event; otherwise nothing is written and the answer is `final`. */
  readonly expectedSeq?: number | undefined
  /** Kept on the delivery when it is settled. */
  readonly receipt?: string | undefined
}

/**
 * `lease lost`: nothing was written. `final`: no event was added; the task had ended and the delivery is settled as void,
 * or (with `expectedSeq` only) the log has gone on or the task has ended, and the delivery is as it was.
 */
export type Appended =
  | { kind: 'appended'; lastSeq: number; cancelRequested: boolean }
  | { kind: 'final' }
  | { kind: 'lease lost' }

const CHANGE = [
  'tenant',
  'taskId',
  'deliveryId',
  'lease',
  'state',
  'statusAt',
  'upstreamTask',
  'upstreamContext',
  'settle',
  'code',
  'reason',
] as const

// What makes its price grow with the rows and not with their square: each row finds its delivery and its task by primary
// key (`lateral` with a lock is never turned into another join; "state + 0" keeps the small partial indexes out, which a
// planner with old figures prefers), and a task's events are taken from the arrays by their place. `limit` is the number
// of rows and cuts nothing: a planner that does not know it expects one row, and keeps one plan for every batch size
// instead of planning each small batch anew (0.45 ms). For 64 rows 39 µs a task instead of 87, for 18 rows 45 instead of 74.
const APPEND: Statement = {
  name: 'events.append',
  write: true,
  text: `
with change as materialized (
  select * from unnest($1::int[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::smallint[], $7::timestamptz[], $8::text[], $9::text[],
    $10::smallint[], $11::text[], $12::text[], $13::int[], $14::int[], $15::int[], $16::text[], $17::uuid[])
    as c (no, tenant, task_id, delivery_id, lease, state, status_at, upstream_task, upstream_context, settle, code, reason, first, events,
      expected, receipt, seed)
  limit $22::int
), said as materialized (
  select $18::smallint[] as kinds, ${splitJson(19)} as bodies, ${splitJson(20)} as histories
), held as materialized (
  select c.*, d.id is not null as leased from change c left join lateral (
    select id from deliveries
    where tenant = c.tenant and id = c.delivery_id and lease = c.lease and state + 0 = 1
    for update
  ) d on true
), head as (
  update tasks t set
    last_seq = t.last_seq + c.events,
    state = coalesce(c.state, t.state),
    status_at = greatest(t.status_at, c.status_at),
    upstream_task = coalesce(c.upstream_task, t.upstream_task),
    upstream_context = coalesce(c.upstream_context, t.upstream_context)
  from held c
  where t.tenant = c.tenant and t.id = c.task_id and t.state in (0, 1, 2, 6, 8)
    and (c.leased or c.delivery_id is null)
    and (c.expected is null or c.expected = t.last_seq)
  returning c.no, c.first, c.events, c.seed, t.tenant, t.id, t.last_seq, t.has_push, t.cancel_at is not null as cancel, t.caller, t.home,
    c.state as said
), log as (
  insert into task_events (tenant, task_id, seq, kind, body, history)
  select tenant, id, last_seq - events + n, kinds[first + n], bodies[first + n], histories[first + n]
  from head cross join said cross join generate_series(1, events) n
), owed as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
  select h.tenant, (substr(h.seed::text, 1, 24) || substr(md5(h.seed::text || ' ' || p.id || ' ' || n), 1, 12))::uuid, 'webhook', p.destination,
    h.id::text || '/' || p.id, h.last_seq - h.events + n, h.id, h.last_seq - h.events + n, p.id, 0, now() + make_interval(secs => $21::int)
  from head h join push_configs p on p.tenant = h.tenant and p.task_id = h.id cross join generate_series(1, h.events) n
  where h.has_push and p.disabled_at is null
  returning tenant, destination
), ${TOLD('h.said in (3, 4, 5, 6, 7, 8)')}, settled as (
  update deliveries d set
    state = case when c.no in (select no from head) then c.settle else 4 end,
    lease = null, owner = null, leased_until = null, settled_at = now(), code = c.code, reason = c.reason,
    receipt = case when c.no in (select no from head) then coalesce(c.receipt, d.receipt) else d.receipt end
  from held c
  where d.tenant = c.tenant and d.id = c.delivery_id and c.leased and c.settle is not null
    and (c.expected is null or c.no in (select no from head))
)
select c.no, h.last_seq as "lastSeq", h.cancel, (c.leased or c.delivery_id is null) as held,
  (select string_agg(distinct tenant || ' ' || destination, chr(10)) from (select * from owed union all select * from told) o) as owed
from held c left join head h on h.no = c.no`,
}

interface AppendRow {
  no: number
  lastSeq: number | null
  cancel: boolean | null
  held: boolean
  owed: string | null
}

export interface AppendOptions {
  /** How long a webhook is tried. */
  readonly webhookAgeSeconds: number
  readonly newId: () => string
  /** Webhooks and mailboxes that have just got something: `tenant destination`, one a line. */
  readonly onOwed: (lanes: string) => void
}

/** The events of all changes one after another, and where each change's own begin. */
function flatten(changes: readonly TaskChange[]): { first: number[]; flat: NewEvent[] } {
  const first: number[] = []
  const flat: NewEvent[] = []
  for (const { events } of changes) {
    first.push(flat.length)
    for (const event of events) flat.push(event)
  }
  return { first, flat }
}

/** The shared writer of task changes. Not repeatable: after a lost connection the lease may have been settled already. */
export function createAppend(db: Db, options: AppendOptions): Batch<TaskChange, Appended> {
  return createBatch<TaskChange, Appended>({
    name: APPEND.name,
    repeatable: false,
    // Of two changes of one task a statement would make one, and tell the other that the task had ended.
    apart: ({ taskId }) => taskId,
    weigh: (change) => change.events.reduce((bytes, event) => bytes + event.body.length, 200),
    async run(rows) {
      const { first, flat } = flatten(rows)
      const values = [
        arrayLiteral(rows.map((_, index) => index)),
        ...columns(rows, CHANGE),
        arrayLiteral(first),
        arrayLiteral(rows.map((row) => row.events.length)),
        arrayLiteral(rows.map((row) => row.expectedSeq ?? null)),
        arrayLiteral(rows.map((row) => row.receipt ?? null)),
        // What the ids of the webhooks owed begin with. All of it goes into their end as well: of two replicas in one
        // millisecond only chance tells their ids apart, and receivers call their configs alike.
        arrayLiteral(rows.map(() => options.newId())),
        ...columns(flat, ['kind']),
        joinJson(flat.map(({ body }) => body)),
        joinJson(flat.map(({ history }) => history)),
        options.webhookAgeSeconds,
        rows.length,
      ]
      const written = await db.query<AppendRow>(APPEND, values)
      const owed = written[0]?.owed
      if (owed) options.onOwed(owed)
      const outs: Appended[] = []
      for (const { no, lastSeq, cancel, held } of written) {
        outs[no] =
          lastSeq !== null
            ? { kind: 'appended', lastSeq, cancelRequested: cancel === true }
            : held
              ? { kind: 'final' }
              : { kind: 'lease lost' }
      }
      return outs
    },
  })
}

export interface LogRow {
  readonly taskId: string
  readonly seq: number
  readonly kind: number
  readonly body: string
  readonly history: string | null
}

const READ: Statement = {
  name: 'events.read',
  write: false,
  text: `select task_id::text as "taskId", seq, kind, body, history from task_events
where tenant = $1 and task_id = $2 and seq > $3 order by seq limit $4`,
}

/** The events after `after`, in order. */
export const readEvents = (db: Db, tenant: string, taskId: string, after: number, limit: number): Promise<LogRow[]> =>
  db.query<LogRow>(READ, [tenant, taskId, after, limit])

const READ_MANY: Statement = {
  name: 'events.readMany',
  write: false,
  text: `select e.task_id::text as "taskId", e.seq, e.kind, e.body, e.history
from unnest($2::uuid[]) as w (id) join task_events e on e.tenant = $1 and e.task_id = w.id
where $3::boolean or e.kind < 2 order by e.task_id, e.seq`,
}

/** The logs of several tasks; without artifacts where nobody wants them. */
export const readManyEvents = (
  db: Db,
  tenant: string,
  taskIds: readonly string[],
  artifacts: boolean,
): Promise<LogRow[]> =>
  taskIds.length === 0 ? Promise.resolve([]) : db.query<LogRow>(READ_MANY, [tenant, arrayLiteral(taskIds), artifacts])

const READ_AFTER: Statement = {
  name: 'events.readAfter',
  write: false,
  text: `select e.tenant, e.task_id::text as "taskId", e.seq, e.kind, e.body, e.history
from unnest($1::text[], $2::uuid[], $3::int[]) as w (tenant, id, after)
join task_events e on e.tenant = w.tenant and e.task_id = w.id and e.seq > w.after
order by e.task_id, e.seq limit $4`,
}

export interface WatchedTask {
  readonly tenant: string
  readonly taskId: string
  readonly after: number
}

/** What came to the watched tasks since, for all followers of this process at once. */
export const readAfter = (
  db: Db,
  watched: readonly WatchedTask[],
  limit: number,
): Promise<(LogRow & { tenant: string })[]> =>
  db.query<LogRow & { tenant: string }>(READ_AFTER, [...columns(watched, ['tenant', 'taskId', 'after']), limit])
