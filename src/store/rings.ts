/** Calls that nobody has answered: what their senders want of them then, in one statement each. */
import type { Db, Statement } from './db.ts'
import { TOLD } from './results.ts'

export interface RungOut {
  readonly tenant: string
  readonly id: string
  readonly destination: string
  readonly taskId: string
  readonly agent: string
  readonly contextId: string
  readonly acceptedAt: number
  readonly state: number
  /** Somebody has answered it before, and was lost. */
  readonly answered: boolean
  readonly body: string
  readonly history: string | null
  readonly request: string | null
}

// The partial index of what expires: what lies before now in it is only what has just become so.
const OVER: Statement = {
  name: 'rings.over',
  write: false,
  text: `select d.tenant, d.id::text, d.destination, d.task_id::text as "taskId", t.agent, t.context_id as "contextId",
  (extract(epoch from t.created_at) * 1000)::float8 as "acceptedAt", t.state, d.attempt > 0 as answered, e.body, e.history, e.request
from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id
join task_events e on e.tenant = d.tenant and e.task_id = d.task_id and e.seq = d.seq
where d.state = 0 and d.expires_at is not null and d.expires_at <= now() and d.mail_kind = 3 limit $1`,
}
export const rungOut = (db: Db, limit: number): Promise<RungOut[]> => db.query<RungOut>(OVER, [limit])

export interface Unanswered {
  readonly tenant: string
  readonly id: string
  readonly taskId: string
  /** The canonical status update. */
  readonly body: string
  readonly statusAt: string
  /** From now on it is an ordinary message that lives so long; null: its task has failed. */
  readonly ttlSeconds: number | null
  readonly reason: string
  /** Any fresh UUID. */
  readonly seed: string
  readonly webhookAgeSeconds: number
}

const END: Statement = {
  name: 'rings.end',
  write: true,
  text: `
with due as (
  update deliveries d set mail_kind = case when $6::int is null then d.mail_kind end, state = case when $6::int is null then 5 else 0 end,
    expires_at = case when $6::int is null then d.expires_at else now() + make_interval(secs => $6::int) end,
    settled_at = case when $6::int is null then now() end, code = 'NO_ANSWER', reason = $7::text
  where d.tenant = $1 and d.id = $2::uuid and d.state = 0 and d.mail_kind = 3 and d.expires_at <= now()
  returning d.tenant, d.task_id
), head as (
  update tasks t set last_seq = t.last_seq + 1, state = case when $6::int is null then 4 else t.state end, status_at = greatest(t.status_at, $5::timestamptz)
  from due where t.tenant = due.tenant and t.id = due.task_id and t.id = $3::uuid and t.state in (0, 1, 2, 6, 8)
  returning t.tenant, t.id, t.last_seq, t.has_push, t.caller, t.home
), log as (
  insert into task_events (tenant, task_id, seq, kind, body) select tenant, id, last_seq, 1, $4::text from head
), owed as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
  select h.tenant, (substr($8::text, 1, 24) || substr(md5($8::text || ' ' || p.id), 1, 12))::uuid, 'webhook', p.destination,
    h.id::text || '/' || p.id, h.last_seq, h.id, h.last_seq, p.id, 0, now() + make_interval(secs => $9::int)
  from head h join push_configs p on p.tenant = h.tenant and p.task_id = h.id where h.has_push and p.disabled_at is null
  returning tenant, destination
), ${TOLD('$6::int is null')}
select last_seq as "lastSeq",
  (select string_agg(distinct tenant || ' ' || destination, chr(10)) from (select * from owed union all select * from told) o) as owed from head`,
}
/** undefined: somebody has answered, or another replica has seen to it. */
export const endRing = async (db: Db, u: Unanswered): Promise<{ lastSeq: number; owed: string | null } | undefined> =>
  (
    await db.query<{ lastSeq: number; owed: string | null }>(END, [
      ...[u.tenant, u.id, u.taskId, u.body, u.statusAt, u.ttlSeconds, u.reason, u.seed, u.webhookAgeSeconds],
    ])
  )[0]
