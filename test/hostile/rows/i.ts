/** I: versions, extensions, negotiation. */
import { expect } from 'vitest'
import { bad, type Row, refused, send, served } from '../rows.ts'
import { GRPC, JSONS1, type Surface } from '../speech.ts'
import type { HostileWorld } from '../world.ts'

const CARD = '/agents/box/.well-known/agent-card.json'
const card = ({ http }: HostileWorld, headers: Readonly<Record<string, string>>) =>
  http({ method: 'GET', path: CARD, key: null, headers: { 'a2a-version': '1.0', ...headers } })
const version = (text: string) => ({
  headers: { 'a2a-version': text },
  on: [...JSONS1, 'gRPC 1.0'] as readonly Surface[],
})
const get = ({ waiting }: { waiting: string }) => ({ id: waiting })
const uris = (count: number) => Array.from({ length: count }, (_, at) => `urn:x:${at}`).join()

export const I: readonly Row[] = [
  {
    id: 'I-01',
    what: 'versions that nobody speaks',
    cases: [
      ...['2.0', '0.1', 'abc', '1', '1.1', '99.0', 'constructor', '1.0;x', '-1.0'].map((text) =>
        refused(text, 'GetTask', get, 'VERSION_NOT_SUPPORTED', version(text)),
      ),
      served('a patch number', 'GetTask', get, version('1.0.1')),
      served('spaces around it', 'GetTask', get, version(' 1.0 ')),
    ],
  },
  {
    id: 'I-02',
    what: 'no version: the method’s name, or the path, tells it',
    scene: async ({ http, fixtures: { waiting } }) => {
      const ask = async (method: string, header: string) => {
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { id: waiting } })
        return (await http({ path: '/agents/box', body, headers: { 'a2a-version': header } })).text
      }
      for (const header of ['', ' ']) {
        expect(await ask('tasks/get', header)).toContain('"state":"submitted"')
        expect(await ask('GetTask', header)).toContain('"state":"TASK_STATE_SUBMITTED"')
      }
      const path = `/agents/box/v1/tasks/${waiting}`
      expect((await http({ method: 'GET', path })).status).toBe(200)
    },
  },
  {
    id: 'I-03',
    what: 'two versions, in header and query',
    scene: async ({ http, fixtures: { waiting } }) => {
      const headers = { 'a2a-version': '1.0' }
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: waiting } })
      const rpc = await http({ path: '/agents/box?A2A-Version=0.3', headers, body })
      expect([rpc.status, rpc.code, rpc.reason]).toEqual([200, -32600, 'INVALID_REQUEST'])
      const rest = await http({ method: 'GET', path: `/agents/box/tasks/${waiting}?A2A-Version=0.3`, headers })
      expect([rest.status, rest.reason]).toEqual([400, 'INVALID_REQUEST'])
    },
  },
  {
    id: 'I-04',
    what: 'two version headers',
    scene: async ({ raw, fixtures }) => {
      for (const target of ['/agents/box', '/agents/box/message:send']) {
        const { text } = await raw(
          `POST ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${fixtures.keys.owner}\r\n` +
            'A2A-Version: 1.0\r\nA2A-Version: 1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
        )
        expect(text).toMatch(/^HTTP\/1\.1 400 /)
        expect(text).toContain('INVALID_REQUEST')
      }
    },
  },
  {
    id: 'I-05',
    what: 'extensions that are none, or too many',
    cases: ['not a uri', uris(33), `urn:${'x'.repeat(8_000)}`, 'http://[', ',,,x'].map((text) =>
      text === 'http://['
        ? served('a URI is not looked into', 'GetTask', get, { headers: { 'a2a-extensions': text } })
        : bad(text.slice(0, 12), 'GetTask', get, { headers: { 'a2a-extensions': text } }),
    ),
  },
  {
    id: 'I-06',
    what: 'answers that nobody wants to read',
    cases: [
      refused('html', 'SendMessage', () => send(), 'NOT_ACCEPTABLE', { headers: { accept: 'text/html' }, on: JSONS1 }),
      refused('JSON of a stream', 'SendStreamingMessage', () => send(), 'NOT_ACCEPTABLE', {
        headers: { accept: 'application/json' },
        on: JSONS1,
      }),
      served('anything else', 'GetTask', get, { headers: { accept: 'text/html, */*;q=0.1' }, on: JSONS1 }),
      served('gRPC has no such header', 'GetTask', get, { headers: { accept: 'text/html' }, on: GRPC }),
    ],
  },
  {
    id: 'I-07',
    what: 'a preflight of another site gets no leave',
    scene: async ({ http, fixtures: { waiting } }) => {
      const asks = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
      const paths = [
        '/agents/box',
        '/agents/box/message:send',
        `/agents/box/tasks/${waiting}`,
        CARD,
        '/v1/tasks',
        '/mcp',
      ]
      for (const path of [...paths, '/healthz'])
        for (const method of ['OPTIONS', 'GET']) {
          const { headers } = await http({ method, path, key: null, headers: { ...asks, 'a2a-version': '1.0' } })
          const leave = Object.keys(headers).filter((name) => name.startsWith('access-control-'))
          expect([path, method, leave]).toEqual([path, method, []])
        }
    },
  },
  {
    id: 'I-08',
    what: 'If-None-Match on a card',
    scene: async (world) => {
      const { headers } = await card(world, {})
      const etag = headers.etag as string
      for (const [match, status] of [
        ['garbage', 200],
        ['"other"', 200],
        ['"', 200],
        ['*', 304],
        [etag, 304],
        [`"other", ${etag}`, 304],
        [`W/${etag.replace(/^W\//, '')}`, 304],
      ] as const)
        expect([match, (await card(world, { 'if-none-match': match })).status]).toEqual([match, status])
      expect((await card(world, { 'if-modified-since': 'yesterday' })).status).toBe(200)
    },
  },
  {
    id: 'I-09',
    what: 'a range of a card is the whole card',
    scene: async (world) => {
      const whole = await card(world, {})
      for (const range of ['bytes=0-1', 'bytes=-1', 'bytes=9-1', 'lines=1']) {
        const { status, text } = await card(world, { range })
        expect([status, text]).toEqual([200, whole.text])
      }
    },
  },
  {
    id: 'I-10',
    what: 'a Last-Event-ID that is none is as good as none',
    at: ['wire/bindings/parameters.test.ts'],
    cases: ['-1', '1e3', 'x', '1180591620717411303424', '99', '1, 2'].map((id) =>
      served(id, 'SubscribeToTask', get, { headers: { 'last-event-id': id } }),
    ),
  },
  {
    id: 'I-11',
    what: 'a Last-Event-ID of another task is a number, and gives no right to it',
    cases: [
      served('own task', 'SubscribeToTask', get, { headers: { 'last-event-id': '0' } }),
      refused('foreign task', 'SubscribeToTask', ({ foreign }) => ({ id: foreign }), 'TASK_NOT_FOUND', {
        headers: { 'last-event-id': '1' },
      }),
    ],
  },
]
