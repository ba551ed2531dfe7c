/** Mistaken and hostile rpcs on a running gateway (bad inputs, table L): a definite status, its details, and it lives on. */
import { connect, constants } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  GetTaskRequestSchema,
  ListTasksRequestSchema,
  type MessageSchema,
  Role,
  SendMessageRequestSchema,
  SendMessageResponseSchema,
  SubscribeToTaskRequestSchema,
  TaskSchema,
} from '../../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { type ScriptedAgent, startAgent } from '../../../support/agent.ts'
import { type Answer, type Asking, aGrpcWorld, ask, type Fields, fieldsOf, type GrpcWorld, text } from './world.ts'

let world: GrpcWorld
let agent: ScriptedAgent
let key: Record<string, string>

beforeAll(async () => {
  agent = await startAgent({ dedupe: true })
  world = await aGrpcWorld({
    limits: { streamsPerCallerMax: 1 },
    cards: {
      echo: { connector: { kind: 'a2a', url: agent.url } },
      open: { connector: { kind: 'a2a', url: agent.url }, access: 'anonymous' },
    },
  })
  expect(world.gateway.cardProblems).toEqual([])
  key = { authorization: `Bearer ${world.gateway.adminKey}` }
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})

/** What a message is made of, never one that is made. */
type Init<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, MessageShape<Schema>>
type Send = Init<typeof SendMessageRequestSchema>
const message = (words = 'artifact'): Init<typeof MessageSchema> => ({
  messageId: crypto.randomUUID(),
  role: Role.USER,
  parts: [{ content: { case: 'text', value: words } }],
})
const sendBytes = (request: Send) => toBinary(SendMessageRequestSchema, create(SendMessageRequestSchema, request))
const aSend = (more: Send = {}) =>
  sendBytes({ tenant: 'echo', message: message(), configuration: { returnImmediately: true }, ...more })
const aGet = (id: string, tenant = 'echo') =>
  toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { id, tenant }))
const asked = (method: string, bytes: Uint8Array, asking: Asking = {}) =>
  ask(world.address, method, bytes, { ...asking, metadata: { ...key, ...asking.metadata } })
const reasonOf = ({ details }: Answer) => text(details.ErrorInfo, 1)
const told = (answer: Answer) => [answer.code, reasonOf(answer)]
const taskIn = ({ replies }: Answer) => {
  const { payload } = fromBinary(SendMessageResponseSchema, replies[0] as Buffer)
  return payload.case === 'task' ? payload.value : undefined
}
const violationsOf = ({ details }: Answer) =>
  (details.BadRequest?.[1] ?? []).map(fieldsOf).map((fields: Fields) => [text(fields, 1), text(fields, 2)])

describe('who calls whom', () => {
  test('without a key: UNAUTHENTICATED, whatever the message is', async () => {
    expect(told(await ask(world.address, 'GetTask', aGet('x')))).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED'])
    const metadata = { 'x-waypost-agent': 'echo' }
    const garbage = await ask(world.address, 'SendMessage', Buffer.from('garbage'), { metadata })
    expect(told(garbage)).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED'])
    const wrong = { authorization: 'Bearer wp_nobody_000000000000000000000000000000000000000' }
    expect((await ask(world.address, 'GetTask', Buffer.from('garbage'), { metadata: wrong })).code).toBe(
      'UNAUTHENTICATED',
    )
  })

  test('two credentials are one too many; a key of its own header will do', async () => {
    expect(told(await asked('GetTask', aGet('x'), { metadata: { 'x-api-key': 'k' } }))).toEqual([
      'INVALID_ARGUMENT',
      'INVALID_REQUEST',
    ])
    const metadata = { 'x-api-key': world.gateway.adminKey }
    expect(told(await ask(world.address, 'GetTask', aGet('x'), { metadata }))).toEqual(['NOT_FOUND', 'TASK_NOT_FOUND'])
  })

  test('the agent is named by tenant or metadata, in any case; none is the one at the root', async () => {
    expect((await asked('SendMessage', aSend({ tenant: 'ECHO' }))).code).toBe('OK')
    const named = { metadata: { 'x-waypost-agent': 'Echo' } }
    expect((await asked('SendMessage', aSend({ tenant: '' }), named)).code).toBe('OK')
    expect((await asked('SendMessage', aSend({ tenant: 'default' }), named)).code).toBe('OK')
    expect((await asked('SendMessage', aSend({ tenant: '' }))).code).toBe('OK')
    for (const tenant of ['nobody', '../x'])
      expect(told(await asked('SendMessage', aSend({ tenant })))).toEqual(['NOT_FOUND', 'AGENT_NOT_FOUND'])
    expect(told(await asked('SendMessage', aSend({ tenant: 'open' }), named))).toEqual(['NOT_FOUND', 'AGENT_NOT_FOUND'])
  })

  test('an agent that takes everybody is found by its tenant alone', async () => {
    expect((await ask(world.address, 'SendMessage', aSend({ tenant: 'open' }))).code).toBe('OK')
  })
})

