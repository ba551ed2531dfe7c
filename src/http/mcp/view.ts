/** Tasks, messages and agents as a model reads them: small, and what others have written as quoted data. */
import type { Part } from '../../a2a/parts.ts'
import { type Artifact, isInterrupted, isTerminal, type Message, type Task } from '../../a2a/tasks.ts'

/** What one result shows of texts and files; more is behind the resource `task://{id}`. */
const CHARS_MAX = 60_000
const INLINE_FILE_CHARS_MAX = 16_384
const THREAD_MAX = 10
const THREAD_CHARS_MAX = 500

interface Room {
  left: number
}

const shortState = (state: string): string => state.replace(/^TASK_STATE_/, '')
export const stateWord = (task: Pick<Task, 'status'>): string => shortState(task.status.state)

function cutTo(text: string, room: Room): string {
  const shown = text.length <= room.left ? text : `${text.slice(0, room.left)}… [${text.length - room.left} more]`
  room.left = Math.max(0, room.left - text.length)
  return shown
}

/** Text joined; data as it is, one or a list; files with their content if that is small. */
export function contentOf(parts: readonly Part[], room: Room = { left: CHARS_MAX }): Record<string, unknown> {
  const texts = parts.flatMap((part) => (part.text === undefined ? [] : [part.text]))
  const data = parts.filter((part) => 'data' in part).map((part) => part.data)
  const files = parts.filter(({ raw, url }) => raw !== undefined || url !== undefined)
  return {
    ...(texts.length > 0 && { text: cutTo(texts.join('\n'), room) }),
    ...(data.length > 0 && { data: fitting(data.length === 1 ? data[0] : data, room) }),
    ...(files.length > 0 && { files: files.map((part) => fileOf(part, room)) }),
  }
}

function fitting(data: unknown, room: Room): unknown {
  const json = JSON.stringify(data)
  if (json.length > room.left) return cutTo(json, room)
  room.left -= json.length
  return data
}

function fileOf({ filename, mediaType, raw, url }: Part, room: Room): Record<string, unknown> {
  const named = { ...(filename && { name: filename }), ...(mediaType && { mediaType }) }
  if (raw === undefined) return { ...named, url }
  const bytes = Math.floor((raw.length * 3) / 4)
  if (raw.length > Math.min(INLINE_FILE_CHARS_MAX, room.left)) return { ...named, bytes }
  room.left -= raw.length
  return { ...named, bytes, base64: raw }
}

const artifactView = ({ artifactId, name, parts }: Artifact, room: Room) => ({
  id: artifactId,
  ...(name && { name }),
  ...contentOf(parts, room),
})

/** A delegated task: how it stands, what came of it, what is asked, what to do next. */
export function taskView(task: Task, agent: string, cursor?: number): Record<string, unknown> {
  const { id, contextId, status, artifacts = [] } = task
  const { state, message } = status
  const room = { left: CHARS_MAX }
  const said = message ? contentOf(message.parts, room) : undefined
  return {
    taskId: id,
    contextId,
    agent,
    state: shortState(state),
    ...(artifacts.length > 0 && { artifacts: artifacts.map((artifact) => artifactView(artifact, room)) }),
    ...(said && (isInterrupted(state) ? { question: said } : { said })),
    ...(cursor !== undefined && { cursor }),
    ...nextOf(task, room),
  }
}

function nextOf({ id, status: { state } }: Task, room: Room): { next?: string } {
  if (isTerminal(state)) return room.left === 0 ? { next: `all of it: resource task://${id}` } : {}
  if (state === 'TASK_STATE_INPUT_REQUIRED') return { next: 'answer with reply_to_task' }
  if (state === 'TASK_STATE_AUTH_REQUIRED')
    return { next: 'a person has to authorise this; tell them, then reply_to_task' }
  return { next: 'check_task later; it goes on without you' }
}

/** An unsuccessful end is an error to the model. */
export const isFailure = ({ status: { state } }: Task): boolean =>
  state === 'TASK_STATE_FAILED' || state === 'TASK_STATE_REJECTED'

/** What was said before, oldest first, the beginning of each. */
export function threadOf(task: Task, current: Message): readonly object[] {
  const before = (task.history ?? []).filter(({ messageId }) => messageId !== current.messageId)
  return before.slice(-THREAD_MAX).map(({ role, parts }) => ({
    by: role === 'ROLE_AGENT' ? 'you' : 'sender',
    ...contentOf(parts, { left: THREAD_CHARS_MAX }),
  }))
}
