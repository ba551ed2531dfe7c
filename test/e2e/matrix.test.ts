/** Who may what, on every operation and every surface: and that a refusal tells nothing of what is there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../src/limits.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { freePort, openServer } from '../support/databases.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import {
  type Answered,
  ask,
  makeKey,
  reasonOf,
  requestFor,
  revokeKey,
  SURFACES,
  TASK_OPERATIONS,
  type TaskOperation,
} from './surfaces.ts'

const CANARY = 'canary7f3a'
const OPERATIONS = Object.keys(TASK_OPERATIONS) as TaskOperation[]
const CASES = SURFACES.flatMap((surface) => OPERATIONS.map((name) => [surface, name] as const))
const now = { returnImmediately: true }

let world: World
const keys: Record<string, string> = {}
let task: { id: string; contextId: string }

const isRest = (surface: string) => surface.startsWith('HTTP')
const opened = (more: object = {}) => ({ configuration: now, ...more })

beforeAll(async () => {
  const nobody = `http://127.0.0.1:${await freePort()}/`
  world = await aWorld({
    limits: { authFailuresPerMinute: 100_000 },
    cards: {
      away: { connector: { kind: 'a2a', url: nobody } },
      other: { connector: { kind: 'a2a', url: nobody } },
    },
  })
  const made = async (name: string, wish: Parameters<typeof makeKey>[1]) => {
    const { id, key } = await makeKey(world, wish)
    keys[name] = key
    return id
  }
  await made('owner', { caller: `owner-${CANARY}` })
  await made('stranger', { caller: 'stranger' })
  await made('reader', { caller: 'reader', permits: ['read'] })
  await made('elsewhere', { caller: 'elsewhere', agents: ['other'] })
  const revoked = await made('revoked', { caller: `owner-${CANARY}` })
  await made('expired', { caller: `owner-${CANARY}`, ttlSeconds: 1 })
  const owner = world.client('away', keys.owner)
  const { id, contextId } = await owner.send(CANARY, opened({ metadata: { secret: CANARY } }))
  task = { id, contextId: contextId as string }
  const hook = { taskId: id, id: 'mine', url: `http://127.0.0.1:8123/${CANARY}`, token: CANARY }
  expect((await owner.rpc('CreateTaskPushNotificationConfig', hook)).error).toBeUndefined()
  // It was good, and was found to be so, a moment before.
  expect((await world.client('away', keys.revoked).get(id)).id).toBe(id)
  await revokeKey(world, revoked)
  await until(async () => (await world.client('away', keys.expired).rpc('GetTask', { id })).status === 401)
})
afterAll(() => world?.stop())

/** Asks again until it is so: at most as long as a credential is trusted unasked, and a bit for the last answer. */
async function until(holds: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await holds())) expect(performance.now() - began).toBeLessThan(LIMITS.credentialCacheMs + 2_000)
  return performance.now() - began
}

function expectSilence({ text, headers }: Answered): void {
  expect(text + JSON.stringify(headers)).not.toContain(CANARY)
  expect(text).not.toContain(task.contextId)
}

describe.each(CASES)('%s %s', (surface, name) => {
  const asked = (id: string, key?: string, agent = 'away') => ask(world, agent, requestFor(surface, name, id), key)

  test.each([['none'], ['made up'], ['revoked'], ['expired']])('%s: 401', async (who) => {
    const key = who === 'none' ? undefined : who === 'made up' ? `wp_0123456789abcdef_${'x'.repeat(49)}` : keys[who]
    const answer = await asked(task.id, key)
    expect([answer.status, reasonOf(answer)]).toEqual([401, 'UNAUTHENTICATED'])
    expect(answer.headers['www-authenticate']).toContain('Bearer')
    expectSilence(answer)
  })

  test("a stranger's answer for another's task is the answer for none", async () => {
    const unknown = uuidv7()
    const foreign = await asked(task.id, keys.stranger)
    const missing = await asked(unknown, keys.stranger)
    expect([foreign.status, reasonOf(foreign)]).toEqual([isRest(surface) ? 404 : 200, 'TASK_NOT_FOUND'])
    expect({ ...foreign, text: foreign.text.replaceAll(task.id, 'ID') }).toEqual({
      ...missing,
      text: missing.text.replaceAll(unknown, 'ID'),
    })
    expectSilence(foreign)
    // The same for its owner, asked at an agent that it is not of.
    const elsewhere = await asked(task.id, keys.owner, 'other')
    expect({ ...elsewhere, text: elsewhere.text.replaceAll(task.id, 'ID') }).toEqual({
      ...missing,
      text: missing.text.replaceAll(unknown, 'ID'),
    })
  })

  test('a key for other agents finds no agent, whether there is one or not', async () => {
    const there = await asked(task.id, keys.elsewhere)
    const none = await asked(task.id, keys.elsewhere, 'gone')
    // Its readers want an event stream, whatever there is to say.
    const streamed = surface === 'JSON-RPC 0.3' && name === 'SubscribeToTask'
    expect([there.status, reasonOf(there)]).toEqual([streamed ? 200 : 404, 'AGENT_NOT_FOUND'])
    expect({ ...there, text: there.text.replaceAll('away', 'gone') }).toEqual(none)
    expectSilence(there)
  })

  test('a key that may only read', async () => {
    const answer = await asked(task.id, keys.reader)
    const reads = TASK_OPERATIONS[name] === 'read'
    expect(reasonOf(answer)).toBe(reads ? 'TASK_NOT_FOUND' : 'PERMISSION_DENIED')
    expect(answer.status).toBe(reads ? (isRest(surface) ? 404 : 200) : 403)
    expectSilence(answer)
  })

  test('its owner may', async () => {
    const owner = world.client('away', keys.owner)
    const { id } = await owner.send('mine', opened())
    await owner.rpc('CreateTaskPushNotificationConfig', { taskId: id, id: 'mine', url: 'http://127.0.0.1:8123/' })
    // Nobody is there: a blocking send would wait for its answer.
    const request = requestFor(surface, name, id)
    const answer =
      name === 'SendMessage' ? await ask(world, 'away', quick(request), keys.owner) : await asked(id, keys.owner)
    expect([answer.status, reasonOf(answer)]).toEqual([answer.status === 204 ? 204 : 200, undefined])
  })
})