describe('what is wrong is told with its details', () => {
  test('an unknown task', async () => {
    const answer = await asked('GetTask', aGet('no-such'))
    expect(told(answer)).toEqual(['NOT_FOUND', 'TASK_NOT_FOUND'])
    expect(text(answer.details.ErrorInfo, 2)).toBe('a2a-protocol.org')
    expect(answer.message).toMatch(/^[ -~]+$/)
    expect(answer.message).not.toContain('%')
  })

  test('fields that are missing or wrong, by name', async () => {
    const none = await asked('SendMessage', aSend({ message: { ...message(), messageId: '', parts: [] } }))
    expect(told(none)).toEqual(['INVALID_ARGUMENT', 'INVALID_PARAMS'])
    expect(violationsOf(none).map(([field]) => field)).toEqual(['message.messageId', 'message.parts'])
    const status = create(ListTasksRequestSchema, { tenant: 'echo', status: 99 as never })
    const newer = await asked('ListTasks', toBinary(ListTasksRequestSchema, status))
    expect([told(newer), violationsOf(newer)[0]?.[0]]).toEqual([['INVALID_ARGUMENT', 'INVALID_PARAMS'], 'status'])
  })

  test('a version of another package, and one that nobody speaks', async () => {
    for (const version of ['0.3', '9.9'])
      expect(told(await asked('GetTask', aGet('x'), { metadata: { 'a2a-version': version } }))).toEqual([
        'FAILED_PRECONDITION',
        'VERSION_NOT_SUPPORTED',
      ])
  })

  test('an unknown method, an unknown service', async () => {
    expect(told(await asked('Frobnicate', Buffer.alloc(0)))).toEqual(['UNIMPLEMENTED', 'METHOD_NOT_FOUND'])
    const service = 'some.other.Service'
    expect(told(await asked('GetTask', aGet('x'), { service }))).toEqual(['UNIMPLEMENTED', 'METHOD_NOT_FOUND'])
  })

  test('too many streams, and when to ask again', async () => {
    const said = message('delay')
    const opened = taskIn(await asked('SendMessage', aSend({ message: said })))
    const subscribe = create(SubscribeToTaskRequestSchema, { tenant: 'echo', id: opened?.id ?? '' })
    const bytes = toBinary(SubscribeToTaskRequestSchema, subscribe)
    let first: Promise<Answer> | undefined
    await new Promise<void>((resolve) => {
      first = asked('SubscribeToTask', bytes, {
        onReply: () => {
          resolve()
          return true
        },
      })
    })
    const second = await asked('SubscribeToTask', bytes)
    expect(told(second)).toEqual(['RESOURCE_EXHAUSTED', 'RATE_LIMITED'])
    expect(second.details.RetryInfo).toBeDefined()
    agent.release(said.messageId)
    expect((await first)?.code).toBe('OK')
    expect(told(await asked('SubscribeToTask', bytes))).toEqual(['FAILED_PRECONDITION', 'UNSUPPORTED_OPERATION'])
  })
})

