/** What sees to it that nothing stays behind: replicas' heartbeats, lost leases, what waited too long. */
import type { DestinationKind } from '../delivery.ts'
import { columns } from './arrays.ts'
import type { Db, Statement } from './db.ts'

const JOIN: Statement = {
  name: 'replicas.join',
  write: true,
  text: 'insert into replicas (id, name, until) values ($1, $2, now() + make_interval(secs => $3::float8 / 1000)) on conflict (id) do nothing',
}
const BEAT: Statement = {
  name: 'replicas.beat',
  write: true,
  text: `update replicas set until = now() + make_interval(secs => $2::float8 / 1000) where id = $1 and until > now()
returning (select count(*)::int from replicas where until > now()) as alive`,
}
const LEAVE: Statement = { name: 'replicas.leave', write: true, text: 'delete from replicas where id = $1' }
const SWEEP_REPLICAS: Statement = {
  name: 'replicas.sweep',
  write: true,
  text: "delete from replicas where until < now() - interval '1 hour'",
}

export const joinReplica = async (db: Db, id: string, name: string, leaseMs: number): Promise<void> => {
  await db.query(JOIN, [id, name, leaseMs])
}
/** How many replicas live; undefined: too late, our leases may be another's by now, go on under a new id. */
export const beatReplica = async (db: Db, id: string, leaseMs: number): Promise<number | undefined> =>
  (await db.query<{ alive: number }>(BEAT, [id, leaseMs]))[0]?.alive
export const leaveReplica = async (db: Db, id: string): Promise<void> => {
  await db.query(LEAVE, [id])
}

