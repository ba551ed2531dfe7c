/** A further message to a task that is under way, and its cancellation: single statements, rare beside `open` and `append`. */
import { LIMITS } from '../limits.ts'
import type { Db, Statement } from './db.ts'
import { ANSWERED, TOLD } from './results.ts'

/** Webhooks owed for the event that `head` and `log` write; the same in every statement that adds one event. */
const OWED = (event: string) => `owed as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
  select h.tenant, (substr(${event}::text, 1, 24) || substr(md5(p.id || ${event}::text), 1, 12))::uuid, 'webhook', p.destination,
    h.id::text || '/' || p.id, h.last_seq, h.id, h.last_seq, p.id, 0, now() + interval '${LIMITS.webhookAgeMaxMs / 1000} seconds'
  from head h join push_configs p on p.tenant = h.tenant and p.task_id = h.id
  where h.has_push and p.disabled_at is null
  returning tenant, destination
)`

export interface NewMessage {
  readonly tenant: string
  readonly taskId: string
  readonly caller: string
  readonly agent: string
  /** The state that the event was built for; if it is another by now, nothing is written. */
  readonly expectedState: number
  readonly state: number
  readonly statusAt: string
  readonly body: string
  readonly history: string
  readonly request: string | null
  readonly key: string | null
  readonly deliveryId: string
  readonly kind: string
  readonly destination: string
  readonly orderingKey: string
  readonly priority: number
  readonly ttlSeconds: number
  /** `Mail` as JSON; without a kind it is of the kind of what opened the task. */
  readonly mail: string | null
}

const ADD: Statement = {
  name: 'messages.add',
  write: true,
  text: `
with live as materialized (
  select id, last_seq from tasks where tenant = $1 and id = $2 and caller = $3 and agent = $4 and state = $5 for update
), claimed as (
  insert into submissions (tenant, caller, agent, key, task_id, seq)
  select $1, $3, $4, $11::text, id, last_seq + 1 from live where $11::text is not null
  on conflict (tenant, caller, agent, key) do nothing
  returning task_id
), head as (
  update tasks t set last_seq = t.last_seq + 1, state = $6::smallint, status_at = greatest(t.status_at, $7::timestamptz)
  where t.tenant = $1 and t.id = $2 and t.id in (select id from live) and ($11::text is null or exists (select 1 from claimed))
  returning t.tenant, t.id, t.last_seq, t.has_push, t.home
), log as (
  insert into task_events (tenant, task_id, seq, kind, body, history, request) select tenant, id, last_seq, 1, $8, $9, $10 from head
), delivery as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, priority, task_id, seq, state, expires_at,
    mail_kind, labels, ack_by)
  select tenant, $12::uuid, $13, $14, $15, (extract(epoch from now()) * 1000000)::bigint, $16::smallint, id, last_seq, 0,
    now() + make_interval(secs => $17::int),
    coalesce(($18::json ->> 'kind')::smallint, (select o.mail_kind from deliveries o where o.tenant = $1 and o.id = $2)),
    case when $18::json is not null then (select array_agg(l) from json_array_elements_text($18::json -> 'labels') as l) end,
    ($18::json ->> 'ackBy')::timestamptz from head
), ${ANSWERED}, ${OWED('$12')}
select last_seq as "lastSeq", (select string_agg(distinct tenant || ' ' || destination, chr(10)) from owed) as owed from head`,
}

export interface Added {
  readonly lastSeq: number
  /** Webhooks and mailboxes with something to do: `tenant destination`, one a line; null: none. */
  readonly owed: string | null
}

/** undefined: the task's state is another, or the key was used before. */
export async function addMessage(db: Db, m: NewMessage): Promise<Added | undefined> {
  const [row] = await db.query<Added>(ADD, [
    m.tenant,
    m.taskId,
    m.caller,
    m.agent,
    m.expectedState,
    m.state,
    m.statusAt,
    m.body,
    m.history,
    m.request,
    m.key,
    m.deliveryId,
    m.kind,
    m.destination,
    m.orderingKey,
    m.priority,
    m.ttlSeconds,
    m.mail,
  ])
  return row
}

export interface Cancellation {
  readonly tenant: string
  readonly taskId: string
  readonly statusAt: string
  /** The canonical status update to CANCELED. */
  readonly body: string
  /** Any fresh UUID: webhooks owed take theirs from it. */
  readonly eventId: string
}

// The waiting rows are locked first and counted again after it: a claim that was faster has taken one, and then the
// agent must be asked instead. So a task that was answered CANCELED here is never sent afterwards (P10).
const CANCEL_QUEUED: Statement = {
  name: 'tasks.cancelQueued',
  write: true,
  text: `
with seen as materialized (
  select count(*) filter (where state = 0) as waiting, count(*) filter (where state = 1) as leased
  from deliveries where tenant = $1 and kind not in ('webhook', 'result') and (id = $2::uuid or (task_id = $2::uuid and id <> task_id))
), locked as materialized (
  select id from deliveries
  where tenant = $1 and kind not in ('webhook', 'result') and state = 0 and (id = $2::uuid or (task_id = $2::uuid and id <> task_id))
  for update
), head as (
  update tasks t set state = 5, last_seq = t.last_seq + 1, status_at = greatest(t.status_at, $3::timestamptz)
  where t.tenant = $1 and t.id = $2 and t.state in (0, 1, 2, 6, 8)
    and (select leased from seen) = 0 and (select waiting from seen) = (select count(*) from locked)
  returning t.tenant, t.id, t.last_seq, t.has_push, t.caller, t.home
), log as (
  insert into task_events (tenant, task_id, seq, kind, body) select tenant, id, last_seq, 1, $4 from head
), voided as (
  update deliveries d set state = 4, settled_at = now(), code = 'CANCELED', reason = 'the task was canceled before it was sent'
  where d.tenant = $1 and d.id in (select id from locked) and exists (select 1 from head)
), ${OWED('$5')}, ${TOLD('true')}
select last_seq as "lastSeq",
  (select string_agg(distinct tenant || ' ' || destination, chr(10)) from (select * from owed union all select * from told) o) as owed from head`,
}

/** Cancels a task of which nothing is on its way to the agent. undefined: something is, or the task has ended. */
export async function cancelQueued(
  db: Db,
  { tenant, taskId, statusAt, body, eventId }: Cancellation,
): Promise<Added | undefined> {
  const [row] = await db.query<Added>(CANCEL_QUEUED, [tenant, taskId, statusAt, body, eventId])
  return row
}

const REQUEST_CANCEL: Statement = {
  name: 'tasks.requestCancel',
  write: true,
  text: `update tasks set cancel_at = coalesce(cancel_at, now()) where tenant = $1 and id = $2 and state in (0, 1, 2, 6, 8) returning upstream_task as "upstreamTask"`,
}

/** Notes that the caller wants it canceled; whoever learns the agent's id for the task asks the agent. */
export async function requestCancel(
  db: Db,
  tenant: string,
  taskId: string,
): Promise<{ upstreamTask: string | null } | undefined> {
  const [row] = await db.query<{ upstreamTask: string | null }>(REQUEST_CANCEL, [tenant, taskId])
  return row
}
