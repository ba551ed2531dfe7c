/** Headers and methods of every route, right and wrong (SR-50 to SR-57): a suite on somebody's running gateway. */
import { METHODS } from 'node:http'
import { describe, expect, test } from 'vitest'
import { shapeOf } from './play.ts'
import { ROUTES } from './routes.ts'
import type { HostileWorld } from './world.ts'

/** Documents for everybody, which caches may keep for a while. */
const KEPT = /^\/((agents\/[^/]+\/)?\.well-known\/|(openapi\.json|docs|schemas)(\/|$))/
const CARD = '/agents/box/.well-known/agent-card.json'

/** The golden headers of one answer; `where` is its path. */
export function expectClean(headers: Readonly<Record<string, string | string[] | undefined>>, where: string): void {
  expect([where, headers['x-content-type-options'], headers['referrer-policy'], headers['x-frame-options']]).toEqual([
    where,
    'nosniff',
    'no-referrer',
    'DENY',
  ])
  expect(headers['content-security-policy'], where).toMatch(/^default-src 'none'/)
  if (!KEPT.test(where)) expect([where, headers['cache-control']]).toEqual([where, 'no-store'])
  for (const name of ['server', 'x-powered-by', 'access-control-allow-origin', 'set-cookie', 'via'])
    expect([where, name, headers[name]]).toEqual([where, name, undefined])
}

const A2A: readonly (readonly [method: string, path: string, version: string])[] = [
  ['POST', '', '1.0'],
  ['POST', '', '0.3'],
  ...[
    'message:send',
    'message:stream',
    'tasks/x:cancel',
    'tasks/x:subscribe',
    'tasks/x/pushNotificationConfigs',
  ].flatMap((path) => [['POST', `/${path}`, '1.0'] as const, ['POST', `/v1/${path}`, '0.3'] as const]),
  ['GET', '/tasks', '1.0'],
  ['GET', '/tasks/x', '1.0'],
  ['GET', '/v1/tasks/x', '0.3'],
  ['GET', '/extendedAgentCard', '1.0'],
  ['GET', '/v1/card', '0.3'],
  ['GET', '/nowhere', '1.0'],
  ['GET', '/.well-known/agent-card.json', '1.0'],
  ['GET', '/.well-known/agent.json', '0.3'],
]

/** Of an answer by hand. */
function headersIn(text: string): Record<string, string> {
  const lines = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').slice(1)
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.replace(/^[^:]*: ?/, '')]),
  )
}

