/**
 * What is owed to a webhook and too big for one (SR-35): how the task stands and which it is, in place of the event. What it
 * said is asked for with GetTask.
 */
import type { StreamResponse } from '../../a2a/events.ts'
import type { Task, TaskStatus } from '../../a2a/tasks.ts'
import { EXTENSION_URI } from '../../delivery.ts'

export interface ThinPush {
  /** A status update in the canonical form. */
  readonly json: string
  /** The same as a task, for versions that push those. */
  readonly task: Task
}

/** @param bytes of the body that is not sent */
export async function thinPush(json: string, bytes: number, snapshot: () => Promise<Task>): Promise<ThinPush> {
  const event = JSON.parse(json) as StreamResponse
  const { id, contextId = '', status } = 'task' in event ? event.task : await standing(event, snapshot)
  const { message: _, ...bare } = status
  const metadata = { [EXTENSION_URI]: { thin: { bytes, ...partOf(event) } } }
  const update: StreamResponse = { statusUpdate: { taskId: id, contextId, status: bare, metadata } }
  return { json: JSON.stringify(update), task: { id, contextId, status: bare, metadata } }
}

type Standing = Pick<Task, 'id' | 'contextId'> & { readonly status: TaskStatus }

async function standing(event: StreamResponse, snapshot: () => Promise<Task>): Promise<Standing> {
  if (!('statusUpdate' in event)) return snapshot()
  const { taskId: id, contextId, status } = event.statusUpdate
  return { id, contextId, status }
}

/** What to look for in the task. */
function partOf(event: StreamResponse): Record<string, string> {
  if ('artifactUpdate' in event) return { artifactId: event.artifactUpdate.artifact.artifactId }
  const message = 'statusUpdate' in event ? event.statusUpdate.status.message : undefined
  return message ? { messageId: message.messageId } : {}
}
