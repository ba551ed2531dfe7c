/** The listener by itself, with lambdas for the half that decides: readers that do not keep up, stopping, a taken port. */
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { connect as connectSocket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { Client, credentials } from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { A2AError } from '../../../../src/a2a/errors.ts'
import type { Happenings } from '../../../../src/happenings.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { systemClock } from '../../../../src/platform/clock.ts'
import { createSignals } from '../../../../src/platform/signals.ts'
import type { Execute } from '../../../../src/ports.ts'
import { AgentCardSchema as OldCardSchema } from '../../../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import { AgentCardSchema, TaskSchema } from '../../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { createGrpcServer, type GrpcServerTools } from '../../../../src/wire/bindings/grpc/server.ts'
import { createPlaces } from '../../../../src/wire/bindings/places.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../../../support/certificate.ts'
import { OTHER_SERVER_CERTIFICATE, OTHER_SERVER_KEY } from '../../../support/clientCertificates.ts'
import { freePort } from '../../../support/databases.ts'
import { aWorld } from '../../../support/world.ts'
import { CALLER, CARD, entry, handStream, status, TASK, withResolvers } from '../served.ts'
import { ask, type Fields, text } from './world.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

type Decide = (name: string, params: unknown) => unknown

async function aServer(decide: Decide, more: Partial<GrpcServerTools> = {}) {
  const signals = createSignals<Happenings>()
  const port = await freePort()
  const server = createGrpcServer({
    execute: (async (name: string, params: unknown) => decide(name, params)) as unknown as Execute,
    authenticate: async () => CALLER,
    presentCard: async () => undefined,
    signals,
    clock: systemClock,
    host: '127.0.0.1',
    port,
    publicHostnames: ['w.example'],
    rootAgent: 'echo',
    draining: () => false,
    ...more,
  })
  await server.start()
  stops.push(() => server.stop())
  return { server, signals, port, address: `127.0.0.1:${port}` }
}

const GET = Buffer.from('\x12\x06task-1')
const reasonOf = (details: Readonly<Record<string, Fields>>) => text(details.ErrorInfo, 1)

test('a bug is a reference to the caller and all of it to the operator', async () => {
  const { address, signals } = await aServer(() => {
    throw new Error('the secret cause')
  })
  const failed = withResolvers<string>()
  signals.on('service.failed', ({ error }) => failed.resolve(error))
  const answer = await ask(address, 'GetTask', GET)
  expect([answer.code, reasonOf(answer.details)]).toEqual(['INTERNAL', 'INTERNAL'])
  expect(answer.message).not.toContain('secret')
  expect(await failed.promise).toContain('the secret cause')
  expect(await failed.promise).toContain(answer.message.split(' ').at(-1))
})

test('refusals carry their code, words outside ASCII too', async () => {
  const { address } = await aServer(() => {
    throw new A2AError('QUEUE_FULL', 'voll: 100 % – später', { retryAfterSeconds: 7 })
  })
  const answer = await ask(address, 'GetTask', GET)
  expect([answer.code, answer.message]).toEqual(['RESOURCE_EXHAUSTED', 'voll: 100 % – später'])
  expect(text(answer.details.ErrorInfo, 2)).toBe('waypost')
  // Duration { seconds: 7 }
  expect(answer.details.RetryInfo?.[1]?.[0]).toEqual(Buffer.from([8, 7]))
})

test('credentials that cannot be checked let nobody in', async () => {
  const broken = async () => {
    throw new Error('no database')
  }
  const { address } = await aServer(() => TASK, { authenticate: broken })
  expect((await ask(address, 'GetTask', GET)).code).toBe('UNAVAILABLE')
  const nobody = await aServer(() => TASK, { authenticate: async () => ({}) as never })
  expect((await ask(nobody.address, 'GetTask', GET)).code).toBe('UNAUTHENTICATED')
})

test('every request is counted once, by how it ended', async () => {
  const { address, signals } = await aServer((name) => {
    if (name === 'GetTask') return TASK
    throw new A2AError('TASK_NOT_CANCELABLE', 'it has ended')
  })
  const served: string[] = []
  signals.on('request.served', ({ binding, operation, code }) => served.push(`${binding} ${operation} ${code}`))
  await ask(address, 'GetTask', GET)
  await ask(address, 'CancelTask', GET)
  await ask(address, 'Other', GET)
  expect(served).toEqual(['GRPC GetTask OK', 'GRPC CancelTask TASK_NOT_CANCELABLE', 'GRPC  METHOD_NOT_FOUND'])
})

test('the agent of an authority is the one before the public host', async () => {
  const agents: string[] = []
  const authenticate: GrpcServerTools['authenticate'] = async ({ agent }) => {
    agents.push(agent ?? '')
    return CALLER
  }
  const { port } = await aServer(() => TASK, { authenticate })
  for (const authority of ['other.w.example:4281', 'OTHER.W.Example', 'w.example', 'a.b.w.example']) {
    const session = connect(`http://127.0.0.1:${port}`)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/lf.a2a.v1.A2AService/GetTask',
      ':authority': authority,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    })
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, GET.length]), GET]))
    await new Promise((resolve) => stream.resume().on('close', resolve))
    session.destroy()
  }
  expect(agents).toEqual(['other', 'other', 'echo', 'a.b'])
})

