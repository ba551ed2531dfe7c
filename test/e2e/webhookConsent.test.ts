/** A receiver that has not agreed gets one question and no event; one that has, gets both (SR-34). */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgent } from '../support/agent.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import { makeKey } from './surfaces.ts'

interface Got {
  readonly path: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever was posted
  readonly body: any
  readonly headers: Record<string, unknown>
}

let world: World
let agent: Awaited<ReturnType<typeof startAgent>>
let hooks = ''
const got: Got[] = []
const server = createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  const body = JSON.parse(text)
  got.push({ path: request.url ?? '', body, headers: request.headers })
  const agrees = request.url === '/agrees' && body.challenge
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify(agrees ? { challenge: body.challenge } : {}))
})
const keys: Record<string, string> = {}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  hooks = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  agent = await startAgent()
  world = await aWorld({ resolveTxt: async () => [] })
  const admin = (await makeKey(world, { tenant: 'acme', permits: ['admin'] })).key
  keys.acme = (await makeKey(world, { tenant: 'acme' })).key
  const response = await fetch(`${world.gateway.url}/v1/agents`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'acme-echo', connector: { kind: 'a2a', url: agent.url } }),
  })
  expect(response.status).toBe(201)
  await world.register({ name: 'echo', connector: { kind: 'a2a', url: agent.url } })
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
  server.closeAllConnections()
  server.close()
})

const send = (name: string, key: string | undefined, path: string) =>
  world.client(name, key).rpc('SendMessage', {
    message: aMessage('complete'),
    configuration: { taskPushNotificationConfig: { url: `${hooks}${path}`, token: 'the secret token' } },
  })
const attempted = (outcome: string) =>
  world.next('delivery.attempted', (fact) => fact.kind === 'webhook' && fact.outcome === outcome)
const at = (path: string) => got.filter((one) => one.path === path)

test('no event, no token, one question', async () => {
  const refused = attempted('retry')
  await send('acme-echo', keys.acme, '/silent')
  const fact = await refused
  expect(fact).toMatchObject({ code: 'UNPROVED' })
  expect(fact.nextInMs).toBeGreaterThanOrEqual(600_000)
  expect(at('/silent').map(({ body }) => body)).toEqual([{ type: 'webhook.challenge', challenge: expect.any(String) }])
  expect(JSON.stringify(at('/silent'))).not.toContain('the secret token')
})

test('one tenant has no need to ask, by default', async () => {
  const delivered = attempted('delivered')
  await send('echo', undefined, '/plain')
  await delivered
  expect(at('/plain')[0]?.body.type).toBeUndefined()
  expect(at('/plain')[0]?.headers['x-a2a-notification-token']).toBe('the secret token')
})

test('who agrees is asked, and then told', async () => {
  // The host was asked a moment ago, for another place.
  await world.gateway.db.query({ name: 'test', write: true, text: 'delete from webhook_hosts' }, [])
  const delivered = attempted('delivered')
  await send('acme-echo', keys.acme, '/agrees')
  await delivered
  const [first, second] = at('/agrees')
  expect(first?.body.type).toBe('webhook.challenge')
  expect(second?.headers['x-a2a-notification-token']).toBe('the secret token')
})
