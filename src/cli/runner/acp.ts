/**
 * A coding agent that speaks the Agent Client Protocol, version 1, on stdio: a session for each conversation, a turn for
 * each message. What it says grows the artifact, its tool calls are progress; what it asks leave for is decided by a list.
 */
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { z } from 'zod'
import { type Artifact, type DoWork, type Job, type Message, NewMessages, TryAgain } from '../../client/mailbox.ts'
import { type Child, startChild } from './child.ts'
import type { LinesWork } from './lines.ts'
import { type RunnerSettings, textIn } from './settings.ts'
import { tell } from './telling.ts'

const PROTOCOL = 1
const START_MS = 60_000
/** Conversations whose session is remembered; the one begun longest ago starts anew. */
const SESSIONS_MAX = 1_000

const LINE = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})
const INITIALIZED = z.object({ protocolVersion: z.number() })
const SESSION = z.object({ sessionId: z.string() })
const TURN = z.object({ stopReason: z.string() })
const UPDATE = z.object({
  sessionId: z.string(),
  update: z.object({
    sessionUpdate: z.string(),
    content: z.object({ type: z.string(), text: z.string().optional() }).optional().catch(undefined),
    title: z.string().optional().catch(undefined),
  }),
})
const PERMISSION = z.object({
  sessionId: z.string(),
  toolCall: z.object({ title: z.string().nullish(), kind: z.string().nullish() }),
  options: z.array(z.object({ optionId: z.string(), kind: z.string() })),
})

/** What one turn hears of. */
interface Turn {
  readonly says: (text: string) => void
  readonly does: (what: string) => void
}

interface Connection {
  readonly child: Child
  readonly sessions: Map<string, string>
  readonly turns: Map<string, Turn>
  readonly ready: Promise<unknown>
  isOver: boolean
  request(method: string, params: object): Promise<unknown>
  notify(method: string, params: object): void
}

/** `permits`: kinds of tool calls (`read`, `edit`, `execute`, …) that it may do without asking anybody; `all`. */
export function acpWork(settings: RunnerSettings, permits: ReadonlySet<string>): LinesWork {
  let connection: Connection | undefined
  const work: DoWork = async (job) => {
    if (!connection || connection.isOver) connection = connect(settings, permits)
    const now = connection
    await unlessAborted(job, now.ready)
    const sessionId = await unlessAborted(job, sessionFor(job, now, settings.command.cwd))
    await perform(job, now, settings, sessionId)
    return undefined
  }
  return {
    work,
    async close() {
      if (!connection || connection.isOver) return
      connection.child.stop()
      await connection.child.ended.catch(() => {})
    },
  }
}

