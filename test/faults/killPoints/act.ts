/** What a scenario plays with: a client that repeats until it is answered, and the gateway's neighbours. */

import type postgres from 'postgres'
import type { Message, Task } from '../../../src/a2a/tasks.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { ScriptedAgent } from '../../support/agent.ts'
import { framesOf } from '../../support/frames.ts'
import type { Receiver } from '../../support/receiver.ts'
import { ADMIN_KEY } from '../../support/replicas.ts'
import type { Line, Sent } from '../checkers.ts'
import type { Dice } from '../dice.ts'

/** Names of the agents that every scenario finds. */
export type AgentName = 'dedupes' | 'polls' | 'old' | 'rest' | 'once' | 'few' | 'box' | `channels/${string}`

export interface Stage {
  /** Where to ask now: of several replicas, one or the other. */
  readonly url: () => string
  readonly agents: Readonly<Record<'dedupes' | 'polls' | 'old' | 'rest' | 'once', ScriptedAgent>>
  readonly receiver: Receiver
  /** The token of the agent `box`, which collects. */
  readonly boxToken: string
  readonly sql: postgres.Sql
  readonly dice: Dice
  /** Asks the process to stop; it is started again. */
  readonly terminate: () => void
}

export interface Answer {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: documents of many forms
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Default: the operator's. */
  readonly key?: string
}

export interface SendOptions {
  /** Default: true. */
  readonly immediately?: boolean
  readonly messageId?: string
  readonly contextId?: string
  readonly taskId?: string
  readonly nth?: number
  readonly pushTo?: string
  readonly metadata?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly surface?: 'JSON-RPC 1.0' | 'JSON-RPC 0.3' | 'HTTP+JSON 1.0'
}

export interface Frame {
  readonly id: number
  readonly json: string
  /** A snapshot that begins a stream without a resume position. */
  readonly opening: boolean
}

