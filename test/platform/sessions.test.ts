/** HTTP/2 through the egress: the same guard, the same bounds, and what only HTTP/2 can say about a request. */
import { createServer as createHttpServer } from 'node:http'
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createEgress, type Egress, type EgressOptions, type EgressStream } from '../../src/platform/egress.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../support/certificate.ts'

const bounds = { headersMs: 5_000, bytesMax: 1_000_000, http2: true, method: 'POST' as const }
let server: Http2Server
let sessions: ServerHttp2Session[]
let streams: ServerHttp2Stream[]
let connections: number
let url: string
let port: number
let respond: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
const opened: Egress[] = []
const stops: (() => void)[] = []

function egressWith(options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({ allow: ['127.0.0.0/8', '::1/128'], ...options })
  opened.push(egress)
  return egress
}

const bind = async (one: Server | Http2Server): Promise<number> => {
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', () => resolve()))
  return (one.address() as AddressInfo).port
}

async function listening(made: Http2Server): Promise<void> {
  server = made
  server.on('connection', () => {
    connections += 1
  })
  server.on('session', (session) => {
    session.on('error', () => {})
    sessions.push(session)
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    streams.push(stream)
    respond(stream, headers)
  })
  port = await bind(server)
  url = `http://127.0.0.1:${port}/`
}

