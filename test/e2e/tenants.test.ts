/** Two tenants at one gateway: each is alone there, as far as it can tell (SR-21, SR-24, H-20 to H-23). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { freePort } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'
import {
  type Answered,
  ask,
  makeKey,
  reasonOf,
  requestFor,
  SURFACES,
  TASK_OPERATIONS,
  type TaskOperation,
} from './surfaces.ts'

const CANARY = 'canary91c0'
const OPERATIONS = Object.keys(TASK_OPERATIONS) as TaskOperation[]

let world: World
const keys: Record<string, string> = {}
const tokens: Record<string, string> = {}
let task: { id: string }

interface Managed {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: documents of many forms
  readonly json: any
}

async function manage(key: string, method: string, path: string, body?: unknown, tenant?: string): Promise<Managed> {
  const response = await fetch(`${world.gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(tenant && { 'x-waypost-tenant': tenant }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
}
const operator = () => world.gateway.adminKey
/** What differs from call to call is left out. */
const bare = ({ status, json }: Managed) => ({ status, json: { ...json, traceId: undefined } })

beforeAll(async () => {
  world = await aWorld({ limits: { authFailuresPerMinute: 100_000 } })
  const nobody = `http://127.0.0.1:${await freePort()}/`
  for (const tenant of ['acme', 'globex']) {
    keys[`${tenant} admin`] = (await makeKey(world, { tenant, permits: ['admin'] })).key
    // The same name in both: it is another caller all the same.
    keys[tenant] = (await makeKey(world, { tenant, caller: 'alice' })).key
    const box = await manage(keys[`${tenant} admin`] as string, 'POST', '/v1/agents', { name: `${tenant}-box` })
    expect(box.status).toBe(201)
    tokens[tenant] = box.json.token
  }
  const away = { name: 'acme-away', connector: { kind: 'a2a', url: nobody } }
  expect((await manage(keys['acme admin'] as string, 'POST', '/v1/agents', away)).status).toBe(201)
  const open = { name: 'acme-shop', visibility: 'public' }
  expect((await manage(keys['acme admin'] as string, 'POST', '/v1/agents', open)).status).toBe(201)
  task = await world
    .client('acme-away', keys.acme)
    .send(CANARY, { configuration: { returnImmediately: true }, metadata: { secret: CANARY } })
  await world
    .client('acme-away', keys.acme)
    .rpc('CreateTaskPushNotificationConfig', { taskId: task.id, id: 'mine', url: 'http://127.0.0.1:8123/' })
})
afterAll(() => world?.stop())

describe.each(SURFACES.flatMap((surface) => OPERATIONS.map((name) => [surface, name] as const)))(
  '%s %s',
  (surface, name) => {
    test.each([['globex'], ['globex admin'], ['operator of the default tenant']])(
      '%s: the agent of another tenant is none',
      async (who) => {
        const key = keys[who] ?? operator()
        const there = await ask(world, 'acme-away', requestFor(surface, name, task.id), key)
        const none = await ask(world, 'acme-gone', requestFor(surface, name, task.id), key)
        expect(reasonOf(there)).toBe('AGENT_NOT_FOUND')
        expect(blank(there)).toEqual(blank(none))
        expect(there.text).not.toContain(CANARY)
      },
    )

    test('the task of another tenant is none at one’s own agent', async () => {
      const unknown = uuidv7()
      const foreign = await ask(world, 'globex-box', requestFor(surface, name, task.id), keys.globex)
      const missing = await ask(world, 'globex-box', requestFor(surface, name, unknown), keys.globex)
      expect(reasonOf(foreign)).toBe('TASK_NOT_FOUND')
      expect(foreign.text.replaceAll(task.id, 'ID')).toBe(missing.text.replaceAll(unknown, 'ID'))
    })
  },
)
const blank = ({ status, text }: Answered) => ({ status, text: text.replaceAll(/acme-(away|gone)/g, 'NAME') })

