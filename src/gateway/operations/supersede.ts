/** Of several messages of one sender with the same key only the newest matters: what still waits is withdrawn. */
import type { SendMessageRequest } from '../../a2a/operations.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { cancelQueued } from '../../store/messages.ts'
import { waitingWithKey } from '../../store/reading.ts'
import { toEntry } from '../tasks/entries.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import type { OpenedTask } from '../tasks/open.ts'
import { wishesOf } from '../tasks/wishes.ts'
import type { AgentCall, OperationTools } from './tools.ts'

/** More than these are withdrawn by the next one. */
const AT_ONCE = 100

/** After the new one is committed: whatever happens here, the newest is never the one that is lost. */
export async function supersede(
  params: SendMessageRequest,
  { known, caller }: AgentCall,
  { id }: OpenedTask,
  { db, now, published }: Pick<OperationTools, 'db' | 'now' | 'published'>,
): Promise<void> {
  const { dedupeKey, replace } = wishesOf(params)
  if (dedupeKey === undefined || replace === undefined) return
  const { tenant, destination } = known
  const older = await waitingWithKey(db, {
    tenant,
    destination,
    caller: caller.id,
    dedupeKey,
    newest: id,
    limit: AT_ONCE,
  })
  for (const ids of older) {
    const at = now()
    const why = { code: 'SUPERSEDED', text: `replaced by ${id}` }
    const event = { statusUpdate: { ...ids, status: gatewayStatus('TASK_STATE_CANCELED', why, at, ids) } }
    const body = JSON.stringify(event)
    const change = { tenant, taskId: ids.taskId, statusAt: at.toISOString(), body, eventId: uuidv7() }
    const done = await cancelQueued(db, change)
    // Somebody has it by now: it is not withdrawn any more.
    if (!done) continue
    const entry = toEntry({ sequence: done.lastSeq, json: body, event, state: 'TASK_STATE_CANCELED' })
    published(tenant, ids.taskId, [entry], done.owed)
  }
}
