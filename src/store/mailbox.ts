/**
 * The queue as an agent sees it that collects by itself. It holds what it took under a lease with an end of its own
 * (`leased_until`, no owner); everything it writes carries the lease. Each of these is one statement, by the database's clock.
 */

import type { Db, Statement } from './db.ts'
import { FREE, LEASED, type Leased } from './deliveries.ts'

/** What is fit to be taken. */
export interface LeaseFilter {
  /** 0 urgent … 3 low: nothing less urgent than this. */
  readonly level: number
  readonly contextId: string | null
  /** The caller that sent it. */
  readonly from: string | null
  /** As its sender named it in our metadata. */
  readonly skill: string | null
}

export interface LeaseQuery extends LeaseFilter {
  readonly tenant: string
  readonly destination: string
  readonly count: number
  /** By age instead of by priority: so that what is not urgent is taken at all. */
  readonly oldest: boolean
  readonly leaseSeconds: number
  readonly worker: string | null
  /** How many it may hold at once, over all that collect for it. */
  readonly maxInflight: number
}

/** A delivery that an agent has collected. */
export interface Collected extends Leased {
  readonly priority: number
  /** Milliseconds since 1970. */
  readonly leasedUntil: number
  readonly checkpoint: string | null
  /** Why the attempt before failed, for people. */
  readonly reason: string | null
  /** Its caller wants it canceled. */
  readonly cancelWanted: boolean
}

const COLLECTED = `${LEASED}, priority, (extract(epoch from leased_until) * 1000)::float8 as "leasedUntil", checkpoint, reason,
  coalesce((select t.cancel_at is not null from tasks t where t.tenant = deliveries.tenant and t.id = deliveries.task_id), false) as "cancelWanted"`

// As a claim, with the filters of a poll. What the sender asked for stands in the event, in canonical JSON: a member with
// this value cannot be inside a string, where its quotes would be escaped.
const LEASE: Statement = {
  name: 'mailbox.lease',
  write: true,
  text: `update deliveries set state = 1, attempt = attempt + 1, lease = gen_random_uuid(), owner = null,
  leased_until = now() + make_interval(secs => $9::int), worker = $10::text, touched = null
where tenant = $1 and id = any(array(
  select k.id from (values (0), (1), (2), (3)) as p (level) cross join lateral (
    select d.id, d.due_at from deliveries d
    where d.tenant = $1 and d.destination = $2 and d.state = 0 and d.priority = p.level and d.due_at <= now()
      and (d.expires_at is null or d.expires_at > now()) and ${FREE}
      and (($4::text is null and $5::text is null) or exists (select 1 from tasks t where t.tenant = d.tenant and t.id = d.task_id
        and ($4::text is null or t.context_id = $4) and ($5::text is null or t.caller = $5)))
      and ($6::text is null or exists (select 1 from task_events e where e.tenant = d.tenant and e.task_id = d.task_id and e.seq = d.seq
        and strpos(e.body || coalesce(e.history, '') || coalesce(e.request, ''), $6) > 0))
    order by d.due_at, d.id limit $7::int for update of d skip locked) k
  where p.level <= $3::int
  order by case when $8::boolean then k.due_at end, p.level, k.due_at, k.id
  limit least($7::int, greatest(0, $11::int - (select count(*) from deliveries where tenant = $1 and destination = $2 and state = 1)))))
returning ${COLLECTED}`,
}

/** Takes up to `count` that are due, one per conversation. Two workers never get the same. */
export const leaseMail = async (db: Db, q: LeaseQuery): Promise<Collected[]> =>
  inOrder(
    await db.query<Collected>(LEASE, [
      q.tenant,
      q.destination,
      q.level,
      q.contextId,
      q.from,
      q.skill === null ? null : `"skill":${JSON.stringify(q.skill)}`,
      q.count,
      q.oldest,
      q.leaseSeconds,
      q.worker,
      q.maxInflight,
    ]),
  )

const inOrder = (rows: readonly Collected[]): Collected[] =>
  [...rows].sort((a, b) => a.priority - b.priority || a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1))

