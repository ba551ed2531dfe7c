/** B5: our signatures on cards and webhooks, by two independent verifiers, before, during and after a rotation. */
import { type IncomingHttpHeaders, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { AgentCard, AgentCardSignature } from '../../src/a2a/agentCard.ts'
import { cryptoAccepts, cryptoAcceptsJwt, type Jwks, sdkAccepts } from '../support/cardVerifiers.ts'
import { openServer, type Server } from '../support/databases.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { aWorld, type World } from '../support/world.ts'

/** As it is served: with at least one signature. */
type Card = AgentCard & {
  readonly signatures: readonly [AgentCardSignature, ...AgentCardSignature[]]
  readonly [member: string]: unknown
}
interface Keys {
  readonly items: readonly { readonly id: string; readonly state: string }[]
}

let world: World
let receiver: Receiver
beforeAll(async () => {
  // The SDK tells of each signature that is another verifier's.
  vi.spyOn(console, 'debug').mockImplementation(() => {})
  receiver = await startReceiver()
  world = await aWorld({
    cards: { box: { description: 'keeps – “what” it is given', skills: [{ id: 's', tags: ['ü'] }] } },
    limits: { agentCacheMs: 0 },
    env: { WAYPOST_ROOT_AGENT: 'box' },
  })
})
afterAll(async () => {
  await world?.stop()
  await receiver?.stop()
})

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${world.gateway.url}${path}`, { headers })
const CARD = '/agents/box/.well-known/agent-card.json'
const PURE = { 'a2a-version': '1.0' }
const cardOf = async (headers: Record<string, string> = {}) => (await (await get(CARD, headers)).json()) as Card
const jwks = async () => (await (await get('/.well-known/jwks.json')).json()) as Jwks
const admin = async (path: string, body?: unknown) => {
  const response = await fetch(`${world.gateway.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${world.gateway.adminKey}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: (await response.json()) as Keys }
}
const kidOf = ({ signatures: [signature] }: Card) =>
  JSON.parse(Buffer.from(signature.protected, 'base64url').toString()).kid

/** A webhook's JWT, made now. */
async function aJwt(): Promise<string> {
  const client = world.client('box')
  const task = await client.send('x', { configuration: { returnImmediately: true } })
  await client.rpc('CreateTaskPushNotificationConfig', { taskId: task.id, url: receiver.url })
  await client.rpc('CancelTask', { id: task.id })
  const { headers } = await receiver.next(({ body }) => body.includes(task.id))
  return String(headers['x-a2a-signature-jwt'])
}

async function expectGood(card: Card, keys: Jwks): Promise<void> {
  expect([await sdkAccepts(card, keys), cryptoAccepts(card, keys)]).toEqual([true, true])
}

test('both verifiers accept both presentations, and neither a changed byte', async () => {
  const keys = await jwks()
  expect(keys.keys).toHaveLength(1)
  expect(JSON.stringify(keys)).not.toContain('"d"')
  for (const headers of [PURE, {}]) {
    const card = await cardOf(headers)
    await expectGood(card, keys)
    for (const changed of [
      { ...card, name: `${card.name} ` },
      { ...card, version: '00' },
      { ...card, supportedInterfaces: [{ ...card.supportedInterfaces[0], url: 'https://evil.example/' }] },
      { ...card, capabilities: { ...card.capabilities, streaming: false } },
    ])
      expect([await sdkAccepts(changed, keys), cryptoAccepts(changed, keys)]).toEqual([false, false])
    const [{ signature, ...rest }] = card.signatures
    const turned = signature.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'))
    const forged = { ...card, signatures: [{ ...rest, signature: turned }] }
    expect([await sdkAccepts(forged, keys), cryptoAccepts(forged, keys)]).toEqual([false, false])
  }
})

/** The same with one value changed, for each value that there is. */
function* changes(value: unknown, path = ''): Generator<[path: string, changed: unknown]> {
  if (Array.isArray(value)) {
    for (const [at, inner] of value.entries())
      for (const [where, changed] of changes(inner, `${path}.${at}`)) yield [where, value.with(at, changed)]
    if (value.length > 0) yield [`${path}[]`, value.slice(1)]
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value))
      for (const [where, changed] of changes(inner, `${path}.${name}`)) yield [where, { ...value, [name]: changed }]
  } else yield [path, typeof value === 'string' ? `${value}x` : !value]
}

