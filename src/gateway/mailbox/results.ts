/** A result as it is handed out and acknowledged: it belongs to another's task, and changes nothing of it. */
import { A2AError } from '../../a2a/errors.ts'
import { isInterrupted, isTerminal, type Message, type Task } from '../../a2a/tasks.ts'
import type { Collected } from '../../store/collect.ts'
import type { MessageLoad } from '../../store/deliveries.ts'
import { settleResult, UNACKNOWLEDGED } from '../../store/results.ts'
import { stateOf } from '../../store/tasks.ts'
import { type Agent, destinationOf } from '../agents/agent.ts'
import { type MailboxTools, textOf } from './tools.ts'

/** What a result says: the artifacts, or the words of the last status. */
export function resultMessage(task: Task): Message {
  const said = task.status.message
  const parts = (task.artifacts ?? []).flatMap((artifact) => artifact.parts)
  const own = isTerminal(task.status.state) && parts.length > 0
  return {
    messageId: said?.messageId ?? task.id,
    role: 'ROLE_AGENT',
    taskId: task.id,
    ...(task.contextId !== undefined && { contextId: task.contextId }),
    parts: own ? parts : (said?.parts ?? []),
  }
}

const overdueMessage = (task: Task, agent: string): Message => ({
  ...resultMessage(task),
  parts: [{ text: `${agent} has not acknowledged this in time` }],
})

/** undefined: there is no news any more, and the row is withdrawn. */
export async function resultOf(
  one: Collected,
  load: MessageLoad,
  task: Task | undefined,
  agent: Agent,
  { db }: MailboxTools,
): Promise<{ message: Message; text: string; from: string } | undefined> {
  const state = stateOf(load.state)
  const isOverdue = one.code === UNACKNOWLEDGED
  const isNews = load.caller === agent.destination && (isTerminal(state) || isInterrupted(state) || isOverdue)
  if (isNews && task && one.attempt <= agent.policy.maxAttempts) {
    const message = isOverdue && !isTerminal(state) ? overdueMessage(task, load.agent) : resultMessage(task)
    return { message, text: textOf(message.parts), from: destinationOf(load.agent) }
  }
  const code = isNews ? 'DELIVERY_ATTEMPTS_EXHAUSTED' : 'ANSWERED'
  await settleResult(db, one, { state: 4, code, receipt: null })
  return undefined
}

/** A result is nobody's to be worked on. */
export const isForTasks = (): A2AError =>
  new A2AError(
    'UNSUPPORTED_OPERATION',
    'a result is acknowledged with `complete`, or given back; its task is not changed by it',
  )
