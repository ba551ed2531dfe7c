/** All reasons × bindings × versions, over the wire: codes, statuses, bodies, headers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { A2A_DOMAIN, A2AError, REASONS, type Reason, type WireCodes } from '../../../src/a2a/errors.ts'
import { type Served, serveA2a } from './served.ts'

interface ErrorBody {
  readonly code?: number
  readonly error: {
    readonly code: number
    readonly status: string
    readonly message: string
    readonly data: Detail[]
    readonly details: Detail[]
  }
}
interface Detail {
  readonly '@type': string
  readonly reason: string
  readonly domain: string
  readonly metadata: unknown
}

let served: Served
let old: Served
beforeAll(async () => {
  served = await serveA2a()
  old = await serveA2a({ quirks: '1.0.0' })
  for (const each of [served, old]) {
    each.state.decide = ({ params }) => {
      const { id: reason } = params as { id: Reason }
      throw new A2AError(reason, 'said so', { metadata: { k: 'v' } })
    }
  }
})
afterAll(() => Promise.all([served.close(), old.close()]))

const reasons = (Object.keys(REASONS) as Reason[]).map((reason) => ({ reason, codes: REASONS[reason] as WireCodes }))

describe.each(reasons)('$reason', ({ reason, codes }) => {
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason,
    domain: codes.domain ?? A2A_DOMAIN,
    metadata: { k: 'v' },
  }
  const late = reason === 'VERSION_NOT_SUPPORTED' || reason === 'EXTENSION_SUPPORT_REQUIRED'

  test.each([
    ['GetTask', codes.jsonRpc],
    ['tasks/get', late ? -32004 : codes.jsonRpc],
  ])('JSON-RPC %s', async (method, code) => {
    const answer = await served.rpc(method, { id: reason })
    expect(answer.status).toBe(codes.jsonRpcHttp ?? 200)
    expect(answer.json).toEqual({ jsonrpc: '2.0', id: 7, error: { code, message: 'said so', data: [info] } })
    expect(answer.headers['content-type']).toBe('application/json')
  })

  test('HTTP+JSON 1.0', async () => {
    const answer = await served.ask({ method: 'GET', path: `/agents/echo/tasks/${reason}` })
    const status = reason === 'METHOD_NOT_FOUND' ? 'NOT_FOUND' : codes.grpc
    expect(answer.status).toBe(codes.http)
    expect(answer.json).toEqual({ error: { code: codes.http, status, message: 'said so', details: [info] } })
    expect(answer.headers['content-type']).toBe('application/a2a+json')
  })

  test('HTTP+JSON 0.3 says it both ways', async () => {
    const answer = await served.ask({ method: 'GET', path: `/agents/echo/v1/tasks/${reason}` })
    const body = answer.json as ErrorBody
    expect(answer.status).toBe(codes.http)
    expect(body).toMatchObject({ code: late ? -32004 : codes.jsonRpc, message: 'said so', error: { code: codes.http } })
    expect(answer.headers['content-type']).toBe('application/json')
  })
})

test.each([
  ['TASK_NOT_CANCELABLE', 409],
  ['CONTENT_TYPE_NOT_SUPPORTED', 415],
  ['INVALID_AGENT_RESPONSE', 502],
  ['TASK_NOT_FOUND', 404],
])('1.0.0 answered %s with %i', async (reason, status) => {
  const answer = await old.ask({ method: 'GET', path: `/agents/echo/tasks/${reason}` })
  expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/json'])
})

test('1.0.0 answered a wrong content type inside HTTP 200', async () => {
  const answer = await old.ask({ body: '{}', headers: { 'content-type': 'text/plain' } })
  expect([answer.status, (answer.json as ErrorBody).error.code]).toEqual([200, -32005])
})

test('what only a header can say', async () => {
  const limited = await served.ask({ method: 'GET', path: '/agents/echo/tasks/RATE_LIMITED' })
  expect(limited.headers['retry-after']).toBe('1')
  const unknown = await served.ask({ method: 'GET', path: '/agents/echo/tasks/UNAUTHENTICATED' })
  expect(unknown.headers['www-authenticate']).toMatch(/^Bearer /)
})

test('a bug is a reference, and its text goes to the operator only', async () => {
  served.state.decide = () => {
    throw new TypeError('password=hunter2')
  }
  const told = served.next('service.failed')
  const answer = await served.rpc('GetTask', { id: 't' })
  const body = answer.json as ErrorBody
  expect([answer.status, body.error.code]).toEqual([200, -32603])
  expect(answer.text).not.toContain('hunter2')
  const { error } = await told
  expect(error).toContain('hunter2')
  expect(error).toContain(/reference (\S+)/.exec(body.error.message)?.[1])
})

test('H-01 no credential is 401 on every binding, before anything else is looked at', async () => {
  const headers = { authorization: '' }
  for (const path of ['/agents/echo/', '/agents/nobody/', '/agents/echo/message:send', '/agents/echo/no/such/path']) {
    const answer = await served.ask({ path, body: 'not json', headers })
    expect([path, answer.status]).toEqual([path, 401])
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer /)
  }
  const rpc = await served.ask({ body: 'not json', headers })
  expect(rpc.json).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } })
})

test('H-12 two credentials are a riddle', async () => {
  const both = await served.ask({ body: '{}', headers: { 'x-api-key': 'k' } })
  expect([both.status, (both.json as ErrorBody).error.code]).toEqual([400, -32600])
  const raw =
    'GET /agents/echo/tasks/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n'
  expect(await served.raw(raw)).toMatch(/^HTTP\/1\.1 400 /)
})

test('SR-05 authentication that breaks lets nobody in', async () => {
  const broken = await serveA2a({
    authenticate: async () => {
      throw new TypeError('jwks')
    },
  })
  const absent = await serveA2a({ authenticate: async () => undefined as never })
  expect((await broken.rpc('GetTask', { id: 't' })).status).toBe(503)
  expect((await absent.rpc('GetTask', { id: 't' })).status).toBe(401)
  expect([broken.asked, absent.asked]).toEqual([[], []])
  await Promise.all([broken.close(), absent.close()])
})
