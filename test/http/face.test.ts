import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Happenings } from '../../src/happenings.ts'
import { SAFE_HEADERS } from '../../src/http/safeHeaders.ts'
import type { Db } from '../../src/store/db.ts'
import { StoreError } from '../../src/store/db.ts'
import { openEmbedded } from '../../src/store/drivers/pglite.ts'
import { ADMIN, askRaw, type FaceWorld, openFace } from './world.ts'

let db: Db
let world: FaceWorld
beforeAll(async () => {
  db = await openEmbedded({})
  world = await openFace(db)
})
afterAll(async () => {
  await world.close()
  await db.close()
})

const ROUTES = [
  ['GET', '/v1/agents/x'],
  ['PATCH', '/v1/agents/x'],
  ['DELETE', '/v1/agents/x'],
  ['GET', '/v1/agents'],
  ...['probe', 'pause', 'resume', 'drain', 'rotate-key'].map((verb) => ['POST', `/v1/agents/x/${verb}`]),
  ['GET', '/v1/tasks'],
  ['GET', '/v1/tasks/x'],
  ['GET', '/v1/tasks/x/explain'],
  ['GET', '/v1/tasks/x/events'],
  ['GET', '/v1/tasks/x/receipts'],
  ['GET', '/v1/deliveries'],
  ['POST', '/v1/deliveries/x/replay'],
  ['POST', '/v1/deliveries/replay'],
  ['GET', '/v1/keys'],
  ['POST', '/v1/keys'],
  ['DELETE', '/v1/keys/x'],
  ['GET', '/v1/webhooks'],
  ['GET', '/v1/webhooks/attempts'],
  ['GET', '/v1/audit'],
  ['GET', '/v1/audit/verify'],
] as [string, string][]

