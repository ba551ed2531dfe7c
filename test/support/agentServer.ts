/** One request to the scripted agent: card, JSON-RPC or HTTP+JSON. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { StreamResponse } from '../../src/a2a/events.ts'
import { isInterrupted, isTerminal, type Message } from '../../src/a2a/tasks.ts'
import type { AgentOptions, Received } from './agent.ts'
import { type Dialect, type Json, v03, v10 } from './agentDialects.ts'
import { planOf, type Wire } from './agentScripts.ts'
import { type AgentTasks, type Execution, isSettled, until } from './agentTasks.ts'
import type { Log } from './log.ts'

export interface Turn {
  readonly options: AgentOptions
  readonly tasks: AgentTasks
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly log: Log<Received>
  readonly url: () => string
}

export async function serve(turn: Turn): Promise<void> {
  const { request, options } = turn
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  const path = request.url ?? '/'
  if (/^\/\.well-known\/agent(-card)?\.json$/.test(path)) return serveCard(turn, path)
  if (options.authorization && request.headers.authorization !== options.authorization) {
    note(turn, body, '')
    return answer(turn, 401, { error: 'who are you?' }, { 'www-authenticate': 'Bearer' })
  }
  if (path.startsWith('/rest/')) return serveRest(turn, body)
  if (path === '/rpc' || path === '/rpc/') return serveRpc(turn, body)
  note(turn, body, '')
  answer(turn, 404, { error: 'not here' })
}

function note(turn: Turn, body: string, operation: string, message?: Message) {
  const { method = '', url: path = '', headers } = turn.request
  const told = message && { messageId: message.messageId, text: message.parts?.[0]?.text ?? '' }
  turn.log.add({ method, path, at: performance.now(), headers, body, operation, ...told })
}

function answer(turn: Turn, code: number, body: unknown, headers: Record<string, string> = {}) {
  turn.response.writeHead(code, { 'content-type': 'application/json', ...headers })
  turn.response.end(body === undefined ? '' : JSON.stringify(body))
}

function serveCard(turn: Turn, path: string) {
  note(turn, '', 'card')
  const { options } = turn
  const interfaces = options.interfaces ?? ['1.0 JSONRPC', '1.0 HTTP+JSON', '0.3 JSONRPC']
  if (interfaces.every((name) => name.startsWith('0.2')) !== path.endsWith('/agent.json'))
    return answer(turn, 404, { error: 'not here' })
  const base = turn.url()
  const modern = interfaces.filter(
    (name) => name.startsWith('1.') || interfaces.some((other) => other.startsWith('1.')),
  )
  const old = interfaces.find((name) => name.startsWith('0.'))
  const card: Json = {
    name: options.name ?? 'scripted',
    description: 'does as it is told',
    version: '1.0.0',
    capabilities: { streaming: options.streaming ?? true, pushNotifications: options.push ?? false },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 'obey', name: 'Obey', description: 'obeys', tags: ['test'] }],
    ...(modern.length > 0 && {
      supportedInterfaces: modern.map((name) => {
        const [protocolVersion, protocolBinding] = name.split(' ') as [string, string]
        return { url: `${base}${protocolBinding === 'JSONRPC' ? 'rpc' : 'rest'}`, protocolBinding, protocolVersion }
      }),
    }),
    ...(old && {
      url: `${base}rpc`,
      protocolVersion: old.startsWith('0.2') ? '0.2.6' : '0.3.0',
      preferredTransport: 'JSONRPC',
    }),
  }
  answer(turn, 200, options.card ? options.card(card) : card)
}

class RpcError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

interface Caller {
  readonly dialect: Dialect
  /** Wraps an event for the binding. */
  readonly frame: (value: unknown) => string
  readonly reply: (value: unknown) => void
}

