/** Event streams over a real socket: frames, resume ids, shared buffers, slow, old and gone readers. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/platform/clock.ts'
import type { StreamSink } from '../../../src/ports.ts'
import type { A2aServerTools } from '../../../src/wire/bindings/server.ts'
import { sharedBuffer } from '../../../src/wire/bindings/sse.ts'
import { VERSIONS } from '../../../src/wire/versions/table.ts'
import { entry, handStream, type Served, serveA2a, status, TASK, withResolvers } from './served.ts'

let served: Served
afterEach(() => served.close())

const MESSAGE = { messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'hi' }] }
const M03 = { kind: 'message', messageId: 'm1', role: 'user', parts: [{ kind: 'text', text: 'hi' }] }
const WORKING = { ...TASK, status: { state: 'TASK_STATE_WORKING' as const } }

/** A clock whose naps end when the test says so. */
function heldClock() {
  let now = 0
  let nap = withResolvers<void>()
  const clock: Clock = {
    now: () => new Date(now),
    elapsed: () => now,
    sleep: (_ms, signal) =>
      Promise.race([nap.promise, new Promise<void>((done) => signal?.addEventListener('abort', () => done()))]),
  }
  const pass = (ms: number) => {
    now += ms
    const ended = nap
    nap = withResolvers<void>()
    ended.resolve()
  }
  return { clock, pass }
}

async function start(tools: Partial<A2aServerTools> = {}) {
  served = await serveA2a(tools)
  const stream = handStream()
  served.state.decide = () => stream
  return stream
}

interface Reading {
  readonly request: ClientRequest
  readonly response: IncomingMessage
  /** All that was read so far, once `part` is in it. */
  until(part: string): Promise<string>
  readonly whole: Promise<string>
}

function read(method: string, params: unknown, path = '/agents/echo/'): Promise<Reading> {
  const rest = path !== '/agents/echo/'
  const body = JSON.stringify(rest ? params : { jsonrpc: '2.0', id: 'q"1', method, params })
  const request = served.open({ path, body, headers: { accept: 'text/event-stream' } })
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      const waiting: { part: string; resolve: (text: string) => void }[] = []
      const end = withResolvers<string>()
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        for (const one of waiting) if (text.includes(one.part)) one.resolve(text)
      })
      response.on('close', () => end.resolve(text))
      response.on('error', () => {})
      const until = (part: string) =>
        text.includes(part)
          ? Promise.resolve(text)
          : new Promise<string>((done) => waiting.push({ part, resolve: done }))
      resolve({ request, response, until, whole: end.promise })
    })
    request.end(body)
  })
}

const play = (sink: StreamSink) => {
  sink.push(entry(1, { task: WORKING }))
  sink.push(
    entry(2, {
      artifactUpdate: {
        taskId: 'task-1',
        contextId: 'ctx-1',
        artifact: { artifactId: 'a', parts: [{ text: '\n\nevent: x\u2028' }] },
      },
    }),
  )
  sink.push(entry(3, status('TASK_STATE_COMPLETED'), { last: true }))
  sink.end('finished')
}

