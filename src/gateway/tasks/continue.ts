/** A message for a task that exists: a new event and a new delivery, in order after what is already owed. */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest } from '../../a2a/operations.ts'
import { isInterrupted, type Message, type TaskState } from '../../a2a/tasks.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Call } from '../../ports.ts'
import { addMessage } from '../../store/messages.ts'
import { findSubmission, stateNumber, type TaskHead } from '../../store/tasks.ts'
import { toEntry } from './entries.ts'
import {
  admitted,
  keyOf,
  type OpenedTask,
  type OpenTools,
  orderingKeyOf,
  type Recipient,
  repeated,
  requestOf,
  wakeRecipient,
} from './open.ts'
import { type DeliveryWishes, mailOf, wishesOf } from './wishes.ts'

/** How often a further message is tried anew because the task moved on meanwhile. */
const ADD_TRIES = 5

/** Rejects with MESSAGE_ID_REUSED, and UNAVAILABLE when the task changes too fast. */
export async function continueTask(
  params: SendMessageRequest,
  call: Call,
  head: TaskHead,
  again: () => Promise<TaskHead>,
  recipient: Recipient,
  tools: OpenTools,
): Promise<OpenedTask> {
  const wishes = wishesOf(params)
  const key = keyOf(params.message, call, recipient.idempotency)
  let current = head
  for (let tries = 0; tries < ADD_TRIES; tries++) {
    const row = furtherMessage(params, call, current, key, recipient, wishes, tools.now())
    const added = await addMessage(tools.db, row)
    if (added) {
      const entry = toEntry({ sequence: added.lastSeq, json: row.body, state: row.stateName })
      tools.published(head.tenant, head.id, [entry], added.owed)
      wakeRecipient(recipient, row, tools)
      return { tenant: head.tenant, id: head.id, contextId: head.contextId, sequence: added.lastSeq, repeated: false }
    }
    const found =
      key === null
        ? undefined
        : await findSubmission(tools.db, { tenant: head.tenant, caller: head.caller, agent: head.agent, key })
    if (found) return repeated(params.message, call, found, tools)
    current = await again()
  }
  throw new A2AError('UNAVAILABLE', 'the task is changing too fast; send the same message again', {
    retryAfterSeconds: 1,
  })
}

/** An answer to a question puts the task back on the shelf: SUBMITTED until the agent takes it up again. */
const stateAfterMessage = (state: TaskState): TaskState => (isInterrupted(state) ? 'TASK_STATE_SUBMITTED' : state)

function furtherMessage(
  params: SendMessageRequest,
  call: Call,
  head: TaskHead,
  key: string | null,
  recipient: Recipient,
  wishes: DeliveryWishes,
  at: Date,
) {
  const message: Message = { ...params.message, contextId: head.contextId, taskId: head.id }
  const stateName = stateAfterMessage(head.state)
  const { priority, metadata } = admitted(wishes, recipient)
  const statusUpdate = {
    taskId: head.id,
    contextId: head.contextId,
    status: { state: stateName, timestamp: at.toISOString() },
    ...(metadata && { metadata }),
  }
  return {
    tenant: head.tenant,
    taskId: head.id,
    caller: head.caller,
    agent: head.agent,
    expectedState: stateNumber(head.state),
    state: stateNumber(stateName),
    stateName,
    statusAt: at.toISOString(),
    body: JSON.stringify({ statusUpdate }),
    history: JSON.stringify([message]),
    request: requestOf(params, call),
    key,
    deliveryId: uuidv7(),
    kind: recipient.kind,
    destination: recipient.destination,
    orderingKey: orderingKeyOf(recipient, head),
    priority,
    ttlSeconds: wishes.ttlSeconds ?? recipient.ttlSeconds,
    mail: mailOf(wishes, at),
  }
}