async function serveRpc(turn: Turn, body: string) {
  const call = JSON.parse(body) as { id: unknown; method: string; params?: Json }
  const dialect = [v10, v03].find(({ methods }) => Object.hasOwn(methods, call.method))
  const operation = dialect?.methods[call.method] ?? ''
  const message = messageIn(call.params ?? {}, dialect)
  note(turn, body, operation, message)
  const plan = message && planOf(message)
  const id = plan?.wire.wrongId ? 'another' : call.id
  const envelope = (value: Json) => ({ jsonrpc: '2.0', id, ...value })
  const caller = (dialect: Dialect): Caller => ({
    dialect,
    frame: (value) => JSON.stringify(envelope({ result: value })),
    reply: (result) => answer(turn, 200, envelope({ result })),
  })
  try {
    if (!dialect) throw new RpcError(-32601, `no method ${call.method}`)
    await operate(turn, operation, call.params ?? {}, message, caller(dialect))
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    answer(turn, 200, envelope({ error: { code: error.code, message: error.message } }))
  }
}

const ROUTES: readonly (readonly [string, RegExp, string])[] = [
  ['POST', /^\/rest\/message:send$/, 'SendMessage'],
  ['POST', /^\/rest\/message:stream$/, 'SendStreamingMessage'],
  ['GET', /^\/rest\/tasks$/, 'ListTasks'],
  ['GET', /^\/rest\/tasks\/([^/:]+)$/, 'GetTask'],
  ['POST', /^\/rest\/tasks\/([^/:]+):cancel$/, 'CancelTask'],
  ['POST', /^\/rest\/tasks\/([^/:]+):subscribe$/, 'SubscribeToTask'],
  ['GET', /^\/rest\/tasks\/([^/:]+):subscribe$/, 'SubscribeToTask'],
]

async function serveRest(turn: Turn, body: string) {
  const { pathname, searchParams } = new URL(turn.request.url ?? '/', 'http://agent')
  const route = ROUTES.find(([method, path]) => method === turn.request.method && path.test(pathname))
  const id = route?.[1].exec(pathname)?.[1]
  const params: Json = {
    ...Object.fromEntries(searchParams),
    ...(body !== '' && (JSON.parse(body) as Json)),
    ...(id !== undefined && { id: decodeURIComponent(id) }),
  }
  const message = messageIn(params, v10)
  note(turn, body, route?.[2] ?? '', message)
  try {
    if (!route) throw new RpcError(-32601, 'no such route')
    const reply = (value: unknown) => answer(turn, 200, value, { 'content-type': 'application/a2a+json' })
    await operate(turn, route[2], params, message, { dialect: v10, frame: JSON.stringify, reply })
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    const code = error.code === -32001 || error.code === -32601 ? 404 : 400
    const reason =
      { [-32001]: 'TASK_NOT_FOUND', [-32002]: 'TASK_NOT_CANCELABLE' }[error.code] ?? 'UNSUPPORTED_OPERATION'
    const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'a2a-protocol.org' }]
    answer(turn, code, { error: { code, status: 'FAILED_PRECONDITION', message: error.message, details } })
  }
}

function messageIn(params: Json, dialect: Dialect | undefined): Message | undefined {
  return params.message && dialect ? dialect.readMessage(params.message as Json) : undefined
}

