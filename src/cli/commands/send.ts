/** `send`: starts or continues a task, and by default waits for what becomes of it. */
import { readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import type { SendMessageRequest, SendMessageResponse } from '../../a2a/operations.ts'
import type { Part } from '../../a2a/parts.ts'
import type { Message, Task, TaskState } from '../../a2a/tasks.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { A2AClient } from '../a2aClient.ts'
import { STORE_AND_FORWARD } from '../deliveryFacts.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, PartFlag } from '../invocation.ts'
import {
  deliveryText,
  follow,
  noteOutcome,
  outcomeExitCode,
  renderAnswer,
  renderEvent,
  renderTask,
  renderView,
  type StreamView,
  stateName,
} from '../render.ts'
import { isSettled, resumingStream, waitWithin, withinLimit } from '../waiting.ts'

export const send = async (call: Invocation, wishes?: Record<string, unknown>): Promise<number> => {
  const waitFor = call.option('wait-for') ?? 'done'
  if (waitFor !== 'done' && waitFor !== 'leased') throw usage(`--wait-for: there is no ${waitFor}`, 'done or leased')
  const message = messageOf(call)
  const client = await call.agent()
  const request: SendMessageRequest = {
    message,
    configuration: { ...(leaves(call) && { returnImmediately: true }) },
    ...metadataOf(call, wishes),
  }
  try {
    if (call.has('stream') && client.agent.card.capabilities?.streaming) return await streamed(client, request, call)
    if (call.has('stream')) call.out.note('note: this agent does not stream; its answer comes in one piece')
    return await unary(client, request, call)
  } catch (error) {
    throw message.taskId === undefined ? error : pointingAtDebug(error)
  }
}

/** --async, and its other names; --wait takes back what the surroundings say. */
const leaves = (call: Invocation): boolean =>
  call.flags.wait === false || call.has('return-immediately') || (call.has('async') && call.flags.wait !== true)

/** A refused --task-id is told as it is, and never made a new task (a2a-cli §8.1). */
function pointingAtDebug(error: unknown): unknown {
  if (!(error instanceof CliError) || error.a2aCode === undefined || error.hint?.includes('--debug')) return error
  const { code, message, a2aCode, exitCode, hint } = error
  const debug = 'what was exchanged: repeat the command with --debug'
  return new CliError(code, message, { a2aCode, exitCode, hint: hint ? `${hint}; ${debug}` : debug })
}

async function unary(client: A2AClient, request: SendMessageRequest, call: Invocation): Promise<number> {
  const { out } = call
  const answer = await withinLimit(client, call, async (limit): Promise<SendMessageResponse> => {
    const first = await client.call('SendMessage', request, limit.until)
    if (!('task' in first)) return first
    limit.taskId = first.task.id
    if (leaves(call)) return first
    if (!isSettled(first.task.status.state)) noteWaiting(first.task, client, call)
    if (call.option('wait-for') === 'leased') return { task: await untilTaken(client, first.task, limit.until, call) }
    return { task: await waitWithin(client, first.task, { call, limit }) }
  })
  if (out.json) {
    if (call.has('stream')) out.line(answer)
    else out.document(answer)
  } else if ('task' in answer) renderTask(answer.task, client.agent.ref, call)
  else renderAnswer(answer.message, out)
  return 'task' in answer ? ended(answer.task.status.state, call) : 0
}

/** Until its agent has taken it: that it was accepted says nothing of that. */
async function untilTaken(client: A2AClient, task: Task, until: AbortSignal, call: Invocation): Promise<Task> {
  let current = task
  while (current.status.state === 'TASK_STATE_SUBMITTED') {
    await call.clock.sleep(TAKEN_LOOK_MS, until)
    current = await client.call('GetTask', { id: task.id }, until)
  }
  return current
}
const TAKEN_LOOK_MS = 500

/** Said before the waiting begins, so that whoever interrupts it knows how to come back. */
function noteWaiting(task: Task, { agent }: A2AClient, call: Invocation): void {
  const where = deliveryText(task, call) ?? stateName(task.status.state)
  const back = `${call.program} task get --wait -a ${agent.ref} ${task.id}`
  call.out.note(`task ${task.id}: ${where}; waiting (^C leaves it running: ${back})`)
}

async function streamed(client: A2AClient, request: SendMessageRequest, call: Invocation): Promise<number> {
  let view: StreamView = {}
  let lastWasState = false
  const events = resumingStream(client, (signal) => client.stream('SendStreamingMessage', request, { signal }), call)
  for await (const { event } of events) {
    view = follow(view, event)
    lastWasState = !('artifactUpdate' in event)
    if (call.out.json) call.out.line(event)
    else renderEvent(event, client.agent.ref, call)
  }
  if (!lastWasState && !call.out.json) renderView(view, call.out)
  return view.state ? ended(view.state, call) : 0
}

function ended(state: TaskState, call: Invocation): number {
  noteOutcome(state, call.out)
  return call.has('exit-status') ? outcomeExitCode(state) : 0
}

function messageOf(call: Invocation): Message {
  const parts = partsOf(call.parts)
  const words = call.args.join(' ')
  if (words) parts.push({ text: words })
  if (parts.length === 0) throw usage('what should be sent?', `${call.program} send -a @echo --text "hello"`)
  const taskId = call.option('task-id') ?? call.option('task')
  const contextId = call.option('context-id') ?? call.option('context')
  return {
    // A UUID, so that a gateway that knows this message already answers with the task it has made of it.
    messageId: call.option('message-id') ?? uuidv7(),
    role: 'ROLE_USER',
    parts,
    ...(taskId && { taskId }),
    ...(contextId && { contextId }),
  }
}

/** `wishes`: what the gateway is asked of the delivery. */
function metadataOf(
  call: Invocation,
  wishes: Record<string, unknown> | undefined,
): { metadata?: Record<string, unknown> } {
  const text = call.option('metadata')
  if (text === undefined) return wishes ? { metadata: { [STORE_AND_FORWARD]: wishes } } : {}
  const json = parseJson(text, '--metadata')
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw usage('--metadata: a JSON object is needed')
  return { metadata: json as Record<string, unknown> }
}

/** The flags in their order; --media-type belongs to the part before it. */
export function partsOf(flags: readonly PartFlag[]): Part[] {
  const parts: Part[] = []
  for (const { flag, value } of flags) {
    if (flag !== 'media-type') {
      parts.push(MAKE[flag](value))
      continue
    }
    const part = parts.at(-1)
    if (!part)
      throw usage(
        '--media-type stands behind the part that it describes',
        '--file report.bin --media-type application/pdf',
      )
    parts[parts.length - 1] = { ...part, mediaType: value }
  }
  return parts
}

const MAKE: Readonly<Record<'text' | 'file' | 'data', (value: string) => Part>> = {
  text: (text) => ({ text }),
  file: (value) => (/^[a-z][a-z0-9+.-]+:\/\//i.test(value) ? fileByUrl(value) : fileByContent(value)),
  data: (value) => ({ data: parseJson(readInput(value, '--data'), `--data ${value}`) }),
}

/** A URL is passed on as a reference; the agent fetches it, not we. */
const fileByUrl = (url: string): Part => ({
  url,
  filename: basename(new URL(url).pathname) || 'file',
  ...mediaTypeOf(url),
})

const fileByContent = (path: string): Part => ({
  raw: readBytes(path, '--file').toString('base64'),
  filename: path === '-' ? 'stdin' : basename(path),
  ...mediaTypeOf(path),
})

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.txt': 'text/plain',
  '.md': 'text/markdown',
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.json': 'application/json',
  '.xml': 'application/xml',
  '.pdf': 'application/pdf',
  '.zip': 'application/zip',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.mp3': 'audio/mpeg',
  '.wav': 'audio/wav',
  '.mp4': 'video/mp4',
}

const mediaTypeOf = (path: string) => ({
  mediaType: MEDIA_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream',
})

const readInput = (path: string, flag: string): string => readBytes(path, flag).toString('utf8')

/** `-` is standard input. */
function readBytes(path: string, flag: string): Buffer {
  try {
    return readFileSync(path === '-' ? 0 : path)
  } catch (error) {
    throw usage(`${flag}: ${path} cannot be read: ${(error as Error).message}`)
  }
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw usage(`${what}: not JSON: ${(error as Error).message}`)
  }
}
