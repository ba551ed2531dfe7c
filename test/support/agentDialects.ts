/** The scripted agent's tongues, written out by hand: no code of the product takes part, so that both cannot err alike. */
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { Part } from '../../src/a2a/parts.ts'
import { isInterrupted, isTerminal, type Message, type Task, type TaskState } from '../../src/a2a/tasks.ts'

export type Json = Record<string, unknown>

export interface Dialect {
  readonly version: string
  readonly methods: Readonly<Record<string, string>>
  readMessage(json: Json): Message
  task(task: Task): unknown
  event(event: StreamResponse): unknown
  /** The answer to SendMessage. */
  sent(answer: { task: Task } | { message: Message }): unknown
  returnsImmediately(params: Json): boolean
  pushOf(params: Json): { url: string; token?: string } | undefined
}

const METHODS = [
  'SendMessage',
  'SendStreamingMessage',
  'GetTask',
  'ListTasks',
  'CancelTask',
  'SubscribeToTask',
] as const

export const v10: Dialect = {
  version: '1.0',
  methods: Object.fromEntries(METHODS.map((name) => [name, name])),
  readMessage: (json) => json as unknown as Message,
  task: (task) => task,
  event: (event) => event,
  sent: (answer) => answer,
  returnsImmediately: (params) => (params.configuration as Json | undefined)?.returnImmediately === true,
  pushOf: (params) =>
    (params.configuration as { taskPushNotificationConfig?: { url: string; token?: string } } | undefined)
      ?.taskPushNotificationConfig,
}

const stateV03 = (state: TaskState): string =>
  state === 'TASK_STATE_UNSPECIFIED' ? 'unknown' : state.slice('TASK_STATE_'.length).toLowerCase().replace('_', '-')

function partV03(part: Part): Json {
  if (part.text !== undefined) return { kind: 'text', text: part.text }
  if (part.data !== undefined) return { kind: 'data', data: part.data }
  const named = { name: part.filename, mimeType: part.mediaType }
  return { kind: 'file', file: part.url === undefined ? { bytes: part.raw, ...named } : { uri: part.url, ...named } }
}

function partOfV03(part: Json): Part {
  if (part.kind === 'text') return { text: part.text as string }
  if (part.kind === 'data') return { data: part.data }
  const file = part.file as Json
  const named = {
    ...(file.name !== undefined && { filename: file.name as string }),
    ...(file.mimeType !== undefined && { mediaType: file.mimeType as string }),
  }
  return file.uri === undefined ? { raw: file.bytes as string, ...named } : { url: file.uri as string, ...named }
}

const messageV03 = (message: Message): Json => ({
  kind: 'message',
  ...message,
  role: message.role === 'ROLE_AGENT' ? 'agent' : 'user',
  parts: message.parts.map(partV03),
})

const statusV03 = (status: Task['status']): Json => ({
  ...status,
  state: stateV03(status.state),
  ...(status.message && { message: messageV03(status.message) }),
})

const taskV03 = (task: Task): Json => ({
  kind: 'task',
  ...task,
  status: statusV03(task.status),
  ...(task.artifacts && { artifacts: task.artifacts.map((made) => ({ ...made, parts: made.parts.map(partV03) })) }),
  ...(task.history && { history: task.history.map(messageV03) }),
})

function eventV03(event: StreamResponse): Json {
  if ('task' in event) return taskV03(event.task)
  if ('message' in event) return messageV03(event.message)
  if ('artifactUpdate' in event) {
    const { artifact } = event.artifactUpdate
    return {
      kind: 'artifact-update',
      ...event.artifactUpdate,
      artifact: { ...artifact, parts: artifact.parts.map(partV03) },
    }
  }
  const { state } = event.statusUpdate.status
  const final = isTerminal(state) || isInterrupted(state)
  return { kind: 'status-update', ...event.statusUpdate, status: statusV03(event.statusUpdate.status), final }
}

export const v03: Dialect = {
  version: '0.3',
  methods: {
    'message/send': 'SendMessage',
    'message/stream': 'SendStreamingMessage',
    'tasks/get': 'GetTask',
    'tasks/cancel': 'CancelTask',
    'tasks/resubscribe': 'SubscribeToTask',
  },
  readMessage: (json) => {
    const { kind: _kind, role, parts, ...rest } = json
    return {
      ...rest,
      role: role === 'agent' ? 'ROLE_AGENT' : 'ROLE_USER',
      parts: (parts as Json[]).map(partOfV03),
    } as unknown as Message
  },
  task: taskV03,
  event: eventV03,
  sent: (answer) => eventV03(answer),
  returnsImmediately: (params) => (params.configuration as Json | undefined)?.blocking === false,
  pushOf: (params) =>
    (params.configuration as { pushNotificationConfig?: { url: string; token?: string } } | undefined)
      ?.pushNotificationConfig,
}
