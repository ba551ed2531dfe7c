/**
 * What the scripted agent does with a message. The script is chosen by the first word of the first text part
 * (`chunks:3 hello`), else by the official kit's messageId prefixes, else the agent echoes.
 */
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { Part } from '../../src/a2a/parts.ts'
import type { Artifact, Message, TaskState } from '../../src/a2a/tasks.ts'

/** One execution as its script sees it. */
export interface Run {
  readonly taskId: string
  readonly contextId: string
  readonly message: Message
  /** What follows the colon of the script's name. */
  readonly argument: string
  /** Resolves when the test calls `agent.release(messageId)`. */
  readonly released: () => Promise<void>
}

export type Script = (run: Run) => Iterable<StreamResponse> | AsyncIterable<StreamResponse>

const text = (value: string): Part[] => [{ text: value }]

let said = 0
export function agentMessage(run: Pick<Run, 'taskId' | 'contextId'>, words: string): Message {
  return {
    messageId: `agent-${++said}`,
    role: 'ROLE_AGENT',
    parts: text(words),
    taskId: run.taskId,
    contextId: run.contextId,
  }
}

/** A status update event. */
export function status(run: Pick<Run, 'taskId' | 'contextId'>, state: TaskState, words?: string): StreamResponse {
  const { taskId, contextId } = run
  const message = words === undefined ? {} : { message: agentMessage(run, words) }
  return {
    statusUpdate: { taskId, contextId, status: { state, timestamp: new Date().toISOString(), ...message } },
  }
}

export function artifact(
  run: Pick<Run, 'taskId' | 'contextId'>,
  parts: Part[],
  { id = 'artifact-1', name = 'result', append = false, lastChunk = true } = {},
): StreamResponse {
  const { taskId, contextId } = run
  const made: Artifact = { artifactId: id, name, parts }
  return { artifactUpdate: { taskId, contextId, artifact: made, append, lastChunk } }
}

const COMPLETED = 'TASK_STATE_COMPLETED'
const WORKING = 'TASK_STATE_WORKING'

function* withArtifact(run: Run, parts: Part[]) {
  yield status(run, WORKING)
  yield artifact(run, parts)
  yield status(run, COMPLETED)
}

const wordsOf = (message: Message): string => message.parts.map((part) => part.text ?? '').join(' ')