beforeEach(async () => {
  sessions = []
  streams = []
  connections = 0
  respond = (stream) => {
    stream.respond({ ':status': 200, 'x-a': 'b' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-last': 'word' }))
    stream.end('hello')
  }
  await listening(createServer())
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((egress) => egress.close()))
  for (const stop of stops.splice(0)) stop()
  for (const session of sessions) session.destroy()
  await new Promise((resolve) => server.close(resolve))
})

async function readAll(stream: EgressStream): Promise<string> {
  let text = ''
  for (;;) {
    const read = await stream.read()
    if (read.kind !== 'piece') return read.kind === 'end' ? text : `${text} and ${read.kind}`
    text += Buffer.from(read.bytes).toString()
  }
}
const mustOpen = (answer: Awaited<ReturnType<Egress['open']>>): EgressStream => {
  if (answer.kind !== 'answered') throw new Error(JSON.stringify(answer))
  return answer
}

describe('a call', () => {
  test('is answered with headers, body and trailers', async () => {
    const answer = mustOpen(
      await egressWith().open({ url: `${url}a?b=c`, headers: { 'X-Said': 'y' }, body: 'z', ...bounds }),
    )
    expect(answer).toMatchObject({ status: 200, headers: { 'x-a': 'b' } })
    expect(answer.trailers()).toEqual({})
    expect(await readAll(answer)).toBe('hello')
    expect(answer.trailers()).toEqual({ 'x-last': 'word' })
    expect(streams[0]?.sentHeaders[':status']).toBe(200)
  })

  test('shares its connection with others, side by side and one after another', async () => {
    const egress = egressWith()
    const one = await Promise.all(Array.from({ length: 20 }, () => egress.open({ url, ...bounds })))
    expect(await Promise.all(one.map((answer) => readAll(mustOpen(answer))))).toEqual(one.map(() => 'hello'))
    expect(await readAll(mustOpen(await egress.open({ url, ...bounds })))).toBe('hello')
    expect([streams.length, connections]).toEqual([21, 1])
  })

  test('waits its turn where a server allows few, on a few connections', async () => {
    await new Promise((resolve) => server.close(resolve))
    await listening(createServer({ settings: { maxConcurrentStreams: 1 } }))
    let now = 0
    let most = 0
    respond = (stream) => {
      most = Math.max(most, ++now)
      stream.respond({ ':status': 200 })
      setImmediate(() => {
        now -= 1
        stream.end('hello')
      })
    }
    const egress = egressWith()
    const all = await Promise.all(
      Array.from({ length: 30 }, async () => readAll(mustOpen(await egress.open({ url, ...bounds })))),
    )
    expect(new Set(all)).toEqual(new Set(['hello']))
    expect(connections).toBeLessThanOrEqual(4)
    expect(most).toBeLessThanOrEqual(4)
  })

  test('leaves no connection behind that nobody uses', async () => {
    const egress = egressWith({ http2IdleMs: 20 })
    expect(await readAll(mustOpen(await egress.open({ url, ...bounds })))).toBe('hello')
    await new Promise((resolve) => sessions[0]?.once('close', resolve))
    expect(await readAll(mustOpen(await egress.open({ url, ...bounds })))).toBe('hello')
    expect(connections).toBe(2)
  })

  test('that is refused before it was looked at was not sent', async () => {
    respond = (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM)
    const answer = await egressWith().open({ url, ...bounds })
    expect(answer).toEqual({ kind: 'reset', sent: false, reason: 'the stream was refused' })
  })

  test('that a leaving server has not looked at was not sent, and the next goes elsewhere', async () => {
    const egress = egressWith()
    await readAll(mustOpen(await egress.open({ url, ...bounds })))
    const stay = respond
    respond = (stream) => {
      respond = stay
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 1)
      stream.session?.destroy()
    }
    expect(await egress.open({ url, ...bounds })).toMatchObject({ kind: 'reset', sent: false })
    expect(await readAll(mustOpen(await egress.open({ url, ...bounds })))).toBe('hello')
    expect(connections).toBe(2)
  })

  test('on its way when the server leaves is answered', async () => {
    respond = (stream) => {
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id)
      stream.respond({ ':status': 200 })
      stream.end('still')
    }
    expect(await readAll(mustOpen(await egressWith().open({ url, ...bounds })))).toBe('still')
  })

  test.each([
    ['reset', (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_CANCEL)],
    ['cut off', (stream: ServerHttp2Stream) => stream.session?.destroy()],
    ['ended without an answer', (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_NO_ERROR)],
  ])('that is %s may have been acted upon', async (_how, end) => {
    respond = (stream) => stream.on('data', () => {}).on('end', () => end(stream))
    expect(await egressWith().open({ url, body: 'x', ...bounds })).toMatchObject({ kind: 'reset', sent: true })
  })

  test('that breaks in its body gives what has come, and then the failure', async () => {
    respond = (stream) => {
      stream.respond({ ':status': 200 })
      stream.write('half', () => setImmediate(() => stream.session?.destroy()))
    }
    expect(await readAll(mustOpen(await egressWith().open({ url, ...bounds })))).toBe('half and reset')
  })

  test('ends in time: no headers, no next byte, no end', async () => {
    const egress = egressWith()
    respond = () => {}
    const none = await egress.open({ url, ...bounds, headersMs: 50 })
    expect(none).toMatchObject({ kind: 'timeout', sent: true })
    // Nothing was heard on that connection, so it may lead to nobody.
    respond = (stream) => stream.respond({ ':status': 200 })
    const silent = mustOpen(await egress.open({ url, ...bounds, idleMs: 50 }))
    expect(connections).toBe(2)
    expect(await silent.read()).toMatchObject({ kind: 'timeout', sent: true })
    const late = mustOpen(await egress.open({ url, ...bounds, totalMs: 80 }))
    expect(await late.read()).toMatchObject({ kind: 'timeout', sent: true })
  })

  test('ends when its caller stops, and the other side is told', async () => {
    const stop = new AbortController()
    const reset = new Promise((resolve) => {
      respond = (stream) => {
        stream.respond({ ':status': 200 })
        stream.on('close', () => resolve(stream.rstCode))
      }
    })
    const answer = mustOpen(await egressWith().open({ url, ...bounds, signal: stop.signal }))
    stop.abort()
    expect(await answer.read()).toMatchObject({ kind: 'aborted', sent: true })
    expect(await reset).toBe(constants.NGHTTP2_CANCEL)
  })

  test('is not sent when it was stopped while it waited for its connection', async () => {
    const stop = new AbortController()
    const egress = egressWith({
      lookup: async () => {
        stop.abort()
        return [{ address: '127.0.0.1', family: 4 }]
      },
    })
    const answer = await egress.open({ url: `http://agent.example:${port}/`, ...bounds, signal: stop.signal })
    expect(answer).toMatchObject({ kind: 'aborted', sent: false })
    // The connection is there all the same; another call uses it.
    expect(await readAll(mustOpen(await egress.open({ url: `http://agent.example:${port}/`, ...bounds })))).toBe(
      'hello',
    )
    expect([streams.length, connections]).toEqual([1, 1])
  })

  test('that its reader leaves may end by itself; one that goes on is reset', async () => {
    const codes: number[] = []
    const closed: Promise<void>[] = []
    let ending = true
    respond = (stream) => {
      closed.push(
        new Promise((resolve) => {
          stream.on('close', () => {
            codes.push(stream.rstCode)
            resolve()
          })
        }),
      )
      stream.respond({ ':status': 200 })
      stream.write('enough')
      if (ending) setImmediate(() => stream.end())
      else stream.write(Buffer.alloc(200_000))
    }
    const egress = egressWith()
    const leave = async () => {
      const answer = mustOpen(await egress.open({ url, ...bounds }))
      expect(await answer.read()).toMatchObject({ kind: 'piece' })
      answer.close()
    }
    for (let n = 0; n < 20; n++) await leave()
    await Promise.all(closed)
    expect(new Set(codes)).toEqual(new Set([constants.NGHTTP2_NO_ERROR]))
    ending = false
    await leave()
    await closed.at(-1)
    expect(codes.at(-1)).toBe(constants.NGHTTP2_CANCEL)
    expect(connections).toBe(1)
  })

  test('with too much in its body is cut off', async () => {
    respond = (stream) => {
      stream.respond({ ':status': 200 })
      stream.end(Buffer.alloc(10_000))
    }
    const answer = mustOpen(await egressWith().open({ url, ...bounds, bytesMax: 5_000 }))
    let read = await answer.read()
    while (read.kind === 'piece') read = await answer.read()
    expect(read.kind).toBe('too-large')
  })

  test('read slowly holds the sender back, and nobody else', async () => {
    const size = 8 * 1024 * 1024
    let left = 0
    respond = (stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] !== '/big') return void stream.end('hello')
      const write = () => {
        while (left < size) {
          left += 16_384
          if (!stream.write(Buffer.alloc(16_384))) return
        }
        stream.end()
      }
      stream.on('drain', write)
      write()
    }
    const egress = egressWith()
    const slow = mustOpen(await egress.open({ url: `${url}big`, ...bounds, bytesMax: size * 2 }))
    for (let n = 0; n < 20; n++) expect(await readAll(mustOpen(await egress.open({ url, ...bounds })))).toBe('hello')
    expect(connections).toBe(1)
    // A window, what the reader holds, and what Node keeps on both sides.
    expect(left).toBeLessThan(512 * 1024)
    let taken = 0
    for (let read = await slow.read(); read.kind === 'piece'; read = await slow.read()) taken += read.bytes.length
    expect(taken).toBe(size)
  })

  test('with a header that HTTP/2 does not know is not sent', async () => {
    const egress = egressWith()
    for (const headers of [{ connection: 'close' }, { 'x-evil': 'a\r\nb: c' }] as Record<string, string>[])
      expect(await egress.open({ url, headers, ...bounds })).toMatchObject({ kind: 'blocked', sent: false })
    expect(streams).toEqual([])
  })

  test('after close goes nowhere, and what was open ends', async () => {
    const egress = egressWith()
    respond = (stream) => stream.respond({ ':status': 200 })
    const answer = mustOpen(await egress.open({ url, ...bounds }))
    await egress.close()
    expect(await answer.read()).toMatchObject({ kind: 'reset' })
    expect(await egress.open({ url, ...bounds })).toMatchObject({ kind: 'aborted', sent: false })
  })
})