const LEASE_LOST_ONE: Statement = {
  name: 'mailbox.leaseLostOne',
  write: true,
  text: `update deliveries set state = 1, attempt = attempt + 1, lease = gen_random_uuid(), owner = null,
  leased_until = now() + interval '1 minute', worker = null, touched = null
where tenant = $1 and id = any(array(select d.id from deliveries d
  where d.tenant = $1 and d.id = $2::uuid and d.state = 0 and d.code = 'LEASE_LOST' and d.attempt >= $3::int and ${FREE} for update))
returning ${COLLECTED}`,
}

/** A delivery whose last attempt was lost, to be ended. Empty: somebody has it, or it has attempts left. */
export const leaseSpent = (db: Db, tenant: string, id: string, maxAttempts: number): Promise<Collected[]> =>
  db.query<Collected>(LEASE_LOST_ONE, [tenant, id, maxAttempts])

const RECLAIM: Statement = {
  name: 'mailbox.reclaim',
  write: true,
  text: `update deliveries set lease = gen_random_uuid(), leased_until = now() + make_interval(secs => $5::int)
where tenant = $1 and id = any(array(select d.id from deliveries d
  where d.tenant = $1 and d.destination = $2 and d.state = 1 and d.owner is null and d.worker = $3
  order by d.position, d.id limit $4::int for update skip locked))
returning ${COLLECTED}`,
}

/** What this worker held before it restarted: the same attempt, under a new lease; its former self writes nothing more. */
export const reclaimMail = async (
  db: Db,
  { tenant, destination, worker, count, leaseSeconds }: LeaseQuery,
): Promise<Collected[]> =>
  inOrder(await db.query<Collected>(RECLAIM, [tenant, destination, worker, count, leaseSeconds]))

/** One lease, and who says so: a lease that is not this agent's is none. */
export interface LeaseKey {
  readonly tenant: string
  readonly destination: string
  /** The delivery. */
  readonly id: string
  readonly lease: string
}

const OTHERS = `from deliveries n where n.tenant = d.tenant and n.task_id = d.task_id and n.id <> n.task_id and n.id <> d.id
    and n.kind = 'mailbox' and n.state = 0`
const MINE = `d.tenant = $1 and d.id = $2::uuid and d.destination = $3 and d.kind = 'mailbox'`

export interface Renewal {
  /** undefined: at least `defaultSeconds` from now; otherwise exactly that, also if it is sooner. */
  readonly leaseSeconds: number | undefined
  readonly defaultSeconds: number
  /** Something is reported with it. */
  readonly touched: boolean
  readonly checkpoint: string | null
}

export interface Renewed {
  readonly taskId: string
  readonly leasedUntil: number
  readonly deadline: number | null
  readonly cancelWanted: boolean
  /** Further messages of the sender to this task that wait behind it. */
  readonly pending: number
}

const RENEW: Statement = {
  name: 'mailbox.renew',
  write: true,
  text: `update deliveries d set
  leased_until = case when $5::int is null then greatest(d.leased_until, now() + make_interval(secs => $6::int)) else now() + make_interval(secs => $5::int) end,
  touched = case when $7::boolean then true else d.touched end, checkpoint = coalesce($8::text, d.checkpoint)
from tasks t
where ${MINE} and d.lease = $4::uuid and d.state = 1 and t.tenant = d.tenant and t.id = d.task_id
returning d.task_id::text as "taskId", (extract(epoch from d.leased_until) * 1000)::float8 as "leasedUntil",
  (extract(epoch from t.deadline) * 1000)::float8 as deadline, t.cancel_at is not null as "cancelWanted", (select count(*)::int ${OTHERS}) as pending`,
}

/** undefined: the lease is not held any more. */
export async function renewMail(db: Db, key: LeaseKey, renewal: Renewal): Promise<Renewed | undefined> {
  const [row] = await db.query<Renewed>(RENEW, [
    key.tenant,
    key.id,
    key.destination,
    key.lease,
    renewal.leaseSeconds ?? null,
    renewal.defaultSeconds,
    renewal.touched,
    renewal.checkpoint,
  ])
  return row
}