test.each(ROUTES)('%s %s needs a key, and says how', async (method, path) => {
  // Wrong ones only for the first: the eleventh within a minute is told to wait.
  for (const key of [null, ...(path === '/v1/agents/x' ? ['wrong'] : [])]) {
    const { status, headers, json } = await world.ask(path, { method, key })
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toContain('Bearer')
    expect(headers['content-type']).toBe('application/problem+json')
    expect(json).toMatchObject({
      status: 401,
      code: 'UNAUTHENTICATED',
      hint: expect.any(String),
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
  }
})

test('what is an administrator’s is refused to others by name of the permit', async () => {
  const { json } = await world.ask('/v1/keys', { method: 'POST', body: { permits: ['read'] } })
  for (const path of ['/v1/keys', '/v1/audit', '/v1/audit/verify', '/v1/deliveries'])
    expect(await world.ask(path, { key: json.key })).toMatchObject({
      status: 403,
      json: { code: 'PERMISSION_DENIED', detail: 'this needs the permit "admin"' },
    })
  for (const path of ['/v1/agents', '/v1/tasks', '/v1/webhooks'])
    expect((await world.ask(path, { key: json.key })).status).toBe(200)
})

test('every answer has the headers of safety, errors too', async () => {
  const answers = [
    await world.ask('/healthz'),
    await world.ask('/nowhere'),
    await world.ask('/v1/agents', { key: null }),
    await world.ask('/healthz', { headers: { host: 'evil.test' } }),
    await world.ask('/a/../b'),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 404, 401, 421, 400])
  for (const { headers } of answers) {
    for (const [name, value] of Object.entries(SAFE_HEADERS)) expect(headers[name.toLowerCase()]).toBe(value)
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(headers['x-powered-by'] ?? headers.server).toBeUndefined()
  }
})

test('hosts: ours and loopback names; one header; the target may not name another', async () => {
  const port = world.port
  const status = async (host: string) => (await world.ask('/healthz', { headers: { host } })).status
  for (const host of [
    `localhost:${port}`,
    `127.0.0.1:${port}`,
    '127.0.0.1',
    `[::1]:${port}`,
    'localhost:1',
    `echo.localhost:${port}`,
  ])
    expect(await status(host), host).toBe(200)
  for (const host of ['evil.test', 'localhost.evil.test', '10.0.0.1', '127.0.0.1.evil.test', `evil.test:${port}`])
    expect(await status(host), host).toBe(421)
  for (const host of ['a b@c/../', 'localhost/..', 'localhost:x']) expect(await status(host), host).toBe(400)
  expect(await askRaw(port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n')).toContain('400')
  expect(await askRaw(port, 'GET /healthz HTTP/1.1\r\nHost:\r\n\r\n')).toContain('400')
  expect(await askRaw(port, 'GET /healthz HTTP/1.1\r\n\r\n')).toContain('400')
  expect((await world.ask('http://evil.test/healthz')).status).toBe(400)
})

test('paths that can be read in two ways are refused, those that are not there are not found', async () => {
  for (const path of [
    '/v1/../healthz',
    '/v1/%2e%2e/healthz',
    '/v1/tasks/a%2Fb',
    '/v1/tasks/a%00b',
    '/v1/tasks/%zz',
    '/v1/tasks/%ff%fe',
    '/v1\\tasks',
  ])
    expect((await world.ask(path)).status, path).toBe(400)
  for (const path of ['/', '//v1/agents', '/v1/agents/', '/V1/agents', '/v1/tasks/1', '/constructor', '/__proto__'])
    expect((await world.ask(path)).status, path).toBe(404)
})

test('a method that a path does not take is told which it takes', async () => {
  expect(await world.ask('/v1/agents', { method: 'PUT' })).toMatchObject({
    status: 405,
    headers: { allow: 'POST, GET' },
  })
  expect(await world.ask('/v1/tasks/x/explain', { method: 'DELETE' })).toMatchObject({
    status: 405,
    headers: { allow: 'GET' },
  })
  expect((await world.ask('/healthz', { method: 'OPTIONS', headers: { origin: 'http://evil.test' } })).status).toBe(405)
  expect((await world.ask('/healthz', { method: 'TRACE' })).status).toBe(405)
  expect(await world.ask('/healthz', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
})

test('bodies: JSON, small, as they are', async () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    world.ask('/v1/keys', { method: 'POST', body, headers })
  expect(await post('{"name"')).toMatchObject({ status: 400, json: { code: 'JSON_PARSE' } })
  expect(await post('{}', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 })
  expect(await post('{}', { 'content-encoding': 'gzip' })).toMatchObject({ status: 415 })
  expect(await post(JSON.stringify({ name: 'x'.repeat(300_000) }))).toMatchObject({
    status: 413,
    json: { code: 'PAYLOAD_TOO_LARGE' },
  })
  expect(await post('[]')).toMatchObject({ status: 400, json: { code: 'INVALID_PARAMS' } })
  expect(await post('{"nme":"x"}')).toMatchObject({
    status: 400,
    json: { violations: [{ field: 'nme', description: 'unknown' }] },
  })
})

test('a key in the query is no key', async () => {
  expect((await world.ask(`/v1/agents?api_key=${ADMIN}`, { key: null })).status).toBe(401)
})

test('two credentials are a bad request', async () => {
  expect((await world.ask('/v1/agents', { headers: { 'x-api-key': ADMIN } })).status).toBe(400)
  expect(
    (await world.ask('/v1/agents', { key: null, headers: { authorization: [`Bearer ${ADMIN}`, `Bearer ${ADMIN}`] } }))
      .status,
  ).toBe(400)
})

test('a caller’s trace is kept', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const { json } = await world.ask('/nowhere', { headers: { traceparent } })
  expect(json.traceId).toBe('0af7651916cd43dd8448eb211c80319c')
})

test('health: alive, ready, and why not', async () => {
  expect(await world.ask('/healthz', { key: null })).toMatchObject({
    status: 200,
    json: { status: 'ok', name: 'waypost', version: '0.0.0' },
  })
  expect(await world.ask('/readyz', { key: null })).toMatchObject({ status: 200, json: { status: 'ready' } })
  const { json } = await world.ask('/readyz?verbose', { key: null })
  expect(json.checks.map(({ name, ok }: { name: string; ok: boolean }) => [name, ok])).toEqual([
    ['database', true],
    ['schema', true],
    ['draining', true],
  ])
})

test('not ready: stopping, or no database; the process is alive all the same', async () => {
  const broken: Db = {
    ...db,
    ping: () => Promise.reject(new StoreError('ping', 'not done', undefined, new Error('secret-host refused'))),
  }
  const other = await openFace(broken)
  other.stopping.abort()
  const { status, json, text } = await other.ask('/readyz?verbose')
  expect(status).toBe(503)
  expect(json.checks.filter(({ ok }: { ok: boolean }) => !ok).map(({ name }: { name: string }) => name)).toEqual([
    'database',
    'draining',
  ])
  expect(text).not.toContain('secret-host')
  expect((await other.ask('/healthz')).status).toBe(200)
  await other.close()
})

test('a store that fails is 503 with its two meanings, a bug is 500 and says nothing of itself', async () => {
  const failing = (error: Error): Db => ({ ...db, query: () => Promise.reject(error) })
  const ask = async (error: Error) => {
    const other = await openFace(failing(error))
    const failures: Happenings['service.failed'][] = []
    other.signals.on('service.failed', (fact) => void failures.push(fact))
    const answer = await other.ask('/v1/audit')
    await other.close()
    return { answer, failures }
  }
  const down = await ask(new StoreError('x', 'not done', undefined, new Error('s3cret')))
  expect(down.answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, json: { code: 'UNAVAILABLE' } })
  const lost = await ask(new StoreError('x', 'unknown', undefined, new Error('s3cret')))
  expect(lost.answer).toMatchObject({ status: 503, json: { code: 'OUTCOME_UNKNOWN' } })
  const bug = await ask(new TypeError('s3cret'))
  expect(bug.answer).toMatchObject({ status: 500, json: { code: 'INTERNAL', detail: 'internal error' } })
  expect(bug.failures[0]?.error).toContain(bug.answer.json.traceId)
  for (const { answer } of [down, lost, bug]) expect(answer.text).not.toContain('s3cret')
})

test('metrics are for this machine or an operator', async () => {
  expect((await world.ask('/metrics', { key: null })).status).toBe(200)
  expect((await world.ask('/metrics', { key: null, headers: { 'x-forwarded-for': '203.0.113.1' } })).status).toBe(401)
  const open = await openFace(db, { bind: '0.0.0.0' })
  expect((await open.ask('/metrics', { key: null })).status).toBe(401)
  expect((await open.ask('/metrics')).status).toBe(200)
  await open.close()
})

test('well-known: our keys, and the public agents', async () => {
  await world.agents.register(
    { name: 'open', skills: [{ id: 's', tags: ['text'] }] },
    { tenant: 'default', id: 'operator', kind: 'key', permits: new Set(['operator']) },
  )
  await world.agents.register(
    { name: 'hidden', visibility: 'private' },
    { tenant: 'default', id: 'operator', kind: 'key', permits: new Set(['operator']) },
  )
  expect(await world.ask('/.well-known/jwks.json', { key: null })).toMatchObject({ status: 200, json: { keys: [] } })
  const { json, text } = await world.ask('/.well-known/ai-catalog.json', { key: null })
  expect(json.entries).toMatchObject([
    {
      identifier: 'urn:air:localhost:agent:open',
      type: 'application/a2a-agent-card+json',
      url: `http://localhost:${world.port}/agents/open/.well-known/agent-card.json`,
      tags: ['text'],
    },
  ])
  expect(text).not.toContain('hidden')
})