test('an entry is made a message once for all its readers', async () => {
  let looks = 0
  const counted = { ...entry(1, { task: TASK }, { last: true }) }
  Object.defineProperty(counted, 'json', {
    get() {
      looks += 1
      return JSON.stringify({ task: TASK })
    },
  })
  const { address } = await aServer(() => {
    const stream = handStream()
    void stream.sink.then((sink) => sink.push(counted))
    return stream
  })
  await ask(address, 'SubscribeToTask', GET)
  const before = looks
  const { replies, code } = await ask(address, 'SubscribeToTask', GET)
  expect([replies.length, code]).toEqual([1, 'OK'])
  // Only its length is looked at, for the bounds of what waits.
  expect(looks - before).toBeLessThan(before)
})

test('a stream that is cut is told from one that has ended', async () => {
  const stream = handStream()
  const { address } = await aServer(() => stream)
  void stream.sink.then((sink) => {
    sink.push(entry(1, status('TASK_STATE_WORKING')))
    sink.end('cut')
  })
  const answer = await ask(address, 'SubscribeToTask', GET)
  expect([answer.replies.length, answer.code, reasonOf(answer.details)]).toEqual([1, 'UNAVAILABLE', 'UNAVAILABLE'])
  await stream.closed
})

test('a credential that is no longer good ends its streams; one that cannot be checked does not', async () => {
  let answer: 'good' | 'broken' | 'gone' = 'good'
  const asked = withResolvers<void>()
  const authenticate: GrpcServerTools['authenticate'] = async () => {
    if (answer === 'gone') throw new A2AError('UNAUTHENTICATED', 'revoked')
    if (answer === 'broken') {
      asked.resolve()
      throw new Error('no database')
    }
    return CALLER
  }
  const stream = handStream()
  const { address } = await aServer(() => stream, { authenticate, limits: { credentialCacheMs: 10 } })
  const reading = ask(address, 'SubscribeToTask', GET)
  const sink = await stream.sink
  answer = 'broken'
  await asked.promise
  expect(sink.push(entry(1, status('TASK_STATE_WORKING')))).toBe(true)
  answer = 'gone'
  const told = await reading
  expect([told.replies.length, told.code]).toEqual([1, 'UNAVAILABLE'])
  await stream.closed
})

