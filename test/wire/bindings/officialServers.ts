/** The official SDKs' servers as agents: 1.3.0 (A2A 1.0) and 0.3.14 (A2A 0.3), each over JSON-RPC, HTTP+JSON and gRPC. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AgentCard, Message, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from '@a2a-js/sdk'
import * as modern from '@a2a-js/sdk/server'
import * as modernExpress from '@a2a-js/sdk/server/express'
import * as modernGrpc from '@a2a-js/sdk/server/grpc'
import { Server as GrpcServer, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js'
import express from 'express'
import * as old from 'sdk03/server'
import * as oldExpress from 'sdk03/server/express'
import * as oldGrpc from 'sdk03/server/grpc'

export interface OfficialServer {
  readonly url: string
  stop(): Promise<void>
}

type Json = Record<string, unknown>

/** What both executors do, in the words of either version: a first text, then events. */
interface Words {
  task(state: string): unknown
  status(state: string, text?: string): unknown
  artifact(text: string): unknown
  message(text: string): unknown
}
interface Told {
  readonly text: string
  readonly say: (event: unknown) => void
  readonly finish: () => void
}

/** Tasks that wait are ended by cancel only. */
function obey({ text, say, finish }: Told, words: Words) {
  if (text.startsWith('message')) {
    say(words.message('direct'))
    return finish()
  }
  say(words.task('submitted'))
  say(words.status('working'))
  if (text.startsWith('wait')) return
  if (text.startsWith('input')) say(words.status('input-required', 'what else?'))
  else if (text.startsWith('fail')) say(words.status('failed', 'broke'))
  else {
    say(words.artifact('made'))
    say(words.status('completed', 'done'))
  }
  finish()
}

const cardOf = (base: string, streaming: boolean): Json => ({
  name: 'official',
  description: 'd',
  version: '1',
  capabilities: { streaming, pushNotifications: false },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 's', name: 's', description: 's', tags: ['t'] }],
  url: `${base}rpc`,
})