/** `depth` lists in each other, as the Value of a part. */
function nested(depth: number): Uint8Array {
  let value = new BinaryWriter().uint32(8).uint32(0).finish()
  for (let at = 0; at < depth; at++) {
    const list = new BinaryWriter().uint32(10).bytes(value).finish()
    value = new BinaryWriter().uint32(50).bytes(list).finish()
  }
  const part = new BinaryWriter().uint32(34).bytes(value).finish()
  const said = create(SendMessageRequestSchema, { message: { ...message(), parts: [] } }).message
  const head = sendBytes({ tenant: 'echo' })
  const inner = Buffer.concat([
    new BinaryWriter()
      .uint32(10)
      .string(said?.messageId ?? '')
      .finish(),
    new BinaryWriter().uint32(32).uint32(1).finish(),
    new BinaryWriter().uint32(42).bytes(part).finish(),
  ])
  return Buffer.concat([head, new BinaryWriter().uint32(18).bytes(inner).finish()])
}

describe('messages that are too much, or none', () => {
  test('garbage bytes, and text that is not UTF-8', async () => {
    const broken = Buffer.from([0x0a, 0x02, 0xff, 0xfe])
    for (const bytes of [Buffer.from('garbage'), Buffer.from([0x0a, 0xff]), broken])
      expect(told(await asked('GetTask', bytes))).toEqual(['INVALID_ARGUMENT', 'INVALID_PARAMS'])
  })

  test.each([30, 49, 60, 2_000])('L-02 %i lists in each other', async (depth) => {
    const answer = await asked('SendMessage', nested(depth))
    expect(told(answer)).toEqual(['INVALID_ARGUMENT', 'INVALID_PARAMS'])
    expect(violationsOf(answer)[0]?.[1]).toContain('DATA_DEPTH')
  })

  test('as deep as it may be is kept as it came', async () => {
    expect((await asked('SendMessage', nested(20))).code).toBe('OK')
  })

  test('one byte more than 4 MiB', async () => {
    const answer = await asked('SendMessage', Buffer.alloc(4 * 1024 * 1024 + 1))
    expect(told(answer)).toEqual(['RESOURCE_EXHAUSTED', 'PAYLOAD_TOO_LARGE'])
  })

  test('a text part beyond its bound, under the bound of the message', async () => {
    const answer = await asked('SendMessage', aSend({ message: message('x'.repeat(2 * 1024 * 1024)) }))
    expect(told(answer)).toEqual(['INVALID_ARGUMENT', 'INVALID_PARAMS'])
  })

  test('metadata of 17 KB', async () => {
    const answer = await asked('GetTask', aGet('x'), { metadata: { 'x-long': 'x'.repeat(17_000) } })
    expect(told(answer)).toEqual(['RESOURCE_EXHAUSTED', 'PAYLOAD_TOO_LARGE'])
  })

  test('a Value without a kind, a number that is none', async () => {
    for (const kind of [undefined, { case: 'numberValue' as const, value: Number.NaN }]) {
      const value = kind ? { kind } : {}
      const parts = [{ content: { case: 'data' as const, value } }]
      const answer = await asked('SendMessage', aSend({ message: { ...message(), parts } }))
      expect(told(answer)).toEqual(['INVALID_ARGUMENT', 'INVALID_PARAMS'])
    }
  })

  test('unknown fields are ignored, of two contents the last counts, null is content', async () => {
    const unknown = new BinaryWriter()
      .uint32((99 << 3) | 2)
      .string('?')
      .finish()
    expect((await asked('SendMessage', Buffer.concat([aSend(), unknown]))).code).toBe('OK')
    const parts = [
      { content: { case: 'data' as const, value: { kind: { case: 'nullValue' as const, value: 0 as const } } } },
    ]
    const task = taskIn(await asked('SendMessage', aSend({ message: { ...message(), parts } })))
    const kept = await world.client('echo').get(task?.id ?? '')
    expect(kept.history?.[0]?.parts).toEqual([{ data: null }])
  })
})

