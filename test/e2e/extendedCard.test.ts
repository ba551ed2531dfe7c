/** The extended card through the gateway: the agent's, with our addresses, our ways to prove who one is, our signature. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Jwks, sdkAccepts } from '../support/cardVerifiers.ts'
import { freePort } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'

type Json = Record<string, unknown>
const SECRET = 'Bearer gateway-at-the-agent'

let server: Server
let base: string
let world: World
/** What the agent answers to a request for its extended card: a status and a body. */
let extended: (request: IncomingMessage, method: string) => [number, unknown]
let asked: { path: string; headers: IncomingMessage['headers'] }[]

const skill = (id: string) => ({ id, name: id, description: 'd', tags: ['t'] })
const shared = {
  name: 'Upstream',
  description: 'has more to tell',
  version: '3',
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
}
const cards: Record<string, (more?: Json) => Json> = {
  new: (more = {}) => ({
    ...shared,
    capabilities: { extendedAgentCard: true },
    skills: [skill('public')],
    supportedInterfaces: [{ url: `${base}/new/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    ...more,
  }),
  rest: (more = {}) => ({
    ...shared,
    capabilities: { extendedAgentCard: true },
    skills: [skill('public')],
    supportedInterfaces: [{ url: `${base}/rest/v`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' }],
    ...more,
  }),
  old: (more = {}) => ({
    ...shared,
    protocolVersion: '0.3.0',
    url: `${base}/old/rpc`,
    preferredTransport: 'JSONRPC',
    capabilities: {},
    supportsAuthenticatedExtendedCard: true,
    skills: [skill('public')],
    ...more,
  }),
  older: (more = {}) => ({
    ...shared,
    url: `${base}/older/rpc`,
    capabilities: {},
    supportsAuthenticatedExtendedCard: true,
    skills: [skill('public')],
    ...more,
  }),
  plain: () => ({
    ...cards.new?.({ capabilities: {} }),
    supportedInterfaces: [{ url: `${base}/plain/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  }),
}
cards.open = (more = {}) => ({ ...cards.new?.(), ...more })

const text = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

beforeAll(async () => {
  vi.spyOn(console, 'debug').mockImplementation(() => {})
  server = createServer(async (request, response) => {
    const { url: path = '', headers } = request
    const say = (status: number, body: unknown) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const known = /^\/(\w+)\/\.well-known\/agent-card\.json$/.exec(path)?.[1]
    if (known) return say(200, cards[known]?.())
    if (path.includes('.well-known')) return say(404, {})
    const body = await text(request)
    const { id, method = '' } = body ? (JSON.parse(body) as { id?: number; method?: string }) : {}
    asked.push({ path, headers })
    if (headers.authorization !== SECRET) return say(401, { error: 'who are you?' })
    const [status, answer] = extended(request, method)
    const error = answer as { code?: number }
    if (request.method === 'GET' || status !== 200) return say(status, answer)
    say(200, { jsonrpc: '2.0', id, ...(error?.code ? { error } : { result: answer }) })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = { scheme: 'Bearer', token: SECRET.slice('Bearer '.length) }
  const agent = (name: string, more = {}) => ({
    connector: { kind: 'a2a', url: `${base}/${name}/` },
    credentials,
    ...more,
  })
  world = await aWorld({
    cards: {
      new: agent('new'),
      rest: agent('rest'),
      old: agent('old'),
      older: agent('older'),
      plain: agent('plain'),
      open: agent('open', { access: 'anonymous' }),
      stranger: agent('new', { credentials: { scheme: 'Bearer', token: 'wrong' } }),
      box: { connector: { kind: 'mailbox' } },
    },
  })
  for (const name of ['new', 'rest', 'old', 'older', 'plain', 'open', 'stranger'])
    await admin('POST', `/v1/agents/${name}/probe`)
})
afterAll(async () => {
  await world?.stop()
  server?.close()
})
beforeEach(() => {
  asked = []
  extended = (_, method) => [200, method.startsWith('agent/') ? cards.old?.(more) : cards.new?.(more)]
})
const more = { skills: [skill('public'), skill('secret')], description: 'for those who are known\u202e' }

const admin = (method: string, path: string) =>
  fetch(`${world.gateway.url}${path}`, { method, headers: { authorization: `Bearer ${world.gateway.adminKey}` } })

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly card: Json & { skills: { id: string }[]; supportedInterfaces: { url: string }[] }
  readonly error: { code?: number; data?: { reason?: string }[]; details?: { reason?: string }[] } | undefined
}
const WAYS = {
  '1.0 JSON-RPC': ['POST', '', '1.0', 'GetExtendedAgentCard'],
  '1.0 HTTP+JSON': ['GET', '/extendedAgentCard', '1.0', ''],
  '0.3 JSON-RPC': ['POST', '', '0.3', 'agent/getAuthenticatedExtendedCard'],
  '0.3 HTTP+JSON': ['GET', '/v1/card', '0.3', ''],
} as const
type Way = keyof typeof WAYS

async function ask(
  agent: string,
  way: Way = '1.0 JSON-RPC',
  key: string | null = world.gateway.adminKey,
): Promise<Answer> {
  const [method, path, version, name] = WAYS[way]
  const response = await fetch(`${world.gateway.url}/agents/${agent}${path}`, {
    method,
    headers: {
      'a2a-version': version,
      'content-type': 'application/json',
      'x-canary': 'caller',
      ...(key && { authorization: `Bearer ${key}` }),
    },
    ...(name && { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: name }) }),
  })
  const json = (await response.json()) as { result?: never; error?: never }
  const { status, headers } = response
  return { status, headers, card: (name ? json.result : json) as never, error: json.error }
}
const reasonOf = ({ error }: Answer) => (error?.data ?? error?.details)?.find(({ reason }) => reason)?.reason
const jwks = async () => (await (await fetch(`${world.gateway.url}/.well-known/jwks.json`)).json()) as Jwks

describe.each(Object.keys(WAYS) as Way[])('%s', (way) => {
  test('is the agent’s, as this gateway fronts it, and for nobody’s cache', async () => {
    const { status, headers, card } = await ask('new', way)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(card).toMatchObject({ name: 'Upstream', description: 'for those who are known' })
    expect(card.skills.map(({ id }) => id)).toEqual(['public', 'secret'])
    for (const { url } of card.supportedInterfaces) expect(url).toBe(`${world.gateway.url}/agents/new/`)
    expect(Object.keys(card.securitySchemes as object)).toEqual(['bearer', 'apiKey'])
    expect(JSON.stringify(card)).not.toContain(base)
    if (way.startsWith('1.0')) expect(await sdkAccepts(card, await jwks())).toBe(true)
  })

  test('is refused in the words of its version', async () => {
    const anonymous = await ask('new', way, null)
    expect([anonymous.status, reasonOf(anonymous)]).toEqual([401, 'UNAUTHENTICATED'])
    expect(reasonOf(await ask('plain', way))).toBe('UNSUPPORTED_OPERATION')
    // Of an agent that collects the gateway itself knows more than the public card says.
    expect((await ask('box', way)).card).toMatchObject({ name: 'box' })
    extended = () => [200, { code: -32007, message: 'not configured' }]
    const none = await ask('new', way)
    expect(reasonOf(none)).toBe('EXTENDED_AGENT_CARD_NOT_CONFIGURED')
    if (way.endsWith('RPC')) expect(none.error?.code).toBe(-32007)
    else expect(none.status).toBe(400)
    expect(asked.every(({ headers }) => headers.authorization === SECRET)).toBe(true)
  })
})

test('is asked for anew by every call, with the gateway’s credentials and none of the caller’s', async () => {
  await ask('new')
  extended = () => [200, cards.new?.({ skills: [skill('other')] })]
  expect((await ask('new')).card.skills.map(({ id }) => id)).toEqual(['other'])
  expect(asked).toHaveLength(2)
  for (const { headers } of asked) {
    expect(headers).toMatchObject({ authorization: SECRET })
    expect(headers).not.toHaveProperty('x-canary')
    expect(JSON.stringify(headers)).not.toContain(world.gateway.adminKey)
  }
  // What one caller was shown is not what the public is shown.
  const open = await (await fetch(`${world.gateway.url}/agents/new/.well-known/agent-card.json`)).text()
  expect(open).not.toContain('other')
})

test.each([
  ['rest', ['/rest/v/extendedAgentCard']],
  ['old', ['/old/rpc']],
  ['older', ['/older/rpc', '/older/v1/card', '/older/agent/authenticatedExtendedCard']],
])('of an agent that is %s', async (agent, paths) => {
  extended = ({ url = '' }, method) => {
    if (url === '/older/rpc') return [200, { code: -32601, message: 'no such method' }]
    if (url === '/older/v1/card') return [404, {}]
    return [200, agent === 'rest' ? cards.rest?.(more) : method || agent === 'older' ? cards[agent]?.(more) : {}]
  }
  const { card } = await ask(agent)
  expect(card?.skills.map(({ id }) => id)).toEqual(['public', 'secret'])
  expect(asked.map(({ path }) => path)).toEqual(paths)
})

test.each<[string, () => [number, unknown], string, number]>([
  ['overloaded', () => [503, {}], 'AGENT_UNAVAILABLE', 503],
  ['in pieces', () => [500, {}], 'AGENT_UNAVAILABLE', 503],
  ['talking nonsense', () => [200, { hello: 1 }], 'INVALID_AGENT_RESPONSE', 500],
  ['sure that it has none', () => [200, { code: -32004, message: 'no' }], 'EXTENDED_AGENT_CARD_NOT_CONFIGURED', 400],
])('an agent that is %s', async (_, answer, reason, status) => {
  extended = answer
  const refused = await ask('new', '1.0 HTTP+JSON')
  expect([reasonOf(refused), refused.status]).toEqual([reason, status])
})

test('an agent that does not know the gateway, one that is away, and one that is paused', async () => {
  const stranger = await ask('stranger', '1.0 HTTP+JSON')
  expect([stranger.status, reasonOf(stranger)]).toEqual([503, 'AGENT_UNAVAILABLE'])
  await admin('POST', '/v1/agents/new/pause')
  expect(reasonOf(await ask('new'))).toBe('AGENT_UNAVAILABLE')
  await admin('POST', '/v1/agents/new/resume')
  const port = await freePort()
  await world.register({ name: 'away', connector: { kind: 'a2a', url: `http://127.0.0.1:${port}/` } })
  // It has not been seen, so nothing is declared.
  expect(reasonOf(await ask('away'))).toBe('UNSUPPORTED_OPERATION')
  expect(asked.every(({ headers }) => headers.authorization !== SECRET)).toBe(true)
})

test('E-23 is declared only where it can be had', async () => {
  const declared = async (agent: string) => {
    const response = await fetch(`${world.gateway.url}/agents/${agent}/.well-known/agent-card.json`, {
      headers: { 'a2a-version': '1.0' },
    })
    return ((await response.json()) as { capabilities: Json }).capabilities.extendedAgentCard
  }
  expect(await declared('new')).toBe(true)
  expect(await declared('plain')).toBeUndefined()
  expect(await declared('box')).toBe(true)
  expect(await declared('open')).toBe(false)
})
