/** What is wrong below the protocol, as raw bytes on the running gateway's listener: refused at once, and nothing stored. */
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { aWorld, type World } from '../support/world.ts'

const HEADERS_MS = 300
const REQUEST_MS = 800

let world: World
beforeAll(async () => {
  world = await aWorld({
    limits: {
      headersTimeoutMs: HEADERS_MS,
      requestTimeoutMs: REQUEST_MS,
      connectionsCheckMs: 50,
      keepAliveTimeoutMs: 200,
      requestsPerSocketMax: 100,
    },
    cards: { box: { connector: { kind: 'mailbox' } } },
  })
})
afterAll(() => world?.stop())

const stored = async () =>
  (
    await world.gateway.db.query<{ n: number }>(
      {
        name: 'count',
        text: 'select ((select count(*) from tasks) + (select count(*) from task_events))::int as n',
        write: false,
      },
      [],
    )
  )[0]?.n

let before: number | undefined
beforeEach(async () => {
  before = await stored()
})
/** The process is unharmed. */
afterEach(async () => expect((await fetch(`${world.gateway.url}/healthz`)).status).toBe(200))

/** Bytes as they are; resolves with what came back when the connection has ended. */
function raw(bytes: string | Buffer, { end = false, heard = (_: Socket, __: string) => {} } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: world.gateway.port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      if (end) socket.end(bytes)
      else socket.write(bytes)
    })
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
      heard(socket, answer)
    })
    socket.on('end', () => socket.end())
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(answer) : reject(error),
    )
    socket.on('close', () => resolve(answer))
  })
}

function send(target = '/agents/box'): string {
  const params = {
    message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }] },
    configuration: { returnImmediately: true },
  }
  const isRpc = !target.includes('message:send')
  return JSON.stringify(isRpc ? { jsonrpc: '2.0', id: 1, method: 'SendMessage', params } : params)
}

interface Shape {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  /** Instead of the Host header's line. */
  readonly host?: string
  /** Further lines, each with its end. */
  readonly more?: string
  readonly length?: string
  readonly body?: string
}
/** A good send, but for what is given. */
function request({ method = 'POST', target = '/agents/box', version = 'HTTP/1.1', ...rest }: Shape = {}): string {
  const { host = `Host: 127.0.0.1:${world.gateway.port}\r\n`, more = '', body = send(target) } = rest
  const length = rest.length ?? `Content-Length: ${Buffer.byteLength(body)}\r\n`
  const own = `Authorization: Bearer ${world.gateway.adminKey}\r\nA2A-Version: 1.0\r\nContent-Type: application/json\r\n`
  return `${method} ${target} ${version}\r\n${host}${own}Connection: close\r\n${more}${length}\r\n${body}`
}

const statusesOf = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code))

/** Within a second, with this status (none: closed without a word), and nothing stored. */
async function refused(bytes: string | Buffer, status: number | undefined, options = {}): Promise<string> {
  const began = performance.now()
  const answer = await raw(bytes, options)
  expect(performance.now() - began).toBeLessThan(1_000)
  expect(statusesOf(answer)).toEqual(status === undefined ? [] : [status])
  expect(answer).not.toContain(world.gateway.adminKey)
  expect(await stored()).toBe(before)
  return answer
}
async function served(bytes: string): Promise<string> {
  const answer = await raw(bytes)
  expect(statusesOf(answer)).toEqual([200])
  expect(answer).toContain('TASK_STATE_SUBMITTED')
  expect(await stored()).toBeGreaterThan(before as number)
  return answer
}

const REST = '/agents/box/message:send'
const BOTH = ['/agents/box', REST]

test.each(BOTH)('the good request to %s, from which the others differ, is served', async (target) => {
  await served(request({ target }))
})

