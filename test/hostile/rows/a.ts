/** A: HTTP and transport, by hand on the socket; each request at every door of the listener. */
import { expect } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { DOORS, shapeOf, statusesOf } from '../play.ts'
import type { Change, Raw, Row } from '../rows.ts'
import type { HostileWorld } from '../world.ts'

const raw = (what: string, status: number | undefined, change: Change, more: Partial<Raw> = {}): Raw => ({
  kind: 'raw',
  what,
  status,
  bytes: ({ request }) => request(change),
  ...more,
})
/** What is wrong stands in the target. */
const aimed = (what: string, status: number, target: (target: string) => string, more: Partial<Raw> = {}): Raw => ({
  kind: 'raw',
  what,
  status,
  bytes: ({ target: own, request }) => request({ target: target(own) }),
  ...more,
})
const LENGTHLESS = 'Transfer-Encoding: chunked\r\n'
/** Those that the parser refuses are refused in our words too, and with our headers. */
const told = { says: ['application/problem+json', 'x-content-type-options: nosniff', 'connection: close'] }

const early: readonly Row[] = [
  { id: 'A-01', what: 'no Host', cases: [raw('none', 400, { host: '' })] },
  { id: 'A-02', what: 'empty Host', cases: [raw('empty', 400, { host: 'Host: \r\n' }, told)] },
  {
    id: 'A-03',
    what: 'two Host headers',
    cases: [
      raw('two', 400, { host: 'Host: 127.0.0.1\r\nHost: evil.example\r\n' }, told),
      raw('the same twice', 400, { host: 'Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n' }, told),
    ],
  },
  { id: 'A-04', what: 'Host not ours', cases: [raw('evil', 421, { host: 'Host: evil.example\r\n' }, told)] },
  { id: 'A-05', what: 'Host that is none', cases: [raw('odd', 400, { host: 'Host: a b@c/../\r\n' }, told)] },
  {
    id: 'A-06',
    what: 'absolute-form target of another host',
    cases: [
      aimed('http', 400, (own) => `http://evil.example${own}`, told),
      aimed('https, with a port', 400, (own) => `https://evil.example:444${own}`, told),
    ],
  },
  {
    id: 'A-07',
    what: 'HTTP/0.9',
    cases: [{ kind: 'raw', what: 'a line', status: 400, bytes: ({ target }) => `GET ${target}\r\n\r\n`, ...told }],
  },
  { id: 'A-08', what: 'HTTP/1.0 is served, and closed', cases: [raw('1.0', 200, { version: 'HTTP/1.0' })] },
  {
    id: 'A-09',
    what: 'HTTP/2 preface on the 1.1 port',
    cases: [{ kind: 'raw', what: 'preface', status: 400, bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ...told }],
  },
  { id: 'A-10', what: 'TRACE', cases: [raw('trace', 405, { method: 'TRACE' }, { says: ['\r\nallow: post\r\n'] })] },
  {
    id: 'A-11',
    what: 'CONNECT',
    cases: [raw('connect', undefined, { method: 'CONNECT', target: 'evil.example:443' })],
  },
  {
    id: 'A-12',
    what: 'methods that are none',
    cases: [raw('BREW', 400, { method: 'BREW' }, told), raw('post', 400, { method: 'post' }, told)],
  },
  {
    id: 'A-13',
    what: 'an upgrade is not done',
    cases: ['websocket', 'h2c'].map((to) => ({
      kind: 'raw',
      what: to,
      status: 200,
      bytes: ({ request }) =>
        request({ more: `Upgrade: ${to}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n` }).replace(
          'Connection: close',
          'Connection: Upgrade, HTTP2-Settings, close',
        ),
    })),
  },
]

const odd = [400, '"reason":"invalid_request"'] as const
/** `target` below an agent, asked for by GET. */
async function looked(
  { raw: send, fixtures }: HostileWorld,
  target: string,
  [status, words]: readonly [number, string],
  method = 'GET',
): Promise<void> {
  const request = shapeOf(target, { fixtures } as HostileWorld).request({ method, body: '' })
  const { text } = await send(request.replace('Content-Length: 0\r\n', ''))
  expect(statusesOf(text), `${target} ${text}`).toEqual([status])
  expect(text.toLowerCase(), target).toContain(words)
}
const noTask = [404, '"reason":"task_not_found"'] as const
const nothing = [404, '"reason":"method_not_found"'] as const

