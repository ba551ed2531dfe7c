/** Unmodified official clients and an agent without a server: they cannot tell. MAILBOX acceptance test 25, and 12 for a worker that is away. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { work } from '../../../src/client/mailbox.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { aCollector } from '../../support/collector.ts'
import { freePort } from '../../support/databases.ts'
import { playScripts } from '../../support/mailboxAgent.ts'
import { startReceiver } from '../../support/receiver.ts'
import { aWorld, type World } from '../../support/world.ts'
import { all, mustBeTask, type PeerClient, withKey } from './client.ts'
import { CLIENTS, nameOf } from './suite.ts'

/** Long enough that whoever waited is told from whoever did not. */
const BLOCK_SECONDS = 1

let world: World
let worker: Promise<void>
const leaving = new AbortController()
const gates = new Map<string, { opened: Promise<void>; open: () => void }>()
const gate = (messageId: string) => {
  let known = gates.get(messageId)
  if (!known) {
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    known = { opened, open }
    gates.set(messageId, known)
  }
  return known
}

beforeAll(async () => {
  world = await aWorld({
    env: { GRPC_PORT: String(await freePort()), WAYPOST_BLOCK_SECONDS: String(BLOCK_SECONDS) },
    limits: { cancelGraceMs: 20_000 },
    webhooks: { attemptsMax: 3, firstMs: 20, longestMs: 60 },
  })
  const { token } = await aCollector(world, 'clerk', { maxInflight: 32 })
  await aCollector(world, 'asleep')
  const play = playScripts((messageId) => gate(messageId).opened)
  worker = work({ gateway: world.gateway.url, token, concurrency: 32, checkSeconds: 0.2, signal: leaving.signal }, play)
})
afterAll(async () => {
  leaving.abort()
  for (const { open } of gates.values()) open()
  await worker
  await world?.stop()
})

/** Each SDK in its own version; the newer one's older speech is tried by the other suites. */
const KINDS = CLIENTS.filter(({ sdk, version }) => !sdk.includes('1.3') || version === '1.0')

describe.each(KINDS.map((kind) => [nameOf(kind), kind] as const))('%s', (_name, kind) => {
  let client: PeerClient
  const connect = (name: string) =>
    kind.connect(`${world.gateway.url}/agents/${name}/`, withKey(world.gateway.adminKey))
  beforeAll(async () => {
    client = await connect('clerk')
  })

  test('sends, gets, and lists', async () => {
    const contextId = uuidv7()
    const task = mustBeTask(await client.send('artifact please', { contextId }))
    expect([task.state, task.made]).toEqual(['COMPLETED', ['Generated text content']])
    expect(await client.get(task.id)).toEqual(task)
    // 0.3 has no list.
    if (client.list) expect(await client.list(contextId)).toEqual([task.id])
  })

  test('streams from the first event to the last, and a question to its answer', async () => {
    const events = await all(client.stream('chunks:3'))
    expect(events[0]?.glance).toBe('task SUBMITTED')
    expect(events.at(-1)?.glance).toBe('COMPLETED')
    const { made } = await client.get(events[0]!.taskId)
    expect(made).toEqual(['c1 c2 c3 '])
    const asked = await all(client.stream('input'))
    expect(asked.at(-1)?.glance).toBe('INPUT_REQUIRED')
    const { taskId, contextId } = asked[0]!
    expect((await all(client.stream('artifact', { taskId, contextId }))).at(-1)?.glance).toBe('COMPLETED')
  })

  test('cancels what is worked on, and what nobody has taken', async () => {
    const working = world.next(
      'task.recorded',
      ({ agent, state }) => agent === 'clerk' && state === 'TASK_STATE_WORKING',
    )
    const { id } = mustBeTask(await client.send('delay', { now: true }))
    await working
    const finished = world.next('task.finished', ({ task }) => task === id)
    await client.cancel(id)
    await finished
    expect((await client.get(id)).state).toBe('CANCELED')
    const asleep = await connect('asleep')
    const waiting = mustBeTask(await asleep.send('x', { now: true }))
    expect(waiting.state).toBe('SUBMITTED')
    expect((await asleep.cancel(waiting.id)).state).toBe('CANCELED')
  })

  test('is pushed what happens', async () => {
    const receiver = await startReceiver()
    const messageId = uuidv7()
    const { id } = mustBeTask(await client.send('delay', { now: true, messageId, push: { url: `${receiver.url}one` } }))
    const made = await client.push.create(id, { id: 'mine', url: `${receiver.url}two` })
    expect((await client.push.list(id)).map((one) => one.id)).toContain(made.id)
    gate(messageId).open()
    for (const place of ['/one', '/two'])
      expect(
        (await receiver.next(({ path, body }) => path === place && /COMPLETED|"completed"/.test(body))).body,
      ).toContain(id)
    await receiver.stop()
  })

  test('that waits for an agent that is away is given the task as it is, in time', async () => {
    const asleep = await connect('asleep')
    const began = performance.now()
    const task = mustBeTask(await asleep.send('wait for me'))
    expect(task.state).toBe('SUBMITTED')
    // Not before the time that it may be held; a busy machine may be late.
    expect(performance.now() - began).toBeGreaterThan(BLOCK_SECONDS * 900)
    await asleep.cancel(task.id)
  })
})