/** A delivery of this agent, whoever holds it, with its task. */
export interface Held {
  readonly taskId: string
  readonly state: number
  readonly lease: string | null
  readonly attempt: number
  readonly touched: boolean | null
  readonly receipt: string | null
  readonly createdAt: number
  readonly agent: string
  readonly contextId: string
  readonly acceptedAt: number
  readonly taskState: number
  readonly lastSeq: number
  readonly cancelWanted: boolean
  readonly pending: number
}

const FIND: Statement = {
  name: 'mailbox.find',
  write: false,
  text: `select d.task_id::text as "taskId", d.state, d.lease::text, d.attempt, d.touched, d.receipt, t.agent, t.context_id as "contextId",
  (extract(epoch from d.created_at) * 1000)::float8 as "createdAt", (extract(epoch from t.created_at) * 1000)::float8 as "acceptedAt",
  t.state as "taskState", t.last_seq as "lastSeq", t.cancel_at is not null as "cancelWanted", (select count(*)::int ${OTHERS}) as pending
from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id where ${MINE}`,
}

/** undefined: unknown or another agent's, and nobody can tell which. */
export async function findHeld(db: Db, key: LeaseKey): Promise<Held | undefined> {
  const [row] = await db.query<Held>(FIND, [key.tenant, key.id, key.destination])
  return row
}

export interface PendingMessage {
  readonly delivery: string
  readonly history: string
}

const PENDING: Statement = {
  name: 'mailbox.pending',
  write: false,
  text: `select n.id::text as delivery, e.history from deliveries n
join task_events e on e.tenant = n.tenant and e.task_id = n.task_id and e.seq = n.seq
where n.tenant = $1 and n.task_id = $2::uuid and n.id <> n.task_id and n.id <> $3::uuid and n.kind = 'mailbox' and n.state = 0
  and e.history is not null
order by n.position, n.id limit $4`,
}

/** What the sender has said to this task since, oldest first. */
export const pendingMail = (
  db: Db,
  { tenant, id }: LeaseKey,
  taskId: string,
  limit: number,
): Promise<PendingMessage[]> => db.query<PendingMessage>(PENDING, [tenant, taskId, id, limit])

const TAKE_UP: Statement = {
  name: 'mailbox.takeUp',
  write: true,
  text: `update deliveries n set state = 4, settled_at = now(), code = 'TAKEN_UP', reason = 'taken up under the lease of the message before it'
where n.tenant = $1 and n.task_id = $5::uuid and n.id <> n.task_id and n.kind = 'mailbox' and n.state = 0
  and n.id in (select x.id::uuid from json_array_elements_text($6::json) as x (id))
  and exists (select 1 from deliveries d where ${MINE} and d.lease = $4::uuid and d.state = 1)
returning n.id::text as id`,
}

/** Messages that the holder of the lease has read are not delivered by themselves any more. */
export const takeUpMail = async (
  db: Db,
  key: LeaseKey,
  taskId: string,
  deliveries: readonly string[],
): Promise<string[]> =>
  (
    await db.query<{ id: string }>(TAKE_UP, [
      key.tenant,
      key.id,
      key.destination,
      key.lease,
      taskId,
      JSON.stringify(deliveries),
    ])
  ).map(({ id }) => id)

export interface GiveBack {
  readonly waitMs: number
  /** false: this attempt is not counted. */
  readonly counts: boolean
  readonly code: string
  readonly reason: string | null
  readonly receipt: string | null
}

const GIVE_BACK: Statement = {
  name: 'mailbox.giveBack',
  write: true,
  text: `update deliveries d set state = 0, due_at = now() + make_interval(secs => $5::float8 / 1000),
  attempt = d.attempt - case when $6::boolean then 0 else 1 end, lease = null, leased_until = null, worker = null, touched = null,
  code = $7, reason = $8, receipt = coalesce($9::text, d.receipt)
where ${MINE} and d.lease = $4::uuid and d.state = 1
returning d.id::text as id`,
}

/** Back to the shelf. false: the lease is not held any more. */
export const giveBackMail = async (db: Db, key: LeaseKey, given: GiveBack): Promise<boolean> =>
  (
    await db.query(GIVE_BACK, [
      key.tenant,
      key.id,
      key.destination,
      key.lease,
      given.waitMs,
      given.counts,
      given.code,
      given.reason,
      given.receipt,
    ])
  ).length > 0