test('a stream that pauses for its caller ends well', async () => {
  const stream = handStream()
  const { address } = await aServer(() => stream)
  void stream.sink.then((sink) => {
    sink.push(entry(1, status('TASK_STATE_INPUT_REQUIRED'), { interrupted: true }))
    sink.end('interrupted')
  })
  expect(await ask(address, 'SubscribeToTask', GET)).toMatchObject({ code: 'OK' })
})

/** Opens a stream and reads nothing of it. */
function deafReader(port: number) {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 } })
  session.on('error', () => {})
  const stream = session.request({
    ':method': 'POST',
    ':path': '/lf.a2a.v1.A2AService/SubscribeToTask',
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  })
  stream.on('error', () => {})
  stream.pause()
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, GET.length]), GET]))
  stops.unshift(async () => session.destroy())
  return stream
}

const big = (sequence: number) =>
  entry(sequence, {
    artifactUpdate: {
      taskId: 'task-1',
      contextId: 'ctx-1',
      artifact: { artifactId: 'a', parts: [{ text: 'x'.repeat(10_000) }] },
    },
  })

test('a reader that takes nothing is let go, whether much waits for it or little', async () => {
  for (const [limits, entries, expected] of [
    [{ streamBufferBytesMax: 50_000 }, 20, 'too slow'],
    [{ streamStallMs: 100 }, 3, 'stalled'],
  ] as const) {
    const stream = handStream()
    const { port, signals } = await aServer(() => stream, { limits })
    const why = withResolvers<string>()
    signals.on('stream.closed', (fact) => why.resolve(fact.why))
    const reader = deafReader(port)
    const closed = new Promise((resolve) => reader.on('close', () => resolve(reader.rstCode)))
    const sink = await stream.sink
    let taken = 0
    while (taken < entries && sink.push(big(taken + 1))) taken += 1
    expect(await why.promise).toBe(expected)
    await stream.closed
    expect(sink.push(big(99))).toBe(false)
    // ENHANCE_YOUR_CALM, once it looks.
    reader.resume()
    expect(await closed).toBe(11)
  }
})

test('a stream lives no longer than it may, and not beyond the start of a stop', async () => {
  for (const more of [{ limits: { streamAgeMaxMs: 10, streamStallMs: 50 } }, { draining: () => true }]) {
    const stream = handStream()
    const admitted = withResolvers<void>()
    const { address } = await aServer(() => {
      admitted.resolve()
      return stream
    }, more)
    const answer = await ask(address, 'SubscribeToTask', GET)
    expect(answer.code).toBe('UNAVAILABLE')
  }
})

test('a card is told to its last member', async () => {
  const { address } = await aServer(() => CARD)
  const { replies } = await ask(address, 'GetExtendedAgentCard', Buffer.alloc(0))
  // An empty list is none in protobuf.
  const expected = { ...CARD, securityRequirements: [{ schemes: { key: {} } }] }
  expect(toJson(AgentCardSchema, fromBinary(AgentCardSchema, replies[0] as Buffer))).toEqual(expected)
})

test('a card in the words of 0.3', async () => {
  const { address } = await aServer(() => CARD)
  const { replies } = await ask(address, 'GetAgentCard', Buffer.alloc(0), { service: 'a2a.v1.A2AService' })
  const told = toJson(OldCardSchema, fromBinary(OldCardSchema, replies[0] as Buffer)) as Record<string, unknown>
  expect(told).toMatchObject({ protocolVersion: '0.3', name: CARD.name, version: CARD.version })
  expect(told.url).toBe(CARD.supportedInterfaces[0]?.url)
  expect(told.security).toEqual([{ schemes: { key: {} } }])
  expect(Object.keys(told.securitySchemes as object)).toEqual(Object.keys(CARD.securitySchemes ?? {}))
})

