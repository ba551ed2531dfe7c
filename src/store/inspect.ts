/** What operators look at: one task explained, deliveries, queues. Reads only, each bounded. */
import { DELIVERY_STATES, type DeliveryState, type DestinationKind } from '../delivery.ts'
import { arrayLiteral } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import { stateOf, type TaskHead } from './tasks.ts'

const ms = (column: string, name: string): string => `(extract(epoch from ${column}) * 1000)::float8 as "${name}"`

/** A delivery as an operator sees it; times are milliseconds since 1970, by the database's clock. */
export interface DeliveryRow {
  readonly id: string
  readonly kind: DestinationKind
  readonly destination: string
  readonly taskId: string
  readonly sequence: number
  readonly configId: string | null
  readonly state: DeliveryState
  readonly attempt: number
  readonly priority: number
  readonly dueAt: number
  readonly expiresAt: number | null
  readonly createdAt: number
  readonly settledAt: number | null
  readonly leasedUntil: number | null
  readonly code: string | null
  readonly reason: string | null
}
type RawDelivery = Omit<DeliveryRow, 'state'> & { state: number }
const toDelivery = (raw: RawDelivery): DeliveryRow => ({ ...raw, state: DELIVERY_STATES[raw.state] ?? 'waiting' })

const DELIVERY_COLUMNS = `d.id::text, d.kind, d.destination, d.task_id::text as "taskId", d.seq as sequence, d.config_id as "configId", d.state, d.attempt, d.priority,
  ${ms('d.due_at', 'dueAt')}, ${ms('d.expires_at', 'expiresAt')}, ${ms('d.created_at', 'createdAt')}, ${ms('d.settled_at', 'settledAt')},
  ${ms('d.leased_until', 'leasedUntil')}, d.code, d.reason`

export interface AttemptRow {
  readonly deliveryId: string
  readonly taskId: string
  readonly destination: string
  readonly attempt: number
  readonly endedAt: number
  readonly durationMs: number
  readonly outcome: string
  readonly status: number | null
  readonly code: string | null
  readonly reason: string | null
}
const ATTEMPT_COLUMNS = `a.delivery_id::text as "deliveryId", a.task_id::text as "taskId", a.destination, a.attempt, ${ms('a.ended_at', 'endedAt')},
  a.duration_ms as "durationMs", a.outcome, a.status, a.code, a.reason`

/** All that is known of why a task is where it is. */
export interface TaskFacts {
  readonly head: Omit<TaskHead, 'hasPush' | 'trace'> & { readonly cancelAt: number | null }
  /** The database's now. */
  readonly now: number
  readonly agent?: {
    readonly connector: DestinationKind
    readonly pausedAt: number | null
    readonly pausedReason: string | null
    /** Its card waits for an operator: since when, and what has changed. */
    readonly pending: PendingRow | null
  }
  readonly lane?: LaneRow
  /** Waiting deliveries to the agent that come before this task's; counted up to AHEAD_MAX. */
  readonly ahead: number
  /** Oldest first. */
  readonly deliveries: readonly DeliveryRow[]
  readonly attempts: readonly AttemptRow[]
  /** More than these were made. */
  readonly truncated: boolean
}

export interface PendingRow {
  readonly at: number
  readonly changes: readonly { readonly what: 'origin' | 'auth' | 'key' }[]
}

export interface LaneRow {
  readonly closedAt: number | null
  readonly reason: string | null
  readonly failures: number
  readonly probeAt: number | null
  readonly seenAt: number | null
}

/** Counting further would cost more than the number is worth. */
export const AHEAD_MAX = 1_000
const PER_TASK_MAX = 200

