/**
 * What becomes of the tasks that work on another: a child's end stands in its own row, and is taken into the parent by
 * one statement that adds the parent's events and marks the children together. It is a compare-and-append on the
 * parent's log: of two replicas that take the same answers one finds the log moved and writes nothing, so that no answer
 * is lost and none counts twice. The hot statements know nothing of it.
 */
import type { TaskState } from '../a2a/tasks.ts'
import { arrayLiteral, joinJson, splitJson } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import { TOLD } from './results.ts'
import { HEAD_COLUMNS, type HeadRow, stateOf, type TaskHead, toHead } from './tasks.ts'

export interface OpenChild {
  readonly tenant: string
  readonly parentId: string
  readonly childId: string
  readonly member: string
  readonly caller: string
  readonly childState: number
  readonly parentState: number
  /** The child has said something that its parent has not: only where the rule is `relay`. */
  readonly behind: boolean
}
export interface OpenCursor {
  readonly tenant: string
  readonly parentId: string
  readonly childId: string
}

const OPEN: Statement = {
  name: 'children.open',
  write: false,
  text: `select k.tenant, k.parent_id::text as "parentId", k.child_id::text as "childId", k.member, c.caller, c.state as "childState", p.state as "parentState",
  (r.rule = 'relay' and c.last_seq > k.relayed_seq) as behind
from (select * from task_children where outcome is null and (tenant, parent_id, child_id) > ($1, $2::uuid, $3::uuid)
  order by tenant, parent_id, child_id limit $4) k
join tasks c on c.tenant = k.tenant and c.id = k.child_id
join tasks p on p.tenant = k.tenant and p.id = k.parent_id
join parents r on r.tenant = k.tenant and r.task_id = k.parent_id
order by k.tenant, k.parent_id, k.child_id`,
}

/** Children that are still waited for, from a place on: one page of the round. */
export const openChildren = (db: Db, after: OpenCursor, limit: number): Promise<OpenChild[]> =>
  db.query<OpenChild>(OPEN, [after.tenant, after.parentId, after.childId, limit])

export interface Parent {
  readonly head: TaskHead
  readonly rule: string
  readonly needed: number
  /** How many children have come to each outcome; `open`: none yet. */
  readonly counts: Readonly<Record<string, number>>
}

const PARENT: Statement = {
  name: 'children.parent',
  write: false,
  text: `select ${HEAD_COLUMNS}, rule, needed, counts from tasks cross join lateral (
  select r.rule, r.needed, (select json_object_agg(x.outcome, x.count)::text from (
    select coalesce(k.outcome, 'open') as outcome, count(*)::int as count from task_children k
    where k.tenant = r.tenant and k.parent_id = r.task_id group by 1) x) as counts
  from parents r where r.tenant = tasks.tenant and r.task_id = tasks.id) ruled
where tenant = $1 and id = $2::uuid`,
}

export async function findParent(db: Db, tenant: string, id: string): Promise<Parent | undefined> {
  type Row = HeadRow & { rule: string; needed: number; counts: string | null }
  const [row] = await db.query<Row>(PARENT, [tenant, id])
  if (!row) return undefined
  const { rule, needed, counts, ...head } = row
  return {
    head: toHead(head),
    rule,
    needed,
    counts: counts === null ? {} : (JSON.parse(counts) as Record<string, number>),
  }
}

export interface Child {
  readonly childId: string
  readonly member: string
  readonly state: TaskState
  readonly relayedSeq: number
  readonly caller: string
  readonly createdAt: number
}
type ChildRow = Omit<Child, 'state'> & { state: number }

const ENDED: Statement = {
  name: 'children.ended',
  write: false,
  text: `select k.child_id::text as "childId", k.member, c.state, k.relayed_seq as "relayedSeq", c.caller, (extract(epoch from c.created_at) * 1000)::float8 as "createdAt"
from task_children k join tasks c on c.tenant = k.tenant and c.id = k.child_id
where k.tenant = $1 and k.parent_id = $2::uuid and k.outcome is null and ($3::boolean or c.state in (3, 4, 5, 7))
order by c.status_at, c.id limit $4`,
}