test('the first release of 1.0 had other codes, and its quirks bring them back', async () => {
  const reasons = ['UNSUPPORTED_OPERATION', 'PUSH_NOTIFICATION_NOT_SUPPORTED', 'TASK_NOT_CANCELABLE'] as const
  for (const [quirks, expected] of [
    [undefined, ['FAILED_PRECONDITION', 'FAILED_PRECONDITION', 'FAILED_PRECONDITION']],
    ['1.0.0', ['UNIMPLEMENTED', 'UNIMPLEMENTED', 'FAILED_PRECONDITION']],
  ] as const) {
    const left = [...reasons]
    const refusing = () => {
      throw new A2AError(left.shift()!, 'no')
    }
    const { address } = await aServer(refusing, quirks ? { quirks } : {})
    const codes: string[] = []
    for (const _ of reasons) codes.push((await ask(address, 'GetTask', GET)).code)
    expect(codes).toEqual(expected)
    const version = await ask(address, 'GetTask', GET, { metadata: { 'a2a-version': '99.0' } })
    expect([version.code, reasonOf(version.details)]).toEqual([expected[0], 'VERSION_NOT_SUPPORTED'])
  }
})

test('places for streams are counted over all listeners together', async () => {
  const places = createPlaces({ limits: { ...LIMITS, streamsPerCallerMax: 1 }, draining: () => false })
  const { address } = await aServer(() => handStream(), { places })
  const release = places.admit(CALLER, undefined)
  const refused = await ask(address, 'SubscribeToTask', GET)
  expect([refused.code, reasonOf(refused.details)]).toEqual(['RESOURCE_EXHAUSTED', 'RATE_LIMITED'])
  release()
  const again = await ask(address, 'SubscribeToTask', GET, { deadlineMs: 200 })
  expect(again.code).toBe('DEADLINE_EXCEEDED')
})

test('with a certificate it speaks TLS, to those who speak HTTP/2', async () => {
  const cert = Buffer.from(TEST_CERTIFICATE)
  const { port } = await aServer(() => TASK, { tls: { cert, key: Buffer.from(TEST_KEY) } })
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(cert))
  const same = (bytes: Buffer) => bytes
  const reply = await new Promise<Buffer>((resolve, reject) =>
    client.makeUnaryRequest('/lf.a2a.v1.A2AService/GetTask', same, same, GET, (error, value) =>
      error ? reject(error) : resolve(value as Buffer),
    ),
  )
  client.close()
  expect(fromBinary(TaskSchema, reply).id).toBe('task-1')
  const old = connectTls({ port, host: '127.0.0.1', ca: cert, servername: 'localhost', ALPNProtocols: ['http/1.1'] })
  await new Promise<void>((resolve) => old.on('error', () => {}).on('close', () => resolve()))
  expect(await ask(`127.0.0.1:${port}`, 'GetTask', GET)).toMatchObject({ code: 'UNAVAILABLE' })
})

/** Sends these bytes, if any, and waits until the server hangs up. */
const hungUp = (port: number, bytes?: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1', () => bytes && socket.write(bytes))
    socket.on('error', () => {}).on('close', () => resolve())
    socket.resume()
  })