const HEAD: Statement = {
  name: 'inspect.task',
  write: false,
  text: `select t.tenant, t.id::text, t.agent, t.caller, t.context_id as "contextId", t.state, t.last_seq as "lastSeq", ${ms('t.status_at', 'statusAt')},
  ${ms('t.created_at', 'createdAt')}, ${ms('t.deadline', 'deadline')}, ${ms('t.cancel_at', 'cancelAt')}, t.upstream_task as "upstreamTask",
  t.upstream_context as "upstreamContext", ${ms('now()', 'now')}, a.name as "agentName", a.registration -> 'connector' ->> 'kind' as connector,
  ${ms('a.paused_at', 'pausedAt')}, a.paused_reason as "pausedReason", a.pending - 'card' - 'identity' as pending, l.destination as lane, ${ms('l.closed_at', 'closedAt')}, l.reason as "laneReason", l.failures,
  ${ms('l.probe_at', 'probeAt')}, ${ms('l.seen_at', 'seenAt')},
  coalesce((select count(*)::int from (select 1 from deliveries d join deliveries w on w.tenant = d.tenant and w.destination = d.destination and w.state = 0
     and (w.due_at, w.id) < (d.due_at, d.id) where d.tenant = t.tenant and d.id = t.id and d.state = 0 limit ${AHEAD_MAX}) k), 0) as ahead
from tasks t
left join agents a on a.tenant = t.tenant and a.name = t.agent
left join lanes l on l.tenant = t.tenant and l.destination = 'agent:' || t.agent
where t.tenant = $1 and t.id = $2::uuid and ($3::text is null or t.caller = $3)`,
}

interface HeadRow extends Omit<TaskFacts['head'], 'state'> {
  state: number
  now: number
  agentName: string | null
  connector: DestinationKind | null
  pausedAt: number | null
  pausedReason: string | null
  pending: PendingRow | null
  lane: string | null
  closedAt: number | null
  laneReason: string | null
  failures: number | null
  probeAt: number | null
  seenAt: number | null
  ahead: number
}

