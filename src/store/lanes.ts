/** A destination's health as all replicas and operators see it; written at transitions and, now and then, at successes. */
import { HELD, type LanePlace, QUIET } from '../delivery.ts'
import { columns } from './arrays.ts'
import type { Db, Statement } from './db.ts'

const CLOSED: Statement = {
  name: 'lanes.closed',
  write: true,
  text: `insert into lanes (tenant, destination, closed_at, reason, failures, probe_at)
values ($1, $2, now(), $3, $4, now() + make_interval(secs => $5::float8 / 1000))
on conflict (tenant, destination) do update set closed_at = coalesce(lanes.closed_at, now()), reason = excluded.reason,
  failures = excluded.failures, probe_at = excluded.probe_at`,
}
export interface ClosedLane {
  readonly tenant: string
  readonly destination: string
  readonly reason: string
  readonly failures: number
  readonly probeInMs: number
}
export const laneClosed = async (db: Db, lane: ClosedLane): Promise<void> => {
  await db.query(CLOSED, [lane.tenant, lane.destination, lane.reason, lane.failures, lane.probeInMs])
}

const SEEN: Statement = {
  name: 'lanes.seen',
  write: true,
  text: `insert into lanes (tenant, destination, seen_at) values ($1, $2, now())
on conflict (tenant, destination) do update set closed_at = null, reason = null, failures = 0, probe_at = null, seen_at = now()`,
}
/** It answered: open, and seen just now. */
export const laneSeen = async (db: Db, tenant: string, destination: string): Promise<void> => {
  await db.query(SEEN, [tenant, destination])
}

const DEPTH: Statement = {
  name: 'deliveries.depth',
  write: false,
  text: `select (select count(*)::int from (select 1 from deliveries d where d.tenant = w.tenant and d.destination = w.destination and d.state = 0
  and d.priority <> ${QUIET} and (d.priority < ${HELD} or $4::boolean) limit $3::int) k) as count
from unnest($1::text[], $2::text[]) with ordinality as w (tenant, destination, no) order by w.no`,
}
/** How much waits for each, counted up to `max`; `all`: also what waits for its consent. Results that wake nobody are not counted. */
export const laneDepths = async (db: Db, lanes: readonly LanePlace[], max: number, all: boolean): Promise<number[]> =>
  (await db.query<{ count: number }>(DEPTH, [...columns(lanes, ['tenant', 'destination']), max, all])).map(
    ({ count }) => count,
  )

export interface DeliveryView {
  readonly taskId: string
  readonly state: number
  readonly attempt: number
  readonly priority: number
  readonly dueAt: number
  readonly expiresAt: number | null
  readonly reason: string | null
  readonly ahead: number
  readonly closedAt: number | null
  readonly probeAt: number | null
  readonly seenAt: number | null
  readonly kind: string
  /** Nothing goes to the agent for now, because an operator said so or must say something. */
  readonly held: boolean
  /** What has changed in its card, if that is why. */
  readonly changes: readonly { readonly what: 'origin' | 'auth' | 'key' }[] | null
}

const VIEW: Statement = {
  name: 'deliveries.view',
  write: false,
  text: `select d.task_id::text as "taskId", d.state, d.attempt, d.priority, (extract(epoch from d.due_at) * 1000)::float8 as "dueAt",
  (extract(epoch from d.expires_at) * 1000)::float8 as "expiresAt", d.reason,
  case when d.state = 0 then (select count(*)::int from (select 1 from deliveries b where b.tenant = d.tenant and b.destination = d.destination
    and b.state = 0 and b.priority = d.priority and (b.due_at, b.id) < (d.due_at, d.id) limit 1000) x) else 0 end as ahead,
  (extract(epoch from l.closed_at) * 1000)::float8 as "closedAt", (extract(epoch from l.probe_at) * 1000)::float8 as "probeAt",
  (extract(epoch from l.seen_at) * 1000)::float8 as "seenAt", d.kind,
  a.paused_at is not null or a.pending is not null as held, a.pending -> 'changes' as changes
from (
  (select * from deliveries where tenant = $1 and id = $2::uuid)
  union all
  (select * from deliveries where tenant = $1 and task_id = $2::uuid and id <> task_id and kind not in ('webhook', 'result'))
) d left join lanes l on l.tenant = d.tenant and l.destination = d.destination
left join agents a on a.tenant = d.tenant and a.name = substr(d.destination, 7)
order by d.position desc limit 1`,
}
/** The newest message of a task on its way to the agent. */
export async function viewDelivery(db: Db, tenant: string, taskId: string): Promise<DeliveryView | undefined> {
  const [row] = await db.query<DeliveryView>(VIEW, [tenant, taskId])
  return row
}

const WAITING: Statement = {
  name: 'deliveries.waiting',
  write: false,
  text: "select count(*)::int as count from (select 1 from deliveries where state = 0 and kind not in ('webhook', 'result') limit 1000000) w",
}
/** How many messages wait for their agents, over all of them. */
export async function countWaiting(db: Db): Promise<number> {
  const [row] = await db.query<{ count: number }>(WAITING, [])
  return row?.count ?? 0
}