/** Children that have ended and are still waited for, in the order of their ends. `all`: also those that go on. */
export const endedChildren = async (
  db: Db,
  parent: Pick<TaskHead, 'tenant' | 'id'>,
  { all, limit }: { all: boolean; limit: number },
): Promise<Child[]> =>
  (await db.query<ChildRow>(ENDED, [parent.tenant, parent.id, all, limit])).map((row) => ({
    ...row,
    state: stateOf(row.state),
  }))

export interface Taking {
  readonly tenant: string
  readonly parentId: string
  /** The log must end here. */
  readonly expectedSeq: number
  readonly state: number | null
  readonly statusAt: string
  readonly events: readonly { readonly kind: 1 | 2; readonly body: string; readonly history: string | null }[]
  /** `relayed`: the place up to which its events are taken. */
  readonly children: readonly {
    readonly childId: string
    readonly outcome: string | null
    readonly relayed: number | null
  }[]
  /** The parent has ended by it: what is open yet is waited for no longer. */
  readonly ends: boolean
  /** Any fresh UUID: webhooks owed take theirs from it. */
  readonly seed: string
  readonly webhookAgeSeconds: number
}

const TAKE: Statement = {
  name: 'children.take',
  write: true,
  text: `
with head as (
  update tasks t set last_seq = t.last_seq + cardinality($6::smallint[]), state = coalesce($4::smallint, t.state),
    status_at = case when $4::smallint is null then t.status_at else greatest(t.status_at, $5::timestamptz) end
  where t.tenant = $1 and t.id = $2::uuid and t.last_seq = $3::int and t.state in (0, 1, 2, 6, 8)
  returning t.tenant, t.id, t.last_seq, t.has_push, t.caller, t.home
), texts as materialized (
  select ${splitJson(7)} as bodies, ${splitJson(8)} as histories
), said as materialized (
  select k.no::int as no, k.kind, bodies[k.no::int] as body, histories[k.no::int] as history
  from texts cross join unnest($6::smallint[]) with ordinality as k (kind, no)
), log as (
  insert into task_events (tenant, task_id, seq, kind, body, history)
  select tenant, id, $3::int + no, kind, body, history from head cross join said
), taken as materialized (
  select * from unnest($9::uuid[], $10::text[], $11::int[]) as x (child_id, outcome, relayed)
), marked as (
  update task_children k set relayed_seq = coalesce(x.relayed, k.relayed_seq),
    outcome = coalesce(x.outcome, case when $12::boolean then 'aside' end),
    settled_at = case when x.outcome is not null or $12::boolean then now() end
  from (select c.child_id, x.outcome, x.relayed from task_children c left join taken x on x.child_id = c.child_id
    where c.tenant = $1 and c.parent_id = $2::uuid and c.outcome is null and ($12::boolean or x.child_id is not null)) x
  where k.tenant = $1 and k.parent_id = $2::uuid and k.child_id = x.child_id and k.outcome is null and exists (select 1 from head)
), owed as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
  select h.tenant, (substr($13::text, 1, 24) || substr(md5($13::text || ' ' || p.id || ' ' || s.no), 1, 12))::uuid, 'webhook', p.destination,
    h.id::text || '/' || p.id, $3::int + s.no, h.id, $3::int + s.no, p.id, 0, now() + make_interval(secs => $14::int)
  from head h join push_configs p on p.tenant = h.tenant and p.task_id = h.id cross join said s
  where h.has_push and p.disabled_at is null
  returning tenant, destination
), ${TOLD('$4::smallint in (3, 4, 5, 6, 7, 8)')}
select last_seq as "lastSeq",
  (select string_agg(distinct tenant || ' ' || destination, chr(10)) from (select * from owed union all select * from told) o) as owed from head`,
}