const TASK_DELIVERIES: Statement = {
  name: 'inspect.taskDeliveries',
  write: false,
  text: `select * from (
  select ${DELIVERY_COLUMNS} from deliveries d where d.tenant = $1 and d.id = $2::uuid
  union all
  (select ${DELIVERY_COLUMNS} from deliveries d where d.tenant = $1 and d.task_id = $2::uuid and d.id <> d.task_id order by d.id desc limit $3)
) k order by "createdAt", id`,
}
const TASK_ATTEMPTS: Statement = {
  name: 'inspect.taskAttempts',
  write: false,
  text: `select * from (select ${ATTEMPT_COLUMNS} from attempts a where a.tenant = $1 and a.task_id = $2::uuid order by a.ended_at desc limit $3) k order by "endedAt"`,
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** undefined: unknown, or not the caller's (`caller` undefined: any owner of the tenant). */
export async function inspectTask(
  db: Db,
  { tenant, id, caller }: { tenant: string; id: string; caller?: string },
): Promise<TaskFacts | undefined> {
  if (!UUID.test(id)) return undefined
  const [[row], deliveries, attempts] = await Promise.all([
    db.query<HeadRow>(HEAD, [tenant, id, caller ?? null]),
    db.query<RawDelivery>(TASK_DELIVERIES, [tenant, id, PER_TASK_MAX]),
    db.query<AttemptRow>(TASK_ATTEMPTS, [tenant, id, PER_TASK_MAX]),
  ])
  return row && toFacts(row, deliveries.map(toDelivery), attempts)
}

function toFacts(row: HeadRow, deliveries: DeliveryRow[], attempts: AttemptRow[]): TaskFacts {
  const { now, agentName, connector, pausedAt, pausedReason, lane, closedAt, laneReason, failures, probeAt, seenAt } =
    row
  const { tenant, id, agent, caller, contextId, lastSeq, statusAt, createdAt, deadline, cancelAt } = row
  const { upstreamTask, upstreamContext, ahead, pending } = row
  const times = { statusAt, createdAt, deadline, cancelAt }
  return {
    head: {
      tenant,
      id,
      agent,
      caller,
      contextId,
      state: stateOf(row.state),
      lastSeq,
      ...times,
      upstreamTask,
      upstreamContext,
    },
    now,
    ...(agentName !== null && { agent: { connector: connector ?? 'mailbox', pausedAt, pausedReason, pending } }),
    ...(lane !== null && { lane: { closedAt, reason: laneReason, failures: failures ?? 0, probeAt, seenAt } }),
    ahead,
    deliveries,
    attempts,
    truncated: deliveries.length > PER_TASK_MAX || attempts.length >= PER_TASK_MAX,
  }
}

/** One entry of a task's log without its content. */
export interface LogEntry {
  readonly sequence: number
  /** 0 the opening Task, 1 a status update, 2 an artifact update. */
  readonly kind: number
  readonly at: number
  readonly bytes: number
  /** The agent has begun, or says that it goes on. */
  readonly works: boolean
}
const TIMELINE: Statement = {
  name: 'inspect.timeline',
  write: false,
  text: `select e.seq as sequence, e.kind, ${ms('e.at', 'at')}, length(e.body) as bytes,
  e.kind = 1 and strpos(e.body, '"state":"TASK_STATE_WORKING"') > 0 as works from task_events e
where e.tenant = $1 and e.task_id = $2::uuid and e.kind < 2 order by e.seq limit $3`,
}
/** When the task's status changed. */
export const taskTimeline = (db: Db, tenant: string, id: string): Promise<LogEntry[]> =>
  db.query<LogEntry>(TIMELINE, [tenant, id, PER_TASK_MAX])

const BY_IDS: Statement = {
  name: 'inspect.deliveriesById',
  write: false,
  text: `select ${DELIVERY_COLUMNS} from deliveries d where d.tenant = $1 and d.id = any($2::uuid[])`,
}
/** The deliveries of these ids; the one that opens a task has the task's id. */
export const readDeliveries = async (db: Db, tenant: string, ids: readonly string[]): Promise<DeliveryRow[]> =>
  ids.length === 0 ? [] : (await db.query<RawDelivery>(BY_IDS, [tenant, arrayLiteral(ids)])).map(toDelivery)

export interface DeliveryQuery {
  readonly tenant: string
  /** Empty: all. */
  readonly states: readonly DeliveryState[]
  readonly destination?: string
  readonly kind?: DestinationKind
  readonly taskId?: string
  readonly code?: string
  /** Continue below this id. */
  readonly before?: string
  readonly limit: number
}

/** The partial index that holds what is asked for must be named in the statement itself. */
const NARROW = { dead: 'd.state in (3, 5)', waiting: 'd.state = 0', leased: 'd.state = 1', any: 'true' } as const
const listing = (which: keyof typeof NARROW): Statement => ({
  name: `inspect.deliveries.${which}`,
  write: false,
  text: `select ${DELIVERY_COLUMNS} from deliveries d
where d.tenant = $1 and ${NARROW[which]} and ($2::smallint[] is null or d.state = any($2::smallint[])) and ($3::text is null or d.destination = $3)
  and ($4::text is null or d.kind = $4) and ($5::uuid is null or d.task_id = $5::uuid) and ($6::text is null or d.code = $6)
  and ($7::uuid is null or d.id < $7::uuid)
order by d.id desc limit $8`,
})
const LISTINGS = { dead: listing('dead'), waiting: listing('waiting'), leased: listing('leased'), any: listing('any') }

function narrowest(states: readonly DeliveryState[]): keyof typeof NARROW {
  if (states.length === 0) return 'any'
  if (states.every((state) => state === 'dead' || state === 'expired')) return 'dead'
  if (states.every((state) => state === 'waiting')) return 'waiting'
  return states.every((state) => state === 'leased') ? 'leased' : 'any'
}

/** Newest first. */
export async function listDeliveries(db: Db, query: DeliveryQuery): Promise<DeliveryRow[]> {
  const states = query.states.map((state) => DELIVERY_STATES.indexOf(state))
  const rows = await db.query<RawDelivery>(LISTINGS[narrowest(query.states)], [
    query.tenant,
    states.length === 0 ? null : arrayLiteral(states),
    query.destination ?? null,
    query.kind ?? null,
    query.taskId ?? null,
    query.code ?? null,
    query.before ?? null,
    query.limit,
  ])
  return rows.map(toDelivery)
}
