/** SubscribeToTask (A2A 1.0 §3.1.6), and resuming by the last sequence that the client has seen. */
import { A2AError } from '../../a2a/errors.ts'
import type { SubscribeToTaskRequest } from '../../a2a/operations.ts'
import { isTerminal } from '../../a2a/tasks.ts'
import type { EventStream } from '../../ports.ts'
import { readsOf } from '../../store/db.ts'
import { loneMessage } from '../tasks/facts.ts'
import { createStream } from '../tasks/subscribe.ts'
import { readTask } from '../tasks/view.ts'
import { ownTask } from './getTask.ts'
import { checkStreams, snapshotEntry } from './sendMessage.ts'
import type { AgentCall, OperationTools } from './tools.ts'

export async function subscribeToTask(
  { id }: SubscribeToTaskRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<EventStream> {
  const head = await ownTask(id, call, tools)
  checkStreams(tools, head.id)
  const { tenant, id: taskId, lastSeq } = head
  const seen = call.lastEventId
  const resumes = seen !== undefined && seen >= 1 && seen <= lastSeq
  // A terminal task cannot be subscribed to; but who proves by an id to have been on its stream gets what it missed.
  if (isTerminal(head.state) && !(resumes && seen < lastSeq)) {
    throw new A2AError('UNSUPPORTED_OPERATION', `the task has ended (${head.state}); read it with GetTask`)
  }
  const streamTools = { hub: tools.hub, clock: tools.clock, draining: tools.draining, loneMessage }
  if (resumes) return createStream({ tenant, taskId, after: seen }, streamTools)
  const read = await readTask(readsOf(tools.db, tenant), tenant, taskId)
  if (!read) throw new A2AError('TASK_NOT_FOUND', 'task not found')
  const first = snapshotEntry(read.task, read.lastSeq)
  // An interrupted task is one to wait on: its snapshot does not end the stream, what comes after it does.
  return createStream({ tenant, taskId, first: { ...first, interrupted: false }, after: read.lastSeq }, streamTools)
}