export function hygieneSuite(given: () => HostileWorld): void {
  describe('the golden headers', () => {
    test('of every route of our own face, without a key and with the operator’s', async () => {
      for (const name of Object.keys(ROUTES)) {
        const [method = '', pattern = ''] = name.split(' ')
        const path = pattern.replace(/:[a-z]+/g, 'none')
        for (const key of [null, 'operator']) {
          // A rotation is no look, and registers nothing.
          if (key && /rotate$|^POST \/v1\/keys|refresh$/.test(name)) continue
          const body = method === 'POST' || method === 'PATCH' ? { body: '{}' } : {}
          const { headers, status } = await given().http({ method, path, key, ...body })
          expect(status, name).toBeLessThan(500)
          expectClean(headers, path)
        }
      }
    })

    test('of every A2A path of both versions, by everybody', async () => {
      for (const [method, path, version] of A2A)
        for (const key of [null, 'owner', 'reader']) {
          const body = method === 'POST' ? { body: '{}' } : {}
          const where = `/agents/box${path}`
          const { headers } = await given().http({
            method,
            path: where,
            key,
            headers: { 'a2a-version': version },
            ...body,
          })
          expectClean(headers, where)
        }
    })

    test('of what is served, as a stream too', async () => {
      const { http, fixtures } = given()
      for (const path of [`/tasks/${fixtures.waiting}`, `/tasks/${fixtures.waiting}:subscribe`]) {
        const where = `/agents/box${path}`
        const { headers, status } = await http({ method: 'GET', path: where, headers: { 'a2a-version': '1.0' } })
        expect(status).toBe(200)
        expectClean(headers, where)
      }
      const events = `/v1/tasks/${fixtures.waiting}/events`
      for (const accept of ['application/json', 'text/event-stream']) {
        const { headers, status } = await http({ method: 'GET', path: events, headers: { accept } })
        expect(status).toBe(200)
        expectClean(headers, events)
      }
    })

    test('of what no route has seen', async () => {
      const world = given()
      const { request } = shapeOf('/agents/box', world)
      for (const bytes of [
        request({ host: 'Host: evil.example\r\n' }),
        request({ host: '' }),
        request({ target: '/agents/../x' }),
        request({ target: `/x?${'x'.repeat(17_000)}` }),
        request({ more: 'X: y\r\n'.repeat(200) }),
        request({ more: 'X-A : b\r\n' }),
        request({ method: 'BREW' }),
        request({ length: 'Content-Length: 99999999\r\n', body: '' }),
        request({ more: 'Content-Encoding: gzip\r\n' }),
        request({ more: 'Expect: 42\r\n' }),
        'GET /healthz HTTP/1.0\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      ]) {
        const { text } = await world.raw(bytes)
        expect(text).toMatch(/^HTTP\/1\.1 4\d\d /)
        expectClean(headersIn(text), bytes.slice(0, 60))
      }
    })
  })

  test('every method that a path does not take is 405, and says which it takes', async () => {
    const world = given()
    const paths = [...A2A.map(([, path]) => `/agents/box${path}`), '/healthz', '/v1/agents', '/v1/keys/none', '/mcp']
    for (const path of new Set(paths.filter((path) => !path.endsWith('/nowhere'))))
      for (const method of METHODS.filter((one) => one !== 'CONNECT')) {
        const { status, headers } = await world.http({ method, path, headers: { 'a2a-version': '1.0' } })
        expect([method, path, status < 500], String(status)).toEqual([method, path, true])
        if (status !== 405) continue
        const allowed = String(headers.allow).split(', ')
        expect([method, path, allowed.length > 0, allowed.includes(method)]).toEqual([method, path, true, false])
      }
    for (const method of ['TRACE', 'PROPFIND', 'OPTIONS', 'LINK', 'MKCOL', 'PURGE'])
      for (const path of ['/agents/box', '/agents/box/message:send', CARD, '/v1/agents', '/healthz'])
        expect([method, path, (await world.http({ method, path })).status]).toEqual([method, path, 405])
  })

  test('exactly one host, of ours, whatever the form of the target', async () => {
    const world = given()
    const { port } = world.fixtures
    const status = async (target: string, host: string) => {
      const { text } = await world.raw(`GET ${target} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
      return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
    }
    const own = `Host: localhost:${port}\r\n`
    for (const [target, host, expected] of [
      ['/healthz', own, 200],
      ['/healthz', `Host: LOCALHOST:${port}\r\n`, 200],
      ['/healthz', `Host: [::1]:${port}\r\n`, 200],
      ['/healthz', `${own}${own}`, 400],
      ['/healthz', 'Host: localhost, evil.example\r\n', 400],
      ['/healthz', 'Host: user@localhost\r\n', 400],
      ['/healthz', 'Host: localhost/evil\r\n', 400],
      ['/healthz', 'Host: localhost.evil.example\r\n', 421],
      ['/healthz', 'Host: 0x7f000001\r\n', 421],
      ['/healthz', 'Host: 127.0.0.1.nip.io\r\n', 421],
      [`http://evil.example/healthz`, own, 400],
      [`//evil.example/healthz`, own, 404],
      [`http://localhost:${port}@evil.example/healthz`, own, 400],
      ['evil.example:80', own, 400],
      ['*', own, 400],
    ] as const)
      expect([target, host, await status(target, host)]).toEqual([target, host, expected])
  })
}
