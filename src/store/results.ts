/**
 * Results come home: a caller that collects finds in its own mailbox how each of its tasks ended or what it asks. One row
 * per task, written by the statement that writes the event; it says no more than that there is news, so what is read with
 * it is the task as it is then. When the task moves on, the same row waits again.
 */
import { QUIET } from '../delivery.ts'
import { LIMITS } from '../limits.ts'
import type { Db, Statement } from './db.ts'
import type { LeaseKey } from './mailbox.ts'

/** Of a result row: nobody has acknowledged the message in time. */
export const UNACKNOWLEDGED = 'ACK_OVERDUE'

/** The id of a task's result row. `task` is SQL of type uuid. */
export const RESULT_ID = (task: string): string =>
  `(substr(${task}::text, 1, 24) || substr(md5(${task}::text || ' result'), 1, 12))::uuid`

/**
 * CTE `told`, after `head` (with tenant, id, caller, home, last_seq): nothing for a caller that does not collect. `news`:
 * what must be so that its caller is told; `code`: why, where it is not the state of the task.
 */
export const TOLD = (news: string, code: string | null = null): string => `told as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, priority, task_id, seq, state, expires_at, mail_kind, code)
  select h.tenant, ${RESULT_ID('h.id')}, 'result', h.caller, 'result/' || h.id::text, (extract(epoch from now()) * 1000000)::bigint,
    case h.home when 2 then 2 else ${QUIET} end, h.id, h.last_seq, 0, now() + interval '${LIMITS.resultSeconds} seconds', 2, ${code === null ? 'null' : `'${code}'`}
  from head h where h.home is not null and ${news}
  on conflict (tenant, id) do update set seq = excluded.seq, position = excluded.position, due_at = now(), expires_at = excluded.expires_at,
    state = 0, attempt = 0, lease = null, leased_until = null, worker = null, receipt = null, read_at = null, settled_at = null,
    code = excluded.code, reason = null
  returning tenant, destination
)`

/** CTE `answered`, after `head`: its caller has just spoken, so there is no news for it. */
export const ANSWERED = `answered as (
  update deliveries n set state = 4, settled_at = now(), code = 'ANSWERED', reason = 'its sender has answered'
  from head h where h.home is not null and n.tenant = h.tenant and n.id = ${RESULT_ID('h.id')} and n.state = 0
)`

const SETTLE: Statement = {
  name: 'results.settle',
  write: true,
  text: `update deliveries set state = $5::smallint, settled_at = now(), lease = null, leased_until = null, code = $6, receipt = coalesce($7, receipt)
where tenant = $1 and id = $2::uuid and destination = $3 and kind = 'result' and lease = $4::uuid and state = 1
returning id::text`,
}

/** Its agent has it (done), or it is of no use any more (void). false: the lease is not held. */
export const settleResult = async (
  db: Db,
  { tenant, id, destination, lease }: LeaseKey,
  how: { readonly state: 2 | 4; readonly code: string | null; readonly receipt: string | null },
): Promise<boolean> =>
  (await db.query(SETTLE, [tenant, id, destination, lease, how.state, how.code, how.receipt])).length > 0

const EXPIRE: Statement = {
  name: 'results.expire',
  write: true,
  text: `update deliveries d set state = 4, settled_at = now(), code = 'UNREAD', reason = 'nobody came for it'
from (select tenant, id from deliveries where state = 0 and kind = 'result' and expires_at < now() limit $1 for update skip locked) k
where d.tenant = k.tenant and d.id = k.id`,
}

/** Results that nobody has asked for in time. Their tasks tell the same as long as they are kept. */
export const expireResults = async (db: Db, limit: number): Promise<void> => {
  await db.query(EXPIRE, [limit])
}