async function listening(app: express.Express): Promise<{ server: Server; base: string }> {
  const server = await new Promise<Server>((resolve) => {
    const opened = app.listen(0, '127.0.0.1', () => resolve(opened))
  })
  return { server, base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

function stopper(server: Server, grpc?: GrpcServer) {
  return async () => {
    grpc?.forceShutdown()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

export type OfficialBinding = 'JSONRPC' | 'HTTP+JSON' | 'GRPC'

/** A gRPC port that has no service yet: its number is needed for the card. */
async function grpcPort(): Promise<{ server: GrpcServer; address: string }> {
  const server = new GrpcServer()
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return { server, address: `127.0.0.1:${port}` }
}

const addService = (server: GrpcServer, service: unknown, implementation: unknown) =>
  server.addService(service as Parameters<GrpcServer['addService']>[0], implementation as UntypedServiceImplementation)
let said = 0

export async function startModern(binding: OfficialBinding, streaming: boolean): Promise<OfficialServer> {
  const app = express()
  const { server, base } = await listening(app)
  const path = binding === 'JSONRPC' ? 'rpc' : 'rest'
  const grpc = binding === 'GRPC' ? await grpcPort() : undefined
  const card = AgentCard.fromJSON({
    ...cardOf(base, streaming),
    supportedInterfaces: [{ url: grpc?.address ?? base + path, protocolBinding: binding, protocolVersion: '1.0' }],
  })
  const wordsOf = (taskId: string, contextId: string): Words => {
    const state = (name: string) => `TASK_STATE_${name.toUpperCase().replace('-', '_')}`
    const message = (text: string) => ({ messageId: `s${++said}`, role: 'ROLE_AGENT', parts: [{ text }], contextId })
    const status = (name: string, text?: string) => ({
      state: state(name),
      timestamp: new Date().toISOString(),
      ...(text && { message: { ...message(text), taskId } }),
    })
    return {
      task: (name) => modern.AgentEvent.task(Task.fromJSON({ id: taskId, contextId, status: status(name) })),
      status: (name, text) =>
        modern.AgentEvent.statusUpdate(
          TaskStatusUpdateEvent.fromJSON({ taskId, contextId, status: status(name, text) }),
        ),
      artifact: (text) =>
        modern.AgentEvent.artifactUpdate(
          TaskArtifactUpdateEvent.fromJSON({ taskId, contextId, artifact: { artifactId: 'a', parts: [{ text }] } }),
        ),
      message: (text) => modern.AgentEvent.message(Message.fromJSON(message(text))),
    }
  }
  const executor: modern.AgentExecutor = {
    async execute(context, bus) {
      const { parts } = Message.toJSON(context.userMessage) as { parts: { text: string }[] }
      const say = (event: unknown) => bus.publish(event as never)
      obey(
        { text: parts[0]?.text ?? '', say, finish: () => bus.finished() },
        wordsOf(context.taskId, context.contextId),
      )
    },
    async cancelTask(taskId: string, bus: modern.ExecutionEventBus) {
      bus.publish(wordsOf(taskId, 'unknown').status('canceled') as never)
      bus.finished()
    },
  }
  const requestHandler = new modern.DefaultRequestHandler(card, new modern.InMemoryTaskStore(), executor)
  const options = { requestHandler, userBuilder: modernExpress.UserBuilder.noAuthentication }
  app.use('/.well-known/agent-card.json', modernExpress.agentCardHandler({ agentCardProvider: requestHandler }))
  if (grpc) {
    const userBuilder = modernGrpc.UserBuilder.noAuthentication
    addService(grpc.server, modernGrpc.A2AService, modernGrpc.grpcService({ requestHandler, userBuilder }))
  } else
    app.use(
      `/${path}`,
      binding === 'JSONRPC' ? modernExpress.jsonRpcHandler(options) : modernExpress.restHandler(options),
    )
  return { url: base, stop: stopper(server, grpc?.server) }
}

export async function startOld(binding: OfficialBinding, streaming: boolean): Promise<OfficialServer> {
  const app = express()
  const { server, base } = await listening(app)
  const path = binding === 'JSONRPC' ? 'rpc' : 'rest'
  const grpc = binding === 'GRPC' ? await grpcPort() : undefined
  const card = {
    ...cardOf(base, streaming),
    url: grpc?.address ?? base + path,
    protocolVersion: '0.3.0',
    preferredTransport: binding,
  }
  const wordsOf = (taskId: string, contextId: string): Words => {
    const message = (text: string) => ({
      kind: 'message',
      messageId: `s${++said}`,
      role: 'agent',
      parts: [{ kind: 'text', text }],
      contextId,
    })
    const status = (state: string, text?: string) => ({ state, ...(text && { message: { ...message(text), taskId } }) })
    return {
      task: (state) => ({ kind: 'task', id: taskId, contextId, status: status(state) }),
      status: (state, text) => ({
        kind: 'status-update',
        taskId,
        contextId,
        status: status(state, text),
        final: !['submitted', 'working'].includes(state),
      }),
      artifact: (text) => ({
        kind: 'artifact-update',
        taskId,
        contextId,
        artifact: { artifactId: 'a', parts: [{ kind: 'text', text }] },
      }),
      message,
    }
  }
  const executor: old.AgentExecutor = {
    async execute(context, bus) {
      const part = context.userMessage.parts[0]
      const say = (event: unknown) => bus.publish(event as never)
      const text = part?.kind === 'text' ? part.text : ''
      obey({ text, say, finish: () => bus.finished() }, wordsOf(context.taskId, context.contextId))
    },
    async cancelTask(taskId, bus) {
      bus.publish(wordsOf(taskId, 'unknown').status('canceled') as never)
      bus.finished()
    },
  }
  const requestHandler = new old.DefaultRequestHandler(card as never, new old.InMemoryTaskStore(), executor)
  const options = { requestHandler, userBuilder: oldExpress.UserBuilder.noAuthentication }
  app.use('/.well-known/agent-card.json', oldExpress.agentCardHandler({ agentCardProvider: requestHandler }))
  if (grpc) {
    const userBuilder = oldGrpc.UserBuilder.noAuthentication
    addService(grpc.server, oldGrpc.A2AService, oldGrpc.grpcService({ requestHandler, userBuilder }))
  } else
    app.use(`/${path}`, binding === 'JSONRPC' ? oldExpress.jsonRpcHandler(options) : oldExpress.restHandler(options))
  return { url: base, stop: stopper(server, grpc?.server) }
}