const paths: readonly Row[] = [
  {
    id: 'A-14',
    what: 'dot segments',
    cases: ['/x/../', '/./', '/x/..%5c/'].map((dots) => aimed(dots, 400, (own) => own.replace(/^\//, dots))),
    scene: async (world) => {
      for (const path of ['/agents/x/../tasks/1', '/agents/../tasks/1', '/agents/box/./tasks/1', '/agents/box\\tasks'])
        await looked(world, path, odd)
    },
  },
  {
    id: 'A-15',
    what: 'encoded dot segments',
    cases: [aimed('%2e%2e', 400, (own) => `/x/%2e%2e${own}`), aimed('.%2E', 400, (own) => `/x/.%2E${own}`)],
    scene: (world) => looked(world, '/agents/box/%2e%2e/tasks/1', odd),
  },
  {
    id: 'A-16',
    what: 'an encoded slash in an id',
    scene: async (world) => {
      await looked(world, '/agents/box/tasks/a%2Fb', noTask)
      await looked(world, '/agents/box/v1/tasks/a%2Fb', noTask)
      await looked(world, '/v1/tasks/a%2Fb', [400, '"code":"invalid_request"'])
    },
  },
  {
    id: 'A-17',
    what: 'NUL in an id',
    scene: async (world) => {
      await looked(world, '/agents/box/tasks/a%00b', noTask)
      await looked(world, '/v1/tasks/a%00b', [400, '"code":"invalid_request"'])
    },
  },
  {
    id: 'A-18',
    what: 'percent that is none, bytes that are no UTF-8',
    scene: async (world) => {
      for (const path of ['/agents/box/tasks/%zz', '/agents/box/tasks/%ff%fe', '/agents/box/tasks/%'])
        await looked(world, path, odd)
      for (const path of ['/v1/tasks/%zz', '/v1/tasks/%ff%fe']) await looked(world, path, [400, 'invalid_request'])
    },
  },
  {
    id: 'A-19',
    what: 'doubled and trailing slashes, capitals',
    scene: async (world) => {
      for (const path of ['/agents/box//tasks//1', '/agents/box/tasks/1/', '/agents/box/TASKS/1'])
        await looked(world, path, nothing)
      for (const path of ['//v1/tasks', '/v1/tasks/', '/V1/tasks']) await looked(world, path, [404, 'not_found'])
    },
  },
  {
    id: 'A-20',
    what: 'an encoded colon is a colon',
    scene: async ({ http, say }) => {
      const { result } = await say('JSON-RPC 1.0', 'SendMessage', {
        message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }] },
        configuration: { returnImmediately: true },
      })
      const { id } = (result as { task: { id: string } }).task
      const { status, text } = await http({
        path: `/agents/box/tasks/${id}%3Acancel`,
        headers: { 'a2a-version': '1.0' },
      })
      expect([status, text.includes('TASK_STATE_CANCELED')]).toEqual([200, true])
    },
  },
  {
    id: 'A-21',
    what: 'an unknown verb',
    scene: async (world) => {
      for (const base of ['', '/v1'])
        await looked(world, `/agents/box${base}/tasks/${uuidv7()}:frobnicate`, nothing, 'POST')
    },
  },
  {
    id: 'A-22',
    what: 'subscribing by GET and by POST',
    scene: async ({ http, fixtures }) => {
      for (const [base, version] of [
        ['', '1.0'],
        ['/v1', '0.3'],
      ])
        for (const method of ['GET', 'POST']) {
          const path = `/agents/box${base}/tasks/${fixtures.waiting}:subscribe`
          const { status, headers } = await http({ method, path, headers: { 'a2a-version': version as string } })
          expect([status, headers['content-type']]).toEqual([200, expect.stringContaining('text/event-stream')])
        }
    },
  },
  {
    id: 'A-23',
    what: 'a target of 17 KB',
    cases: [aimed('in the query', 414, (own) => `${own}?${'x'.repeat(17_000)}`, told)],
  },
  {
    id: 'A-24',
    what: 'a compressed body',
    cases: ['gzip', 'br', 'deflate', 'identity, gzip'].map((coding) =>
      raw(coding, 415, { more: `Content-Encoding: ${coding}\r\n` }, { says: ['\r\naccept-encoding: identity\r\n'] }),
    ),
  },
  {
    id: 'A-25',
    what: 'a header of 17 KB',
    cases: [raw('one', 431, { more: `X-Big: ${'x'.repeat(17_000)}\r\n` }, told)],
  },
  { id: 'A-26', what: '2,100 headers', cases: [raw('many', 431, { more: 'X: y\r\n'.repeat(2_100) }, told)] },
]

