/** Outbound calls through an operator's proxy (SR-37): what goes there, what never does, and what is told when it fails. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createEgress, type EgressOptions } from '../../src/platform/egress.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../support/certificate.ts'
import { type ConnectProxy, startConnectProxy } from '../support/connectProxy.ts'

const bounds = { headersMs: 5_000, bytesMax: 1_000 }
const stops: (() => Promise<unknown>)[] = []
let proxy: ConnectProxy

beforeEach(async () => {
  proxy = await startConnectProxy()
  stops.push(proxy.stop)
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  stops.push(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

/** Nothing is looked up here: a name that is, is a leak and an unguarded way. */
function egressWith(options: Partial<EgressOptions> & { hosts?: readonly string[]; url?: string } = {}) {
  const { hosts, url = proxy.url, ...more } = options
  const egress = createEgress({
    allow: [],
    lookup: async (name) => Promise.reject(new Error(`looked up ${name}`)),
    proxy: { url, ...(hosts && { hosts }) },
    ...more,
  })
  stops.push(egress.close)
  return egress
}
const answering = (...words: string[]) =>
  createServer((request, response) => response.end([...words, request.headers.host, request.url].join(' ')))

test('a name is asked for through the proxy, which alone looks it up; its connections are kept', async () => {
  proxy.leadTo(await listening(answering('plain')))
  const egress = egressWith({ url: proxy.url.replace('//', '//me:s%40crets@') })
  for (let at = 0; at < 4; at++) {
    const answer = await egress.request({ url: 'http://agent.example.test/a?b', ...bounds })
    expect(answer).toMatchObject({ status: 200 })
    expect('body' in answer && String(answer.body)).toBe('plain agent.example.test /a?b')
  }
  expect(proxy.asked.length).toBeLessThan(4)
  expect(new Set(proxy.asked)).toEqual(new Set(['agent.example.test:80']))
  expect(new Set(proxy.authorizations)).toEqual(new Set([`Basic ${Buffer.from('me:s@crets').toString('base64')}`]))
})

test('https is with the host itself: its certificate counts, not the proxy’s word', async () => {
  const server = createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (_, response) => response.end('secret'))
  proxy.leadTo(await listening(server))
  const trusting = egressWith({ ca: TEST_CERTIFICATE })
  const other = await trusting.request({ url: 'https://agent.example.test/', ...bounds })
  expect(other).toMatchObject({ kind: 'unreachable', sent: false, reason: expect.stringContaining('TLS') })
  expect(await egressWith().request({ url: 'https://agent.example.test/', ...bounds })).toMatchObject({
    kind: 'unreachable',
    sent: false,
  })
  expect(new Set(proxy.asked)).toEqual(new Set(['agent.example.test:443']))
})

test('gRPC’s HTTP/2 goes the same way', async () => {
  const server = createHttp2Server((request, response) => response.end(`h2 ${request.headers[':path']}`))
  proxy.leadTo(await listening(server))
  const answer = await egressWith().request({ url: 'http://agent.example.test/x', http2: true, ...bounds })
  expect('body' in answer && String(answer.body)).toBe('h2 /x')
  expect(proxy.asked).toEqual(['agent.example.test:80'])
})

test('the guard stands before the proxy: what may not be called is not asked of it either', async () => {
  const egress = egressWith()
  for (const url of [
    'http://127.0.0.1/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/',
    'http://[::ffff:10.0.0.1]/',
    'http://localhost/',
    'http://metadata.google.internal/',
    'http://intranet/',
    'http://user:pass@agent.example.test/',
    'http://agent.example.test:25/',
  ]) {
    expect([url, egress.checkUrl(url) !== undefined]).toEqual([url, true])
    expect(await egress.request({ url, ...bounds })).toMatchObject({ kind: 'blocked', sent: false })
  }
  const https = egressWith({ httpsOnly: true })
  expect(https.checkUrl('http://agent.example.test/')).toBe('plain http')
  expect(proxy.asked).toEqual([])
})

test('its own list of hosts', async () => {
  proxy.leadTo(await listening(answering('served')))
  const egress = egressWith({ hosts: ['Agent.example.test', '*.acme.test:8443', '8.8.8.8'] })
  const taken = [
    'http://agent.example.test/',
    'https://agent.example.test./',
    'https://a.b.acme.test:8443/',
    'http://8.8.8.8/',
  ]
  const refused = [
    'https://acme.test:8443/',
    'https://a.acme.test/',
    'https://notacme.test:8443/',
    'http://agent.example.test.evil.test/',
    'http://9.9.9.9/',
  ]
  expect(taken.map(egress.checkUrl)).toEqual(taken.map(() => undefined))
  expect(refused.map(egress.checkUrl)).toEqual(refused.map(() => 'host that the proxy is not for'))
  expect(await egress.request({ url: refused[1] as string, ...bounds })).toMatchObject({ kind: 'blocked' })
  expect(proxy.asked).toEqual([])
  for (const hosts of [['http://x'], ['a b'], ['*']]) expect(() => egressWith({ hosts })).toThrow(TypeError)
  expect(() => egressWith({ url: 'socks5://x' })).toThrow(TypeError)
})

test('what the operator’s networks cover is called directly, guarded as ever', async () => {
  const port = await listening(answering('inside'))
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }]
  const egress = egressWith({ allow: ['127.0.0.0/8'], lookup })
  for (const host of ['127.0.0.1', 'localhost', 'agent.internal']) {
    const answer = await egress.request({ url: `http://${host}:${port}/`, ...bounds })
    expect('body' in answer && String(answer.body)).toBe(`inside ${host}:${port} /`)
  }
  const elsewhere = egressWith({ allow: ['10.0.0.0/8'], lookup })
  expect(await elsewhere.request({ url: `http://agent.internal:${port}/`, ...bounds })).toMatchObject({
    kind: 'blocked',
  })
  expect(proxy.asked).toEqual([])
})

test('what fails at the proxy has provably not been sent', async () => {
  const ask = (given = {}) => egressWith(given).request({ url: 'http://agent.example.test/', ...bounds })
  for (const status of [403, 407, 502]) {
    proxy.refuseWith(status)
    const reason = `the proxy answered ${status}`
    expect(await ask()).toEqual({ kind: 'unreachable', sent: false, reason })
  }
  proxy.fallSilent()
  const reason = 'the proxy: connecting took too long'
  expect(await ask({ connectMs: 50 })).toEqual({ kind: 'unreachable', sent: false, reason })
  expect(await ask({ url: 'http://127.0.0.1:1' })).toEqual({
    kind: 'unreachable',
    sent: false,
    reason: 'the proxy: connection refused',
  })
})
