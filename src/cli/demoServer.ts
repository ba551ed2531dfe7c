/** The demo agent on HTTP: the card, and one JSON-RPC endpoint. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { REASONS } from '../a2a/errors.ts'
import type { StreamResponse } from '../a2a/events.ts'
import { type OperationName, PARAMS, type Params, type SendMessageRequest } from '../a2a/operations.ts'
import { isInterrupted, isTerminal, type Task } from '../a2a/tasks.ts'
import { LIMITS } from '../limits.ts'
import type { DemoAgent } from './demoAgent.ts'
import { A2A_VERSION } from './protocolVersion.ts'
import { stateOf } from './waiting.ts'

export interface DemoServer {
  readonly url: string
  close(): Promise<void>
}

export interface DemoServerSettings {
  readonly host: string
  readonly port: number
  /** What the card says, where it is not the address that is listened on. */
  readonly advertise?: string | undefined
}

export async function startDemoServer(agent: DemoAgent, settings: DemoServerSettings): Promise<DemoServer> {
  const { host, port, advertise } = settings
  const server = createServer(
    (request, response) => void serve(agent, advertise ?? base(server, host), request, response),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    url: advertise ?? base(server, host),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const base = (server: Server, host: string): string =>
  `http://${host === '127.0.0.1' ? 'localhost' : host}:${(server.address() as AddressInfo).port}/`

async function serve(agent: DemoAgent, url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', url)
  if (request.method === 'GET' && pathname.startsWith('/.well-known/agent')) return json(response, agent.card(url))
  if (request.method !== 'POST' || pathname !== '/') return json(response, { error: 'not found' }, 404)
  let id: unknown = null
  try {
    const call = JSON.parse(await readText(request)) as { id?: unknown; method?: string; params?: unknown }
    id = call.id ?? null
    const version = [request.headers['a2a-version']].flat()[0]
    if (version && !spoken(version))
      return refuse(response, id, 'VERSION_NOT_SUPPORTED', `this agent speaks ${A2A_VERSION}`)
    const operation = call.method as OperationName
    const schema = PARAMS[operation]
    if (!schema)
      return refuse(response, id, 'METHOD_NOT_FOUND', `there is no method ${String(call.method).slice(0, 64)}`)
    const params = schema.safeParse(call.params ?? {})
    if (!params.success) return refuse(response, id, 'INVALID_PARAMS', params.error.issues[0]?.message ?? 'not valid')
    const answer = await OPERATIONS[operation](agent, params.data as never)
    if (answer.kind === 'refused') refuse(response, id, answer.reason, answer.message)
    else if (answer.kind === 'stream') stream(agent, answer.task, { id, response })
    else json(response, { jsonrpc: '2.0', id, result: answer.value })
  } catch (error) {
    refuse(response, id, error instanceof SyntaxError ? 'JSON_PARSE' : 'INTERNAL', (error as Error).message)
  }
}

/** Major and minor count, patch numbers do not (A2A §3.6). Who says nothing is taken at his method's word. */
const spoken = (version: string): boolean => version.split('.').slice(0, 2).join('.') === A2A_VERSION

/** Unset is all of the history, 0 none of it (A2A §3.2.4). */
function cut(task: Task, historyLength: number | undefined): Task {
  if (historyLength === undefined) return task
  const { history = [], ...rest } = task
  return historyLength === 0 ? rest : { ...rest, history: history.slice(-historyLength) }
}

type Answer =
  | { readonly kind: 'result'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly reason: keyof typeof REASONS; readonly message: string }
  | { readonly kind: 'stream'; readonly task: Task }

const result = (value: unknown): Answer => ({ kind: 'result', value })
const refused = (reason: keyof typeof REASONS, message: string): Answer => ({ kind: 'refused', reason, message })

/** Looks the task up first; with `whenEnded` it must not have ended. */
const onTask = (
  agent: DemoAgent,
  id: string,
  then: (task: Task) => Answer,
  whenEnded?: keyof typeof REASONS,
): Answer => {
  const task = agent.find(id)
  if (!task) return refused('TASK_NOT_FOUND', 'there is no such task')
  if (whenEnded && isTerminal(task.status.state)) return refused(whenEnded, 'the task has ended')
  return then(task)
}

/** A message that names a task must name one that goes on. */
const onMessage = (agent: DemoAgent, { message }: SendMessageRequest, then: (task: Task) => Answer): Answer => {
  const take = () => then(agent.accept(message))
  return message.taskId ? onTask(agent, message.taskId, take, 'UNSUPPORTED_OPERATION') : take()
}

const noPush = (): Answer => refused('PUSH_NOTIFICATION_NOT_SUPPORTED', 'this agent does not push')

const OPERATIONS: { readonly [N in OperationName]: (agent: DemoAgent, params: Params<N>) => Answer | Promise<Answer> } =
  {
    async SendMessage(agent, params) {
      const { returnImmediately, historyLength } = params.configuration ?? {}
      const answer = onMessage(agent, params, (task) => result({ task }))
      if (answer.kind !== 'result') return answer
      const { task } = answer.value as { task: Task }
      return result({ task: cut(returnImmediately ? task : await untilSettled(agent, task), historyLength) })
    },
    SendStreamingMessage: (agent, params) => onMessage(agent, params, (task) => ({ kind: 'stream', task })),
    GetTask: (agent, { id, historyLength }) => onTask(agent, id, (task) => result(cut(task, historyLength))),
    ListTasks(agent, { contextId, historyLength, includeArtifacts }) {
      const tasks = agent.list(contextId).map((task) => {
        const { artifacts, ...rest } = cut(task, historyLength)
        return includeArtifacts ? { ...rest, artifacts: artifacts ?? [] } : rest
      })
      return result({ tasks, nextPageToken: '', pageSize: 50, totalSize: tasks.length })
    },
    CancelTask: (agent, { id }) => onTask(agent, id, () => result(agent.cancel(id)), 'TASK_NOT_CANCELABLE'),
    SubscribeToTask: (agent, { id }) =>
      onTask(agent, id, (task) => ({ kind: 'stream', task }), 'UNSUPPORTED_OPERATION'),
    CreateTaskPushNotificationConfig: noPush,
    GetTaskPushNotificationConfig: noPush,
    ListTaskPushNotificationConfigs: noPush,
    DeleteTaskPushNotificationConfig: noPush,
    GetExtendedAgentCard: () => refused('UNSUPPORTED_OPERATION', 'there is no extended card'),
  }

const settled = ({ status }: Task): boolean => isTerminal(status.state) || isInterrupted(status.state)

/** A repeated message gets its task as it is: it may have ended long ago. */
function untilSettled(agent: DemoAgent, task: Task): Promise<Task> {
  if (settled(task)) return Promise.resolve(task)
  return new Promise((resolve) => {
    const unwatch = agent.watch(task.id, () => {
      const now = agent.find(task.id) as Task
      if (!settled(now)) return
      unwatch()
      resolve(now)
    })
  })
}

interface Asked {
  readonly id: unknown
  readonly response: ServerResponse
}

function stream(agent: DemoAgent, task: Task, { id, response }: Asked): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const write = (event: StreamResponse) =>
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: event })}\n\n`)
  // Beside the events a comment now and then: who waits for a slow agent must know that it is alive.
  const heartbeat = setInterval(() => response.write(': still here\n\n'), LIMITS.heartbeatMs)
  const unwatch = agent.watch(task.id, (event) => {
    write(event)
    const state = stateOf(event)
    if (state && (isTerminal(state) || isInterrupted(state))) response.end()
  })
  response.on('close', () => {
    clearInterval(heartbeat)
    unwatch()
  })
  write({ task })
  if (settled(task)) response.end()
}

function refuse(response: ServerResponse, id: unknown, reason: keyof typeof REASONS, message: string): void {
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'a2a-protocol.org' }
  json(response, { jsonrpc: '2.0', id, error: { code: REASONS[reason].jsonRpc, message, data: [info] } })
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