const partOf = (...fields: readonly (readonly [number, string])[]) => {
  const writer = new BinaryWriter()
  for (const [number, words] of fields) writer.uint32((number << 3) | 2).string(words)
  return writer.finish()
}

test('of two contents in one part the last one counts (L-11)', async () => {
  // Message: 1 message_id, 4 role, 5 parts; Part: 1 text, 3 url. SendMessageRequest: 1 tenant, 2 message, 3 configuration.
  for (const [fields, kept] of [
    [
      [
        [1, 'a'],
        [3, 'https://x.example/'],
      ],
      { url: 'https://x.example/' },
    ],
    [
      [
        [3, 'https://x.example/'],
        [1, 'artifact'],
      ],
      { text: 'artifact' },
    ],
  ] as const) {
    const sent = new BinaryWriter()
      .uint32((1 << 3) | 2)
      .string(crypto.randomUUID())
      .uint32(4 << 3)
      .int32(Role.USER)
      .uint32((5 << 3) | 2)
      .bytes(partOf(...fields))
      .finish()
    const request = new BinaryWriter().uint32((1 << 3) | 2).string('echo')
    const now = new BinaryWriter()
      .uint32(4 << 3)
      .bool(true)
      .finish()
    const bytes = request
      .uint32((2 << 3) | 2)
      .bytes(sent)
      .uint32((3 << 3) | 2)
      .bytes(now)
      .finish()
    const task = taskIn(await asked('SendMessage', bytes))
    expect((await world.client('echo').get(task?.id ?? '')).history?.[0]?.parts).toEqual([kept])
  }
})

test('an enum that nobody knows (L-12)', async () => {
  const role = aSend({ message: { ...message(), role: 99 as never } })
  const list = toBinary(ListTasksRequestSchema, create(ListTasksRequestSchema, { tenant: 'echo', status: 99 as never }))
  for (const answer of [await asked('SendMessage', role), await asked('ListTasks', list)])
    expect(told(answer)).toEqual(['INVALID_ARGUMENT', 'INVALID_PARAMS'])
})

describe('the service of 0.3 is held to the same', () => {
  const service = 'a2a.v1.A2AService'
  const old = { service, metadata: { 'x-waypost-agent': 'echo' } }

  test.each([
    ['garbage', Buffer.from([0xff, 0xff, 0xff, 0xff]), 'INVALID_ARGUMENT INVALID_PARAMS'],
    ['text that is not UTF-8', Buffer.from([0x0a, 2, 0xc3, 0x28]), 'INVALID_ARGUMENT INVALID_PARAMS'],
    ['one byte more than 4 MiB', Buffer.alloc(4 * 1024 * 1024 + 1), 'RESOURCE_EXHAUSTED PAYLOAD_TOO_LARGE'],
  ])('%s', async (_what, bytes, expected) => {
    expect(told(await asked('GetTask', bytes, old)).join(' ')).toBe(expected)
  })

  test('no key, no agent, another version', async () => {
    expect((await ask(world.address, 'GetTask', Buffer.alloc(0), old)).code).toBe('UNAUTHENTICATED')
    const name = Buffer.from('\x0a\x07tasks/x')
    expect(told(await asked('GetTask', name, { service }))).toEqual(['NOT_FOUND', 'TASK_NOT_FOUND'])
    const later = { service, metadata: { ...old.metadata, 'a2a-version': '99.0' } }
    expect(told(await asked('GetTask', name, later))).toEqual(['UNIMPLEMENTED', 'VERSION_NOT_SUPPORTED'])
  })
})

