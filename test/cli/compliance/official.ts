/** An agent of the official SDK 1.3.0 for the command line to talk to: JSON-RPC and HTTP+JSON, and all that it was sent. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { AgentCard, Message, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from '@a2a-js/sdk'
import * as sdk from '@a2a-js/sdk/server'
import * as web from '@a2a-js/sdk/server/express'
import express from 'express'
import { createLog, type Log } from '../../support/log.ts'

import type { Loose } from './loose.ts'

type Json = Record<string, Loose>

export interface Seen {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The operation's parameters, whatever the binding. */
  readonly params: Json
  /** By its 1.0 name, of JSON-RPC only. */
  readonly operation: string | undefined
}

export interface OfficialWish {
  /** As the card lists them. */
  readonly bindings?: readonly ('JSONRPC' | 'HTTP+JSON')[]
  readonly tenant?: string
  readonly capabilities?: Json
  /** More members of the card. */
  readonly card?: Json
  /** The card as it is served, made from the SDK's. */
  readonly serve?: (card: Json) => Json | Promise<Json>
  readonly extended?: boolean
  /** Whether a request may pass; otherwise 401. Asked for operations only. */
  readonly admits?: (seen: Seen) => boolean
  readonly tls?: ServerOptions
}

export interface OfficialAgent {
  /** Ends with '/'. */
  readonly url: string
  readonly seen: Log<Seen>
  /** Operations, not card requests. */
  calls(): readonly Seen[]
  /** Tasks that wait, now or once. */
  held(): readonly string[]
  /** Ends a task that waits. */
  finish(taskId: string): void
  stop(): Promise<void>
}

/** Parts of every kind, for an artifact. */
export const PARTS = [
  { text: 'first line\n\nthird line' },
  { data: { n: 1, list: ['a'] } },
  { raw: Buffer.from('%PDF-1').toString('base64'), filename: 'out.pdf', mediaType: 'application/pdf' },
  { url: 'https://files.example.test/big.bin', filename: 'big.bin', mediaType: 'application/octet-stream' },
]

let said = 0
const message = (text: string, ids: Json) => ({
  messageId: `s${++said}`,
  role: 'ROLE_AGENT',
  parts: [{ text }],
  ...ids,
})

export async function startOfficial(wish: OfficialWish = {}): Promise<OfficialAgent> {
  const { bindings = ['JSONRPC', 'HTTP+JSON'], tenant, tls } = wish
  const app = express()
  const server: Server = tls ? createTlsServer(tls, app) : createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const seen = createLog<Seen>()
  const path = { JSONRPC: 'rpc', 'HTTP+JSON': 'rest' }
  const card = AgentCard.fromJSON({
    name: 'official',
    description: 'an agent of the official SDK',
    version: '1',
    provider: { organization: 'Tests', url: 'https://example.test' },
    capabilities: { streaming: true, pushNotifications: true, ...wish.capabilities },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 'script', name: 'Script', description: 'does as it is told', tags: ['test'] }],
    supportedInterfaces: bindings.map((protocolBinding) => ({
      url: url + path[protocolBinding],
      protocolBinding,
      protocolVersion: '1.0',
      ...(tenant && { tenant }),
    })),
    ...wish.card,
  })
  const waiting = new Map<string, () => void>()
  const store = new sdk.InMemoryPushNotificationStore()
  const requestHandler = new sdk.DefaultRequestHandler(
    card,
    new sdk.InMemoryTaskStore(),
    executor(waiting),
    undefined,
    store,
    new sdk.DefaultPushNotificationSender(store),
    wish.extended ? async () => ({ ...card, name: 'official, extended' }) : undefined,
  )
  app.use(express.json({ type: () => true, limit: '5mb' }))
  app.use((request, response, next) => {
    const body = (request.body ?? {}) as Json
    const entry = {
      method: request.method,
      path: request.originalUrl,
      headers: request.headers,
      params: (body.jsonrpc ? body.params : body) ?? {},
      operation: body.method,
    }
    seen.add(entry)
    const isCard = request.path.includes('.well-known')
    if (isCard || !wish.admits || wish.admits(entry)) return next()
    response
      .status(401)
      .set('www-authenticate', 'Bearer')
      .json({ error: { code: 401, message: 'who are you?' } })
  })
  app.get('/.well-known/agent-card.json', async (_, response) => {
    const json = AgentCard.toJSON(card) as Json
    response.json(wish.serve ? await wish.serve(json) : json)
  })
  const options = { requestHandler, userBuilder: web.UserBuilder.noAuthentication }
  app.use('/rpc', web.jsonRpcHandler(options))
  app.use('/rest', web.restHandler(options))
  return {
    url,
    seen,
    calls: () => seen.entries.filter(({ path: asked }) => !asked.includes('.well-known')),
    held: () => [...waiting.keys()],
    finish: (taskId) => waiting.get(taskId)?.(),
    stop: async () => {
      for (const end of waiting.values()) end()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function executor(waiting: Map<string, () => void>): sdk.AgentExecutor {
  return {
    async execute({ userMessage, taskId, contextId }, bus) {
      const { parts } = Message.toJSON(userMessage) as { parts: Json[] }
      const text = String(parts[0]?.text ?? '')
      const ids = { taskId, contextId }
      const status = (state: string, word?: string) => ({
        state: `TASK_STATE_${state}`,
        timestamp: new Date().toISOString(),
        ...(word && { message: message(word, ids) }),
      })
      const tell = (state: string, word?: string) =>
        bus.publish(
          sdk.AgentEvent.statusUpdate(TaskStatusUpdateEvent.fromJSON({ ...ids, status: status(state, word) })),
        )
      const make = (made: Json[]) => {
        const artifact = { artifactId: 'a', name: 'result', parts: made }
        bus.publish(sdk.AgentEvent.artifactUpdate(TaskArtifactUpdateEvent.fromJSON({ ...ids, artifact })))
      }
      if (text.startsWith('message')) {
        bus.publish(sdk.AgentEvent.message(Message.fromJSON(message('direct', { contextId }))))
        return bus.finished()
      }
      bus.publish(
        sdk.AgentEvent.task(
          Task.fromJSON({ id: taskId, contextId, status: status('SUBMITTED'), history: [Message.toJSON(userMessage)] }),
        ),
      )
      tell('WORKING')
      const held = () => new Promise<void>((resolve) => waiting.set(taskId, resolve))
      if (text.startsWith('wait')) await held()
      if (text.startsWith('input')) tell('INPUT_REQUIRED', 'which one?')
      else if (text.startsWith('fail')) tell('FAILED', 'broke')
      else if (text.startsWith('reject')) tell('REJECTED', 'no')
      else {
        if (text.startsWith('auth')) {
          tell('AUTH_REQUIRED', 'sign in at https://idp.example.test')
          await held()
        }
        make(text.startsWith('parts') ? PARTS : [{ text: `made of ${text}` }])
        tell('COMPLETED', 'done')
      }
      bus.finished()
    },
    async cancelTask(taskId: string, bus: sdk.ExecutionEventBus) {
      const status = { state: 'TASK_STATE_CANCELED', timestamp: new Date().toISOString() }
      bus.publish(sdk.AgentEvent.statusUpdate(TaskStatusUpdateEvent.fromJSON({ taskId, contextId: 'c', status })))
      waiting.get(taskId)?.()
      bus.finished()
    },
  }
}
