/** Who takes too long, or too much of one connection: on a listener with tight limits. The rest of its table is in `hostile/rows/a.ts`. */
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

async function stored(): Promise<number | undefined> {
  const text = 'select ((select count(*) from tasks) + (select count(*) from task_events))::int as n'
  return (await world.gateway.db.query<{ n: number }>({ name: 'count', text, write: false }, []))[0]?.n
}
let before: number | undefined
beforeEach(async () => {
  before = await stored()
})
/** The process is unharmed. */
afterEach(async () => expect((await fetch(`${world.gateway.url}/healthz`)).status).toBe(200))

/** Bytes as they are; resolves with what came back when the connection has ended. */
function raw(bytes: string, heard = (_: Socket, __: string) => {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: world.gateway.port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.write(bytes),
    )
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

function send(): string {
  const message = { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }] }
  const params = { message, configuration: { returnImmediately: true } }
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params })
}
const head = (lines: string): string =>
  `POST /agents/box HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${world.gateway.adminKey}\r\nA2A-Version: 1.0\r\n` +
  `Content-Type: application/json\r\nConnection: close\r\n${lines}\r\n`

const statusesOf = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code))

test('A-37 a body that waits to be asked for, and fits, is asked for', async () => {
  const body = send()
  let asked = false
  const answer = await raw(head(`Expect: 100-continue\r\nContent-Length: ${body.length}\r\n`), (socket, text) => {
    if (!asked && text.includes('100 Continue')) socket.write(body)
    asked = true
  })
  expect(statusesOf(answer)).toEqual([100, 200])
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
    expect(answer).toContain('application/problem+json')
    expect(ms).toBeLessThan(HEADERS_MS + 2_000)
  })

  test('to say anything', async () => {
    const { ms } = await timed('')
    expect(ms).toBeLessThan(HEADERS_MS + 2_000)
  })

  test('to send a body', async () => {
    const { answer, ms } = await timed(head('Content-Length: 5000\r\n'))
    expect(statusesOf(answer)).toEqual([408])
    expect(ms).toBeLessThan(REQUEST_MS + 2_000)
    expect(await stored()).toBe(before)
  })
})
