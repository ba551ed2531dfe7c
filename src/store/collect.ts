/**
 * Deliveries as an agent takes them that collects by itself: under a lease with an end of its own (`leased_until`, no
 * owner). Each of these is one statement, by the database's clock.
 */
import { arrayLiteral } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import { FREE, LEASED, type Leased } from './deliveries.ts'

/** What is fit to be taken. */
export interface LeaseFilter {
  /** 0 urgent … 3 low: nothing less urgent than this; 4: what nobody is woken for as well. */
  readonly level: number
  /** Indexes in MAIL_KINDS; null: any. */
  readonly kinds: readonly number[] | null
  /** One of the labels that its sender gave it. */
  readonly label: string | null
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
  /** Index in MAIL_KINDS. */
  readonly mailKind: number
  readonly labels: readonly string[] | null
  /** Milliseconds since 1970. */
  readonly leasedUntil: number
  readonly checkpoint: string | null
  /** Why the attempt before failed, for people. */
  readonly reason: string | null
  /** Its caller wants it canceled. */
  readonly cancelWanted: boolean
}

/** What the sender asked for stands in the event as JSON: a member with this value cannot be inside a string, where its quotes would be escaped. */
export const skillNeedle = (skill: string | null): string | null =>
  skill === null ? null : `"skill":${JSON.stringify(skill)}`

/** What is returned of a delivery that was taken. */
export const COLLECTED = `${LEASED}, priority, coalesce(mail_kind, 0)::int as "mailKind", to_jsonb(labels) as labels, (extract(epoch from leased_until) * 1000)::float8 as "leasedUntil", checkpoint, reason,
  coalesce((select t.cancel_at is not null from tasks t where t.tenant = deliveries.tenant and t.id = deliveries.task_id), false) and kind <> 'result' as "cancelWanted"`

// As a claim, with the filters of a poll.
const LEASE: Statement = {
  name: 'mailbox.lease',
  write: true,
  text: `update deliveries set state = 1, attempt = attempt + 1, lease = gen_random_uuid(), owner = null,
  leased_until = now() + make_interval(secs => $9::int), worker = $10::text, touched = null
where tenant = $1 and id = any(array(
  select k.id from (values (0), (1), (2), (3), (4)) as p (level) cross join lateral (
    select d.id, d.due_at from deliveries d
    where d.tenant = $1 and d.destination = $2 and d.state = 0 and d.priority = p.level and d.due_at <= now()
      and (d.expires_at is null or d.expires_at > now()) and ${FREE}
      and (($4::text is null and $5::text is null) or exists (select 1 from tasks t where t.tenant = d.tenant and t.id = d.task_id
        and ($4::text is null or t.context_id = $4) and ($5::text is null or $5 = case d.kind when 'result' then 'agent:' || t.agent else t.caller end)))
      and ($6::text is null or exists (select 1 from task_events e where e.tenant = d.tenant and e.task_id = d.task_id and e.seq = d.seq
        and strpos(e.body || coalesce(e.history, '') || coalesce(e.request, ''), $6) > 0))
      and ($12::smallint[] is null or coalesce(d.mail_kind, 0) = any($12::smallint[])) and ($13::text is null or $13 = any(d.labels))
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
      skillNeedle(q.skill),
      q.count,
      q.oldest,
      q.leaseSeconds,
      q.worker,
      q.maxInflight,
      q.kinds === null ? null : arrayLiteral(q.kinds),
      q.label,
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