describe('the tenant that a request names', () => {
  test.each([['GetTask'], ['ListTasks']])('%s: its own, or none at all', async (method) => {
    const client = world.client('acme-away', keys.acme)
    const params = method === 'GetTask' ? { id: task.id } : {}
    expect((await client.rpc(method, { ...params, tenant: 'acme' })).error).toBeUndefined()
    for (const tenant of ['globex', 'default', 'nowhere']) {
      const { error } = await client.rpc(method, { ...params, tenant })
      expect(error.data[0].reason).toBe('AGENT_NOT_FOUND')
    }
    for (const tenant of ['a/b', '..', '%41', '__proto__', 'x'.repeat(1_024)]) {
      const { error } = await client.rpc(method, { ...params, tenant })
      expect(error.code).toBe(-32602)
    }
  })

  test('in the path: the same', async () => {
    const get = (tenant: string) =>
      ask(world, `acme-away/${tenant}`, { method: 'GET', path: `/tasks/${task.id}`, version: '1.0' }, keys.acme)
    expect((await get('acme')).status).toBe(200)
    expect([(await get('globex')).status, reasonOf(await get('globex'))]).toEqual([404, 'AGENT_NOT_FOUND'])
  })
})

describe('what can be seen', () => {
  const card = (name: string, key?: string) =>
    ask(world, name, { method: 'GET', path: '/.well-known/agent-card.json', version: '1.0' }, key)

  test('an agent shows itself to its own tenant only, unless it says otherwise', async () => {
    expect((await card('acme-away', keys.acme)).status).toBe(200)
    for (const key of [undefined, keys.globex, operator()]) {
      const answer = await card('acme-away', key)
      expect(answer.status).toBe(404)
      expect(blank(answer)).toEqual(blank(await card('acme-gone', key)))
    }
    for (const key of [undefined, keys.globex]) expect((await card('acme-shop', key)).status).toBe(200)
    const catalogue = await manage(operator(), 'GET', '/.well-known/ai-catalog.json')
    expect(JSON.stringify(catalogue.json)).toContain('acme-shop')
    expect(JSON.stringify(catalogue.json)).not.toContain('acme-away')
  })

  test('seeing the card of another tenant’s agent does not let one send to it', async () => {
    const answer = await world.client('acme-shop', keys.globex).rpc('SendMessage', {
      message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }] },
    })
    expect([answer.status, answer.error.data[0].reason]).toEqual([404, 'AGENT_NOT_FOUND'])
  })

  test.each([
    ['GET', '/v1/agents/acme-away', '/v1/agents/acme-gone'],
    ['PATCH', '/v1/agents/acme-away', '/v1/agents/acme-gone'],
    ['DELETE', '/v1/agents/acme-away', '/v1/agents/acme-gone'],
    ['POST', '/v1/agents/acme-away/pause', '/v1/agents/acme-gone/pause'],
    ['POST', '/v1/agents/acme-away/approve', '/v1/agents/acme-gone/approve'],
    ['POST', '/v1/agents/acme-box/rotate-key', '/v1/agents/acme-gone/rotate-key'],
  ])('%s %s is as unknown to another tenant’s administrator as what is not there', async (method, there, gone) => {
    const key = keys['globex admin'] as string
    const body = method === 'PATCH' || method === 'POST' ? {} : undefined
    const one = bare(await manage(key, method, there, body))
    expect(one.status).toBe(404)
    expect(JSON.stringify(one).replaceAll(/acme-(away|box)/g, 'acme-gone')).toBe(
      JSON.stringify(bare(await manage(key, method, gone, body))),
    )
  })

  test('lists hold what is one’s own', async () => {
    for (const path of ['/v1/agents', '/v1/tasks', '/v1/keys', '/v1/deliveries', '/v1/webhooks', '/v1/audit']) {
      const { status, json } = await manage(keys['globex admin'] as string, 'GET', path)
      expect(status).toBe(200)
      expect(JSON.stringify(json)).not.toContain('acme')
      expect(JSON.stringify(json)).not.toContain(task.id)
    }
    for (const path of ['', '/explain', '/events', '/receipts'])
      expect((await manage(keys['globex admin'] as string, 'GET', `/v1/tasks/${task.id}${path}`)).status).toBe(404)
  })

  test('a lease of another tenant is none', async () => {
    await world.client('acme-box', keys.acme).send(CANARY, { configuration: { returnImmediately: true } })
    const offer = await manage(tokens.acme as string, 'POST', '/v1/inbox/lease', {})
    expect(offer.json.text).toBe(CANARY)
    const end = (lease: string, key = tokens.globex) =>
      manage(key as string, 'POST', `/v1/leases/${lease}/complete`, { text: 'mine' })
    const [foreign, none] = [await end(offer.json.lease), await end(`${offer.json.lease.slice(0, -1)}x`)]
    expect(foreign.status).toBeGreaterThanOrEqual(400)
    expect([foreign.status, foreign.json.code]).toEqual([none.status, none.json.code])
    expect((await end(offer.json.lease, tokens.acme)).status).toBe(200)
    expect((await manage(tokens.globex as string, 'POST', '/v1/inbox/lease', {})).status).toBe(204)
  })
})