function connect(settings: RunnerSettings, permits: ReadonlySet<string>): Connection {
  const child = startChild(settings.command)
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let asked = 0
  const send = (line: object) => void child.process.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...line })}\n`)
  const request = (method: string, params: object) =>
    new Promise<unknown>((resolve, reject) => {
      if (connection.isOver) return reject(new TryAgain('the program ended'))
      waiting.set(++asked, { resolve, reject })
      send({ id: asked, method, params })
    })
  const connection: Connection = {
    ...{ child, sessions: new Map(), turns: new Map(), isOver: false, request },
    notify: (method, params) => send({ method, params }),
    ready: Promise.resolve(),
  }
  const hear = (text: string) => {
    const line = lineOf(text)
    if (!line) return settings.onLine(`not understood: ${text.slice(0, 200)}`)
    if (line.method !== undefined) return answer(line.method, line.params, line.id)
    const asker = waiting.get(Number(line.id))
    waiting.delete(Number(line.id))
    if (line.error) asker?.reject(new Error(line.error.message))
    else asker?.resolve(line.result)
  }
  const answer = (method: string, params: unknown, id: string | number | undefined) => {
    if (method === 'session/update') return follow(connection, params)
    if (id === undefined) return
    const permission = method === 'session/request_permission' ? PERMISSION.safeParse(params).data : undefined
    if (permission) send({ id, result: { outcome: decide(permission, permits, connection) } })
    else send({ id, error: { code: -32601, message: `${method} is not offered` } })
  }
  createInterface({ input: child.process.stdout }).on('line', hear)
  createInterface({ input: child.process.stderr }).on('line', settings.onLine)
  const over = (why: string) => {
    connection.isOver = true
    for (const { reject } of waiting.values()) reject(new TryAgain(`the program ended: ${why}`))
  }
  child.ended.then(
    ({ code, signal }) => over(signal ?? `exit code ${code}`),
    (error: Error) => over(error.message),
  )
  const clientCapabilities = { fs: { readTextFile: false, writeTextFile: false }, terminal: false }
  const ready = request('initialize', { protocolVersion: PROTOCOL, clientCapabilities }).then((result) => {
    const { protocolVersion } = INITIALIZED.parse(result)
    if (protocolVersion !== PROTOCOL)
      throw new Error(`it speaks version ${protocolVersion} of the protocol, not ${PROTOCOL}`)
  })
  // Who does not begin is ended, and the task tried again.
  const timer = setTimeout(() => child.stop(), START_MS)
  ready.catch(() => {}).finally(() => clearTimeout(timer))
  return Object.assign(connection, { ready })
}

/** Whoever is not wanted any more does not wait for a program that begins. */
function unlessAborted<T>({ signal }: Job, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function lineOf(text: string): z.infer<typeof LINE> | undefined {
  try {
    return LINE.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

function follow({ turns }: Connection, params: unknown): void {
  const said = UPDATE.safeParse(params).data
  const turn = said && turns.get(said.sessionId)
  if (!turn) return
  const { sessionUpdate, content, title } = said.update
  if (sessionUpdate === 'agent_message_chunk' && content?.text !== undefined) turn.says(content.text)
  if (sessionUpdate === 'tool_call' && title !== undefined) turn.does(title)
}

function decide(
  { sessionId, toolCall, options }: z.infer<typeof PERMISSION>,
  permits: ReadonlySet<string>,
  { turns }: Connection,
) {
  const mayDo = permits.has('all') || permits.has(toolCall.kind ?? 'other')
  const kinds = mayDo ? ['allow_once', 'allow_always'] : ['reject_once', 'reject_always']
  turns.get(sessionId)?.does(`${mayDo ? 'allowed' : 'not allowed'}: ${toolCall.title ?? toolCall.kind ?? 'a tool'}`)
  const chosen = kinds.flatMap((kind) => options.filter((option) => option.kind === kind))[0]
  return chosen ? { outcome: 'selected', optionId: chosen.optionId } : { outcome: 'cancelled' }
}

async function sessionFor(job: Job, { sessions, request }: Connection, cwd: string): Promise<string> {
  const known = sessions.get(job.task.contextId)
  if (known !== undefined) return known
  const { sessionId } = SESSION.parse(await request('session/new', { cwd, mcpServers: [] }))
  if (sessions.size >= SESSIONS_MAX) sessions.delete(sessions.keys().next().value as string)
  sessions.set(job.task.contextId, sessionId)
  return sessionId
}

/** What a turn that did not end well is to the task. */
const ENDS: Readonly<Record<string, string>> = {
  max_tokens: 'it ran out of tokens',
  max_turn_requests: 'it ran out of requests for one turn',
}

async function perform(job: Job, connection: Connection, settings: RunnerSettings, sessionId: string): Promise<void> {
  const messages: Message[] = [job.message]
  const little: Artifact[] = []
  for (let round = 0; ; ) {
    const message = messages.shift()
    if (message) {
      const artifactId = round++ === 0 ? 'result' : `result-${round}`
      const { stopReason, parts } = await turn({ job, connection, settings, sessionId, artifactId }, textIn(message))
      if (job.signal.aborted || stopReason === 'cancelled') return job.signal.aborted ? undefined : job.release()
      if (stopReason === 'refusal') return job.reject('the agent refused')
      if (stopReason !== 'end_turn') return job.fail({ text: ENDS[stopReason] ?? stopReason })
      if (parts && parts.length > 0) little.push({ artifactId, parts })
      messages.push(...job.unread().map((one) => one.message))
      continue
    }
    try {
      return await job.complete(little.length > 0 ? { artifacts: little } : {})
    } catch (error) {
      if (!(error instanceof NewMessages)) throw error
      messages.push(...job.unread().map((one) => one.message))
    }
  }
}

interface OneTurn {
  readonly job: Job
  readonly connection: Connection
  readonly settings: RunnerSettings
  readonly sessionId: string
  readonly artifactId: string
}

async function turn({ job, connection, settings, sessionId, artifactId }: OneTurn, text: string) {
  const { command, taskTimeoutMs, outputBytesMax, tellsProgress, onLine } = settings
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  let over: string | undefined
  let grace: NodeJS.Timeout | undefined
  const cancel = () => {
    connection.notify('session/cancel', { sessionId })
    // Who does not hear it is ended, and with it what else it had in hand: that is tried again.
    grace ??= setTimeout(() => connection.child.stop(), command.graceMs)
  }
  const stopFor = (why: string) => {
    over ??= why
    cancel()
  }
  const onTooMuch = () => stopFor(`more than ${outputBytesMax} bytes of output`)
  const telling = tell({ job, stdout, stderr, artifactId, tellsProgress, onLine, outputBytesMax, onTooMuch })
  const timer =
    taskTimeoutMs === undefined
      ? undefined
      : setTimeout(() => stopFor(`not done after ${taskTimeoutMs / 1_000} s`), taskTimeoutMs)
  connection.turns.set(sessionId, {
    says: (words) => void stdout.write(words),
    does: (what) => void stderr.write(`${what}\n`),
  })
  job.signal.addEventListener('abort', cancel, { once: true })
  if (job.signal.aborted) cancel()
  try {
    const prompt = [{ type: 'text', text }]
    const { stopReason } = TURN.parse(await connection.request('session/prompt', { sessionId, prompt }))
    if (over !== undefined) throw new Error(over)
    stdout.end()
    stderr.end()
    await Promise.all([finished(stdout), finished(stderr)])
    const parts = stopReason === 'end_turn' && !job.signal.aborted ? await telling.end() : undefined
    return { stopReason, parts }
  } finally {
    clearTimeout(timer)
    clearTimeout(grace)
    job.signal.removeEventListener('abort', cancel)
    connection.turns.delete(sessionId)
    await telling.stop()
  }
}