/** undefined: the parent's log has gone on, or it has ended; nothing was written. */
export async function takeChildren(db: Db, t: Taking): Promise<{ lastSeq: number; owed: string | null } | undefined> {
  const [row] = await db.query<{ lastSeq: number; owed: string | null }>(TAKE, [
    ...[t.tenant, t.parentId, t.expectedSeq, t.state, t.statusAt],
    arrayLiteral(t.events.map(({ kind }) => kind)),
    joinJson(t.events.map(({ body }) => body)),
    joinJson(t.events.map(({ history }) => history)),
    arrayLiteral(t.children.map(({ childId }) => childId)),
    arrayLiteral(t.children.map(({ outcome }) => outcome)),
    arrayLiteral(t.children.map(({ relayed }) => relayed)),
    ...[t.ends, t.seed, t.webhookAgeSeconds],
  ])
  return row
}

const ASIDE: Statement = {
  name: 'children.aside',
  write: true,
  text: `update task_children k set outcome = 'aside', settled_at = now()
from tasks p where k.tenant = $1 and k.parent_id = $2::uuid and k.outcome is null and ($3::uuid is null or k.child_id = $3::uuid)
  and p.tenant = k.tenant and p.id = k.parent_id and p.state in (3, 4, 5, 7)`,
}

/** The parent has ended otherwise: its children (or this one) are waited for no longer. */
export const setAside = async (db: Db, tenant: string, parentId: string, childId?: string): Promise<void> => {
  await db.query(ASIDE, [tenant, parentId, childId ?? null])
}

export interface Recipient {
  readonly member: string
  readonly childId: string
  readonly state: TaskState
  readonly outcome: string | null
  /** The number of the delivery's state; null: it is no longer kept. */
  readonly delivery: number | null
  readonly attempt: number
  readonly reason: string | null
  readonly createdAt: number
  readonly statusAt: number
}

const RECIPIENTS: Statement = {
  name: 'children.recipients',
  write: false,
  text: `select k.member, k.child_id::text as "childId", c.state, k.outcome, d.state as delivery, coalesce(d.attempt, 0) as attempt, d.reason,
  (extract(epoch from c.created_at) * 1000)::float8 as "createdAt", (extract(epoch from c.status_at) * 1000)::float8 as "statusAt"
from task_children k join tasks c on c.tenant = k.tenant and c.id = k.child_id
left join deliveries d on d.tenant = c.tenant and d.id = c.id
where k.tenant = $1 and k.parent_id = $2::uuid order by k.member, k.child_id limit $3`,
}

/** Each recipient of a task that was given to several, with how far it is. Empty: it was not. */
export const readRecipients = async (db: Db, tenant: string, parentId: string, limit: number): Promise<Recipient[]> =>
  (await db.query<Omit<Recipient, 'state'> & { state: number }>(RECIPIENTS, [tenant, parentId, limit])).map((row) => ({
    ...row,
    state: stateOf(row.state),
  }))

const WAITING_OF: Statement = {
  name: 'children.waitingOf',
  write: false,
  text: `select c.id::text, c.context_id as "contextId", (extract(epoch from c.created_at) * 1000)::float8 as "createdAt"
from deliveries d join task_children k on k.tenant = d.tenant and k.child_id = d.task_id
join parents r on r.tenant = k.tenant and r.task_id = k.parent_id and r.channel = $3
join tasks c on c.tenant = k.tenant and c.id = k.child_id
where d.tenant = $1 and d.destination = $2 and d.state = 0 order by d.due_at, d.id limit $4`,
}

export interface WaitingChild {
  readonly id: string
  readonly contextId: string
  readonly createdAt: number
}
/** Posts of a channel that wait at a member and have not been taken. */
export const waitingPosts = (
  db: Db,
  at: { tenant: string; destination: string; channel: string },
  limit: number,
): Promise<WaitingChild[]> => db.query<WaitingChild>(WAITING_OF, [at.tenant, at.destination, at.channel, limit])

const LINK: Statement = {
  name: 'children.link',
  write: true,
  text: `insert into task_children (tenant, parent_id, child_id, member, outcome, settled_at) values ($1, $2::uuid, $3::uuid, $4, 'aside', now())
on conflict do nothing`,
}
/** A recipient that came later, and is not waited for. */
export const linkAside = async (
  db: Db,
  { tenant, parentId, childId, member }: { tenant: string; parentId: string; childId: string; member: string },
): Promise<void> => {
  await db.query(LINK, [tenant, parentId, childId, member])
}