/** The same send, answered at once. */
function quick(request: ReturnType<typeof requestFor>): ReturnType<typeof requestFor> {
  const configuration = request.version === '1.0' ? now : { blocking: false }
  const body = request.body as { params?: object }
  return {
    ...request,
    body: body.params ? { ...body, params: { ...body.params, configuration } } : { ...body, configuration },
  }
}

describe('what strangers tried', () => {
  test('has left no trace on the task', async () => {
    const seen = await world.client('away', keys.owner).get(task.id)
    expect(seen.status.state).toBe('TASK_STATE_SUBMITTED')
    expect(seen.history?.map(({ parts }) => parts[0]?.text)).toEqual([CANARY])
    const { result } = await world
      .client('away', keys.owner)
      .rpc('ListTaskPushNotificationConfigs', { taskId: task.id })
    expect(result.configs.map(({ id }: { id: string }) => id)).toEqual(['mine'])
  })

  test('lists: a context is its owner namespace; page tokens are not passed on', async () => {
    const stranger = world.client('away', keys.stranger)
    const { result } = await stranger.rpc('ListTasks', { contextId: task.contextId })
    expect(result).toMatchObject({ tasks: [], totalSize: 0, nextPageToken: '' })
    const { result: all } = await stranger.rpc('ListTasks', {})
    expect(JSON.stringify(all)).not.toContain(CANARY)
    const own = await stranger.send('x', opened({ message: { contextId: task.contextId } }))
    const owner = world.client('away', keys.owner)
    const { result: owners } = await owner.rpc('ListTasks', { contextId: task.contextId })
    expect(owners.tasks.map(({ id }: { id: string }) => id)).toEqual([task.id])
    expect(own.id).not.toBe(task.id)
    const { result: page } = await owner.rpc('ListTasks', { pageSize: 1 })
    expect(page.nextPageToken).not.toBe('')
    const { error } = await stranger.rpc('ListTasks', { pageSize: 1, pageToken: page.nextPageToken })
    expect(error.code).toBe(-32602)
  })

  test('the same messageId of another caller is another task', async () => {
    const message = aMessage('same')
    const send = async (key: string | undefined) =>
      (await world.client('away', key).rpc('SendMessage', { message, configuration: now })).result.task.id
    const first = await send(keys.owner)
    expect(await send(keys.stranger)).not.toBe(first)
    expect(await send(keys.owner)).toBe(first)
  })

  test.each(['', '/explain', '/events', '/receipts'])(
    '/v1/tasks/{id}%s tells foreign and unknown alike',
    async (path) => {
      const look = async (id: string, key: string | undefined) => {
        const headers = { authorization: `Bearer ${key}` }
        const response = await fetch(`${world.gateway.url}/v1/tasks/${id}${path}`, { headers })
        const text = (await response.text()).replaceAll(id, 'ID').replace(/"traceId":"[^"]*"/, '')
        return { status: response.status, text }
      }
      const foreign = await look(task.id, keys.stranger)
      expect(foreign.status).toBe(404)
      expect(foreign).toEqual(await look(uuidv7(), keys.stranger))
      expect((await look(task.id, keys.owner)).status).toBe(200)
    },
  )
})

describe('a revoked key', () => {
  test('is dead at once where it was revoked, and ends nothing of other keys of the same caller', async () => {
    const [one, two] = [await makeKey(world, { caller: 'both' }), await makeKey(world, { caller: 'both' })]
    const status = async (key: string) => (await world.client('away', key).rpc('ListTasks', {})).status
    expect([await status(one.key), await status(two.key)]).toEqual([200, 200])
    await revokeKey(world, one.id)
    expect([await status(one.key), await status(two.key)]).toEqual([401, 200])
  })

  test('is dead on another replica within the time that a credential is trusted', async () => {
    const server = await openServer()
    const databaseUrl = await server.create()
    const cards = { away: { connector: { kind: 'a2a', url: 'http://127.0.0.1:8124/' } } }
    const limits = { authFailuresPerMinute: 100_000 }
    const [here, there] = [await aWorld({ databaseUrl, cards, limits }), await aWorld({ databaseUrl, cards, limits })]
    const { id, key } = await makeKey(here, { caller: 'c' })
    const status = async () => (await there.client('away', key).rpc('ListTasks', {})).status
    expect(await status()).toBe(200)
    await revokeKey(here, id)
    expect(await until(async () => (await status()) === 401)).toBeLessThan(LIMITS.credentialCacheMs + 500)
    await Promise.all([here.stop(), there.stop()])
    await server.stop()
  })
})