test('whatever is changed in a card, its signatures no longer hold', async () => {
  const keys = await jwks()
  const [{ signatures, ...pure }, { signatures: both, ...hybrid }] = [await cardOf(PURE), await cardOf()]
  let tried = 0
  for (const [path, changed] of changes(pure)) {
    const card = { ...(changed as object), signatures }
    expect([path, cryptoAccepts(card, keys)]).toEqual([path, false])
    // The SDKs leave requirements without scopes out of what they verify: whether there are any, their signature cannot tell.
    if (path !== '.securityRequirements[]') expect([path, await sdkAccepts(card, keys)]).toEqual([path, false])
    tried++
  }
  // The official verifier reads the members of 1.0 only; whoever reads the others has a signature over them, too.
  for (const [path, changed] of changes(hybrid)) {
    expect([path, cryptoAccepts({ ...(changed as object), signatures: both }, keys)]).toEqual([path, false])
    tried++
  }
  expect(tried).toBeGreaterThan(80)
})

test('the header says which key and where it is', async () => {
  const { signatures } = await cardOf(PURE)
  const keys = await jwks()
  expect(JSON.parse(Buffer.from(signatures[0].protected, 'base64url').toString())).toEqual({
    alg: 'ES256',
    typ: 'JOSE',
    kid: keys.keys[0]?.kid,
    jku: `${world.gateway.url}/.well-known/jwks.json`,
  })
})

describe('caches', () => {
  test.each([
    ['hybrid', {}],
    ['pure', PURE],
  ])('the %s card keeps its own ETag as long as it says the same, though it is signed', async (_, headers) => {
    const first = await get(CARD, headers)
    const etag = first.headers.get('etag') as string
    expect(first.headers.get('vary')).toBe('A2A-Version')
    expect(first.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/)
    const again = await get(CARD, headers)
    expect([again.headers.get('etag'), await again.text()]).toEqual([etag, await first.text()])
    const unchanged = await get(CARD, { ...headers, 'if-none-match': etag })
    expect([unchanged.status, await unchanged.text(), unchanged.headers.get('etag')]).toEqual([304, '', etag])
    const since = first.headers.get('last-modified') as string
    expect((await get(CARD, { ...headers, 'if-modified-since': since })).status).toBe(304)
    const head = await fetch(`${world.gateway.url}${CARD}`, { method: 'HEAD', headers })
    expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, etag, ''])
  })
  test('one presentation is not the other', async () => {
    const [hybrid, pure] = [await get(CARD), await get(CARD, PURE)]
    expect(hybrid.headers.get('etag')).not.toBe(pure.headers.get('etag'))
    expect((await get(CARD, { 'if-none-match': pure.headers.get('etag') as string })).status).toBe(200)
  })
  test('the keys are never served stale, and cheaply', async () => {
    const first = await get('/.well-known/jwks.json')
    expect(first.headers.get('cache-control')).toBe('public, no-cache')
    expect(first.headers.get('content-type')).toBe('application/jwk-set+json')
    const etag = first.headers.get('etag') as string
    expect((await get('/.well-known/jwks.json', { 'if-none-match': etag })).status).toBe(304)
  })
})

test('a rotation: what was signed before is good, what is signed after is good, and both keys are there', async () => {
  const [oldCard, oldEtag, oldJwt, oldKeys] = [
    await cardOf(PURE),
    (await get(CARD, PURE)).headers.get('etag') as string,
    await aJwt(),
    await jwks(),
  ]
  expect(cryptoAcceptsJwt(oldJwt, oldKeys)).toBe(true)
  const rotated = await admin('/v1/signing-keys/rotate', {})
  expect([rotated.status, rotated.json.items.map(({ state }) => state)]).toEqual([200, ['current', 'retiring']])
  const keys = await jwks()
  expect(keys.keys.map(({ kid }) => kid)).toEqual([rotated.json.items[0]?.id, oldKeys.keys[0]?.kid])
  const [newCard, newJwt] = [await cardOf(PURE), await aJwt()]
  expect(kidOf(newCard)).toBe(keys.keys[0]?.kid)
  await expectGood(newCard, keys)
  await expectGood(oldCard, keys)
  await expectGood(await cardOf(), keys)
  expect([cryptoAcceptsJwt(newJwt, keys), cryptoAcceptsJwt(oldJwt, keys)]).toEqual([true, true])
  // Who had the card asks, and is told that it has changed.
  expect((await get(CARD, { ...PURE, 'if-none-match': oldEtag })).status).toBe(200)

  // After: the old key has ended.
  expect((await admin('/v1/signing-keys/rotate', { graceSeconds: 0 })).json.items).toHaveLength(1)
  const left = await jwks()
  expect(left.keys).toHaveLength(1)
  await expectGood(await cardOf(PURE), left)
  expect(cryptoAcceptsJwt(await aJwt(), left)).toBe(true)
  expect([await sdkAccepts(oldCard, left), cryptoAccepts(oldCard, left)]).toEqual([false, false])
  expect(cryptoAcceptsJwt(oldJwt, left)).toBe(false)
})