describe('deadlines and leaving (L-07 L-08)', () => {
  test('a deadline that has passed is told, and the task goes on', async () => {
    const said = message('delay')
    const answer = await asked('SendMessage', sendBytes({ tenant: 'echo', message: said }), { deadlineMs: 400 })
    expect(answer.code).toBe('DEADLINE_EXCEEDED')
    const again = taskIn(await asked('SendMessage', aSend({ message: { ...said, parts: said.parts as never } })))
    expect(again?.id).toBeTruthy()
    expect(agent.executionsOf(said.messageId ?? '')).toBe(1)
    agent.release(said.messageId)
  })

  test('a deadline of a millisecond; one that is none', async () => {
    expect((await asked('SendMessage', aSend({ configuration: {} }), { deadlineMs: 1 })).code).toBe('DEADLINE_EXCEEDED')
    const timeouts = ['soon', '-1S', '999999999S', '']
    for (const timeout of timeouts) {
      const { 'grpc-status': status } = await frames({ 'grpc-timeout': timeout }, framed(0, aGet('x')))
      expect(['3', '5', '13']).toContain(status)
    }
  })

  test('a deadline of ten years is no deadline of now', async () => {
    expect((await asked('SendMessage', aSend(), { deadlineMs: 10 * 365 * 86_400_000 })).code).toBe('OK')
  })

  test('who cancels the rpc cancels no task', async () => {
    const task = { id: '' }
    const said = message('delay')
    const closed = world.next('stream.closed')
    const answer = await asked('SendStreamingMessage', aSend({ message: said }), {
      onReply: (reply) => {
        task.id = text(fieldsOf(fieldsOf(reply)[1]?.[0] as Buffer), 1)
        return false
      },
    })
    expect(answer.code).toBe('CANCELLED')
    expect((await closed).why).toBe('disconnected')
    agent.release(said.messageId)
    await expect
      .poll(
        async () => fromBinary(TaskSchema, (await asked('GetTask', aGet(task.id))).replies[0] as Buffer).status?.state,
      )
      .toBe(3)
  })

  test('the same Idempotency-Key is the same task', async () => {
    const said = message()
    const metadata = { 'idempotency-key': crypto.randomUUID() }
    const first = taskIn(await asked('SendMessage', aSend({ message: said }), { metadata }))
    const second = taskIn(await asked('SendMessage', aSend({ message: said }), { metadata }))
    expect(second?.id).toBe(first?.id)
  })

  test('what was asked for and is offered is told in the metadata', async () => {
    const uri = 'urn:x-waypost:store-and-forward:1'
    const answer = await asked('SendMessage', aSend(), { metadata: { 'a2a-extensions': `urn:x-other, ${uri}` } })
    expect(answer.headers['a2a-extensions']).toBe(uri)
  })
})

