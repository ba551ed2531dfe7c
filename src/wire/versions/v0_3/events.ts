/** 0.3 stream events: bare objects told apart by `kind`, in the proto form wrapped as in 1.0; `final` marks the end. */
import { z } from 'zod'
import { A2AError } from '../../../a2a/errors.ts'
import { type StreamResponse, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from '../../../a2a/events.ts'
import { Message, Task } from '../../../a2a/tasks.ts'
import type { DecodedEvent } from '../codec.ts'
import { type Fields, isFields, readAs, shallow } from '../liberal.ts'
import { decodeMessage, encodeMessage } from './messages.ts'
import type { Dialect, Form } from './parts.ts'
import { decodeArtifact, decodeStatus, decodeTask, encodeArtifact, encodeStatus, encodeTask } from './tasks.ts'

// Old peers leave out which task an update is about (lossy case L17): it is the one whose stream it came in.
const owner = { taskId: z.string().default(''), contextId: z.string().default('') }
const StatusUpdate = TaskStatusUpdateEvent.extend(owner)
const ArtifactUpdate = TaskArtifactUpdateEvent.extend(owner)

type Member = 'task' | 'message' | 'statusUpdate' | 'artifactUpdate'
/** A map, because what an agent writes there may be the name of something that every object has. */
const KINDS: ReadonlyMap<unknown, Member> = new Map([
  ['task', 'task'],
  ['message', 'message'],
  ['status-update', 'statusUpdate'],
  ['artifact-update', 'artifactUpdate'],
])
const WRAPPERS: readonly (readonly [string, Member])[] = [
  ['task', 'task'],
  ['message', 'message'],
  ['msg', 'message'],
  ['statusUpdate', 'statusUpdate'],
  ['artifactUpdate', 'artifactUpdate'],
]

/** @throws A2AError INVALID_AGENT_RESPONSE */
export function decodeEvent(json: unknown, form: Form): DecodedEvent {
  const [member, fields] = recognise(json)
  const dialect: Dialect = { form, speaker: 'agent' }
  const event = READERS[member](fields, dialect)
  return member === 'statusUpdate' && typeof fields.final === 'boolean' ? { event, final: fields.final } : { event }
}

/** By `kind`, by wrapper, or by what only that object has. */
function recognise(json: unknown): [Member, Fields] {
  const fields = shallow(json)
  const kind = KINDS.get(fields.kind)
  if (kind) return [kind, fields]
  for (const [name, member] of WRAPPERS) {
    if (isFields(fields[name]) && !('status' in fields)) return [member, shallow(fields[name])]
  }
  if ('artifact' in fields) return ['artifactUpdate', fields]
  if ('status' in fields) return ['id' in fields ? 'task' : 'statusUpdate', fields]
  if ('parts' in fields || 'content' in fields) return ['message', fields]
  throw new A2AError('INVALID_AGENT_RESPONSE', 'the event is neither a task, a message nor an update')
}

const READERS: { readonly [M in Member]: (fields: Fields, dialect: Dialect) => StreamResponse } = {
  task: (fields, dialect) => ({ task: readAs(Task, decodeTask(fields, dialect), 'agent', 'task') }),
  message: (fields, dialect) => ({ message: readAs(Message, decodeMessage(fields, dialect), 'agent', 'message') }),
  statusUpdate: (fields, dialect) => {
    const update = { ...fields, status: decodeStatus(fields.status, dialect) }
    return { statusUpdate: readAs(StatusUpdate, update, 'agent', 'status update') }
  },
  artifactUpdate: (fields, dialect) => {
    const update = { ...fields, artifact: decodeArtifact(fields.artifact, dialect) }
    return { artifactUpdate: readAs(ArtifactUpdate, update, 'agent', 'artifact update') }
  },
}

/** `final` is true on the status event after which this server closes, and on no other. */
export function encodeEvent(event: StreamResponse, form: Form, closing: boolean): Fields {
  const wrap = (name: string, fields: Fields): Fields => (form === 'proto' ? { [name]: fields } : fields)
  const kind = (name: string): Fields => (form === 'schema' ? { kind: name } : {})
  if ('task' in event) return wrap('task', encodeTask(event.task, form))
  if ('message' in event) return wrap('message', encodeMessage(event.message, form))
  if ('statusUpdate' in event) {
    const { status, ...rest } = event.statusUpdate
    const update = { ...kind('status-update'), ...rest, status: encodeStatus(status, form), final: closing }
    return wrap('statusUpdate', update)
  }
  const { artifact, ...rest } = event.artifactUpdate
  return wrap('artifactUpdate', { ...kind('artifact-update'), ...rest, artifact: encodeArtifact(artifact, form) })
}