test('who speaks something else, or does not answer pings, is hung up on; who does is not', async () => {
  const stream = handStream()
  const { port, address } = await aServer(() => stream, { limits: { heartbeatMs: 40 } })
  const reading = ask(address, 'SubscribeToTask', GET)
  const sink = await stream.sink
  await hungUp(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await hungUp(port)
  sink.push(entry(1, { task: TASK }, { last: true }))
  expect((await reading).code).toBe('OK')
})

test('a certificate by setting; one that is none, or alone, is told before anything runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waypost-'))
  stops.push(async () => rmSync(directory, { recursive: true, force: true }))
  const files = { GRPC_TLS_CERT: join(directory, 'cert.pem'), GRPC_TLS_KEY: join(directory, 'key.pem') }
  writeFileSync(files.GRPC_TLS_CERT, TEST_CERTIFICATE)
  writeFileSync(files.GRPC_TLS_KEY, TEST_KEY)
  const port = await freePort()
  const limits = { certificateEveryMs: 20 }
  const start = (env: Record<string, string>) => aWorld({ directory, limits, env: { GRPC_PORT: String(port), ...env } })
  for (const wrong of [
    { GRPC_TLS_CERT: files.GRPC_TLS_CERT },
    { GRPC_TLS_KEY: files.GRPC_TLS_KEY },
    { ...files, GRPC_TLS_KEY: join(directory, 'none.pem') },
    { ...files, GRPC_TLS_CERT: files.GRPC_TLS_KEY },
    { GRPC_PUBLIC_ADDRESS: 'not an address' },
    { GRPC_PUBLIC_ADDRESS: 'a.{agent}.example:1' },
  ])
    await expect(start(wrong)).rejects.toMatchObject({ code: 'WAYPOST_ERR_CONFIG' })
  const world = await start(files)
  stops.push(() => world.stop({ keep: true }))
  const client = new Client(`localhost:${port}`, credentials.createSsl(Buffer.from(TEST_CERTIFICATE)))
  const same = (bytes: Buffer) => bytes
  const code = await new Promise((resolve) =>
    client.makeUnaryRequest('/lf.a2a.v1.A2AService/GetTask', same, same, GET, (error) => resolve(error?.code)),
  )
  client.close()
  // UNAUTHENTICATED: it was understood.
  expect(code).toBe(16)
  // One that is renewed needs no restart, and a broken one changes nothing.
  const before = await certificateAt(port)
  const failed = world.next('service.failed', ({ service }) => service === 'grpc certificate')
  writeFileSync(files.GRPC_TLS_CERT, 'no certificate')
  await failed
  expect(await certificateAt(port)).toBe(before)
  writeFileSync(files.GRPC_TLS_KEY, OTHER_SERVER_KEY)
  writeFileSync(files.GRPC_TLS_CERT, OTHER_SERVER_CERTIFICATE)
  const other = new X509Certificate(OTHER_SERVER_CERTIFICATE).fingerprint256
  await expect.poll(() => certificateAt(port)).toBe(other)
})

const certificateAt = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.on('error', reject)
  })

test('a gateway whose gRPC port is taken does not run, and leaves nothing behind', async () => {
  const taken = createServer()
  const port = await new Promise<number>((resolve) => {
    taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port))
  })
  stops.push(() => new Promise((resolve) => taken.close(resolve)))
  const directory = mkdtempSync(join(tmpdir(), 'waypost-'))
  stops.push(async () => rmSync(directory, { recursive: true, force: true }))
  const start = (grpcPort: number) => aWorld({ directory, env: { GRPC_PORT: String(grpcPort) } })
  await expect(start(port)).rejects.toMatchObject({ code: 'WAYPOST_ERR_PORT_IN_USE' })
  const world = await start(0)
  await world.stop()
})

test('a stop lets what is asked be answered, and takes nothing more', async () => {
  const release = withResolvers<void>()
  const begun = withResolvers<void>()
  const { server, address } = await aServer(async () => {
    begun.resolve()
    await release.promise
    return TASK
  })
  const asked = ask(address, 'GetTask', GET)
  await begun.promise
  const stopped = server.stop()
  release.resolve()
  expect((await asked).code).toBe('OK')
  await stopped
  await server.stop()
  expect((await ask(address, 'GetTask', GET)).code).toBe('UNAVAILABLE')
})

test('a stop does not wait for whoever does not leave', async () => {
  const { server, port } = await aServer(() => new Promise(() => {}), { limits: { stopGraceMs: 50 } })
  deafReader(port)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const began = performance.now()
  await server.stop()
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('a port that is taken is told with the setting that helps', async () => {
  const { port } = await aServer(() => TASK)
  const second = aServer(() => TASK, { port })
  await expect(second).rejects.toMatchObject({
    code: 'WAYPOST_ERR_PORT_IN_USE',
    message: `127.0.0.1:${port} is in use`,
    hint: expect.stringContaining('GRPC_PORT='),
  })
})
