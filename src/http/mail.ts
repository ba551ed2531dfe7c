/** A message in a mailbox, as it is shown to who only looks. */
import type { StreamResponse } from '../a2a/events.ts'
import { HELD, mailKind, mailKindOf } from '../delivery.ts'
import { destinationOf } from '../gateway/agents/agent.ts'
import { messageOf, skillOf } from '../gateway/mailbox/offer.ts'
import { resultMessage } from '../gateway/mailbox/results.ts'
import { textOf } from '../gateway/mailbox/tools.ts'
import { LEVELS } from '../gateway/tasks/wishes.ts'
import type { InboxRow } from '../store/inbox.ts'
import { stateOf } from '../store/tasks.ts'
import { iso, times } from './face.ts'

/** Of a result only what its last event says; the artifacts come with the lease, or with the task. */
function mailIn(row: InboxRow) {
  if (row.mailKind !== mailKind('result')) return { from: row.caller, message: messageOf(row), skillFrom: row.request }
  const event = JSON.parse(row.body) as StreamResponse
  const status = 'statusUpdate' in event ? event.statusUpdate.status : undefined
  const task = { id: row.taskId, contextId: row.contextId, status: status ?? { state: stateOf(row.taskState) } }
  return { from: destinationOf(row.agent), message: resultMessage(task), skillFrom: null }
}

/** One message that waits or is held, whole. */
export function showMail(row: InboxRow) {
  const { from, message, skillFrom } = mailIn(row)
  return {
    delivery: row.id,
    state: row.state === 1 ? 'leased' : row.priority >= HELD ? 'held' : 'waiting',
    attempt: row.attempt,
    text: textOf(message.parts),
    from,
    kind: mailKindOf(row.mailKind),
    labels: row.labels ?? [],
    priority: LEVELS[row.priority >= HELD ? row.priority - HELD : row.priority] ?? 'low',
    ...skillOf(message, skillFrom),
    deadline: row.deadline === null ? null : iso(row.deadline),
    ...times({ createdAt: row.createdAt, dueAt: row.dueAt, expiresAt: row.expiresAt, leasedUntil: row.leasedUntil }),
    ...times({ readAt: row.readAt, ackBy: row.ackBy }),
    ...(row.worker !== null && { worker: row.worker }),
    message,
    task: { id: row.taskId, contextId: row.contextId, status: { state: stateOf(row.taskState) } },
  }
}
