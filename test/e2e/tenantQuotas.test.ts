/** What a tenant may have, and what an agent takes: refused by name, with when to come again, and nothing of it is kept (SR-27). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseTenantQuotas } from '../../src/gateway/callers/usage.ts'
import { aMessage, aWorld, type Rpc, type World } from '../support/world.ts'
import { makeKey } from './surfaces.ts'

let world: World
const keys: Record<string, string> = {}
const TENANTS = ['rated', 'waiting', 'heavy', 'hooked', 'streaming', 'others', 'free']

beforeAll(async () => {
  world = await aWorld({
    env: {
      WAYPOST_TENANT_QUOTAS: JSON.stringify({
        rated: { sendRate: '0.001/2' },
        waiting: { waiting: 2 },
        heavy: { bytes: 3_000 },
        hooked: { webhooks: 2 },
        streaming: { streams: 2 },
        free: {},
        '*': { sendRate: '0.001/1' },
      }),
    },
  })
  for (const tenant of TENANTS) {
    keys[tenant] = (await makeKey(world, { tenant })).key
    const admin = (await makeKey(world, { tenant, permits: ['admin'] })).key
    const response = await fetch(`${world.gateway.url}/v1/agents`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: `${tenant}-box`, ...(tenant === 'free' && { rate: '0.001/3' }) }),
    })
    expect(response.status).toBe(201)
  }
})
afterAll(() => world?.stop())

const send = (tenant: string, more: object = {}, text = 'x') =>
  world.client(`${tenant}-box`, keys[tenant]).rpc('SendMessage', {
    message: aMessage(text),
    configuration: { returnImmediately: true, ...more },
  })

/** How many are taken until the first refusal, and that. */
async function until(one: () => Promise<Rpc>): Promise<{ taken: number; refused: Rpc }> {
  for (let taken = 0; taken < 20; taken++) {
    const answer = await one()
    if (answer.error) return { taken, refused: answer }
  }
  throw new Error('20 were taken')
}
const told = ({ status, error }: Rpc) => [status, error?.data?.[0]?.reason]
const total = async (tenant: string) =>
  (await world.client(`${tenant}-box`, keys[tenant]).rpc('ListTasks', {})).result.totalSize

test.each([
  ['rated', 2, 'RATE_LIMITED', 'here'],
  ['others', 1, 'RATE_LIMITED', 'here'],
  ['free', 3, 'RATE_LIMITED', 'this agent'],
])('%s: %i messages', async (tenant, max, reason, words) => {
  const heard = world.next('quota.refused', (fact) => fact.tenant === tenant)
  const { taken, refused } = await until(() => send(tenant))
  expect([taken, ...told(refused)]).toEqual([max, 429, reason])
  expect(refused.error?.message).toContain(words)
  expect(await total(tenant)).toBe(max)
  expect((await heard).scope).toBe(tenant === 'free' ? 'agent' : 'tenant')
})

// These are counted now and then: what was taken while one counts may be missed once.
test('messages that wait', async () => {
  const { taken, refused } = await until(() => send('waiting'))
  expect(told(refused)).toEqual([429, 'QUEUE_FULL'])
  expect([2, 3]).toContain(taken)
  expect(await total('waiting')).toBe(taken)
})

test('bytes', async () => {
  const { taken, refused } = await until(() => send('heavy', {}, 'y'.repeat(1_000)))
  expect(told(refused)).toEqual([429, 'STORAGE_FULL'])
  expect([2, 3]).toContain(taken)
})

test('webhooks, those that come with a message too', async () => {
  const hook = { url: 'http://127.0.0.1:8123/' }
  const { taken, refused } = await until(() => send('hooked', { taskPushNotificationConfig: hook }))
  expect(told(refused)).toEqual([429, 'CONFIG_LIMIT'])
  expect([2, 3]).toContain(taken)
  const { result } = await send('hooked')
  const set = await world
    .client('hooked-box', keys.hooked)
    .rpc('CreateTaskPushNotificationConfig', { taskId: result.task.id, ...hook })
  expect(told(set)).toEqual([429, 'CONFIG_LIMIT'])
})

test('open streams, over all callers of the tenant', async () => {
  const other = (await makeKey(world, { tenant: 'streaming' })).key
  const open = async (key: string | undefined) => {
    const gone = new AbortController()
    const response = await fetch(`${world.gateway.url}/agents/streaming-box`, {
      method: 'POST',
      signal: gone.signal,
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${key}` },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'SendStreamingMessage',
        params: { message: aMessage('x') },
      }),
    })
    return { response, gone }
  }
  const streams = [await open(keys.streaming), await open(other)]
  expect(streams.map(({ response }) => response.status)).toEqual([200, 200])
  const refused = await open(other)
  expect(refused.response.status).toBe(429)
  expect(refused.response.headers.get('retry-after')).toBe('5')
  expect(await refused.response.text()).toContain('for this tenant')
  for (const { gone } of streams) gone.abort()
})

describe('the document', () => {
  test.each([['{'], ['[]'], ['{"a b":{}}'], ['{"a":{"bytes":-1}}'], ['{"a":{"sendRate":"0"}}'], ['{"a":{"byte":1}}']])(
    '%s is refused',
    (text) => {
      expect(() => parseTenantQuotas(text)).toThrow(TypeError)
    },
  )
})
