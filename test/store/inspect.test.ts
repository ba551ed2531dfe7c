import { expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { createAgent } from '../../src/store/agents.ts'
import type { Db } from '../../src/store/db.ts'
import { claim, createSettle, deliveryState } from '../../src/store/deliveries.ts'
import { createAppend } from '../../src/store/events.ts'
import { inspectTask, listDeliveries, readDeliveries, taskTimeline } from '../../src/store/inspect.ts'
import { listWebhookAttempts, listWebhooks, readQueues, readTotals } from '../../src/store/queues.ts'
import { createOpen, type NewTask } from '../../src/store/tasks.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'
import { aChange, aNewTask } from './suite.ts'

const open = async (db: Db, given: Partial<NewTask>) => {
  const task = aNewTask(given)
  await createOpen(db).submit(task)
  return task
}
const append = (db: Db) => createAppend(db, { webhookAgeSeconds: 60, newId: uuidv7, onOwed: () => {} })
const lane = (tenant: string, destination: string, closed: boolean) => ({
  name: 'test.lane',
  write: true,
  text: `insert into lanes (tenant, destination, closed_at, reason, failures, probe_at, seen_at)
  values ('${tenant}', '${destination}', ${closed ? 'now()' : 'null'}, 'connection refused', 6, now() + interval '10 s', now() - interval '1 h')`,
})

/** Gives up what is waiting for the destination. */
async function giveUp(db: Db, tenant: string, destination: string, count = 10) {
  const leased = await claim(db, { tenant, destination, watermark: 0, count, owner: uuidv7() })
  const settle = createSettle(db)
  for (const { id, lease, taskId, attempt } of leased) {
    const outcome = {
      state: deliveryState('dead'),
      waitMs: 0,
      counts: true,
      code: 'REJECTED',
      reason: 'no',
      durationMs: 5,
      outcome: 'dead',
      status: 400,
    }
    await settle.submit({ tenant, id, lease, taskId, destination, attempt, ...outcome })
  }
  return leased
}

onBothDrivers('inspection', (db) => {
  test('a task is told with its agent, its lane, what is before it, and what was tried', async () => {
    const tenant = 'inspect-1'
    const registration = { name: 'echo', connector: { kind: 'a2a', url: 'http://a.test' } }
    const note = { id: uuidv7(), actor: 'o', action: 'a', subject: 's' }
    await createAgent(
      db(),
      { tenant, name: 'echo', owner: 'o', registration, credentials: null, provisioned: false },
      { agentsMax: 9, note },
    )
    await db().query(lane(tenant, 'agent:echo', true), [])
    await open(db(), { tenant })
    const task = await open(db(), { tenant })
    const facts = await inspectTask(db(), { tenant, id: task.id })
    expect(facts).toMatchObject({
      head: { id: task.id, agent: 'echo', caller: 'alice', state: 'TASK_STATE_SUBMITTED', lastSeq: 1, cancelAt: null },
      agent: { connector: 'a2a', pausedAt: null },
      lane: { reason: 'connection refused', failures: 6 },
      ahead: 1,
      attempts: [],
      truncated: false,
    })
    expect(facts?.deliveries).toMatchObject([
      { id: task.id, state: 'waiting', attempt: 0, kind: 'a2a', destination: 'agent:echo' },
    ])
    expect(facts?.lane?.probeAt).toBeGreaterThan(facts?.now ?? 0)
    expect(await inspectTask(db(), { tenant, id: task.id, caller: 'alice' })).toBeDefined()
    for (const key of [{ tenant, caller: 'bob' }, { tenant: 'other' }])
      expect(await inspectTask(db(), { id: task.id, ...key })).toBeUndefined()
    expect(await inspectTask(db(), { tenant, id: 'no uuid' })).toBeUndefined()
    await giveUp(db(), tenant, 'agent:echo')
    const after = await inspectTask(db(), { tenant, id: task.id })
    expect(after?.attempts).toMatchObject([
      { attempt: 1, outcome: 'dead', status: 400, code: 'REJECTED', durationMs: 5 },
    ])
    expect(after).toMatchObject({ ahead: 0, deliveries: [{ state: 'dead', code: 'REJECTED', reason: 'no' }] })
  })

  test('deliveries are listed by state, destination and code, page by page', async () => {
    const tenant = 'inspect-2'
    for (const agent of ['a', 'a', 'b']) await open(db(), { tenant, agent })
    const dead = await giveUp(db(), tenant, 'agent:a')
    const list = (query: object) => listDeliveries(db(), { tenant, states: [], limit: 10, ...query })
    expect(await list({})).toHaveLength(3)
    expect((await list({ states: ['dead'] })).map(({ id }) => id)).toEqual(
      dead
        .map(({ id }) => id)
        .sort()
        .reverse(),
    )
    expect(await list({ states: ['waiting'] })).toMatchObject([{ destination: 'agent:b' }])
    expect(await list({ states: ['leased'] })).toEqual([])
    expect(await list({ states: ['dead', 'waiting'], destination: 'agent:a', code: 'REJECTED' })).toHaveLength(2)
    const [first] = await list({ limit: 1 })
    expect(await list({ before: first!.id })).toHaveLength(2)
    expect(await readDeliveries(db(), tenant, [first!.id, uuidv7()])).toMatchObject([{ id: first!.id }])
    expect(await readDeliveries(db(), tenant, [])).toEqual([])
  })

  test('queues tell depth, age and lane of each destination that was asked for', async () => {
    const tenant = 'inspect-3'
    for (const agent of ['a', 'a', 'b']) await open(db(), { tenant, agent })
    await claim(db(), { tenant, destination: 'agent:a', watermark: 0, count: 1, owner: uuidv7() })
    await db().query(lane(tenant, 'agent:b', false), [])
    const lanes = ['agent:none', 'agent:b', 'agent:a'].map((destination) => ({ tenant, destination }))
    const rows = await readQueues(db(), [...lanes, { tenant: 'inspect-none', destination: 'agent:a' }])
    expect(rows.map(({ destination, waiting }) => [destination, waiting])).toEqual([
      ['agent:none', 0],
      ['agent:b', 1],
      ['agent:a', 1],
      ['agent:a', 0],
    ])
    const by = Object.fromEntries(rows.slice(0, 3).map((row) => [row.destination, row]))
    expect(by['agent:a']).toMatchObject({ waiting: 1, leased: 1, closedAt: null, seenAt: null })
    expect(by['agent:b']).toMatchObject({ waiting: 1, leased: 0, closedAt: null, failures: 6 })
    expect(by['agent:b']?.seenAt).toBeLessThan(by['agent:b']?.now ?? 0)
    expect(by['agent:none']).toMatchObject({ waiting: 0, leased: 0, oldestAt: null })
    const before = await readTotals(db())
    await giveUp(db(), tenant, 'agent:b')
    const after = { ...before, dead: before.dead + 1, oldestSeconds: expect.any(Number) }
    expect(await readTotals(db())).toEqual(after)
  })

  test('webhooks are told with how their receivers took them, and attempts page by page', async () => {
    const tenant = 'inspect-4'
    const config = {
      id: 'c1',
      url: 'http://hook.test/x?key=secret',
      destination: 'webhook:http://hook.test',
      version: 'v',
    }
    const task = await open(db(), { tenant, config: JSON.stringify(config) })
    const [leased] = await claim(db(), { tenant, destination: 'agent:echo', watermark: 0, count: 1, owner: uuidv7() })
    await append(db()).submit(aChange({ ...leased!, tenant }))
    await giveUp(db(), tenant, config.destination)
    const [webhook] = await listWebhooks(db(), { tenant, caller: 'alice', taskId: task.id, limit: 5 })
    expect(webhook).toMatchObject({
      id: 'c1',
      url: config.url,
      delivered: 0,
      waiting: 0,
      dead: 1,
      lastOutcome: 'dead',
      lastStatus: 400,
    })
    expect(await listWebhooks(db(), { tenant, caller: 'bob', limit: 5 })).toEqual([])
    expect(await listWebhooks(db(), { tenant, limit: 5, before: { taskId: task.id, id: 'c1' } })).toEqual([])
    const [attempt] = await listWebhookAttempts(db(), { tenant, taskId: task.id, limit: 5 })
    expect(attempt).toMatchObject({ outcome: 'dead', configId: 'c1', sequence: 2 })
    expect(await listWebhookAttempts(db(), { tenant, outcome: 'delivered', limit: 5 })).toEqual([])
    const before = { deliveryId: attempt!.deliveryId, lease: attempt!.lease }
    expect(await listWebhookAttempts(db(), { tenant, limit: 5, before })).toEqual([])
    expect(await taskTimeline(db(), tenant, task.id)).toMatchObject([
      { sequence: 1, kind: 0 },
      { sequence: 2, kind: 1 },
    ])
  })
})
