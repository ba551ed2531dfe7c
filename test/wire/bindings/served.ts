/** A served A2A surface over a real socket, with lambdas for the half that decides. */
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { AgentCard } from '../../../src/a2a/agentCard.ts'
import { A2AError } from '../../../src/a2a/errors.ts'
import type { StreamResponse } from '../../../src/a2a/events.ts'
import type { OperationName } from '../../../src/a2a/operations.ts'
import type { Task } from '../../../src/a2a/tasks.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { Call, Caller, EventStream, StreamEntry, StreamSink } from '../../../src/ports.ts'
import { type A2aServerTools, createA2aServer } from '../../../src/wire/bindings/server.ts'

export const TASK: Task = {
  id: 'task-1',
  contextId: 'ctx-1',
  status: { state: 'TASK_STATE_COMPLETED', timestamp: '2026-01-31T12:00:00.000Z' },
}
export const CARD: AgentCard = {
  name: 'Echo',
  description: 'says it again',
  version: '1',
  supportedInterfaces: [
    { url: 'https://w.example/agents/echo/', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    { url: 'https://w.example/agents/echo/', protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
  ],
  capabilities: { streaming: true, extensions: [{ uri: 'urn:x-offered' }] },
  securitySchemes: { key: { httpAuthSecurityScheme: { scheme: 'bearer' } } },
  securityRequirements: [{ schemes: { key: { list: [] } } }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 's', name: 'S', description: 'd', tags: ['t'] }],
  signatures: [{ protected: 'p', signature: 's' }],
}
export const CALLER: Caller = { tenant: 't', id: 'c', kind: 'key', permits: new Set(['operator']) }

export interface Asked {
  readonly name: OperationName
  readonly params: never
  readonly call: Call
}
export type Decide = (asked: Asked) => unknown

/** One entry of a made-up log. */
export function entry(sequence: number, event: StreamResponse, marks: Partial<StreamEntry> = {}): StreamEntry {
  return { sequence, json: JSON.stringify(event), event: () => event, last: false, interrupted: false, ...marks }
}
export const status = (state: Task['status']['state']): StreamResponse => ({
  statusUpdate: { taskId: 'task-1', contextId: 'ctx-1', status: { state } },
})

export function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** A stream that the test feeds by hand. */
export function handStream(): EventStream & { sink: Promise<StreamSink>; closed: Promise<void> } {
  const opened = withResolvers<StreamSink>()
  const closed = withResolvers<void>()
  return { taskId: 'task-1', open: opened.resolve, close: closed.resolve, sink: opened.promise, closed: closed.promise }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: never
}
export interface Asking {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Buffer
}

const readJson = (text: string): never => {
  try {
    return JSON.parse(text) as never
  } catch {
    return undefined as never
  }
}

export async function serveA2a(tools: Partial<A2aServerTools> = {}) {
  const signals = createSignals<Happenings>()
  const asked: Asked[] = []
  const state: { decide: Decide } = { decide: () => ({ task: TASK }) }
  const a2a = createA2aServer({
    execute: async (name, params, call) => {
      asked.push({ name, params: params as never, call })
      return (await state.decide({ name, params: params as never, call })) as never
    },
    authenticate: async ({ authorization }) => {
      if (authorization !== 'Bearer good') throw new A2AError('UNAUTHENTICATED', 'a valid credential is needed')
      return CALLER
    },
    presentCard: async (agent) =>
      agent === 'echo' ? { card: CARD, modifiedAt: new Date(1_700_000_000_123) } : undefined,
    signals,
    clock: systemClock,
    publicHost: 'w.example',
    draining: () => false,
    ...tools,
  })
  const server = createServer((request, response) => {
    if (!a2a.serve(request, response)) response.writeHead(299).end('not mine')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  const open = ({ method = 'POST', path = '/agents/echo/', headers = {}, body }: Asking) =>
    httpRequest({
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: {
        authorization: 'Bearer good',
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    })

  /** A header of '' is not sent. */
  const ask = (asking: Asking): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = open(asking)
      for (const [name, value] of Object.entries(asking.headers ?? {})) if (value === '') request.removeHeader(name)
      request.on('error', reject)
      request.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: readJson(text) })
        })
      })
      request.end(asking.body)
    })

  return {
    port,
    signals,
    asked,
    state,
    ask,
    open,
    rpc: (method: string, params?: unknown, asking: Asking = {}) =>
      ask({ ...asking, body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }) }),
    /** Bytes as they are; resolves with what came back when the connection ends. */
    raw: (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(text))
        let answer = ''
        socket.setEncoding('utf8').on('data', (chunk: string) => {
          answer += chunk
        })
        socket.on('error', reject)
        socket.on('close', () => resolve(answer))
      }),
    next: <N extends keyof Happenings>(name: N): Promise<Happenings[N]> =>
      new Promise((resolve) => {
        const stop = signals.on(name, (fact) => {
          stop()
          resolve(fact)
        })
      }),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
export type Served = Awaited<ReturnType<typeof serveA2a>>
