/** Queues as operators and metrics see them, and what became of webhooks. Reads only, each bounded. */
import { type LanePlace, QUIET } from '../delivery.ts'
import { columns } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import type { AttemptRow, LaneRow } from './inspect.ts'
import { TENANTS } from './tenants.ts'

const ms = (column: string, name: string): string => `(extract(epoch from ${column}) * 1000)::float8 as "${name}"`

export interface QueueRow extends LaneRow {
  readonly destination: string
  /** Up to COUNT_MAX if not asked otherwise; counting further costs more than the number is worth. */
  readonly waiting: number
  readonly leased: number
  /** When the oldest waiting one was made, milliseconds since 1970. */
  readonly oldestAt: number | null
  readonly now: number
  /** Of an agent that collects: when it last took, renewed or settled. */
  readonly workedAt: number | null
}
export const COUNT_MAX = 100_000

const QUEUES: Statement = {
  name: 'queues.read',
  write: false,
  text: `select w.destination, q.waiting, r.leased, ${ms('q.oldest', 'oldestAt')}, ${ms('l.closed_at', 'closedAt')}, l.reason, coalesce(l.failures, 0) as failures,
  ${ms('l.probe_at', 'probeAt')}, ${ms('l.seen_at', 'seenAt')}, ${ms('l.worked_at', 'workedAt')}, ${ms('now()', 'now')}
from unnest($1::text[], $2::text[]) with ordinality as w (tenant, destination, no)
cross join lateral (select count(*)::int as waiting, min(created_at) as oldest from (select d.created_at from deliveries d
  where d.tenant = w.tenant and d.destination = w.destination and d.state = 0 and d.priority <> ${QUIET} limit $3::int) k) q
cross join lateral (select count(*)::int as leased from deliveries d where d.tenant = w.tenant and d.destination = w.destination and d.state = 1) r
left join lanes l on l.tenant = w.tenant and l.destination = w.destination
order by w.no`,
}

/** One row for each, in their order. `countMax`: how far what waits is counted. */
export const readQueues = (
  db: Db,
  lanes: readonly LanePlace[],
  { countMax = COUNT_MAX }: { countMax?: number } = {},
): Promise<QueueRow[]> =>
  lanes.length === 0
    ? Promise.resolve([])
    : db.query<QueueRow>(QUEUES, [...columns(lanes, ['tenant', 'destination']), countMax])

const TOTALS: Statement = {
  name: 'queues.totals',
  write: false,
  text: `select (select count(*)::int from (select 1 from deliveries where state in (3, 5) limit ${COUNT_MAX}) k) as dead,
  (select count(*)::int from lanes where closed_at is not null) as "lanesClosed",
  (select count(*)::int from replicas where until > now()) as replicas,
  (select extract(epoch from now() - min(o.created_at))::float8 from (${TENANTS}) t
    cross join lateral (select created_at from tasks where tenant = t.tenant order by id limit 1) o) as "oldestSeconds"`,
}
export interface Totals {
  readonly dead: number
  readonly lanesClosed: number
  readonly replicas: number
  /** Age of the oldest task; null: there is none. */
  readonly oldestSeconds: number | null
}
/** Over all tenants. */
export const readTotals = async (db: Db): Promise<Totals> =>
  (await db.query<Totals>(TOTALS, []))[0] ?? { dead: 0, lanesClosed: 0, replicas: 0, oldestSeconds: null }

export interface WebhookRow {
  readonly id: string
  readonly taskId: string
  readonly agent: string
  readonly caller: string
  readonly url: string
  readonly createdAt: number
  readonly disabledAt: number | null
  readonly disabledReason: string | null
  readonly delivered: number
  readonly waiting: number
  readonly dead: number
  readonly lastAt: number | null
  readonly lastOutcome: string | null
  readonly lastStatus: number | null
}

// Ids of tasks are in the order of time, so the newest configs come first, by the primary key alone.
const WEBHOOKS: Statement = {
  name: 'webhooks.list',
  write: false,
  text: `select p.id, p.task_id::text as "taskId", t.agent, t.caller, p.url, ${ms('p.created_at', 'createdAt')}, ${ms('p.disabled_at', 'disabledAt')},
  p.disabled_reason as "disabledReason", f.delivered, f.waiting, f.dead, ${ms('a.ended_at', 'lastAt')}, a.outcome as "lastOutcome", a.status as "lastStatus"
from push_configs p join tasks t on t.tenant = p.tenant and t.id = p.task_id
cross join lateral (select count(*) filter (where d.state = 2)::int as delivered, count(*) filter (where d.state in (0, 1))::int as waiting,
  count(*) filter (where d.state in (3, 5))::int as dead
  from deliveries d where d.tenant = p.tenant and d.task_id = p.task_id and d.id <> d.task_id and d.config_id = p.id) f
left join lateral (select x.ended_at, x.outcome, x.status from attempts x
  where x.tenant = p.tenant and x.task_id = p.task_id and x.destination = p.destination order by x.ended_at desc limit 1) a on true
where p.tenant = $1 and ($2::text is null or t.caller = $2) and ($3::uuid is null or p.task_id = $3::uuid)
  and ($4::uuid is null or (p.task_id, p.id) < ($4::uuid, $5::text))
order by p.task_id desc, p.id desc limit $6`,
}
export interface WebhookQuery {
  readonly tenant: string
  readonly caller?: string
  readonly taskId?: string
  readonly before?: { readonly taskId: string; readonly id: string }
  readonly limit: number
}
/** Push configurations, newest task first, and how their receivers took it. Never their secrets. */
export const listWebhooks = (db: Db, { tenant, caller, taskId, before, limit }: WebhookQuery): Promise<WebhookRow[]> =>
  db.query<WebhookRow>(WEBHOOKS, [
    tenant,
    caller ?? null,
    taskId ?? null,
    before?.taskId ?? null,
    before?.id ?? null,
    limit,
  ])

export interface WebhookAttempt extends AttemptRow {
  readonly lease: string
  readonly configId: string | null
  readonly sequence: number
}
const WEBHOOK_ATTEMPTS: Statement = {
  name: 'webhooks.attempts',
  write: false,
  text: `select a.delivery_id::text as "deliveryId", a.task_id::text as "taskId", a.destination, a.attempt, ${ms('a.ended_at', 'endedAt')},
  a.duration_ms as "durationMs", a.outcome, a.status, a.code, a.reason, a.lease::text, d.config_id as "configId", d.seq as sequence
from attempts a join deliveries d on d.tenant = a.tenant and d.id = a.delivery_id join tasks t on t.tenant = a.tenant and t.id = a.task_id
where a.tenant = $1 and d.kind = 'webhook' and ($2::text is null or t.caller = $2) and ($3::uuid is null or a.task_id = $3::uuid)
  and ($4::text is null or a.outcome = $4) and ($5::uuid is null or (a.delivery_id, a.lease) < ($5::uuid, $6::uuid))
order by a.delivery_id desc, a.lease desc limit $7`,
}
export interface AttemptQuery {
  readonly tenant: string
  readonly caller?: string
  readonly taskId?: string
  readonly outcome?: string
  readonly before?: { readonly deliveryId: string; readonly lease: string }
  readonly limit: number
}
/** By delivery, the newest first. */
export const listWebhookAttempts = (db: Db, query: AttemptQuery): Promise<WebhookAttempt[]> =>
  db.query<WebhookAttempt>(WEBHOOK_ATTEMPTS, [
    query.tenant,
    query.caller ?? null,
    query.taskId ?? null,
    query.outcome ?? null,
    query.before?.deliveryId ?? null,
    query.before?.lease ?? null,
    query.limit,
  ])
