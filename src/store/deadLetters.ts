/** Dead letters: found, and given back to the queue. */

import type { DestinationKind } from '../delivery.ts'
import { LIMITS } from '../limits.ts'
import { auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'

export interface DeadLetter {
  readonly id: string
  readonly kind: DestinationKind
  readonly destination: string
  readonly taskId: string
  readonly seq: number
  readonly agent: string
  readonly caller: string
  /** It is dead or expired; otherwise somebody has replayed it, or it never died. */
  readonly dead: boolean
}

const FIND: Statement = {
  name: 'deadLetters.find',
  write: false,
  text: `select d.id::text, d.kind, d.destination, d.task_id::text as "taskId", d.seq, t.agent, t.caller, d.state in (3, 5) as dead
from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id where d.tenant = $1 and d.id = $2::uuid`,
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export async function findDead(db: Db, tenant: string, id: string): Promise<DeadLetter | undefined> {
  if (!UUID.test(id)) return undefined
  const [row] = await db.query<DeadLetter>(FIND, [tenant, id])
  return row
}

// Back in line with a fresh count and a fresh day, its config alive again, and a note of who wanted it.
const REPLAY: Statement = {
  name: 'deadLetters.replayWebhook',
  write: true,
  text: `
with again as (
  update deliveries set state = 0, attempt = 0, due_at = now(), settled_at = null, expires_at = now() + interval '${LIMITS.webhookAgeMaxMs / 1000} seconds', code = 'REPLAYED', reason = null
  where tenant = $1 and id = $2::uuid and kind = 'webhook' and state in (3, 5)
  returning tenant, id, task_id, config_id
), enabled as (
  update push_configs p set disabled_at = null, disabled_reason = null from again a
  where p.tenant = a.tenant and p.task_id = a.task_id and p.id = a.config_id
), ${noting('again', 3)}
select id::text from again`,
}

export interface ReplayOrder {
  readonly tenant: string
  readonly id: string
  readonly by: string
  readonly auditId: string
}

const noteOf = (subject: string, actor: string, id: string) => ({ id, actor, action: 'delivery.replayed', subject })

/** false: it is not dead any more. */
export const replayWebhook = async (db: Db, { tenant, id, by, auditId }: ReplayOrder): Promise<boolean> =>
  (await db.query(REPLAY, [tenant, id, ...auditValues(noteOf(id, by, auditId))])).length === 1

const BOUND: Statement = {
  name: 'deadLetters.bound',
  write: true,
  text: `update tasks t set deadline = coalesce(t.deadline, d.expires_at) from deliveries d
where d.tenant = $1 and d.id = $2::uuid and t.tenant = d.tenant and t.id = d.task_id and d.expires_at is not null`,
}
/** Its delivery is about to be a dead letter and the task is not ended: it ends when the delivery's time is over, if nobody replays it. */
export const boundHeld = async (db: Db, tenant: string, id: string): Promise<void> => {
  await db.query(BOUND, [tenant, id])
}

const REPLAY_HELD: Statement = {
  name: 'deadLetters.replayHeld',
  write: true,
  text: `
with again as (
  update deliveries d set state = 0, attempt = 0, due_at = now(), settled_at = null, code = 'REPLAYED', reason = null
  where d.tenant = $1 and d.id = $2::uuid and d.kind = 'mailbox' and d.state = 3
    and exists (select 1 from tasks t where t.tenant = d.tenant and t.id = d.task_id and t.state in (0, 1, 2, 6, 8))
  returning d.tenant, d.id
), ${noting('again', 3)}
select id::text from again`,
}
/** The same task goes on. false: it has ended, or the delivery is not dead. */
export const replayHeld = async (db: Db, { tenant, id, by, auditId }: ReplayOrder): Promise<boolean> =>
  (await db.query(REPLAY_HELD, [tenant, id, ...auditValues(noteOf(id, by, auditId))])).length === 1
