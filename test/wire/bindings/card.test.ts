import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Egress } from '../../../src/platform/egress.ts'
import { isSameOrigin } from '../../../src/platform/origins.ts'
import { cardAddresses, createFetchCard } from '../../../src/wire/bindings/card.ts'
import { haste, loopbackEgress } from './peers.ts'

type Pages = Record<string, unknown>

let server: Server
let base: string
let pages: Pages
let asked: string[]
let last: IncomingMessage | undefined
let egress: Egress

beforeEach(async () => {
  pages = {}
  asked = []
  egress = loopbackEgress()
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    last = request
    const page = pages[request.url ?? '']
    if (typeof page === 'number') return void response.writeHead(page, { location: `${base}elsewhere` }).end()
    if (page === undefined) return void response.writeHead(404).end('{}')
    response.end(typeof page === 'string' ? page : JSON.stringify(page))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterEach(async () => {
  await egress.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const fetchAt = (url: string, headers = {}) =>
  createFetchCard({ egress, clock: haste() })({ tenant: 't', name: 'a', url, headers }, new AbortController().signal)

const modern = (url: string) => ({
  name: 'a',
  description: 'd',
  version: '1',
  capabilities: { streaming: true },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
})
const old = (url: string, protocolVersion = '0.3.0') => {
  const { supportedInterfaces: _, ...shared } = modern(url)
  return { ...shared, url, protocolVersion, preferredTransport: 'JSONRPC' }
}

test('where a card may be, best first', () => {
  expect(cardAddresses('https://h.example/agents/a')).toEqual([
    'https://h.example/agents/a/.well-known/agent-card.json',
    'https://h.example/agents/a/.well-known/agent.json',
    'https://h.example/agents/.well-known/agent-card.json',
    'https://h.example/agents/.well-known/agent.json',
    'https://h.example/.well-known/agent-card.json',
    'https://h.example/.well-known/agent.json',
  ])
  expect(cardAddresses('https://h.example')).toEqual([
    'https://h.example/.well-known/agent-card.json',
    'https://h.example/.well-known/agent.json',
  ])
  expect(cardAddresses('https://h.example/x/card.json?v=1')[0]).toBe('https://h.example/x/card.json?v=1')
})

describe('a card', () => {
  test.each([
    ['agent', '/agent/.well-known/agent-card.json', 1],
    ['agent/', '/agent/.well-known/agent-card.json', 1],
    ['agent', '/agent/.well-known/agent.json', 2],
    ['agents/a', '/agents/.well-known/agent-card.json', 3],
    ['agents/a', '/.well-known/agent-card.json', 5],
    ['agents/a', '/.well-known/agent.json', 6],
    ['my/card.json', '/my/card.json', 1],
  ])('of %s is found at %s', async (path, at, requests) => {
    pages[at] = modern(`${base}rpc`)
    expect(await fetchAt(base + path)).toMatchObject({ kind: 'fetched', url: new URL(at, base).href })
    expect(asked).toHaveLength(requests)
    expect(last?.headers).toMatchObject({ 'a2a-version': '1.0', accept: 'application/json' })
  })

  test('that repeats our credentials does so without them', async () => {
    pages['/.well-known/agent-card.json'] = { ...modern(`${base}rpc`), description: 'you sent me "top-secret-canary"' }
    const fetched = await fetchAt(base, { authorization: 'Bearer top-secret-canary' })
    expect(fetched).toMatchObject({ kind: 'fetched', card: { description: 'you sent me "[redacted]"' } })
  })

  test('of 0.3, of 0.2 and a hybrid say how to speak', async () => {
    const faces = async () => {
      const fetched = await fetchAt(base)
      return fetched.kind === 'fetched' && fetched.card.supportedInterfaces.map((face) => face.protocolVersion)
    }
    pages['/.well-known/agent-card.json'] = old(`${base}rpc`)
    expect(await faces()).toEqual(['0.3.0'])
    pages['/.well-known/agent-card.json'] = { ...old(`${base}rpc`), ...modern(`${base}rpc`) }
    expect(await faces()).toEqual(['1.0'])
    pages = { '/.well-known/agent.json': old(`${base}rpc`, '0.2.6') }
    expect(await faces()).toEqual(['0.2.6'])
  })

  test('says where the agent is, wherever that leads; relative addresses are relative to the card', async () => {
    const { port } = new URL(base)
    pages['/.well-known/agent-card.json'] = {
      ...modern(''),
      supportedInterfaces: [
        '/rpc',
        `http://localhost:${port}/a`,
        'http://evil.example/',
        'http://127.0.0.1:1/',
        'h:50051',
      ].map((url) => ({ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' })),
    }
    const fetched = await fetchAt(base)
    expect(fetched.kind === 'fetched' && fetched.card.supportedInterfaces.map(({ url }) => url)).toEqual([
      `${base}rpc`,
      `http://localhost:${port}/a`,
      'http://evil.example/',
      'http://127.0.0.1:1/',
      'h:50051',
    ])
    expect(asked).toEqual(['/.well-known/agent-card.json'])
    pages['/.well-known/agent-card.json'] = modern('javascript:alert(1)')
    expect(await fetchAt(base)).toMatchObject({ kind: 'failed', verdict: { code: 'INVALID_AGENT_RESPONSE' } })
  })

  test.each([
    ['HTML', '<html></html>', 'INVALID_AGENT_RESPONSE'],
    ['a list', '[]', 'INVALID_AGENT_RESPONSE'],
    ['no card', '{"hello":1}', 'INVALID_AGENT_RESPONSE'],
    ['too large', `{"x":"${'x'.repeat(300_000)}"}`, 'INVALID_AGENT_RESPONSE'],
    ['too deep', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, 'INVALID_AGENT_RESPONSE'],
    ['a redirect', 302, 'FAILED'],
    ['forbidden', 403, 'UPSTREAM_AUTH'],
    ['not there', 404, 'FAILED'],
    ['overload', 503, 'BUSY'],
    ['an error', 500, 'UNREACHABLE'],
  ])('K-16 that is %s is not fetched: %#', async (_what, page, code) => {
    pages['/.well-known/agent-card.json'] = page
    expect(await fetchAt(base)).toMatchObject({ kind: 'failed', verdict: { kind: 'refused', code } })
    expect(asked).not.toContain('/elsewhere')
  })

  test('of nobody', async () => {
    await new Promise((resolve) => server.close(resolve))
    expect(await fetchAt(base)).toMatchObject({ kind: 'failed', verdict: { code: 'UNREACHABLE', retry: true } })
    expect(await fetchAt('http://10.0.0.1/')).toMatchObject({ kind: 'failed', verdict: { code: 'EGRESS_BLOCKED' } })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
})

test.each([
  ['https://a.example/x', 'https://a.example:443/y', true],
  ['https://a.example', 'http://a.example', false],
  ['https://a.example', 'https://a.example:8443', false],
  ['https://a.example', 'https://b.a.example', false],
  ['http://localhost:80', 'http://127.0.0.1', true],
  ['http://[::1]:9', 'http://localhost:9', true],
  ['http://[::1]:9', 'http://localhost:8', false],
  ['localhost:1', 'localhost:1', false],
  ['', '', false],
])('%s and %s: same origin %s', (one, other, same) => expect(isSameOrigin(one, other)).toBe(same))