export interface LostLease {
  readonly tenant: string
  readonly id: string
  readonly kind: DestinationKind
  readonly destination: string
  readonly taskId: string
  readonly attempt: number
  readonly owner: string | null
  /** The one that was lost. */
  readonly lease: string | null
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

// The rows in flight are few; the partial index holds only them.
const REAP: Statement = {
  name: 'deliveries.reap',
  write: true,
  text: `update deliveries d set state = 0, lease = null, owner = null, leased_until = null, due_at = now(), code = 'LEASE_LOST',
  reason = 'whoever held it fell silent'
from (select tenant, id, owner, lease from deliveries
  where state = 1 and (leased_until < now() or (owner is not null and not exists (select 1 from replicas r where r.id = owner and r.until > now())))
  limit 1000 for update skip locked) k
where d.tenant = k.tenant and d.id = k.id
returning d.tenant, d.id::text, d.kind, d.destination, d.task_id::text as "taskId", d.attempt, k.owner::text, k.lease::text,
  (extract(epoch from d.created_at) * 1000)::float8 as "createdAt"`,
}

/** Returns what dead replicas and silent agents held. The attempt counts. */
export async function reapLeases(db: Db): Promise<LostLease[]> {
  const lost = await db.query<LostLease>(REAP, [])
  await db.query(SWEEP_REPLICAS, [])
  return lost
}

const OWN: Statement = {
  name: 'deliveries.own',
  write: false,
  text: 'select tenant, id::text, lease::text, destination from deliveries where state = 1 and owner = $1',
}
export interface OwnLease {
  readonly tenant: string
  readonly id: string
  readonly lease: string
  readonly destination: string
}
/** What this process holds, as the database sees it. */
export const ownLeases = (db: Db, owner: string): Promise<OwnLease[]> => db.query<OwnLease>(OWN, [owner])

const GIVE_BACK: Statement = {
  name: 'deliveries.giveBack',
  write: true,
  text: `update deliveries d set state = 0, lease = null, owner = null, due_at = now(),
  code = case when g.code = 'UNSENT' then coalesce(d.code, g.code) else g.code end, attempt = d.attempt - g.uncounted,
  reason = 'the database failed while it was in hand'
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[]) as g (tenant, id, lease, code, uncounted)
where d.tenant = g.tenant and d.id = g.id and d.lease = g.lease and d.state = 1`,
}
export interface GivenBack extends OwnLease {
  /** UNSENT: provably not begun; what a former attempt has left open stays so. LEASE_LOST: nobody knows how far it went. */
  readonly code: 'UNSENT' | 'LEASE_LOST'
}
/** Leases that nobody here answers for. */
export async function giveBackLeases(db: Db, leases: readonly GivenBack[]): Promise<void> {
  const rows = leases.map((lease) => ({ ...lease, uncounted: lease.code === 'UNSENT' ? 1 : 0 }))
  await db.query(GIVE_BACK, columns(rows, ['tenant', 'id', 'lease', 'code', 'uncounted']))
}

export interface Overdue {
  readonly tenant: string
  readonly id: string
  readonly kind: DestinationKind
  readonly destination: string
  readonly taskId: string
  readonly lease: string
  readonly attempt: number
}

const LEASE_EXPIRED: Statement = {
  name: 'deliveries.leaseExpired',
  write: true,
  text: `update deliveries d set state = 1, lease = gen_random_uuid(), owner = $1
from (select w.tenant, w.id from deliveries w
  where w.state = 0 and w.expires_at < now() and w.kind not in ('webhook', 'result') and w.mail_kind is distinct from 3
    and not exists (select 1 from deliveries f where f.tenant = w.tenant and f.destination = w.destination and f.ordering_key = w.ordering_key and f.state = 1)
    and not exists (select 1 from deliveries b where b.tenant = w.tenant and b.destination = w.destination and b.ordering_key = w.ordering_key
      and b.state = 0 and (b.position, b.id) < (w.position, w.id))
  limit $2 for update skip locked) k
where d.tenant = k.tenant and d.id = k.id
returning d.tenant, d.id::text, d.kind, d.destination, d.task_id::text as "taskId", d.lease::text, d.attempt`,
}

/** Takes deliveries whose time is over, so that their tasks can be failed together with them. */
export const leaseExpired = (db: Db, owner: string, limit: number): Promise<Overdue[]> =>
  db.query<Overdue>(LEASE_EXPIRED, [owner, limit])

const EXPIRE_WEBHOOKS: Statement = {
  name: 'deliveries.expireWebhooks',
  write: true,
  text: `update deliveries d set state = 3, settled_at = now(), code = coalesce(d.code, 'WEBHOOK_EXPIRED'),
  reason = coalesce(d.reason || '; ', '') || 'tried for as long as webhooks are tried'
from (select tenant, id from deliveries where state = 0 and kind = 'webhook' and expires_at < now() limit $1 for update skip locked) k
where d.tenant = k.tenant and d.id = k.id
returning d.tenant, d.id::text, d.kind, d.destination, d.task_id::text as "taskId", '' as lease, d.attempt`,
}

export const expireWebhooks = (db: Db, limit: number): Promise<Overdue[]> => db.query<Overdue>(EXPIRE_WEBHOOKS, [limit])

export interface OverdueTask {
  readonly tenant: string
  readonly id: string
  readonly contextId: string
}

const PAST_DEADLINE: Statement = {
  name: 'tasks.pastDeadline',
  write: false,
  text: `select tenant, id::text, context_id as "contextId" from tasks
where deadline < now() and deadline is not null and state in (1, 2, 6, 8) limit $1`,
}
export const tasksPastDeadline = (db: Db, limit: number): Promise<OverdueTask[]> =>
  db.query<OverdueTask>(PAST_DEADLINE, [limit])

const VOID: Statement = {
  name: 'deliveries.void',
  write: true,
  text: `update deliveries set state = 4, settled_at = now(), code = $3, reason = $4
where tenant = $1 and state = 0 and kind not in ('webhook', 'result') and (id = $2::uuid or (task_id = $2::uuid and id <> task_id))
returning id::text`,
}

/** Withdraws what a task that has ended still owes to its agent. */
export const voidDeliveries = async (
  db: Db,
  tenant: string,
  taskId: string,
  code: string,
  reason: string,
): Promise<number> => (await db.query(VOID, [tenant, taskId, code, reason])).length
