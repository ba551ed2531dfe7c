/** gRPC towards agents that are written frame by frame: what they say wrong, when they fall silent, how they refuse. */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { create, type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { encodeBinaryHeader } from '@connectrpc/connect'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AgentCard } from '../../../../src/a2a/agentCard.ts'
import { LIMITS, type Limits } from '../../../../src/limits.ts'
import { createEgress, type Egress, type EgressOptions } from '../../../../src/platform/egress.ts'
import type { AgentTarget } from '../../../../src/ports.ts'
import * as old from '../../../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import * as modern from '../../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { createPeer } from '../../../../src/wire/bindings/peer.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../../../support/certificate.ts'
import { createLog, type Log } from '../../../support/log.ts'
import { aSend, glance, type Haste, haste, listen, loopbackEgress } from '../peers.ts'
import { infoDetail, retryDetail, statusDetails } from './world.ts'

interface Call {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** The message in JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: looked at, not trusted
  readonly request: any
  readonly stream: ServerHttp2Stream
}

const never = new AbortController().signal
let server: Http2Server
let connections: number
let calls: Log<Call>
let respond: (call: Call) => void
let egress: Egress
let clock: Haste
let address: string

const INPUTS: Record<string, DescMessage> = Object.fromEntries(
  [modern.A2AService, old.A2AService].flatMap(({ typeName, methods }) =>
    methods.map(({ name, input }) => [`/${typeName}/${name}`, input]),
  ),
)

beforeEach(async () => {
  egress = loopbackEgress()
  clock = haste()
  calls = createLog()
  connections = 0
  server = createServer()
  server.on('connection', () => {
    connections += 1
  })
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => {})
    const pieces: Buffer[] = []
    for await (const piece of stream) pieces.push(piece as Buffer)
    const path = headers[':path'] ?? ''
    const input = INPUTS[path]
    if (!input) throw new Error(`no rpc ${path}`)
    const request = toJson(input, fromBinary(input, Buffer.concat(pieces).subarray(5)))
    const call = { method: path.slice(1), headers, request, stream }
    calls.add(call)
    respond(call)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  await egress.close()
  await new Promise((resolve) => server.close(resolve))
})

const targetOf = (
  version = '1.0',
  more: Partial<AgentCard['supportedInterfaces'][0]> = {},
  streaming = true,
): AgentTarget => ({
  tenant: 't',
  name: 'a',
  url: 'http://127.0.0.1:9/',
  headers: { authorization: 'Bearer very-secret-value' },
  card: {
    name: 'a',
    description: 'd',
    version: '1',
    capabilities: { streaming },
    defaultInputModes: [],
    defaultOutputModes: [],
    skills: [],
    supportedInterfaces: [{ url: address, protocolBinding: 'GRPC', protocolVersion: version, ...more }],
  },
})
const peerWith = (limits: Partial<Limits> = {}) => createPeer({ egress, clock, limits: { ...LIMITS, ...limits } })

const framed = (schema: DescMessage, json: JsonValue): Buffer => {
  const message = toBinary(schema, fromJson(schema, json))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}
const events = (...said: JsonValue[]) => Buffer.concat(said.map((event) => framed(modern.StreamResponseSchema, event)))
const GRPC = { ':status': 200, 'content-type': 'application/grpc+proto' }
type Trailers = Readonly<Record<string, string>>

/** Headers, this much of a body, and these trailers; none: the stream just ends. */
function say({ stream }: Call, body: Buffer, trailers: Trailers | undefined = { 'grpc-status': '0' }) {
  stream.respond(GRPC, { waitForTrailers: true })
  stream.on('wantTrailers', () => (trailers ? stream.sendTrailers(trailers) : stream.close()))
  stream.end(body)
}
const refuse = ({ stream }: Call, trailers: Trailers) => stream.respond({ ...GRPC, ...trailers }, { endStream: true })

