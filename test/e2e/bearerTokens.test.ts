/** Tokens of an issuer and scopes at a running gateway: on every surface, on the card, in the challenge (SR-03, SR-06, SR-13, H-15). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/databases.ts'
import { AUDIENCE, type LocalIssuer, startIssuer } from '../support/issuer.ts'
import { aWorld, type World } from '../support/world.ts'
import { ask, makeKey, reasonOf, requestFor, SURFACES, TASK_OPERATIONS, type TaskOperation } from './surfaces.ts'

const OPERATIONS = Object.keys(TASK_OPERATIONS) as TaskOperation[]
const SCOPE_OF = { send: 'agent:away:send', read: 'task:read', cancel: 'task:cancel', push: 'push:write' } as const
const ALL = [...Object.values(SCOPE_OF), 'card:read']

let issuer: LocalIssuer
let world: World

beforeAll(async () => {
  issuer = await startIssuer()
  const nobody = `http://127.0.0.1:${await freePort()}/`
  world = await aWorld({
    limits: { authFailuresPerMinute: 100_000 },
    env: {
      WAYPOST_OIDC_ISSUERS: JSON.stringify([
        { issuer: issuer.url, audience: AUDIENCE, name: 'idp', scopes: { 'wp.read': ['task:read'], staff: ['admin'] } },
      ]),
    },
    cards: {
      away: { connector: { kind: 'a2a', url: nobody } },
      other: { connector: { kind: 'a2a', url: nobody } },
      box: { connector: { kind: 'mailbox' } },
    },
  })
})
afterAll(async () => {
  await world?.stop()
  await issuer?.stop()
})

const withScopes = (...scopes: string[]) => issuer.token({ scope: scopes.join(' ') })
const newTask = async () =>
  (await world.client('away', withScopes(...ALL)).send('x', { configuration: { returnImmediately: true } })).id

describe.each(SURFACES)('%s', (surface) => {
  test.each(Object.entries(SCOPE_OF))(
    'without the scope for %s just that is refused, by its name',
    async (permit, scope) => {
      const id = await newTask()
      const token = withScopes(...ALL.filter((other) => other !== scope))
      for (const name of OPERATIONS) {
        // A cancel ends it for those that come after.
        if (name === 'CancelTask' && permit !== 'cancel') continue
        const needs = TASK_OPERATIONS[name]
        if (name.startsWith('Send') && permit !== 'send') continue
        const answer = await ask(world, 'away', requestFor(surface, name, id), token)
        if (needs !== permit) {
          expect([name, reasonOf(answer)]).not.toEqual([name, 'PERMISSION_DENIED'])
          continue
        }
        // Its readers want an event stream, whatever there is to say.
        const streamed = surface === 'JSON-RPC 0.3' && name === 'SubscribeToTask'
        expect([name, answer.status, reasonOf(answer)]).toEqual([name, streamed ? 200 : 403, 'PERMISSION_DENIED'])
        expect(answer.text).toContain(scope)
        if (!streamed)
          expect(answer.headers['www-authenticate']).toContain(`error="insufficient_scope", scope="${scope}"`)
      }
    },
  )

  test('the scope to send to one agent is none for another', async () => {
    const answer = await ask(world, 'other', requestFor(surface, 'SendMessage', await newTask()), withScopes(...ALL))
    expect([answer.status, reasonOf(answer)]).toEqual([403, 'PERMISSION_DENIED'])
    expect(answer.text).toContain('agent:other:send')
  })

  test('bad tokens: the answer for a bad key, to the letter', async () => {
    const id = await newTask()
    const request = requestFor(surface, 'GetTask', id)
    const key = await ask(world, 'away', request, `wp_0123456789abcdef_${'x'.repeat(49)}`)
    expect([key.status, reasonOf(key)]).toEqual([401, 'UNAUTHENTICATED'])
    for (const token of [
      issuer.token({ aud: 'https://other.test' }),
      issuer.token({ exp: 1, iat: 0 }),
      issuer.confused(),
    ])
      expect(await ask(world, 'away', request, token)).toEqual(key)
  })
})

test('keys take scopes as tokens do', async () => {
  const { key } = await makeKey(world, { scopes: ['agent:away:send', 'task:read'] })
  const client = world.client('away', key)
  const { id } = await client.send('x', { configuration: { returnImmediately: true } })
  expect((await client.get(id)).id).toBe(id)
  const { status, error } = await client.rpc('CancelTask', { id })
  expect([status, error.data[0].metadata.scope]).toEqual([403, 'task:cancel'])
})

describe('mailboxes by scope', () => {
  const lease = (token: string, agent?: string) =>
    fetch(`${world.gateway.url}/v1/inbox/lease`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(agent && { 'x-waypost-agent': agent }),
      },
      body: '{}',
    })

  test('who has the scope collects for that agent, and for no other', async () => {
    await world.client('box').send('work', { configuration: { returnImmediately: true } })
    for (const scopes of [['mailbox:away'], ['mailbox:other', 'task:read'], ['agent:box:send']])
      expect((await lease(withScopes(...scopes), 'box')).status).toBe(403)
    const answer = await lease(withScopes('mailbox:box'))
    expect((await answer.json()) as object).toMatchObject({ text: 'work' })
    expect((await lease(withScopes('mailbox:box', 'mailbox:away'))).status).toBe(400)
    expect((await lease(withScopes('mailbox:box', 'mailbox:away'), 'BOX')).status).toBe(204)
  })
})

test('who may only observe sees how tasks fare, not what they say, and changes nothing', async () => {
  const id = await newTask()
  const { key } = await makeKey(world, { scopes: ['observe'] })
  const look = async (path: string, method = 'GET') =>
    (await fetch(`${world.gateway.url}${path}`, { method, headers: { authorization: `Bearer ${key}` } })).status
  for (const path of [
    `/v1/tasks/${id}`,
    `/v1/tasks/${id}/explain`,
    '/v1/tasks',
    '/v1/deliveries',
    '/v1/webhooks',
    '/v1/audit',
  ])
    expect([path, await look(path)]).toEqual([path, 200])
  for (const [method, path] of [
    ['GET', `/v1/tasks/${id}/events`],
    ['GET', '/v1/keys'],
    ['POST', `/v1/deliveries/${id}/replay`],
    ['POST', '/v1/agents/away/pause'],
  ] as const)
    expect([path, await look(path, method)]).toEqual([path, 403])
})

describe('what is told of it', () => {
  const get = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(`${world.gateway.url}${path}`, { headers })) as Response

  test('the metadata of the protected resource, and where it is in every challenge', async () => {
    for (const path of ['', '/mcp']) {
      const response = await get(`/.well-known/oauth-protected-resource${path}`)
      expect(await response.json()).toEqual({
        resource: `${world.gateway.url}${path}`,
        authorization_servers: [issuer.url],
        scopes_supported: ['agent:*:send', 'wp.read', 'task:cancel', 'push:write', 'card:read'],
        bearer_methods_supported: ['header'],
        resource_name: 'Waypost',
      })
    }
    const at = `resource_metadata="${world.gateway.url}/.well-known/oauth-protected-resource"`
    for (const path of ['/v1/tasks', '/agents/away/tasks'])
      expect((await get(path)).headers.get('www-authenticate')).toContain(at)
  })

  test('the card names the issuer and the scopes, in both versions', async () => {
    const url = `${issuer.url}/.well-known/openid-configuration`
    const card = (await (await get('/agents/away/.well-known/agent-card.json', { 'a2a-version': '1.0' })).json()) as {
      securitySchemes: Record<string, unknown>
      securityRequirements: unknown[]
    }
    expect(Object.keys(card.securitySchemes)).toEqual(['bearer', 'apiKey', 'oidc-idp'])
    expect(card.securitySchemes['oidc-idp']).toEqual({
      openIdConnectSecurityScheme: { openIdConnectUrl: url, description: 'A token of idp' },
    })
    expect(card.securityRequirements).toContainEqual({
      schemes: { 'oidc-idp': { list: ['agent:away:send', 'wp.read'] } },
    })
    const old = (await (await get('/agents/away/.well-known/agent-card.json')).json()) as { security: unknown[] }
    expect(old.security).toContainEqual({ 'oidc-idp': ['agent:away:send', 'wp.read'] })
  })

  test('an operator asks for the issuers’ keys anew; nobody else', async () => {
    const refresh = (token: string) =>
      fetch(`${world.gateway.url}/v1/issuers/refresh`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    const answer = await refresh(world.gateway.adminKey)
    expect(await answer.json()).toEqual({ items: [{ issuer: issuer.url, keys: 1 }] })
    expect((await refresh(withScopes('staff'))).status).toBe(403)
  })
})

test('without issuers a token is a key that is none, and there is no metadata', async () => {
  const plain = await aWorld()
  const response = await fetch(`${plain.gateway.url}/v1/tasks`, {
    headers: { authorization: `Bearer ${issuer.token()}` },
  })
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([
    401,
    'Bearer realm="waypost", ApiKey realm="waypost", header="X-API-Key"',
  ])
  expect((await fetch(`${plain.gateway.url}/.well-known/oauth-protected-resource`)).status).toBe(404)
  await plain.stop()
})