/** By name, as the first word of a message's text. `name:argument` where it takes one. */
export const SCRIPTS: Record<string, Script> = {
  *echo(run) {
    yield status(run, WORKING)
    yield artifact(run, text(`echo: ${wordsOf(run.message)}`))
    yield status(run, COMPLETED, `echo: ${wordsOf(run.message)}`)
  },
  *complete(run) {
    yield status(run, COMPLETED, 'Hello from TCK')
  },
  *artifact(run) {
    yield* withArtifact(run, text('Generated text content'))
  },
  /** `chunks:n` appended pieces `c1 c2 …` of one artifact. */
  *chunks(run) {
    const count = Number(run.argument || 3)
    yield status(run, WORKING)
    for (let k = 1; k <= count; k++)
      yield artifact(run, text(`c${k} `), { append: k > 1, lastChunk: k === count, id: 'chunked' })
    yield status(run, COMPLETED)
  },
  /** `bytes:n` one artifact of n characters. */
  *bytes(run) {
    yield* withArtifact(run, text('x'.repeat(Number(run.argument || 1_000))))
  },
  *input(run) {
    yield status(run, WORKING)
    yield status(run, 'TASK_STATE_INPUT_REQUIRED', 'what else?')
  },
  *auth(run) {
    yield status(run, 'TASK_STATE_AUTH_REQUIRED', 'please authorise')
  },
  *message(run) {
    const { taskId: _none, ...message } = agentMessage(run, 'Direct message response')
    yield { message }
  },
  *reject(run) {
    yield status(run, 'TASK_STATE_REJECTED', 'not my business')
  },
  *fail(run) {
    yield status(run, WORKING)
    yield status(run, 'TASK_STATE_FAILED', 'it broke')
  },
  /** Works until the test releases it. */
  async *delay(run) {
    yield status(run, WORKING)
    await run.released()
    yield artifact(run, text('released'))
    yield status(run, COMPLETED)
  },
  /** A status update before and a pause of `n` ms between pieces; for load, not for waiting in tests. */
  async *slow(run) {
    yield status(run, WORKING)
    await new Promise((resolve) => setTimeout(resolve, Number(run.argument || 50)))
    yield status(run, COMPLETED)
  },
  /** `pace:n:ms` appended pieces `p1 p2 …`, so many milliseconds apart; for runs in which something goes on for a while. */
  async *pace(run) {
    const [count = 5, ms = 50] = run.argument.split(':').filter(Boolean).map(Number)
    yield status(run, WORKING)
    for (let k = 1; k <= count; k++) {
      await new Promise((resolve) => setTimeout(resolve, ms))
      yield artifact(run, text(`p${k} `), { append: k > 1, lastChunk: k === count, id: 'paced' })
    }
    yield status(run, COMPLETED)
  },
  /** Every event twice. */
  *duplicate(run) {
    const events = [status(run, WORKING), artifact(run, text('once')), status(run, COMPLETED)]
    for (const event of events) yield* [event, event]
  },
  /** Two different ends. */
  *twice(run) {
    yield status(run, COMPLETED, 'first end')
    yield status(run, 'TASK_STATE_FAILED', 'second end')
  },
  *after(run) {
    yield status(run, COMPLETED)
    yield artifact(run, text('too late'))
  },
  /** Events of a task that is not this one, in between. */
  *foreign(run) {
    const other = { taskId: 'not-this-task', contextId: 'not-this-context' }
    yield status(run, WORKING)
    yield artifact(other, text('not yours'))
    yield status(other, 'TASK_STATE_FAILED', 'not yours')
    yield artifact(run, text('mine'))
    yield status(run, COMPLETED)
  },
  /** A Message in the middle of a task's stream: legal in 0.3 practice. */
  *interject(run) {
    yield status(run, WORKING)
    yield { message: agentMessage(run, 'by the way') }
    yield status(run, COMPLETED)
  },
  /** An append to an artifact that nobody has started. */
  *append(run) {
    yield status(run, WORKING)
    yield artifact(run, text('from nowhere'), { append: true })
    yield status(run, COMPLETED)
  },
}

function* lifecycle(run: Run, words: string) {
  yield* withArtifact(run, text(words))
}

/** The behaviours that the official 1.0 kit asks for, longest prefix first. */
const KIT: readonly (readonly [string, Script])[] = [
  ['tck-stream-artifact-chunked', (run) => kitChunks(run)],
  ['tck-stream-artifact-text', (run) => lifecycle(run, 'Streamed text content')],
  ['tck-stream-artifact-file', (run) => withArtifact(run, [kitFile])],
  ['tck-stream-ordering-001', (run) => lifecycle(run, 'Ordered output')],
  ['tck-artifact-file-url', (run) => withArtifact(run, [kitFileUrl])],
  ['tck-message-response', (run) => SCRIPTS.message!(run)],
  ['tck-input-required', (run) => [status(run, 'TASK_STATE_INPUT_REQUIRED', 'what else?')]],
  ['tck-complete-task', (run) => SCRIPTS.complete!(run)],
  ['tck-artifact-text', (run) => SCRIPTS.artifact!(run)],
  ['tck-artifact-file', (run) => withArtifact(run, [kitFile])],
  ['tck-artifact-data', (run) => withArtifact(run, [{ data: { key: 'value', count: 42 } }])],
  ['tck-reject-task', (run) => SCRIPTS.reject!(run)],
  ['tck-stream-001', (run) => lifecycle(run, 'Stream hello from TCK')],
  ['tck-stream-002', (run) => SCRIPTS.complete!(run)],
  ['tck-stream-003', (run) => lifecycle(run, 'Stream task lifecycle')],
  ['test-resubscribe-message-id', (run) => resubscribed(run)],
]