test('the keys are an operator’s to rotate, and survive a restart', async () => {
  const response = await fetch(`${world.gateway.url}/v1/signing-keys/rotate`, { method: 'POST' })
  expect(response.status).toBe(401)
  expect((await admin('/v1/signing-keys/rotate', { graceSeconds: 5 })).json).toMatchObject({ code: 'INVALID_PARAMS' })
  await admin('/v1/signing-keys/rotate', {})
  const [card, keys] = [await cardOf(PURE), await jwks()]
  const { directory } = world
  await world.stop({ keep: true })
  world = await aWorld({ directory, limits: { agentCacheMs: 0 }, env: { WAYPOST_ROOT_AGENT: 'box' } })
  expect(await jwks()).toEqual(keys)
  expect(kidOf(await cardOf(PURE))).toBe(kidOf(card))
})

/** With a Host of one's own, which fetch does not let one say. */
function ask(
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<[number, IncomingHttpHeaders, string]> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(world.gateway.url)
    const asked = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      resolve([response.statusCode ?? 0, response.headers, text])
    })
    asked.on('error', reject).end()
  })
}

describe.each([
  ['below its path', '/agents/box', ''],
  ['below its path, in capitals', '/agents/BOX', ''],
  ['at its own host', '', 'box.'],
  ['at the root', '', ''],
])('%s', (_, base, host) => {
  const own = (headers: Record<string, string> = {}) => ({
    host: `${host}${new URL(world.gateway.url).host}`,
    ...headers,
  })
  test.each(['/.well-known/agent-card.json', '/.well-known/agent.json'])('%s', async (path) => {
    for (const version of [{}, PURE]) {
      const [status, headers, text] = await ask('GET', `${base}${path}`, own(version))
      expect([status, JSON.parse(text)]).toEqual([200, await cardOf(version)])
      const etag = (await get(CARD, version)).headers.get('etag') as string
      expect([headers.etag, headers.vary]).toEqual([etag, 'A2A-Version'])
      const [unchanged, , nothing] = await ask('GET', `${base}${path}`, own({ ...version, 'if-none-match': etag }))
      expect([unchanged, nothing]).toEqual([304, ''])
      const [head, , none] = await ask('HEAD', `${base}${path}`, own(version))
      expect([head, none]).toEqual([200, ''])
    }
  })
  test('beside it lie the keys', async () => {
    if (base !== '') return
    const [status, , text] = await ask('GET', '/.well-known/jwks.json', own())
    expect([status, JSON.parse(text)]).toEqual([200, await jwks()])
  })
})

describe('two gateways on one database', () => {
  let postgres: Server
  const both: World[] = []
  beforeAll(async () => {
    postgres = await openServer()
    const databaseUrl = await postgres.create()
    const env = { WAYPOST_ADMIN_KEY: `wp_admin_${'k'.repeat(43)}`, PUBLIC_URL: 'http://localhost:4280' }
    const options = {
      ...{ databaseUrl, env, cards: { box: { description: 'kept' } } },
      limits: { agentCacheMs: 0, signingKeysEveryMs: 300 },
    }
    both.push(await aWorld(options), await aWorld(options))
  })
  afterAll(async () => {
    for (const one of both) await one.stop()
    await postgres?.stop()
  })

  test('at every moment of a rotation each one’s card is good by the other’s keys', async () => {
    const [one, other] = both as [World, World]
    const at = async (gateway: World, path: string) =>
      await (await fetch(`http://127.0.0.1:${gateway.gateway.port}${path}`, { headers: PURE })).json()
    const signedBy = async () => {
      const kids: string[] = []
      for (const [signing, publishing] of [
        [one, other],
        [other, one],
        [one, one],
      ] as const) {
        // The card first: a key may be published between the two, but not taken away.
        const card = (await at(signing, CARD)) as Card
        await expectGood(card, (await at(publishing, '/.well-known/jwks.json')) as Jwks)
        kids.push(kidOf(card))
      }
      return kids
    }
    const [before] = await signedBy()
    const response = await fetch(`http://127.0.0.1:${one.gateway.port}/v1/signing-keys/rotate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${one.gateway.adminKey}` },
    })
    const { items } = (await response.json()) as Keys
    expect(items.map(({ state }) => state)).toEqual(['next', 'current'])
    const seen = new Set<string>()
    await expect
      .poll(
        async () => {
          const kids = await signedBy()
          for (const kid of kids) seen.add(kid)
          return kids
        },
        { timeout: 15_000 },
      )
      .toEqual([items[0]?.id, items[0]?.id, items[0]?.id])
    expect(seen).toEqual(new Set([before, items[0]?.id]))
  })
})