/** One request on a connection of its own, frame by frame; gives back the headers and trailers. */
function frames(headers: Record<string, string>, body: Buffer): Promise<Record<string, unknown>> {
  const session = connect(`http://${world.address}`)
  session.on('error', () => {})
  return new Promise((resolve) => {
    const seen: Record<string, unknown> = {}
    const stream = session.request({
      ':method': 'POST',
      ':path': '/lf.a2a.v1.A2AService/GetTask',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...key,
      ...headers,
    })
    stream.on('response', (response) => Object.assign(seen, response))
    stream.on('trailers', (trailers) => Object.assign(seen, trailers))
    stream.on('error', () => {})
    stream.on('close', () => {
      session.destroy()
      resolve({ ...seen, rst: stream.rstCode })
    })
    stream.resume()
    stream.end(body)
  })
}
const framed = (flag: number, bytes: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = flag
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

describe('frames that are not as they should be', () => {
  test('a compressed message: UNIMPLEMENTED', async () => {
    expect((await frames({ 'grpc-encoding': 'gzip' }, framed(1, aGet('x'))))['grpc-status']).toBe('12')
    expect((await frames({}, framed(1, aGet('x'))))['grpc-status']).not.toBe('0')
  })

  test('no message, half a message, two of them', async () => {
    const one = framed(0, aGet('x'))
    for (const body of [Buffer.alloc(0), one.subarray(0, 4), one.subarray(0, 8), Buffer.concat([one, one])])
      expect((await frames({}, body))['grpc-status']).not.toBe('0')
  })

  test('an authority or a path that is none', async () => {
    for (const headers of [{ ':authority': 'a b:c' }, { ':path': '//' }, { ':path': '*' }, { ':authority': '' }])
      expect(await frames(headers as Record<string, string>, framed(0, aGet('x')))).toBeDefined()
    expect((await frames({}, framed(0, aGet('x'))))['grpc-status']).toBe('5')
  })

  test('another content type is no gRPC', async () => {
    for (const type of ['application/json', 'application/grpc+json', 'application/grpc-web+proto'])
      expect((await frames({ 'content-type': type }, framed(0, aGet('x'))))[':status']).toBe(415)
  })

  test('many resets harm nobody else', async () => {
    const session = connect(`http://${world.address}`)
    session.on('error', () => {})
    for (let at = 0; at < 300 && !session.destroyed; at++) {
      const stream = session.request({ ':method': 'POST', ':path': '/x', 'content-type': 'application/grpc' })
      stream.on('error', () => {})
      stream.close(constants.NGHTTP2_CANCEL)
    }
    expect((await frames({}, framed(0, aGet('x'))))['grpc-status']).toBe('5')
    session.destroy()
  })

  test('no te, another encoding: answered or refused, and alive (L-10)', async () => {
    for (const headers of [{ te: undefined }, { 'grpc-encoding': 'snappy' }, { 'grpc-accept-encoding': '?' }])
      expect((await frames(headers as Record<string, string>, framed(0, aGet('x'))))['grpc-status']).toMatch(
        /^(5|12|13)$/,
      )
    expect((await frames({}, framed(0, aGet('x'))))['grpc-status']).toBe('5')
  })

  test('a thousand at once on one connection, a hundred at a time (L-09)', async () => {
    const session = connect(`http://${world.address}`)
    await new Promise((resolve) => session.once('remoteSettings', resolve))
    expect(session.remoteSettings.maxConcurrentStreams).toBe(100)
    const statuses = Array.from({ length: 1_000 }, () => {
      const headers = { ':method': 'POST', ':path': '/lf.a2a.v1.A2AService/GetTask', te: 'trailers', ...key }
      const stream = session.request({ ...headers, 'content-type': 'application/grpc' })
      stream.end(framed(0, aGet('x')))
      return new Promise((resolve) => {
        let status: unknown = 'none'
        const look = (told: Record<string, unknown>) => {
          status = told['grpc-status'] ?? status
        }
        stream.on('response', look).on('trailers', look)
        stream.on('error', () => {}).on('close', () => resolve(status))
        stream.resume()
      })
    })
    expect(new Set(await Promise.all(statuses))).toEqual(new Set(['5']))
    session.destroy()
  })

  test('a window of one byte: slow, and whole', async () => {
    const session = connect(`http://${world.address}`, { settings: { initialWindowSize: 1 } })
    const sent = taskIn(await asked('SendMessage', aSend()))
    const headers = { ':method': 'POST', ':path': '/lf.a2a.v1.A2AService/GetTask', te: 'trailers', ...key }
    const stream = session.request({ ...headers, 'content-type': 'application/grpc' })
    stream.end(framed(0, aGet(sent?.id ?? '')))
    const pieces: Buffer[] = []
    for await (const piece of stream) pieces.push(piece as Buffer)
    expect(fromBinary(TaskSchema, Buffer.concat(pieces).subarray(5)).id).toBe(sent?.id)
    expect(pieces.length).toBeGreaterThan(20)
    session.destroy()
  })

  test('a flood of pings and settings that nobody reads the answers of harms nobody else', async () => {
    const [host, port] = world.address.split(':') as [string, string]
    const frame = (type: number, length: number) =>
      Buffer.from([0, 0, length, type, 0, 0, 0, 0, 0, ...Buffer.alloc(length)])
    const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0)])
    for (const flood of [frame(6, 8), frame(4, 0)]) {
      const socket = connectSocket(Number(port), host)
      socket.on('error', () => {}).pause()
      socket.write(preface)
      // Written, or hung up on: both are well.
      await new Promise<void>((resolve) => {
        socket.once('close', () => resolve())
        socket.write(Buffer.concat(Array.from({ length: 20_000 }, () => flood)), () => resolve())
      })
      expect((await frames({}, framed(0, aGet('x'))))['grpc-status']).toBe('5')
      socket.destroy()
    }
  })
})