describe('whoever does not speak HTTP/2 is unreachable, and is sent nothing', () => {
  const tcp = async (answer: (data: Buffer) => string | undefined) => {
    const heard: Buffer[] = []
    const one = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (data) => {
        heard.push(data)
        const text = answer(data)
        if (text !== undefined) socket.end(text)
      })
    })
    stops.push(() => one.close())
    return { heard, port: await bind(one) }
  }

  test.each([
    ['HTTP/1.1', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'],
    ['something else', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['nothing more', ''],
  ])('%s', async (_what, words) => {
    const other = await tcp(() => words)
    const answer = await egressWith().open({ url: `http://127.0.0.1:${other.port}/secret`, body: 'x', ...bounds })
    expect(answer).toEqual({ kind: 'unreachable', sent: false, reason: 'the other side does not speak HTTP/2' })
    expect(Buffer.concat(other.heard).toString()).not.toContain('secret')
  })

  test('silence', async () => {
    const other = await tcp(() => undefined)
    const answer = await egressWith({ connectMs: 50 }).open({ url: `http://127.0.0.1:${other.port}/`, ...bounds })
    expect(answer).toMatchObject({ kind: 'unreachable', sent: false })
  })

  test('nobody', async () => {
    const free = createHttpServer()
    const gone = await bind(free)
    await new Promise((resolve) => free.close(resolve))
    const answer = await egressWith().open({ url: `http://127.0.0.1:${gone}/`, ...bounds })
    expect(answer).toEqual({ kind: 'unreachable', sent: false, reason: 'connection refused' })
  })

  test('TLS without it', async () => {
    const tls = createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE, ALPNProtocols: ['http/1.1'] })
    tls.on('tlsClientError', () => {})
    stops.push(() => tls.close())
    const plain = createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (socket) => socket.on('error', () => {}))
    stops.push(() => plain.close())
    const egress = egressWith({ ca: TEST_CERTIFICATE })
    for (const one of [tls, plain]) {
      const answer = await egress.open({ url: `https://localhost:${await bind(one)}/`, ...bounds })
      expect(answer).toMatchObject({ kind: 'unreachable', sent: false })
    }
  })
})

