/** 1.0 streams: the canonical form itself, read liberally when an agent wrote it. */
import { z } from 'zod'
import { A2AError } from '../../../a2a/errors.ts'
import { type StreamResponse, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from '../../../a2a/events.ts'
import { Message, Task } from '../../../a2a/tasks.ts'
import { type Fields, isFields, readAs, shallow } from '../liberal.ts'

// An update that names no task or context belongs to the task whose stream it came in (lossy case L17): '' until then.
const owner = { taskId: z.string().default(''), contextId: z.string().default('') }
const StatusUpdate = TaskStatusUpdateEvent.extend(owner)
const ArtifactUpdate = TaskArtifactUpdateEvent.extend(owner)

export function decodeEvent(json: unknown): StreamResponse {
  const fields = shallow(json)
  const event = wrapped(fields)
  if (event) return event
  // Some agents forget the wrapper.
  if (isFields(fields.status) && 'id' in fields) return { task: readAs(Task, fields, 'agent', 'task') }
  if ('messageId' in fields) return { message: readAs(Message, fields, 'agent', 'message') }
  throw new A2AError('INVALID_AGENT_RESPONSE', 'the event has none of task, message, statusUpdate, artifactUpdate')
}

function wrapped(fields: Fields): StreamResponse | undefined {
  if ('task' in fields) return { task: readAs(Task, fields.task, 'agent', 'task') }
  if ('message' in fields) return { message: readAs(Message, fields.message, 'agent', 'message') }
  if ('statusUpdate' in fields)
    return { statusUpdate: readAs(StatusUpdate, fields.statusUpdate, 'agent', 'statusUpdate') }
  if ('artifactUpdate' in fields)
    return { artifactUpdate: readAs(ArtifactUpdate, fields.artifactUpdate, 'agent', 'artifactUpdate') }
  return undefined
}