const framing: readonly Row[] = [
  { id: 'A-27', what: 'length and chunks', cases: [raw('both', 400, { more: LENGTHLESS }, told)] },
  {
    id: 'A-28',
    what: 'lengths that are none, or two',
    cases: [
      raw('another', 400, { more: 'Content-Length: 3\r\n' }, told),
      raw('the same twice', 400, { length: 'Content-Length: 2\r\nContent-Length: 2\r\n', body: '{}' }, told),
      ...['-1', '+2', '18446744073709551616', '0x10', '1,2'].map((length) =>
        raw(length, 400, { length: `Content-Length: ${length}\r\n` }, told),
      ),
    ],
  },
  {
    id: 'A-29',
    what: 'transfer encodings that are none',
    cases: ['xchunked', 'chunked, identity'].map((coding) =>
      raw(coding, 400, { length: `Transfer-Encoding: ${coding}\r\n` }, told),
    ),
  },
  {
    id: 'A-30',
    what: 'headers of an odd form',
    cases: [
      raw('folded', 400, { more: 'X-A: b\r\n c\r\n' }, told),
      raw('space before the colon', 400, { more: 'X-A : b\r\n' }, told),
      raw('NUL', 400, { more: 'X-A: b\0c\r\n' }, told),
      raw('a bare line feed', 400, { more: 'X-A: b\nX-B: c\r\n' }, told),
    ],
  },
  { id: 'A-31', what: 'an underscore is another header', cases: [raw('_', 200, { more: 'A2A_Version: 9.9\r\n' })] },
  {
    id: 'A-32',
    what: 'a chunk extension of 20 KB',
    cases: [raw('long', 413, { length: LENGTHLESS, body: `2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n` })],
  },
  {
    id: 'A-33',
    what: 'a chunk size that is none',
    cases: ['zz', '-1', '0x2'].map((size) =>
      raw(size, 400, { length: LENGTHLESS, body: `${size}\r\n{}\r\n0\r\n\r\n` }),
    ),
  },
  {
    id: 'A-34',
    what: 'an announced length beyond the limit',
    cases: [raw('at once', 413, { length: 'Content-Length: 999999999\r\n', body: '{}' })],
  },
  {
    id: 'A-35',
    what: 'chunks beyond the limit, unannounced',
    cases: [
      {
        kind: 'raw',
        what: 'three times as much',
        status: 413,
        bytes: ({ request }) => {
          const chunk = `100000\r\n${' '.repeat(1_048_576)}\r\n`
          return request({ length: LENGTHLESS, body: `${chunk.repeat(12)}0\r\n\r\n` })
        },
      },
    ],
  },
  {
    id: 'A-36',
    what: 'a body that ends early',
    cases: [raw('5,000 announced', 400, { length: 'Content-Length: 5000\r\n' }, { end: true })],
  },
  {
    id: 'A-37',
    what: 'a body too large that waits to be asked for',
    at: ['e2e/badTransport.test.ts'],
    cases: [raw('no 100', 413, { more: 'Expect: 100-continue\r\n', length: 'Content-Length: 99999999\r\n', body: '' })],
  },
  { id: 'A-38', what: 'an unknown expectation', cases: [raw('42', 417, { more: 'Expect: 42\r\n' })] },
  {
    id: 'A-39',
    what: 'a body on a GET',
    scene: async (world) => {
      const get = async (body: string) => {
        const target = `/agents/box/tasks/${uuidv7()}`
        const { text } = await world.raw(shapeOf('/agents/box', world).request({ method: 'GET', target, body }))
        return [...statusesOf(text), /"reason":"(\w+)"/.exec(text)?.[1]]
      }
      expect(await get('ignored')).toEqual([404, 'TASK_NOT_FOUND'])
      expect(await get('x'.repeat(5_000))).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    },
  },
  { id: 'A-40', what: 'pipelining beyond the limit of a connection', at: ['e2e/badTransport.test.ts'] },
  { id: 'A-41', what: 'slow headers, slow body, silence', at: ['e2e/badTransport.test.ts'] },
  {
    id: 'A-42',
    what: 'who says it stands between is not believed',
    scene: async (world) => {
      const more =
        'X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n' +
        'Forwarded: host=evil.example;proto=gopher\r\nX-Real-IP: 8.8.8.8\r\n'
      for (const target of Object.values(DOORS)) {
        const { text } = await world.raw(shapeOf(target, world).request({ more }))
        expect(statusesOf(text), text).toEqual([200])
        expect(text).not.toMatch(/evil|gopher|8\.8\.8\.8/)
      }
      const card = '/agents/box/.well-known/agent-card.json'
      const { text } = await world.raw(shapeOf(card, world).request({ method: 'GET', more, body: '' }))
      expect(text).toContain(`http://localhost:${world.fixtures.port}/`)
      expect(text).not.toMatch(/evil|gopher|8\.8\.8\.8/)
    },
  },
  {
    id: 'A-43',
    what: 'Connection: Authorization strips nothing',
    scene: async (world) => {
      for (const target of Object.values(DOORS)) {
        const strip = shapeOf(target, world).request().replace('Connection: close', 'Connection: close, Authorization')
        expect(statusesOf((await world.raw(strip)).text)).toEqual([200])
        const none = strip.replace(/Authorization: Bearer [^\r]*\r\n/, '')
        expect(statusesOf((await world.raw(none)).text)).toEqual([401])
      }
    },
  },
]

export const A: readonly Row[] = [...early, ...paths, ...framing]