describe('names and keys', () => {
  test('the name of an agent is taken for everybody', async () => {
    const { status, json } = await manage(keys['globex admin'] as string, 'POST', '/v1/agents', { name: 'acme-box' })
    expect([status, json.code]).toEqual([409, 'CONFLICT'])
    expect(JSON.stringify(json)).not.toContain('"acme"')
  })

  test('an administrator gives keys of its own tenant, and none of the gateway’s', async () => {
    const make = (body: object) => manage(keys['acme admin'] as string, 'POST', '/v1/keys', body)
    expect((await make({ permits: ['admin'] })).json).toMatchObject({ tenant: 'acme', permits: ['admin'] })
    expect((await make({ tenant: 'acme' })).status).toBe(201)
    for (const body of [{ tenant: 'globex' }, { permits: ['operator'] }, { tenant: 'default', permits: ['operator'] }])
      expect([(await make(body)).status, (await make(body)).json.code]).toEqual([403, 'PERMISSION_DENIED'])
    for (const [method, path] of [
      ['GET', '/v1/signing-keys'],
      ['POST', '/v1/signing-keys/rotate'],
    ] as const)
      expect(
        (await manage(keys['acme admin'] as string, method, path, method === 'POST' ? {} : undefined)).status,
      ).toBe(403)
    // One that only sends gives nothing.
    expect((await manage(keys.acme as string, 'POST', '/v1/keys', {})).status).toBe(403)
    expect((await manage(operator(), 'POST', '/v1/keys', { tenant: 'acme', permits: ['operator'] })).status).toBe(400)
  })

  test('only an operator acts in another tenant, and what he reads there is written down there', async () => {
    const path = `/v1/tasks/${task.id}/events`
    expect((await manage(operator(), 'GET', path)).status).toBe(404)
    const read = await manage(operator(), 'GET', path, undefined, 'acme')
    expect(JSON.stringify(read.json)).toContain(CANARY)
    const audit = await manage(keys['acme admin'] as string, 'GET', '/v1/audit?action=task.read')
    expect(audit.json.items[0]).toMatchObject({ actor: 'operator', subject: task.id })
    for (const tenant of ['acme', 'nowhere'])
      expect((await manage(keys['globex admin'] as string, 'GET', path, undefined, tenant)).status).toBe(403)
    expect((await manage(keys['acme admin'] as string, 'GET', path, undefined, 'acme')).status).toBe(200)
    expect((await manage(operator(), 'GET', '/v1/keys', undefined, '../x')).status).toBe(400)
  })

  test('the same caller name in two tenants is two callers', async () => {
    const { result } = await world.client('globex-box', keys.globex).rpc('ListTasks', {})
    expect(result.totalSize).toBe(0)
  })
})