const ids = { taskId: 't1', contextId: 'c1' }
const task = (state: string) => ({ task: { id: 't1', contextId: 'c1', status: { state: `TASK_STATE_${state}` } } })
const status = (state: string) => ({ statusUpdate: { ...ids, status: { state: `TASK_STATE_${state}` } } })
const chunk = (text: string) => ({
  artifactUpdate: { ...ids, artifact: { artifactId: 'a', parts: [{ text }] }, append: true },
})
const isGet = ({ method }: Call) => method.endsWith('/GetTask')
const getting = (state: string) => framed(modern.TaskSchema, task(state).task)

describe('what goes out', () => {
  test('a stream of 1.0: path, metadata, message', async () => {
    respond = (call) => say(call, events(task('COMPLETED')))
    const request = aSend('x', {
      extensions: ['urn:one'],
      trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    })
    expect(await peerWith().send(targetOf('1.0', { tenant: 'acme' }), request, listen().sink, never)).toEqual({
      kind: 'accepted',
    })
    const [{ method, headers, request: sent }] = calls.entries as [Call]
    expect(method).toBe('lf.a2a.v1.A2AService/SendStreamingMessage')
    expect(headers).toMatchObject({
      ':authority': address,
      ':scheme': 'http',
      te: 'trailers',
      'content-type': 'application/grpc+proto',
      'a2a-version': '1.0',
      'a2a-extensions': 'urn:one',
      authorization: 'Bearer very-secret-value',
      'idempotency-key': request.idempotencyKey,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
    expect(headers['grpc-timeout']).toBeUndefined()
    expect(sent).toMatchObject({
      tenant: 'acme',
      message: { messageId: request.message.messageId, parts: [{ text: 'x' }] },
    })
  })

  test('an rpc with one answer has a deadline', async () => {
    respond = (call) =>
      isGet(call)
        ? say(call, getting('COMPLETED'))
        : say(call, framed(modern.SendMessageResponseSchema, task('WORKING')))
    await peerWith({ agentReplyMs: 60_000 }).send(targetOf('1.0', {}, false), aSend('x'), listen().sink, never)
    expect(calls.entries.map(({ method, headers }) => [method.split('/')[1], headers['grpc-timeout']])).toEqual([
      ['SendMessage', '60000m'],
      ['GetTask', `${LIMITS.agentIdleMs}m`],
    ])
  })

  test('0.3 has its own service, and names tasks by resources', async () => {
    const replies: Record<string, Buffer> = {
      GetTask: framed(old.TaskSchema, task('COMPLETED').task),
      CancelTask: framed(old.TaskSchema, { ...task('WORKING').task, status: { state: 'TASK_STATE_CANCELLED' } }),
      TaskSubscription: framed(old.StreamResponseSchema, task('COMPLETED')),
      SendStreamingMessage: framed(old.StreamResponseSchema, {
        message: { messageId: 'm', role: 'ROLE_AGENT', content: [{ text: 'hi' }] },
      }),
    }
    respond = (call) => say(call, replies[call.method.split('/')[1] ?? ''] ?? Buffer.alloc(0))
    const target = targetOf('0.3.0')
    const peer = peerWith()
    const heard = listen()
    await peer.send(target, aSend('x', { message: { referenceTaskIds: ['r'] } }), heard.sink, never)
    expect(heard.log.entries).toEqual([
      { message: expect.objectContaining({ role: 'ROLE_AGENT', parts: [{ text: 'hi' }] }) },
    ])
    expect(await peer.find(target, { messageId: 'm', upstreamTaskId: 't1' }, never)).toMatchObject({ kind: 'found' })
    expect(await peer.cancel(target, 't1', never)).toMatchObject({ kind: 'canceled' })
    expect(await peer.follow(target, 't1', listen().sink, never)).toEqual({ kind: 'accepted' })
    expect(calls.entries.map(({ method, request }) => [method, request.name])).toEqual([
      ['a2a.v1.A2AService/SendStreamingMessage', undefined],
      ['a2a.v1.A2AService/GetTask', 'tasks/t1'],
      ['a2a.v1.A2AService/CancelTask', 'tasks/t1'],
      ['a2a.v1.A2AService/TaskSubscription', 'tasks/t1'],
    ])
    expect(calls.entries[0]).toMatchObject({
      headers: { 'a2a-version': '0.3' },
      request: {
        configuration: { blocking: true },
        message: { metadata: { 'urn:x-waypost:referenceTaskIds': ['r'] } },
      },
    })
  })

  test('all goes over one connection', async () => {
    respond = (call) => say(call, events(task('COMPLETED')))
    const peer = peerWith()
    await Promise.all(Array.from({ length: 10 }, () => peer.send(targetOf(), aSend('x'), listen().sink, never)))
    expect([calls.entries.length, connections]).toEqual([10, 1])
  })
})

test('more streams than a server takes resets for: none of them is one', async () => {
  const codes = new Set<number>()
  respond = (call) => {
    call.stream.on('close', () => codes.add(call.stream.rstCode))
    say(call, events(task('WORKING'), status('COMPLETED')))
  }
  const peer = peerWith()
  const target = targetOf()
  for (let round = 0; round < 100; round++)
    await Promise.all(Array.from({ length: 15 }, () => peer.send(target, aSend('x'), listen().sink, never)))
  expect(calls.entries).toHaveLength(1_500)
  expect([connections, [...codes]]).toEqual([1, [constants.NGHTTP2_NO_ERROR]])
})

describe('where it goes', () => {
  const send = (target: AgentTarget) => peerWith().send(target, aSend('x'), listen().sink, never)
  test.each([
    ['host:port', (port: string) => `127.0.0.1:${port}`],
    ['another name of this machine', (port: string) => `localhost:${port}`],
    ['http://host:port', (port: string) => `http://127.0.0.1:${port}`],
    ['with a path, which means nothing', (port: string) => `http://127.0.0.1:${port}/grpc/`],
  ])('%s', async (_form, url) => {
    respond = (call) => say(call, events(task('COMPLETED')))
    expect(await send(targetOf('1.0', { url: url(address.split(':')[1] as string) }))).toEqual({ kind: 'accepted' })
  })

  test.each([
    ['another host', 'http://127.0.0.1:9/', '127.0.0.2:4281'],
    ['the clear, when the agent was met over TLS', 'https://127.0.0.1/', 'http://127.0.0.1:4281'],
    ['credentials in the address', 'http://127.0.0.1/', 'http://a:b@127.0.0.1:4281'],
    ['no address', 'http://127.0.0.1/', 'unix:/tmp/socket'],
  ])('not to %s', async (_what, registered, url) => {
    const verdict = await send({ ...targetOf('1.0', { url }), url: registered })
    expect(verdict).toMatchObject({ kind: 'refused', code: 'FAILED', retry: false })
    expect(calls.entries).toEqual([])
  })

  test('an address without a scheme means TLS where the agent was met over TLS', async () => {
    const verdict = await send({ ...targetOf(), url: 'https://127.0.0.1/' })
    expect(verdict).toMatchObject({
      kind: 'refused',
      code: 'UNREACHABLE',
      retry: true,
      reason: expect.stringMatching(/TLS|HTTP.2/),
    })
    expect(calls.entries).toEqual([])
  })

  test('over TLS, to those whom somebody vouches for', async () => {
    const secure = createSecureServer({ key: TEST_KEY, cert: TEST_CERTIFICATE })
    const asked: (string | undefined)[] = []
    secure.on('stream', (stream, headers) => {
      asked.push(headers[':scheme'])
      say({ stream } as Call, events(task('COMPLETED')))
    })
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    const { port } = secure.address() as AddressInfo
    const trusting = createEgress({ allow: ['127.0.0.0/8', '::1/128'], ca: TEST_CERTIFICATE })
    for (const [by, expected] of [
      [trusting, { kind: 'accepted' }],
      [egress, { kind: 'refused', code: 'UNREACHABLE' }],
    ] as const) {
      const peer = createPeer({ egress: by, clock })
      for (const url of [`localhost:${port}`, `https://localhost:${port}`]) {
        const target = { ...targetOf('1.0', { url }), url: 'https://localhost/' }
        expect(await peer.send(target, aSend('x'), listen().sink, never)).toMatchObject(expected)
      }
    }
    expect(asked).toEqual(['https', 'https'])
    await trusting.close()
    await new Promise((resolve) => secure.close(resolve))
  })

  test('the order is the agent’s, unless a binding was chosen', async () => {
    respond = (call) => say(call, events(task('COMPLETED')))
    const target = targetOf()
    const [grpc] = target.card?.supportedInterfaces ?? []
    const rpc = { url: target.url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }
    const both = { ...target, card: { ...(target.card as AgentCard), supportedInterfaces: [rpc, grpc as typeof rpc] } }
    expect(await send(both)).toMatchObject({ kind: 'refused', code: 'EGRESS_BLOCKED' })
    expect(await send({ ...both, binding: 'GRPC' })).toEqual({ kind: 'accepted' })
    expect(await send({ ...both, binding: 'HTTP+JSON' })).toMatchObject({ kind: 'refused', code: 'FAILED' })
  })

  test.each([
    ['a private literal', {}],
    ['a name that leads to one', { lookup: async () => [{ address: '127.0.0.1', family: 4 }] }],
  ])('%s is not reached: not one connection', async (what, options: Partial<EgressOptions>) => {
    const guarded = createEgress({ allow: [], ...options })
    const host = what.includes('name') ? 'agent.example' : '127.0.0.1'
    const target = targetOf('1.0', { url: address.replace('127.0.0.1', host) })
    const peer = createPeer({ egress: guarded, clock })
    const verdict = await peer.send({ ...target, url: `http://${host}/` }, aSend('x'), listen().sink, never)
    expect(verdict).toMatchObject({ kind: 'refused', code: 'EGRESS_BLOCKED', retry: false })
    expect(connections).toBe(0)
    await guarded.close()
  })
})

describe('a refusal', () => {
  const verdictOf = async (trailers: Trailers, streaming = true) => {
    respond = (call) => refuse(call, trailers)
    return peerWith().send(targetOf('1.0', {}, streaming), aSend('x'), listen().sink, never)
  }

  test.each([
    [1, 'unknown'],
    [2, 'unknown'],
    [3, 'REJECTED'],
    [4, 'unknown'],
    [5, 'REJECTED'],
    [6, 'REJECTED'],
    [7, 'UPSTREAM_AUTH again'],
    [8, 'BUSY again'],
    [9, 'REJECTED'],
    [10, 'REJECTED'],
    [11, 'REJECTED'],
    [12, 'REJECTED'],
    [13, 'unknown'],
    [14, 'BUSY again'],
    [15, 'unknown'],
    [16, 'UPSTREAM_AUTH again'],
    [99, 'unknown'],
  ])('with code %i: %s', async (code, expected) => {
    for (const streaming of [true, false]) {
      const verdict = await verdictOf({ 'grpc-status': String(code), 'grpc-message': 'because%20so' }, streaming)
      const told = verdict.kind === 'refused' ? `${verdict.code}${verdict.retry ? ' again' : ''}` : verdict.kind
      expect(told).toBe(expected)
      expect(verdict).toMatchObject({
        reason: code === 99 ? expect.any(String) : expect.stringContaining('because so'),
      })
    }
  })

  test.each([
    ['UNAVAILABLE', 14, 'BUSY'],
    ['QUEUE_FULL', 8, 'BUSY'],
    ['PAYLOAD_TOO_LARGE', 8, 'REJECTED'],
    ['UNAUTHENTICATED', 16, 'UPSTREAM_AUTH'],
    ['INVALID_PARAMS', 3, 'REJECTED'],
    ['INVALID_AGENT_RESPONSE', 13, 'REJECTED'],
    ['OUTCOME_UNKNOWN', 14, 'unknown'],
    ['INTERNAL', 13, 'unknown'],
  ])('that says %s', async (reason, code, expected) => {
    const details = encodeBinaryHeader(statusDetails(code, 'words', infoDetail(reason)))
    const verdict = await verdictOf({
      'grpc-status': String(code),
      'grpc-message': 'words',
      'grpc-status-details-bin': details,
    })
    expect(verdict.kind === 'refused' ? verdict.code : verdict.kind).toBe(expected)
  })

  test('says when to come again, within what we allow', async () => {
    for (const [seconds, expected] of [
      [7, 7_000],
      [1_000_000, LIMITS.retryAfterMaxMs],
    ] as const) {
      const details = encodeBinaryHeader(statusDetails(14, 'later', infoDetail('UNAVAILABLE'), retryDetail(seconds)))
      const trailers = { 'grpc-status': '14', 'grpc-status-details-bin': details }
      expect(await verdictOf(trailers)).toMatchObject({ code: 'BUSY', retryAfterMs: expected })
    }
  })

  test('of a proxy that had given the request on is no refusal; details that nobody can read are none', async () => {
    const given = 'upstream connect error or disconnect/reset before headers. reset reason: connection termination'
    expect(await verdictOf({ 'grpc-status': '14', 'grpc-message': given })).toMatchObject({ kind: 'unknown' })
    const torn = { 'grpc-status': '5', 'grpc-message': '%zz%', 'grpc-status-details-bin': '!!!' }
    expect(await verdictOf(torn)).toMatchObject({ kind: 'refused', code: 'REJECTED' })
  })

  test('to stream, or to know such an rpc, is followed by a plain send', async () => {
    for (const trailers of [
      { 'grpc-status': '12', 'grpc-message': 'no such method' },
      {
        'grpc-status': '9',
        'grpc-status-details-bin': encodeBinaryHeader(statusDetails(9, 'no', infoDetail('UNSUPPORTED_OPERATION'))),
      },
    ]) {
      respond = (call) =>
        call.method.endsWith('/SendStreamingMessage')
          ? refuse(call, trailers)
          : say(call, framed(modern.SendMessageResponseSchema, task('COMPLETED')))
      expect(await peerWith().send(targetOf(), aSend('x'), listen().sink, never)).toEqual({ kind: 'accepted' })
    }
  })

  test('of a cancel, and of a task that is not there, is understood without details', async () => {
    respond = (call) => (isGet(call) ? say(call, getting('COMPLETED')) : refuse(call, { 'grpc-status': '9' }))
    expect(await peerWith().cancel(targetOf('0.3'), 't1', never)).toMatchObject({ kind: 'other' })
    respond = (call) => refuse(call, { 'grpc-status': '5' })
    expect(await peerWith().find(targetOf('0.3'), { messageId: 'm', upstreamTaskId: 't1' }, never)).toEqual({
      kind: 'absent',
    })
  })

  test.each([
    [401, 'UPSTREAM_AUTH'],
    [404, 'REJECTED'],
    [429, 'BUSY'],
    [503, 'BUSY'],
    [502, 'unknown'],
    [302, 'FAILED'],
  ])('by HTTP %i', async (code, expected) => {
    respond = ({ stream }) => stream.respond({ ':status': code, location: '/other' }, { endStream: true })
    const verdict = await peerWith().send(targetOf(), aSend('x'), listen().sink, never)
    expect(verdict.kind === 'refused' ? verdict.code : verdict.kind).toBe(expected)
  })
})

describe('an agent that misbehaves', () => {
  const send = async (limits: Partial<Limits> = {}, streaming = true) => {
    const heard = listen()
    const verdict = await peerWith(limits).send(targetOf('1.0', {}, streaming), aSend('x'), heard.sink, never)
    return { verdict, heard: heard.log.entries.map(glance) }
  }
  const invalid = { kind: 'refused', code: 'INVALID_AGENT_RESPONSE', retry: false }
  const oversized = Buffer.alloc(5)
  oversized.writeUInt32BE(0xffffffff, 1)

  test.each([
    ['text', Buffer.from('hello, who are you?')],
    ['bytes that are no message', Buffer.concat([Buffer.from([0, 0, 0, 0, 4]), Buffer.from([255, 255, 255, 255])])],
    ['a message of another kind', framed(modern.TaskPushNotificationConfigSchema, { url: 'http://x' })],
    ['a compressed message', Buffer.concat([Buffer.from([1, 0, 0, 0, 1]), Buffer.from([0])])],
    ['four gigabytes, as it says', oversized],
    ['a task without an id', framed(modern.StreamResponseSchema, { task: {} })],
  ])('garbage: %s', async (_what, body) => {
    respond = (call) => say(call, body)
    expect((await send()).verdict).toMatchObject(invalid)
    expect((await send({}, false)).verdict).toMatchObject(invalid)
  })

  test('not gRPC at all', async () => {
    respond = ({ stream }) => {
      stream.respond({ ':status': 200, 'content-type': 'text/html' })
      stream.end('<h1>hello</h1>')
    }
    expect((await send()).verdict).toMatchObject(invalid)
  })

  test('a good status and no answer, or two answers', async () => {
    const answer = framed(modern.SendMessageResponseSchema, task('COMPLETED'))
    respond = (call) => say(call, Buffer.alloc(0))
    expect((await send({}, false)).verdict).toMatchObject(invalid)
    respond = (call) => say(call, Buffer.concat([answer, answer]))
    expect((await send({}, false)).verdict).toMatchObject(invalid)
  })

  test('an answer and then a bad status is no answer', async () => {
    respond = (call) => say(call, framed(modern.SendMessageResponseSchema, task('COMPLETED')), { 'grpc-status': '13' })
    expect(await send({}, false)).toMatchObject({ verdict: { kind: 'unknown' }, heard: [] })
  })

  test('half a message, or a stream without a status: nobody knows', async () => {
    const whole = events(task('COMPLETED'))
    respond = (call) => say(call, whole.subarray(0, whole.length - 3), {})
    expect((await send()).verdict).toMatchObject({ kind: 'unknown' })
    respond = (call) => say(call, Buffer.alloc(0), {})
    expect((await send()).verdict).toMatchObject({ kind: 'unknown' })
    respond = (call) => say(call, framed(modern.SendMessageResponseSchema, task('COMPLETED')), {})
    expect((await send({}, false)).verdict).toMatchObject({ kind: 'unknown' })
  })

  test.each([
    ['a reset', ({ stream }: Call) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    ['a broken connection', ({ stream }: Call) => stream.session?.destroy()],
  ])('%s instead of an answer: nobody knows', async (_what, end) => {
    respond = end
    expect((await send()).verdict).toMatchObject({ kind: 'unknown' })
    expect((await send({}, false)).verdict).toMatchObject({ kind: 'unknown' })
  })

  test('a stream refused unseen, or overtaken by a farewell: it was never there', async () => {
    respond = ({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM)
    const again = { kind: 'refused', code: 'UNREACHABLE', retry: true }
    expect((await send()).verdict).toMatchObject(again)
    respond = (call) => say(call, events(task('COMPLETED')))
    expect((await send()).verdict).toEqual({ kind: 'accepted' })
    respond = ({ stream }) => {
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, (stream.id as number) - 2)
      stream.session?.destroy()
    }
    expect((await send()).verdict).toMatchObject(again)
  })

  test('half a stream: the rest is fetched', async () => {
    for (const end of [
      (call: Call) => say(call, events(task('WORKING')), {}),
      (call: Call) => say(call, events(task('WORKING')), { 'grpc-status': '14' }),
      ({ stream }: Call) => {
        stream.respond(GRPC)
        stream.write(events(task('WORKING')), () => setImmediate(() => stream.session?.destroy()))
      },
    ]) {
      respond = (call) => {
        if (isGet(call)) say(call, getting('COMPLETED'))
        else if (call.method.endsWith('/SubscribeToTask')) refuse(call, { 'grpc-status': '12' })
        else end(call)
      }
      expect(await send()).toEqual({ verdict: { kind: 'accepted' }, heard: ['task WORKING', 'task COMPLETED'] })
    }
  })

  test('half a stream: it is subscribed to again', async () => {
    respond = (call) =>
      call.method.endsWith('/SubscribeToTask')
        ? say(call, events(task('WORKING'), status('COMPLETED')))
        : say(call, events(task('SUBMITTED')), {})
    expect(await send()).toEqual({
      verdict: { kind: 'accepted' },
      heard: ['task SUBMITTED', 'task WORKING', 'COMPLETED'],
    })
  })

  test('everything twice, and more after the end', async () => {
    respond = (call) =>
      say(call, events(task('WORKING'), task('WORKING'), status('COMPLETED'), status('COMPLETED'), task('FAILED')))
    expect(await send()).toEqual({ verdict: { kind: 'accepted' }, heard: ['task WORKING', 'COMPLETED'] })
  })

  test('silence: before the headers, within a stream, behind an answer', async () => {
    respond = () => {}
    expect((await send({ agentIdleMs: 30 })).verdict).toMatchObject({ kind: 'unknown' })
    respond = (call) => {
      if (isGet(call)) return say(call, getting('COMPLETED'))
      if (call.method.endsWith('/SubscribeToTask')) return refuse(call, { 'grpc-status': '12' })
      call.stream.respond(GRPC)
      call.stream.write(events(task('WORKING')))
    }
    expect(await send({ agentIdleMs: 30 })).toMatchObject({ verdict: { kind: 'accepted' } })
    respond = ({ stream }) => {
      stream.respond(GRPC)
      stream.write(framed(modern.SendMessageResponseSchema, task('COMPLETED')))
    }
    expect((await send({ agentReplyMs: 30 }, false)).verdict).toMatchObject({ kind: 'unknown' })
  })

  test('an event, a stream, an answer larger than they may be', async () => {
    const long = 'x'.repeat(5_000)
    respond = (call) => say(call, events(task('WORKING'), chunk(long)))
    expect((await send({ streamEventBytesMax: 4_000 })).verdict).toMatchObject(invalid)
    respond = (call) => say(call, events(task('WORKING'), ...Array.from({ length: 10 }, () => chunk(long))))
    expect((await send({ bytesPerTaskMax: 20_000 })).verdict).toMatchObject(invalid)
    const big = { task: { ...task('COMPLETED').task, artifacts: [{ artifactId: 'a', parts: [{ text: long }] }] } }
    respond = (call) => say(call, framed(modern.SendMessageResponseSchema, big))
    expect((await send({ agentReplyBytesMax: 4_000 }, false)).verdict).toMatchObject(invalid)
  })

  test('a state of a later version is work; what JSON cannot say is refused', async () => {
    const later = create(modern.StreamResponseSchema, {
      payload: { case: 'task', value: { id: 't1', status: { state: 42 as never } } },
    })
    const message = toBinary(modern.StreamResponseSchema, later)
    const prefix = Buffer.from([0, 0, 0, 0, message.length])
    respond = (call) => say(call, Buffer.concat([prefix, message, events(status('COMPLETED'))]))
    expect(await send()).toEqual({ verdict: { kind: 'accepted' }, heard: ['task WORKING', 'COMPLETED'] })
  })

  test('our secret in its words is not kept', async () => {
    respond = (call) => refuse(call, { 'grpc-status': '3', 'grpc-message': 'what is very-secret-value?' })
    const { verdict } = await send()
    expect(JSON.stringify(verdict)).not.toContain('very-secret-value')
  })
})

test('whoever takes events slowly is not sent more than a window', async () => {
  const total = 400
  let written = 0
  let taken = 0
  let ahead = 0
  respond = async ({ stream }) => {
    stream.respond(GRPC, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.write(events(task('WORKING')))
    for (let n = 0; n < total; n++) {
      await new Promise((resolve) => stream.write(events(chunk('x'.repeat(20_000))), resolve))
      written += 1
      ahead = Math.max(ahead, written - taken)
    }
    stream.end(events(status('COMPLETED')))
  }
  const sink = async () => {
    taken += 1
    await new Promise(setImmediate)
  }
  expect(await peerWith().send(targetOf(), aSend('x'), sink, never)).toEqual({ kind: 'accepted' })
  expect(written).toBe(total)
  // 400 events are 8 MB; a window and what both ends keep are well below 60 of them.
  expect(ahead).toBeLessThan(60)
})

test('a stop ends the stream, and the agent is told', async () => {
  const stop = new AbortController()
  const reset = new Promise((resolve) => {
    respond = ({ stream }) => {
      stream.respond(GRPC)
      stream.write(events(task('WORKING')))
      stream.on('close', () => resolve(stream.rstCode))
    }
  })
  const heard = listen()
  const sending = peerWith().send(targetOf(), aSend('x'), heard.sink, stop.signal)
  await heard.log.next(() => true)
  stop.abort()
  expect(await sending).toMatchObject({ kind: 'refused', code: 'STOPPED' })
  expect(await reset).toBe(constants.NGHTTP2_CANCEL)
})