async function operate(turn: Turn, operation: string, params: Json, message: Message | undefined, caller: Caller) {
  const { tasks, options } = turn
  if ((operation === 'SendMessage' || operation === 'SendStreamingMessage') && message)
    return send(turn, operation === 'SendStreamingMessage', params, message, caller)
  if (operation === 'ListTasks') {
    const found = [...tasks.executions.values()].filter(
      ({ task, message: answer }) => !answer && (!params.contextId || task.contextId === params.contextId),
    )
    // Newest first, in pages: the token is how many have been shown.
    const [from, size] = [Number(params.pageToken || 0), Number(params.pageSize || 100)]
    const page = found.reverse().slice(from, from + size)
    const nextPageToken = found.length > from + size ? String(from + size) : ''
    const listed = page.map(({ task }) => caller.dialect.task(task))
    return caller.reply({ tasks: listed, nextPageToken, pageSize: size, totalSize: found.length })
  }
  const execution = tasks.executions.get(String(params.id))
  if (!execution) throw new RpcError(-32001, 'Task not found')
  const ended = isTerminal(execution.task.status.state)
  if (operation === 'GetTask') return caller.reply(caller.dialect.task(execution.task))
  if (operation === 'CancelTask') {
    if (ended) throw new RpcError(-32002, 'Task cannot be canceled')
    tasks.cancel(execution)
    return caller.reply(caller.dialect.task(execution.task))
  }
  if (ended || options.streaming === false) throw new RpcError(-32004, 'nothing to subscribe to')
  return stream(turn, execution, execution.events.length, {}, caller, [{ task: execution.task }])
}

async function send(turn: Turn, streaming: boolean, params: Json, message: Message, caller: Caller) {
  const { options, tasks } = turn
  const plan = planOf(message)
  const wire = { ...plan.wire, ...options.meddle?.() }
  if (wire.silent) return
  if (wire.raw) {
    turn.response.writeHead(wire.raw.status, wire.raw.headers)
    turn.response.end(wire.raw.body)
    return
  }
  if (streaming && options.streaming === false) throw new RpcError(-32004, 'streaming is not supported')
  const known = message.taskId === undefined ? undefined : tasks.executions.get(message.taskId)
  if (message.taskId !== undefined && !known) throw new RpcError(-32001, 'Task not found')
  if (known && isTerminal(known.task.status.state)) throw new RpcError(-32004, 'the task has ended')
  const seen = known?.events.length ?? 0
  const execution = tasks.execute(message, plan, options.push ? caller.dialect.pushOf(params) : undefined)
  if (wire.drop) {
    turn.response.destroy()
    return
  }
  if (streaming) return stream(turn, execution, seen, wire, caller, known ? [{ task: known.task }] : [])
  // A Message is the first thing that its script says; one turn of the event loop, and it is there.
  await new Promise(setImmediate)
  if (options.alwaysBlocks || !caller.dialect.returnsImmediately(params)) await until(execution, isSettled)
  caller.reply(caller.dialect.sent(execution.message ? { message: execution.message } : { task: execution.task }))
}

/** Writes the execution's events from `from` on, after the `first` ones, until it settles. */
async function stream(
  turn: Turn,
  execution: Execution,
  from: number,
  wire: Wire,
  caller: Caller,
  first: StreamResponse[],
) {
  const { response } = turn
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  let frames = 0
  const write = async (event: StreamResponse): Promise<void> => {
    if (response.destroyed) return
    const frame = `data: ${caller.frame(caller.dialect.event(event))}\n\n`
    if (!wire.drip) response.write(frame)
    else
      for (const byte of Buffer.from(frame)) {
        response.write(Buffer.of(byte))
        await new Promise(setImmediate)
      }
    frames += 1
    // The frames that count must be on the wire before the cut: end the write side, then destroy.
    if (wire.cutAfter === frames)
      await new Promise<void>((resolve) => setImmediate(() => resolve(void response.destroy())))
  }
  for (const event of first) await write(event)
  let at = from
  for (;;) {
    while (at < execution.events.length) {
      const event = execution.events[at++] as StreamResponse
      // Somebody who answers with a Message has no task to show.
      if ('task' in event && (await isMessageAnswer(execution))) continue
      await write(event)
    }
    const { state } = execution.task.status
    if (response.destroyed || execution.done || (isInterrupted(state) && at > from)) break
    await until(execution, ({ events, done }) => events.length > at || done || response.destroyed)
  }
  response.end()
}

async function isMessageAnswer(execution: Execution): Promise<boolean> {
  await new Promise(setImmediate)
  return execution.message !== undefined
}
