/** What this gateway adds to a task: only under its own key, and never over somebody else's (D22). */
import type { StreamResponse } from '../../a2a/events.ts'
import type { Metadata } from '../../a2a/parts.ts'
import type { Message, Task, TaskStatus } from '../../a2a/tasks.ts'
import { EXTENSION_URI } from '../../delivery.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { StreamEntry } from '../../ports.ts'
import { toEntry } from './entries.ts'

export { EXTENSION_URI }

/** Where a task's delivery stands, for its caller. */
export interface DeliveryFacts {
  readonly delivery: string
  readonly attempt?: number
  readonly nextAttemptAt?: string
  readonly position?: number
  readonly recipient?: string
  readonly expiresAt?: string
  readonly reason?: string
}

export const withFacts = (task: Task, facts: DeliveryFacts | undefined): Task =>
  facts
    ? { ...task, metadata: { ...task.metadata, [EXTENSION_URI]: { ...ownMetadata(task.metadata), ...facts } } }
    : task

/** What stands under our key: what a sender asked for, or what we have told. */
export function ownMetadata(metadata: Metadata | undefined): Record<string, unknown> {
  const own = metadata?.[EXTENSION_URI]
  return typeof own === 'object' && own !== null && !Array.isArray(own) ? (own as Record<string, unknown>) : {}
}

/**
 * A status that the gateway sets, not the agent: its message says why in words, and as a data part in the form of
 * google.rpc.ErrorInfo, because a status has no metadata (spec §4.1.2).
 */
export function gatewayStatus(
  state: TaskStatus['state'],
  why: { code: string; text: string },
  at: Date,
  ids: { taskId: string; contextId: string },
): TaskStatus {
  const message: Message = {
    messageId: uuidv7(),
    role: 'ROLE_AGENT',
    taskId: ids.taskId,
    contextId: ids.contextId,
    parts: [
      { text: why.text },
      {
        data: { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: why.code, domain: 'waypost' },
        mediaType: 'application/json',
      },
    ],
  }
  return { state, timestamp: at.toISOString(), message }
}

/** Under our key in the last status of a task that an answering Message has ended. */
export const ANSWERED_WITH_MESSAGE = { answeredWith: 'message' } as const

/** The artifact in which an answering Message is kept. */
export const answerId = (message: Pick<Message, 'messageId'> | undefined): string => `answer-${message?.messageId}`

/** If a log after its opening is only the record of one answering Message: that Message as a stream's sole entry (D15). */
export function loneMessage(entries: readonly StreamEntry[]): StreamEntry | undefined {
  const message = answerMessage(entries)
  if (!message) return undefined
  const event: StreamResponse = { message }
  return { ...toEntry({ sequence: 0, json: JSON.stringify(event), event }), last: true }
}

/** The Message itself; undefined: the log is more than that. What the gateway says when somebody takes the work is nothing of its agent's. */
export function answerMessage(entries: readonly StreamEntry[]): Message | undefined {
  const last = entries.at(-1)
  if (!last?.last) return undefined
  const event = last.event()
  if (!('statusUpdate' in event) || ownMetadata(event.statusUpdate.metadata).answeredWith !== 'message')
    return undefined
  const { taskId: _, ...message } = event.statusUpdate.status.message ?? ({} as Message)
  if (!message.parts || !entries.slice(0, -1).every((entry) => isOfAnswer(entry.event(), message))) return undefined
  return message
}

function isOfAnswer(event: StreamResponse, message: Message): boolean {
  if ('artifactUpdate' in event) return event.artifactUpdate.artifact.artifactId === answerId(message)
  if (!('statusUpdate' in event)) return false
  const { attempt, progress } = ownMetadata(event.statusUpdate.metadata)
  return attempt !== undefined && progress === undefined
}
