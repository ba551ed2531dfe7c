/**
 * What the holder of a lease writes, an agent that collects by itself: everything carries the lease. Each of these is one
 * statement, by the database's clock.
 */

import type { Db, Statement } from './db.ts'

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
const MINE = `d.tenant = $1 and d.id = $2::uuid and d.destination = $3 and d.kind in ('mailbox', 'result')`

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
  (extract(epoch from t.deadline) * 1000)::float8 as deadline, t.cancel_at is not null and d.kind = 'mailbox' as "cancelWanted", case when d.kind = 'mailbox' then (select count(*)::int ${OTHERS}) else 0 end as pending`,
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
  readonly kind: 'mailbox' | 'result'
  readonly state: number
  readonly lease: string | null
  readonly attempt: number
  readonly touched: boolean | null
  readonly receipt: string | null
  /** Index in MAIL_KINDS. */
  readonly mailKind: number
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
  text: `select d.task_id::text as "taskId", d.kind, d.state, d.lease::text, d.attempt, d.touched, d.receipt, coalesce(d.mail_kind, 0)::int as "mailKind", t.agent, t.context_id as "contextId",
  (extract(epoch from d.created_at) * 1000)::float8 as "createdAt", (extract(epoch from t.created_at) * 1000)::float8 as "acceptedAt",
  t.state as "taskState", t.last_seq as "lastSeq", t.cancel_at is not null and d.kind = 'mailbox' as "cancelWanted", case when d.kind = 'mailbox' then (select count(*)::int ${OTHERS}) else 0 end as pending
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