const kitFile: Part = {
  raw: Buffer.from('file content').toString('base64'),
  filename: 'output.txt',
  mediaType: 'text/plain',
}
const kitFileUrl: Part = { url: 'https://example.com/output.txt', filename: 'output.txt', mediaType: 'text/plain' }

function* kitChunks(run: Run) {
  yield status(run, WORKING)
  yield artifact(run, text('chunk-1 '), { append: false, lastChunk: false })
  yield artifact(run, text('chunk-2'), { append: true, lastChunk: true })
  yield status(run, COMPLETED)
}

/** The kit subscribes again while the task works: twice its streaming time-out of 2 s. */
async function* resubscribed(run: Run) {
  yield status(run, WORKING)
  await Promise.race([run.released(), new Promise((resolve) => setTimeout(resolve, 4_000))])
  yield status(run, COMPLETED)
}

/** What a connection does, whatever the script says. */
export interface Wire {
  /** Reads the request and never answers. */
  readonly silent?: boolean
  /** Executes, then closes the connection without an answer. */
  readonly drop?: boolean
  /** Closes the connection after so many frames of a stream; the execution goes on. */
  readonly cutAfter?: number
  /** One byte at a time. */
  readonly drip?: boolean
  /** Answers this instead of A2A, without executing. */
  readonly raw?: { status: number; headers: Record<string, string>; body: string }
  /** The response's JSON-RPC id is not the request's. */
  readonly wrongId?: boolean
}

const json = { 'content-type': 'application/json' }
/** Answers that are no A2A, by name. */
export const GARBAGE: Record<string, Wire['raw']> = {
  html: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html><body>hello</body></html>' },
  half: { status: 200, headers: json, body: '{"jsonrpc":"2.0","id":' },
  empty: { status: 204, headers: {}, body: '' },
  neither: { status: 200, headers: json, body: '{"jsonrpc":"2.0","id":1}' },
  stream: { status: 200, headers: { 'content-type': 'text/event-stream' }, body: 'data: {not json}\n\n' },
  number: { status: 200, headers: json, body: '42' },
}

export interface Plan {
  readonly name: string
  readonly argument: string
  readonly script: Script
  readonly wire: Wire
}

const WIRES: Record<string, (argument: string) => Wire> = {
  silent: () => ({ silent: true }),
  drop: () => ({ drop: true }),
  cut: (argument) => ({ cutAfter: Number(argument || 1) }),
  drip: () => ({ drip: true }),
  wrongid: () => ({ wrongId: true }),
  garbage: (argument) => ({ raw: GARBAGE[argument || 'html'] ?? GARBAGE.html }) as Wire,
  redirect: (argument) => ({ raw: { status: 302, headers: { location: argument }, body: '' } }),
  status: (argument) => {
    const [code = '503', ...after] = argument.split(':')
    const headers: Record<string, string> =
      after.length > 0 ? { 'retry-after': after.join(':').replaceAll('_', ' ') } : {}
    return { raw: { status: Number(code), headers, body: '' } }
  },
}

/** `name:argument rest of the text`. A wire's name may be followed by a script's: `cut:2 chunks:5`. */
export function planOf(message: Message): Plan {
  const words = (message.parts[0]?.text ?? '').trim().split(/\s+/)
  let wire: Wire = {}
  for (;;) {
    const [name = '', ...rest] = (words[0] ?? '').split(':')
    const make = WIRES[name]
    if (!make) break
    wire = { ...wire, ...make(rest.join(':')) }
    words.shift()
  }
  const [name = '', ...rest] = (words[0] ?? '').split(':')
  const script = Object.hasOwn(SCRIPTS, name) ? SCRIPTS[name] : undefined
  if (script) return { name, argument: rest.join(':'), script, wire }
  const kit = KIT.find(([prefix]) => message.messageId.startsWith(prefix))
  if (kit) return { name: kit[0], argument: '', script: kit[1], wire }
  return { name: 'echo', argument: '', script: SCRIPTS.echo!, wire }
}
