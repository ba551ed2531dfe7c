/**
 * Agents that speak gRPC, behind a whole gateway: away and back, refusing what they have not looked at, breaking off in the
 * midst. What was accepted arrives once, or it is said that nobody knows.
 */

import { createServer as createHttpServer, type Server } from 'node:http'
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  A2AService,
  ListTasksResponseSchema,
  StreamResponseSchema,
  TaskSchema,
} from '../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { startAgent } from '../support/agent.ts'
import { freePort } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'
import { aGrpcWorld } from '../wire/bindings/grpc/world.ts'

const now = { configuration: { returnImmediately: true } }
const brisk = { backoff: { firstMs: 10, longestMs: 50 } }

let world: World
let site: Server
let grpcPort: number
/** The rpcs that came, by their names. */
let calls: string[]
/** Messages whose work was begun, by their ids. */
let begun: string[]
let respond: (rpc: string, stream: ServerHttp2Stream, request: { message?: { messageId: string } }) => void

const INPUTS = new Map(A2AService.methods.map(({ name, input }) => [name, input]))

/** The gRPC side, which comes and goes; the card stays. */
async function open(): Promise<{ close: () => Promise<void> }> {
  const sessions = new Set<ServerHttp2Session>()
  const server: Http2Server = createServer()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {}).on('close', () => sessions.delete(session))
  })
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => {})
    const pieces: Buffer[] = []
    for await (const piece of stream) pieces.push(piece as Buffer)
    const rpc = headers[':path']?.split('/').at(-1) ?? ''
    const input = INPUTS.get(rpc) as DescMessage
    const request = toJson(input, fromBinary(input, Buffer.concat(pieces).subarray(5))) as object
    calls.push(rpc)
    respond(rpc, stream, request)
  })
  await new Promise<void>((resolve) => server.listen(grpcPort, '127.0.0.1', resolve))
  return {
    async close() {
      for (const session of sessions) session.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const framed = (schema: DescMessage, json: JsonValue): Buffer => {
  const message = toBinary(schema, fromJson(schema, json))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}
const GRPC = { ':status': 200, 'content-type': 'application/grpc+proto' }
function say(stream: ServerHttp2Stream, ...messages: Buffer[]) {
  stream.respond(GRPC, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(Buffer.concat(messages))
}
const refuse = (stream: ServerHttp2Stream, code: number) =>
  stream.respond({ ...GRPC, 'grpc-status': String(code) }, { endStream: true })
const taskOf = (messageId: string, state: string) => ({
  id: `theirs-${messageId}`,
  contextId: 'c',
  status: { state: `TASK_STATE_${state}` },
  history: [{ messageId, role: 'ROLE_USER', parts: [{ text: 'x' }] }],
})
const event = (messageId: string, state: string) => framed(StreamResponseSchema, { task: taskOf(messageId, state) })
/** Does the work and says so. */
function obey(stream: ServerHttp2Stream, messageId: string) {
  begun.push(messageId)
  say(stream, event(messageId, 'COMPLETED'))
}

beforeAll(async () => {
  grpcPort = await freePort()
  site = createHttpServer((_request, response) => {
    const card = {
      name: 'grpc',
      description: 'd',
      version: '1',
      capabilities: { streaming: true },
      defaultInputModes: ['text/plain'],
      defaultOutputModes: ['text/plain'],
      skills: [],
      supportedInterfaces: [{ url: `127.0.0.1:${grpcPort}`, protocolBinding: 'GRPC', protocolVersion: '1.0' }],
    }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(card))
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
  world = await aWorld({
    limits: { probeFirstMs: 20, probeLongestMs: 50 },
    cards: {
      once: { connector: { kind: 'a2a', url }, ...brisk },
      again: { connector: { kind: 'a2a', url, binding: 'GRPC' }, redelivery: 'atLeastOnce', ...brisk },
    },
  })
  expect(world.gateway.cardProblems).toEqual([])
})
afterAll(async () => {
  await world?.stop()
  site?.closeAllConnections()
  await new Promise((resolve) => site.close(resolve))
})
beforeEach(() => {
  calls = []
  begun = []
})

async function send(agent: string) {
  const { id, history } = await world.client(agent).send('x', now)
  const messageId = history?.[0]?.messageId as string
  const ended = async () => {
    for (;;) {
      const task = await world.client(agent).get(id)
      if (/COMPLETED|FAILED|REJECTED/.test(task.status.state)) return task
      await world.next('task.recorded', ({ task: told }) => told === id)
    }
  }
  return { id, messageId, ended }
}

test('an agent that is away is waited for, and then gets the message once', async () => {
  respond = (_rpc, stream, { message }) => obey(stream, message?.messageId as string)
  const failed = world.next('delivery.attempted', ({ outcome }) => outcome !== 'delivered')
  const { messageId, ended } = await send('once')
  await failed
  const agent = await open()
  expect((await ended()).status.state).toBe('TASK_STATE_COMPLETED')
  expect(begun).toEqual([messageId])
  await agent.close()
})

test('a stream that the agent refused unseen is tried again, even where at most once is the rule', async () => {
  let refused = 0
  respond = (_rpc, stream, { message }) => {
    if (refused++ < 2) return stream.close(constants.NGHTTP2_REFUSED_STREAM)
    obey(stream, message?.messageId as string)
  }
  const agent = await open()
  const { messageId, ended } = await send('once')
  expect((await ended()).status.state).toBe('TASK_STATE_COMPLETED')
  expect([refused, begun]).toEqual([3, [messageId]])
  await agent.close()
})

test('a connection that breaks after the send: the agent is asked, and not sent to again', async () => {
  respond = (rpc, stream, { message }) => {
    if (rpc === 'SendStreamingMessage') {
      begun.push(message?.messageId as string)
      stream.session?.destroy()
    } else if (rpc === 'ListTasks') {
      const tasks = begun.map((messageId) => taskOf(messageId, 'WORKING'))
      say(stream, framed(ListTasksResponseSchema, { tasks, pageSize: 100, totalSize: tasks.length }))
    } else if (rpc === 'GetTask') say(stream, framed(TaskSchema, taskOf(begun[0] as string, 'COMPLETED')))
    else refuse(stream, 12)
  }
  for (const policy of ['once', 'again']) {
    begun = []
    const agent = await open()
    const { messageId, ended } = await send(policy)
    expect((await ended()).status.state).toBe('TASK_STATE_COMPLETED')
    expect(begun).toEqual([messageId])
    expect(calls).toContain('ListTasks')
    await agent.close()
  }
})

test('an agent that breaks off and cannot tell: at most once fails, at least once sends again', async () => {
  respond = (rpc, stream, { message }) => {
    if (rpc !== 'SendStreamingMessage') return refuse(stream, 12)
    begun.push(message?.messageId as string)
    if (begun.length === 1) stream.session?.destroy()
    else say(stream, event(message?.messageId as string, 'COMPLETED'))
  }
  const agent = await open()
  const once = await send('once')
  expect((await once.ended()).status.state).toBe('TASK_STATE_FAILED')
  expect(begun).toEqual([once.messageId])
  begun = []
  const again = await send('again')
  expect((await again.ended()).status.state).toBe('TASK_STATE_COMPLETED')
  expect(begun).toEqual([again.messageId, again.messageId])
  await agent.close()
})

test('one gateway behind another, over gRPC: tenant, credentials, streams, refusals', async () => {
  const agent = await startAgent({ dedupe: true })
  const behind = await aGrpcWorld({ cards: { echo: { connector: { kind: 'a2a', url: agent.url } } } })
  const url = `${behind.gateway.url}/agents/echo/`
  const credentials = { scheme: 'Bearer', token: behind.gateway.adminKey }
  const front = await aWorld({
    cards: {
      far: { connector: { kind: 'a2a', url, binding: 'GRPC' }, credentials },
      stranger: { connector: { kind: 'a2a', url, binding: 'GRPC' }, ...brisk },
    },
  })
  expect(front.gateway.cardProblems).toEqual([])
  const bindings: string[] = []
  behind.gateway.signals.on('request.served', ({ binding, operation }) => bindings.push(`${binding} ${operation}`))
  const sent = await front.client('far').send('artifact')
  expect(sent.status.state).toBe('TASK_STATE_COMPLETED')
  expect(sent.artifacts?.[0]?.parts).toEqual([{ text: 'Generated text content' }])
  expect(bindings.filter((one) => one.startsWith('GRPC'))).toContain('GRPC SendStreamingMessage')

  const working = front.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
  const { id } = await front.client('far').send('delay', now)
  await working
  expect((await front.client('far').rpc('CancelTask', { id })).result.status.state).toBe('TASK_STATE_CANCELED')
  expect(bindings).toContain('GRPC CancelTask')

  const refused = front.next('delivery.attempted', ({ destination }) => destination === 'agent:stranger')
  await front.client('stranger').send('x', now)
  expect(await refused).toMatchObject({ code: 'UPSTREAM_AUTH' })
  await front.stop()
  await behind.stop()
  await agent.stop()
})