describe.each(BOTH)('%s', (target) => {
  test.each<[string, () => string, number | undefined]>([
    ['A-01 no Host', () => request({ target, host: '' }), 400],
    ['A-02 an empty Host', () => request({ target, host: 'Host: \r\n' }), 400],
    ['A-03 two Hosts', () => request({ target, host: 'Host: 127.0.0.1\r\nHost: evil.example\r\n' }), 400],
    ['A-04 a Host that is not ours', () => request({ target, host: 'Host: evil.example\r\n' }), 421],
    ['A-05 a Host that is none', () => request({ target, host: 'Host: a b@c/../\r\n' }), 400],
    ['A-06 a target at another host', () => request({ target: `http://evil.example${target}` }), 400],
    ['A-07 HTTP/0.9', () => `POST ${target}\r\n\r\n`, 400],
    ['A-09 the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['A-10 TRACE', () => request({ target, method: 'TRACE' }), 405],
    ['A-11 CONNECT', () => request({ method: 'CONNECT', target: 'evil.example:443' }), undefined],
    ['A-12 BREW', () => request({ target, method: 'BREW' }), 400],
    ['A-12 post', () => request({ target, method: 'post' }), 400],
    ['A-23 a target of 17 KB', () => request({ target: `${target}?${'x'.repeat(17_000)}` }), 431],
    ['A-24 gzip', () => request({ target, more: 'Content-Encoding: gzip\r\n' }), 415],
    ['A-24 br', () => request({ target, more: 'Content-Encoding: br\r\n' }), 415],
    ['A-25 a header of 17 KB', () => request({ target, more: `X-Big: ${'x'.repeat(17_000)}\r\n` }), 431],
    ['A-26 2100 headers', () => request({ target, more: 'X: y\r\n'.repeat(2_100) }), 431],
    ['A-27 length and chunks', () => request({ target, more: 'Transfer-Encoding: chunked\r\n' }), 400],
    ['A-28 two lengths', () => request({ target, more: 'Content-Length: 3\r\n' }), 400],
    ['A-28 a negative length', () => request({ target, length: 'Content-Length: -1\r\n' }), 400],
    ['A-28 a length with a plus', () => request({ target, length: 'Content-Length: +2\r\n' }), 400],
    ['A-28 a length of 2^64', () => request({ target, length: 'Content-Length: 18446744073709551616\r\n' }), 400],
    ['A-29 xchunked', () => request({ target, length: 'Transfer-Encoding: xchunked\r\n' }), 400],
    ['A-29 chunked, identity', () => request({ target, length: 'Transfer-Encoding: chunked, identity\r\n' }), 400],
    ['A-30 a folded header', () => request({ target, more: 'X-A: b\r\n c\r\n' }), 400],
    ['A-30 a space before the colon', () => request({ target, more: 'X-A : b\r\n' }), 400],
    ['A-30 NUL in a header', () => request({ target, more: 'X-A: b\0c\r\n' }), 400],
    ['A-30 a bare line feed', () => request({ target, more: 'X-A: b\nX-B: c\r\n' }), 400],
    [
      'A-32 a chunk extension of 20 KB',
      () =>
        request({
          target,
          length: 'Transfer-Encoding: chunked\r\n',
          body: `2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
        }),
      413,
    ],
    [
      'A-33 a chunk size that is none',
      () => request({ target, length: 'Transfer-Encoding: chunked\r\n', body: 'zz\r\n{}\r\n0\r\n\r\n' }),
      400,
    ],
    ['A-38 an unknown expectation', () => request({ target, more: 'Expect: 42\r\n' }), 417],
    ['H-12 two credentials', () => request({ target, more: 'Authorization: Bearer wp_a_b\r\n' }), 400],
  ])('%s', async (_name, bytes, status) => {
    await refused(bytes(), status)
  })

  test('A-31 a header with an underscore is another header', async () => {
    await served(request({ target, more: 'A2A_Version: 0.3\r\n' }))
  })

  test('A-36 a body that ends early', async () => {
    await refused(request({ target, length: 'Content-Length: 5000\r\n' }), 400, { end: true })
  })

  test('A-37 a body too large that waits to be asked for is not asked for', async () => {
    const head = request({ target, more: 'Expect: 100-continue\r\n', length: 'Content-Length: 99999999\r\n', body: '' })
    await refused(head, 413)
  })
})

test('A-37 a body that waits to be asked for, and fits, is asked for', async () => {
  const body = send()
  const head = request({ more: 'Expect: 100-continue\r\n', length: `Content-Length: ${body.length}\r\n`, body: '' })
  let asked = false
  const answer = await raw(head, {
    heard: (socket, text) => {
      if (!asked && text.includes('100 Continue')) socket.write(body)
      asked = true
    },
  })
  expect(statusesOf(answer)).toEqual([100, 200])
})

test('A-08 HTTP/1.0 is served, and closed', async () => {
  await served(request({ version: 'HTTP/1.0' }))
})

test.each(['websocket', 'h2c'])('A-13 an upgrade to %s is not done', async (to) => {
  const bytes = request({ more: `Upgrade: ${to}\r\n` }).replace('Connection: close', 'Connection: Upgrade, close')
  const answer = await served(bytes)
  expect(answer).not.toContain(' 101 ')
})

test('A-39 a body on a GET is ignored, up to a size', async () => {
  const get = { method: 'GET', target: `/agents/box/tasks/${uuidv7()}` }
  expect(await refused(request({ ...get, body: 'ignored' }), 404)).toContain('TASK_NOT_FOUND')
  await refused(request({ ...get, body: 'x'.repeat(5_000) }), 413)
})

test('A-40 as many requests as a connection may have are answered, the others not', async () => {
  const one = `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${world.gateway.port}\r\n\r\n`
  const answer = statusesOf(await raw(one.repeat(120)))
  expect(answer.filter((status) => status === 200)).toHaveLength(100)
  expect(answer.slice(100).every((status) => status === 503)).toBe(true)
})

describe('A-41 who takes too long', () => {
  const timed = async (bytes: string) => {
    const began = performance.now()
    const answer = await raw(bytes)
    return { answer, ms: performance.now() - began }
  }

  test('to send a header', async () => {
    const { answer, ms } = await timed('POST /agents/box HTTP/1.1\r\nHost: 127')
    expect(statusesOf(answer)).toEqual([408])
    expect(ms).toBeLessThan(HEADERS_MS + 700)
  })

  test('to say anything', async () => {
    const { ms } = await timed('')
    expect(ms).toBeLessThan(HEADERS_MS + 700)
  })

  test('to send a body', async () => {
    const { answer, ms } = await timed(request({ length: 'Content-Length: 5000\r\n' }))
    expect(statusesOf(answer)).toEqual([408])
    expect(ms).toBeLessThan(REQUEST_MS + 700)
    expect(await stored()).toBe(before)
  })
})

test('A-42 A-43 who stands between is not believed', async () => {
  const more = 'X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n'
  const answer = await served(request({ more }))
  expect(answer).not.toContain('evil.example')
  const strip = request().replace('Connection: close', 'Connection: close, Authorization')
  await served(strip)
  const none = strip.replace(/Authorization: Bearer [^\r]*\r\n/, '')
  expect(statusesOf(await raw(none))).toEqual([401])
})