export interface Act extends Stage {
  readonly sent: Sent[]
  readonly history: Line[]
  /** One HTTP request, tried once. */
  ask(path: string, ask?: Ask): Promise<Answer>
  /** Again and again until it is answered for good. Rejects when the answer is a refusal that is not in `also`. */
  sure(path: string, ask?: Ask, also?: readonly number[]): Promise<Answer>
  rpc(agent: AgentName, method: string, params: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Sends until it is acknowledged. */
  send(agent: AgentName, text: string, options?: SendOptions): Promise<Task & { answer?: Message }>
  get(agent: AgentName, id: string): Promise<Task>
  /** The task, once its state is one of these. */
  reaches(agent: AgentName, id: string, ...states: string[]): Promise<Task>
  /** Sends, reads the stream, comes back with the last id whenever it is cut, until the task has ended. */
  stream(agent: AgentName, text: string, options?: SendOptions): Promise<{ taskId: string; frames: Frame[] }>
  /** Until it holds. */
  until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T>
  /** The scenario's agent that collects. */
  lease(more?: Record<string, unknown>): Promise<Answer['json']>
  settle(lease: string, verb: string, body?: unknown, also?: readonly number[]): Promise<Answer>
}

const PATIENCE_MS = 30_000
export const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** What a client may repeat: nobody there, overload, an outcome that nobody knows. */
const repeats = ({ status, json }: Answer): boolean =>
  status >= 500 || status === 429 || [-32603, -32000].includes(json?.error?.code)

export function createAct(stage: Stage): Act {
  const sent: Sent[] = []
  const history: Line[] = []
  const note = (line: Omit<Line, 'at' | 'client'>) =>
    void history.push({ at: Math.round(performance.now()), client: 0, ...line })

  async function ask(path: string, { method, body, headers = {}, key = ADMIN_KEY }: Ask = {}): Promise<Answer> {
    const patience = new AbortController()
    const timer = setTimeout(() => patience.abort(), 10_000)
    try {
      const response = await fetch(stage.url() + path, {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        signal: patience.signal,
        headers: {
          'a2a-version': '1.0',
          authorization: `Bearer ${key}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.includes('json')
      return { status: response.status, text, json: isJson ? JSON.parse(text) : undefined }
    } finally {
      clearTimeout(timer)
    }
  }

  async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const began = performance.now()
    let last: unknown
    for (;;) {
      try {
        const found = await look()
        if (found !== undefined && found !== false) return found
      } catch (error) {
        if (error instanceof Refused) throw error
        last = error
      }
      if (performance.now() - began > PATIENCE_MS)
        throw new Error(`${what}: not within ${PATIENCE_MS} ms${last ? `; ${String(last)}` : ''}`)
      await nap(10 + stage.dice.below(10))
    }
  }

  const sure: Act['sure'] = (path, how, also = []) =>
    until(path, async () => {
      const answer = await ask(path, how)
      if (repeats(answer) && !also.includes(answer.status)) return undefined
      if ((answer.status >= 400 || answer.json?.error) && !also.includes(answer.status))
        throw new Refused(`${path}: ${answer.status} ${answer.text.slice(0, 300)}`)
      return answer
    })

  const rpc: Act['rpc'] = (agent, method, params, headers = {}) =>
    sure(`/agents/${agent}`, { body: { jsonrpc: '2.0', id: 1, method, params }, headers })

  function remember(agent: AgentName, text: string, options: SendOptions): Sent {
    const messageId = options.messageId ?? uuidv7()
    const known = sent.find((one) => one.messageId === messageId)
    if (known) return known
    const made: Sent = {
      messageId,
      contextId: options.contextId ?? uuidv7(),
      agent: agent === 'few' ? 'dedupes' : agent,
      nth: options.nth ?? 0,
      text,
      taskIds: new Set(),
      canceled: false,
      cancelAsked: false,
      tries: 0,
    }
    sent.push(made)
    return made
  }

  const get: Act['get'] = async (agent, id) => {
    const { json } = await rpc(agent, 'GetTask', { id })
    const task = json.result as Task
    note({ op: 'get', type: 'ok', taskId: id, state: task.status.state })
    return task
  }

  return {
    ...stage,
    sent,
    history,
    ask,
    sure,
    rpc,
    until,
    get,
    async send(agent, text, options = {}) {
      const message = remember(agent, text, options)
      const { path, body, headers } = requestOf(agent, message, options)
      const { json } = await sure(path, { body, headers })
      const result = json.result ?? json
      const task: Task | undefined = result.task ?? (result.kind === 'task' ? result : undefined)
      if (!task) return { id: '', contextId: '', status: { state: 'TASK_STATE_COMPLETED' }, answer: result.message }
      message.taskIds.add(task.id)
      note({ op: 'send', type: 'ok', messageId: message.messageId, taskId: task.id, state: task.status.state })
      return task
    },
    reaches: (agent, id, ...states) =>
      until(`${id} in ${states.join()}`, async () => {
        const task = await get(agent, id)
        return states.some((state) => task.status.state === `TASK_STATE_${state}`) && task
      }),
    stream: (agent, text, options = {}) => readAll(remember(agent, text, options)),
    async lease(more = {}) {
      const { json } = await until('work to lease', async () => {
        const answer = await ask('/v1/inbox/lease?wait=5', {
          body: { worker: 'w1', reclaim: true, ...more },
          key: stage.boxToken,
        })
        return answer.status === 200 && answer
      })
      return json
    },
    settle: (lease, verb, body = {}, also) => sure(`/v1/leases/${lease}/${verb}`, { body, key: stage.boxToken }, also),
  }

  async function readAll(message: Sent): Promise<{ taskId: string; frames: Frame[] }> {
    const frames: Frame[] = []
    let taskId = ''
    await until(`the stream of ${message.messageId}`, async () => {
      const agent = message.agent as AgentName
      const last = frames.at(-1)?.id ?? 0
      const asked = last === 0 ? requestOf(agent, message, { streaming: true }) : subscription(agent, taskId)
      const response = await fetch(stage.url() + asked.path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${ADMIN_KEY}`,
          ...asked.headers,
          ...(last > 0 && { 'last-event-id': String(last) }),
        },
        body: JSON.stringify(asked.body),
      })
      if (!response.headers.get('content-type')?.includes('event-stream')) {
        const refusal = await response.text()
        // It has ended while nobody listened: the task says how.
        if (last > 0 && refusal.includes('-32004')) return true
        throw new Error(refusal.slice(0, 200))
      }
      let opening = last === 0
      for await (const { id, result } of framesOf(response)) {
        const json = JSON.stringify(result)
        frames.push({ id, json, opening })
        opening = false
        const task = /"(?:task":\{"id|taskId)":"([0-9a-f-]{36})"/.exec(json)?.[1]
        if (taskId === '' && task) {
          taskId = task
          message.taskIds.add(task)
        }
      }
      return /TASK_STATE_(COMPLETED|FAILED|CANCELED|REJECTED)/.test(frames.at(-1)?.json ?? '')
    })
    return { taskId, frames }
  }
}

/** A refusal: repeating it would not help. */
class Refused extends Error {}

interface Request {
  readonly path: string
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
}

const subscription = (agent: AgentName, id: string): Request => ({
  path: `/agents/${agent}`,
  body: { jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id } },
  headers: { 'a2a-version': '1.0' },
})

function requestOf(agent: AgentName, message: Sent, options: SendOptions & { streaming?: boolean }): Request {
  const { surface = 'JSON-RPC 1.0', immediately = true, taskId, pushTo, metadata, streaming = false } = options
  const ids = { messageId: message.messageId, contextId: message.contextId, ...(taskId && { taskId }) }
  const headers = { ...options.headers }
  if (surface === 'JSON-RPC 0.3') {
    const params = {
      message: { kind: 'message', role: 'user', ...ids, parts: [{ kind: 'text', text: message.text }] },
      configuration: { blocking: !immediately },
    }
    const method = streaming ? 'message/stream' : 'message/send'
    const body = { jsonrpc: '2.0', id: 1, method, params }
    return { path: `/agents/${agent}`, headers: { 'a2a-version': '0.3', ...headers }, body }
  }
  const params = {
    message: { role: 'ROLE_USER', ...ids, parts: [{ text: message.text }] },
    ...(metadata !== undefined && { metadata }),
    configuration: { returnImmediately: immediately, ...(pushTo && { taskPushNotificationConfig: { url: pushTo } }) },
  }
  const v1 = { 'a2a-version': '1.0', ...headers }
  if (surface === 'HTTP+JSON 1.0')
    return { path: `/agents/${agent}/message:${streaming ? 'stream' : 'send'}`, headers: v1, body: params }
  const method = streaming ? 'SendStreamingMessage' : 'SendMessage'
  return { path: `/agents/${agent}`, headers: v1, body: { jsonrpc: '2.0', id: 1, method, params } }
}