test('TLS: HTTP/2 is agreed, with those whom somebody vouches for', async () => {
  await new Promise((resolve) => server.close(resolve))
  await listening(createSecureServer({ key: TEST_KEY, cert: TEST_CERTIFICATE, allowHTTP1: true }))
  const at = (host: string) => ({ url: `https://${host}:${port}/`, ...bounds })
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }]
  const refused = { kind: 'unreachable', sent: false, reason: expect.stringMatching(/^TLS/) }
  expect(await egressWith({ lookup }).open(at('localhost'))).toMatchObject(refused)
  const trusting = egressWith({ lookup, ca: TEST_CERTIFICATE })
  expect(await trusting.open(at('other.example'))).toMatchObject(refused)
  for (const host of ['localhost', '127.0.0.1'])
    expect(await readAll(mustOpen(await trusting.open(at(host))))).toBe('hello')
})

describe('the guard', () => {
  test.each(['127.0.0.1', '[::ffff:127.0.0.1]', '2130706433', 'localhost'])('%s: not one connection', async (host) => {
    const answer = await egressWith({ allow: [] }).open({ url: `http://${host}:${port}/`, ...bounds })
    expect(answer).toMatchObject({ kind: 'blocked', sent: false })
    expect(connections).toBe(0)
  })

  test.each([
    ['a private address', ['127.0.0.1']],
    ['public and private addresses mixed', ['93.184.216.34', '127.0.0.1']],
  ])('a name that resolves to %s: not one connection', async (_what, addresses) => {
    const lookup = async () => addresses.map((address) => ({ address, family: 4 }))
    const blocked: string[] = []
    const egress = egressWith({ allow: [], lookup, onBlocked: (host) => blocked.push(host) })
    const answer = await egress.open({ url: `http://rebind.example:${port}/`, ...bounds })
    expect(answer).toMatchObject({ kind: 'blocked', sent: false })
    expect([connections, blocked]).toEqual([0, ['rebind.example']])
  })

  test('an address that changes between check and connect is refused before a byte is sent', async () => {
    let looks = 0
    const shifty = {
      family: 4,
      get address() {
        looks += 1
        return looks === 1 ? '93.184.216.34' : '127.0.0.1'
      },
    }
    const egress = egressWith({ allow: [], lookup: async () => [shifty] })
    const answer = await egress.open({ url: `http://shifty.example:${port}/`, ...bounds })
    expect(answer).toEqual({ kind: 'blocked', sent: false, reason: 'loopback address' })
    expect(streams).toEqual([])
  })

  test('a name that changes its mind is refused at the second connect', async () => {
    const answers = ['127.0.0.1', '127.0.0.2']
    const lookup = async () => [{ address: answers.shift() ?? '', family: 4 }]
    const egress = egressWith({ allow: ['127.0.0.1'], lookup })
    const at = { url: `http://rebind.example:${port}/`, ...bounds }
    respond = (stream) => {
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id)
      stream.respond({ ':status': 200 })
      stream.end('first')
    }
    expect(await readAll(mustOpen(await egress.open(at)))).toBe('first')
    expect(await egress.open(at)).toMatchObject({ kind: 'blocked' })
    expect(connections).toBe(1)
  })
})