describe('frames', () => {
  test('1.0 JSON-RPC: id, one data line, the request id around the canonical event', async () => {
    const stream = await start()
    const opened = served.next('stream.opened')
    const closed = served.next('stream.closed')
    const reading = await read('SendStreamingMessage', { message: MESSAGE })
    play(await stream.sink)
    const text = await reading.whole
    expect(text.split('\n\n').slice(0, -1)).toEqual([
      `id: 1\ndata: {"jsonrpc":"2.0","id":"q\\"1","result":${JSON.stringify({ task: WORKING })}}`,
      `id: 2\ndata: {"jsonrpc":"2.0","id":"q\\"1","result":{"artifactUpdate":{"taskId":"task-1","contextId":"ctx-1","artifact":{"artifactId":"a","parts":[{"text":"\\n\\nevent: x\u2028"}]}}}}`,
      `id: 3\ndata: {"jsonrpc":"2.0","id":"q\\"1","result":${JSON.stringify(status('TASK_STATE_COMPLETED'))}}`,
    ])
    expect(reading.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    expect([await opened, await closed]).toEqual([
      { task: 'task-1', binding: 'JSONRPC' },
      { task: 'task-1', binding: 'JSONRPC', why: 'finished' },
    ])
    await stream.closed
  })

  test.each([['POST'], ['GET']])('1.0 HTTP+JSON by %s: the bare event', async (method) => {
    const stream = await start()
    const asking = served.ask({ method, path: '/agents/echo/tasks/task-1:subscribe' })
    play(await stream.sink)
    const { text } = await asking
    expect(text).toContain(`id: 3\ndata: ${JSON.stringify(status('TASK_STATE_COMPLETED'))}\n\n`)
    expect(served.asked[0]).toMatchObject({ name: 'SubscribeToTask', params: { id: 'task-1' } })
  })

  test('0.3 JSON-RPC: kind, and final exactly once', async () => {
    const stream = await start()
    const reading = await read('message/stream', { message: M03 })
    play(await stream.sink)
    const events = (await reading.whole).split('\n\n').slice(0, -1)
    const results = events.map((event) => JSON.parse(event.split('data: ')[1] as string).result)
    expect(results.map(({ kind, final }) => [kind, final])).toEqual([
      ['task', undefined],
      ['artifact-update', undefined],
      ['status-update', true],
    ])
  })

  test('0.3 ends at an interrupted state, 1.0 leaves that to the log', async () => {
    const stream = await start()
    const closed = served.next('stream.closed')
    const reading = await read('message/stream', { message: M03 })
    const sink = await stream.sink
    sink.push(entry(1, { task: { ...TASK, status: { state: 'TASK_STATE_INPUT_REQUIRED' } } }, { interrupted: true }))
    sink.push(entry(2, status('TASK_STATE_WORKING')))
    const more = sink.push(entry(3, status('TASK_STATE_INPUT_REQUIRED'), { interrupted: true }))
    const text = await reading.whole
    expect(text.match(/"final":true/g)).toHaveLength(1)
    expect([more, (await closed).why]).toEqual([false, 'interrupted'])

    const again = handStream()
    served.state.decide = () => again
    const newer = await read('SendStreamingMessage', { message: MESSAGE })
    const other = await again.sink
    expect(other.push(entry(3, status('TASK_STATE_INPUT_REQUIRED'), { interrupted: true }))).toBe(true)
    other.end('interrupted')
    expect(await newer.whole).toContain('INPUT_REQUIRED')
  })

  test('0.3 HTTP+JSON: wrapped, in the words of the proto', async () => {
    const stream = await start()
    const reading = await read(
      '',
      { message: { ...MESSAGE, content: MESSAGE.parts } },
      '/agents/echo/v1/message:stream',
    )
    const sink = await stream.sink
    sink.push(entry(1, status('TASK_STATE_CANCELED'), { last: true }))
    expect(await reading.whole).toBe(
      'id: 1\ndata: {"statusUpdate":{"taskId":"task-1","contextId":"ctx-1","status":{"state":"TASK_STATE_CANCELLED"},"final":true}}\n\n',
    )
  })

  test('a lone Message has no id', async () => {
    const stream = await start()
    const reading = await read('SendStreamingMessage', { message: MESSAGE })
    const sink = await stream.sink
    sink.push(entry(0, { message: { messageId: 'r', role: 'ROLE_AGENT', parts: [{ text: 'pong' }] } }, { last: true }))
    expect(await reading.whole).toMatch(/^data: /)
  })

  test('one buffer per entry, version and binding', () => {
    const one = entry(1, status('TASK_STATE_WORKING'))
    const { '1.0': newer, '0.3': older } = VERSIONS as Record<'1.0' | '0.3', never>
    expect(sharedBuffer(one, newer, 'JSONRPC', false)).toBe(sharedBuffer(one, newer, 'JSONRPC', false))
    expect(sharedBuffer(one, newer, 'HTTP+JSON', false).toString()).toBe(`${one.json}\n\n`)
    const [open, closing] = [sharedBuffer(one, older, 'JSONRPC', false), sharedBuffer(one, older, 'JSONRPC', true)]
    expect([String(open).includes('"final":true'), String(closing).includes('"final":true')]).toEqual([false, true])
  })
})

describe('failures', () => {
  test('J-08 before the first event the answer is JSON; 0.3 resubscribe streams even that', async () => {
    await start()
    served.state.decide = async () => {
      const { A2AError } = await import('../../../src/a2a/errors.ts')
      throw new A2AError('TASK_NOT_FOUND', 'no such task')
    }
    const plain = await served.rpc('SubscribeToTask', { id: 't' })
    expect([plain.headers['content-type'], plain.json]).toMatchObject(['application/json', { error: { code: -32001 } }])
    const old = await served.rpc('tasks/resubscribe', { id: 't' })
    expect([old.status, old.headers['content-type']]).toEqual([200, 'text/event-stream'])
    expect(old.text).toMatch(/^event: error\ndata: \{"jsonrpc":"2.0","id":7,"error":\{"code":-32001,.*\}\}\n\n$/)
  })

  test.each([
    ['JSON-RPC', '/agents/echo/', '"jsonrpc":"2.0","id":"q\\"1","error":{"code":-32603'],
    ['HTTP+JSON', '/agents/echo/v1/message:stream', '"error":{"code":500'],
  ])('J-09 after the first event it is an event: %s', async (_, path, part) => {
    const stream = await start()
    const params = { message: { ...M03, content: [{ text: 'x' }] } }
    const reading = await read('message/stream', params, path)
    const sink = await stream.sink
    sink.push(entry(1, { task: WORKING }))
    const broken = {
      ...entry(2, status('TASK_STATE_WORKING')),
      event: () => {
        throw new Error('secret')
      },
    }
    expect(sink.push(broken)).toBe(false)
    const text = await reading.whole
    expect(text).toContain('\n\nevent: error\ndata: {')
    expect(text).toContain(part)
    expect(text).not.toContain('secret')
    await stream.closed
  })
})

describe('readers', () => {
  test('a quiet stream gets a comment every heartbeat', async () => {
    const { clock, pass } = heldClock()
    const stream = await start({ clock, limits: { heartbeatMs: 15_000 } })
    const reading = await read('SubscribeToTask', { id: 't' })
    const sink = await stream.sink
    sink.push(entry(1, { task: WORKING }))
    await reading.until('id: 1')
    pass(14_000)
    pass(1_000)
    expect(await reading.until(': keep-alive')).toMatch(/\}\n\n: keep-alive\n\n$/)
    sink.end('cut')
    expect(await reading.whole).toMatch(/: keep-alive\n\nretry: \d{4}\n\n$/)
  })

  test('an old stream is cut with a hint when to ask again', async () => {
    const { clock, pass } = heldClock()
    const stream = await start({ clock, limits: { streamAgeMaxMs: 60_000 } })
    const reading = await read('SubscribeToTask', { id: 't' })
    const sink = await stream.sink
    const closed = served.next('stream.closed')
    pass(60_000)
    expect(await reading.whole).toMatch(/^retry: [1-5]\d{3}\n\n$/)
    expect((await closed).why).toBe('cut')
    expect(sink.push(entry(9, { task: WORKING }))).toBe(false)
    await stream.closed
  })

  test('a stopping server cuts its streams and takes no new ones', async () => {
    let draining = false
    const { clock, pass } = heldClock()
    const stream = await start({ clock, draining: () => draining })
    const reading = await read('SubscribeToTask', { id: 't' })
    await stream.sink
    draining = true
    pass(1_000)
    expect(await reading.whole).toMatch(/^retry: /)
    const refused = await served.rpc('SubscribeToTask', { id: 't' })
    expect([refused.status, refused.headers['retry-after'], refused.headers.connection]).toEqual([503, '1', 'close'])
    served.state.decide = () => TASK
    expect((await served.rpc('GetTask', { id: 't' })).headers.connection).toBe('close')
  })

  test('J-01 who does not read is let go, and harms no other reader', async () => {
    const slow = await start({ limits: { streamBufferBytesMax: 100_000 } })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id: 't' } })
    const socket = connect(served.port, '127.0.0.1')
    socket.pause()
    socket.on('error', () => {})
    socket.write(
      `POST /agents/echo/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    const closed = served.next('stream.closed')
    const sink = await slow.sink
    const fast = handStream()
    served.state.decide = () => fast
    const reading = await read('SubscribeToTask', { id: 't' })
    const other = await fast.sink
    const big = entry(1, { task: { ...WORKING, metadata: { x: 'x'.repeat(200_000) } } })
    let pushes = 0
    while (sink.push(big)) {
      pushes += 1
      await new Promise((resolve) => setImmediate(resolve))
      expect(pushes).toBeLessThan(1_000)
    }
    expect((await closed).why).toBe('too slow')
    other.push(entry(2, status('TASK_STATE_COMPLETED'), { last: true }))
    expect(await reading.whole).toContain('id: 2')
    socket.destroy()
  })

  test('J-01 who takes nothing for too long is let go', async () => {
    const { clock, pass } = heldClock()
    const stream = await start({ clock, limits: { streamBufferBytesMax: 1e9, streamStallMs: 30_000 } })
    const reading = await read('SubscribeToTask', { id: 't' })
    reading.response.pause()
    const closed = served.next('stream.closed')
    const sink = await stream.sink
    const big = entry(1, { task: { ...WORKING, metadata: { x: 'x'.repeat(4_000_000) } } })
    for (let at = 0; at < 8; at++) sink.push(big)
    pass(10_000)
    await new Promise((resolve) => setImmediate(resolve))
    pass(31_000)
    expect((await closed).why).toBe('stalled')
  })

  test('J-02 a reader that leaves closes its stream, and only that', async () => {
    const stream = await start()
    const reading = await read('SubscribeToTask', { id: 't' })
    const closed = served.next('stream.closed')
    const sink = await stream.sink
    reading.request.destroy()
    expect((await closed).why).toBe('disconnected')
    await stream.closed
    expect(sink.push(entry(1, { task: WORKING }))).toBe(false)
  })

  test('J-04 E-21 no more streams than there is room for, and a place is given back', async () => {
    await start({ limits: { streamsPerCallerMax: 2, streamsPerTaskMax: 1 } })
    const streams = [handStream(), handStream()]
    served.state.decide = () => streams.shift()
    const [first, second] = [streams[0], streams[1]]
    const reading = await read('SubscribeToTask', { id: 'a' })
    const sameTask = await served.rpc('SubscribeToTask', { id: 'a' })
    expect([sameTask.status, sameTask.headers['retry-after']]).toEqual([429, '5'])
    await read('SendStreamingMessage', { message: MESSAGE })
    expect((await served.rpc('SubscribeToTask', { id: 'b' })).status).toBe(429)
    const closed = served.next('stream.closed')
    ;(await first?.sink)?.end('finished')
    await Promise.all([closed, reading.whole])
    const third = handStream()
    served.state.decide = () => third
    const again = await read('SubscribeToTask', { id: 'a' })
    ;(await third.sink).end('finished')
    ;(await second?.sink)?.end('finished')
    expect(again.response.statusCode).toBe(200)
  })
})
