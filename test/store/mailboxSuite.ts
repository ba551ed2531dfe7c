/** What the store promises to agents that collect, written once and run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chance, uuidv7 } from '../../src/platform/ids.ts'
import { type Collected, type LeaseQuery, leaseMail, reclaimMail } from '../../src/store/collect.ts'
import type { Db } from '../../src/store/db.ts'
import { deliveryState } from '../../src/store/deliveries.ts'
import { type Appended, createAppend, type TaskChange } from '../../src/store/events.ts'
import { cancelDue, dueMail, heldSigns, listInbox } from '../../src/store/inbox.ts'
import { findHeld, giveBackMail, type LeaseKey, pendingMail, renewMail, takeUpMail } from '../../src/store/mailbox.ts'
import { addMessage, requestCancel } from '../../src/store/messages.ts'
import { readQueues } from '../../src/store/queues.ts'
import { seenMany } from '../../src/store/reading.ts'
import { reapLeases } from '../../src/store/recovery.ts'
import { createOpen, findTask, type NewTask } from '../../src/store/tasks.ts'
import { aChange, aNewTask } from './suite.ts'

const asking = (agent: string, given: Partial<LeaseQuery> = {}): LeaseQuery => ({
  tenant: 't',
  destination: `agent:${agent}`,
  level: 3,
  contextId: null,
  from: null,
  skill: null,
  kinds: null,
  label: null,
  count: 1,
  oldest: false,
  leaseSeconds: 60,
  worker: null,
  maxInflight: 100,
  ...given,
})

const keyOf = ({ tenant, destination, id, lease }: Collected): LeaseKey => ({ tenant, destination, id, lease })
const back = { waitMs: 0, counts: true, code: 'RETRY', reason: null, receipt: null }

export function mailboxStoreSuite(driver: string, open: () => Promise<{ db: Db; close: () => Promise<void> }>) {
  describe(`mailboxes in the store on ${driver}`, () => {
    let db: Db
    let close: () => Promise<void>
    const append = (change: TaskChange): Promise<Appended> =>
      createAppend(db, { webhookAgeSeconds: 60, newId: uuidv7, onOwed: () => {} }).submit(change)
    const openTask = async (agent: string, given: Partial<NewTask> = {}) => {
      const task = aNewTask({ agent, kind: 'mailbox', ...given })
      await createOpen(db).submit(task)
      return task
    }
    const lease = (agent: string, given: Partial<LeaseQuery> = {}) => leaseMail(db, asking(agent, given))
    const one = async (agent: string, given: Partial<LeaseQuery> = {}) => (await lease(agent, given))[0] as Collected
    const say = (task: NewTask, state = 2) =>
      addMessage(db, {
        tenant: 't',
        taskId: task.id,
        caller: task.caller,
        agent: task.agent,
        expectedState: state,
        state,
        statusAt: new Date().toISOString(),
        body: '{"statusUpdate":{}}',
        history: '[{"messageId":"more"}]',
        request: null,
        key: null,
        deliveryId: uuidv7(),
        kind: 'mailbox',
        destination: task.destination,
        orderingKey: task.orderingKey,
        priority: 2,
        ttlSeconds: 60,
        mail: null,
      })

    beforeAll(async () => {
      ;({ db, close } = await open())
    })
    afterAll(() => close())

    test('a lease has an end, an owner it has not, and each takes another', async () => {
      const tasks = await Promise.all([openTask('take'), openTask('take'), openTask('take')])
      const taken = (await Promise.all([lease('take'), lease('take', { count: 2 }), lease('take')])).flat()
      expect(new Set(taken.map(({ id }) => id))).toEqual(new Set(tasks.map(({ id }) => id)))
      expect(taken.every(({ attempt, leasedUntil }) => attempt === 1 && leasedUntil > Date.now() + 50_000)).toBe(true)
    })

    test('no more are held than an agent may hold', async () => {
      for (let n = 0; n < 5; n++) await openTask('room')
      expect(await lease('room', { count: 5, maxInflight: 3 })).toHaveLength(3)
      expect(await lease('room', { count: 5, maxInflight: 3 })).toEqual([])
      expect(await lease('room', { count: 5, maxInflight: 4 })).toHaveLength(1)
    })

    test('by priority, or by age; inside a conversation always by age', async () => {
      const old = await openTask('order', { priority: 3, orderingKey: 'a' })
      await openTask('order', { priority: 0, orderingKey: 'a' })
      const urgent = await openTask('order', { priority: 0 })
      const normal = await openTask('order', { priority: 2 })
      expect((await one('order', { oldest: true })).id).toBe(old.id)
      expect((await lease('order', { level: 0, count: 9 })).map(({ id }) => id)).toEqual([urgent.id])
      expect((await lease('order', { count: 9 })).map(({ id }) => id)).toEqual([normal.id])
    })

    test('a lease that ran out is another attempt, and its holder renews and gives back nothing more', async () => {
      await openTask('lost')
      const first = await one('lost', { leaseSeconds: 0 })
      await expect.poll(async () => (await reapLeases(db)).map(({ id }) => id)).toContain(first.id)
      const second = await one('lost')
      expect([second.attempt, second.code]).toEqual([2, 'LEASE_LOST'])
      const renewal = { leaseSeconds: 60, defaultSeconds: 60, touched: false, checkpoint: null }
      expect(await renewMail(db, keyOf(first), renewal)).toBeUndefined()
      expect(await giveBackMail(db, keyOf(first), back)).toBe(false)
      expect(await append(aChange(first, { settle: deliveryState('done') }))).toEqual({ kind: 'lease lost' })
      expect(await renewMail(db, keyOf(second), renewal)).toMatchObject({ taskId: second.taskId, pending: 0 })
    })

    test('a renewal never shortens unless it is told to, keeps the checkpoint, and hears of cancels and messages', async () => {
      const task = await openTask('renew')
      const held = await one('renew', { leaseSeconds: 600 })
      await append(aChange(held))
      const renew = (given: { leaseSeconds?: number; checkpoint?: string | null }) =>
        renewMail(db, keyOf(held), {
          leaseSeconds: given.leaseSeconds,
          defaultSeconds: 5,
          touched: true,
          checkpoint: given.checkpoint ?? null,
        })
      expect((await renew({ checkpoint: '{"a":1}' }))?.leasedUntil).toBe(held.leasedUntil)
      expect((await renew({ leaseSeconds: 10 }))?.leasedUntil).toBeLessThan(held.leasedUntil)
      await say(task)
      await requestCancel(db, 't', task.id)
      expect(await renew({})).toMatchObject({ pending: 1, cancelWanted: true })
      expect(await heldSigns(db, [held])).toMatchObject([{ delivery: held.id, pending: 1, cancelWanted: true }])
      expect((await cancelDue(db, 0)).map(({ id }) => id)).toContain(held.id)
      expect((await cancelDue(db, 60_000)).map(({ id }) => id)).not.toContain(held.id)
      expect(await giveBackMail(db, keyOf(held), { ...back, counts: false })).toBe(true)
      expect(await one('renew')).toMatchObject({ attempt: 1, checkpoint: '{"a":1}', code: 'RETRY', cancelWanted: true })
    })

    test('of another agent or tenant is nothing', async () => {
      await openTask('mine')
      const held = keyOf(await one('mine'))
      for (const other of [{ tenant: 'u' }, { destination: 'agent:other' }, { id: uuidv7() }]) {
        expect(await findHeld(db, { ...held, ...other })).toBeUndefined()
        expect(await giveBackMail(db, { ...held, ...other }, back)).toBe(false)
      }
      expect(await findHeld(db, held)).toMatchObject({ state: 1, lease: held.lease, attempt: 1, receipt: null })
    })

    test('a worker gets its own back, under another lease, and nobody else does', async () => {
      await openTask('again')
      const held = await one('again', { worker: 'w' })
      expect(await reclaimMail(db, asking('again', { worker: 'x' }))).toEqual([])
      const [again] = await reclaimMail(db, asking('again', { worker: 'w' }))
      expect([again?.id, again?.attempt, again?.lease === held.lease]).toEqual([held.id, 1, false])
    })

    test('what was read with the message before it is not delivered; only the holder says so', async () => {
      const task = await openTask('steer')
      const held = await one('steer')
      await append(aChange(held))
      await say(task)
      const [pending] = await pendingMail(db, keyOf(held), task.id, 10)
      expect(pending?.history).toContain('more')
      const foreign = { ...keyOf(held), lease: uuidv7() }
      expect(await takeUpMail(db, foreign, task.id, [pending?.delivery as string])).toEqual([])
      expect(await takeUpMail(db, keyOf(held), task.id, [pending?.delivery as string])).toEqual([pending?.delivery])
      await giveBackMail(db, keyOf(held), back)
      expect((await lease('steer', { count: 9 })).map(({ id }) => id)).toEqual([held.id])
      expect(await lease('steer', { count: 9 })).toEqual([])
    })

    test('an end that insists on where the log ends is written there, or not at all; its receipt with it', async () => {
      const task = await openTask('insist')
      const held = await one('insist')
      const end = (expectedSeq: number) =>
        append(aChange(held, { state: 3, settle: deliveryState('done'), expectedSeq, receipt: `at ${expectedSeq}` }))
      expect(await end(7)).toEqual({ kind: 'final' })
      expect(await findHeld(db, keyOf(held))).toMatchObject({ state: 1, receipt: null, lastSeq: 1 })
      const [ended, said] = await Promise.all([end(1), say(task, 1)])
      expect(ended.kind === 'appended').toBe(said === undefined)
      if (ended.kind !== 'appended') expect(await end(2)).toMatchObject({ kind: 'appended', lastSeq: 3 })
      expect((await findHeld(db, keyOf(held)))?.receipt).toMatch(/^at [12]$/)
      expect((await findTask(db, { tenant: 't', id: task.id }))?.state).toBe('TASK_STATE_COMPLETED')
    })

    test('crashes, retries and settles by eight workers: each once, each conversation in order', async () => {
      const sent = new Map<string, string[]>()
      for (let n = 0; n < 120; n++) {
        const key = `c${n % 8}`
        const { id } = await openTask('storm', { orderingKey: key, priority: n % 4 })
        sent.set(key, [...(sent.get(key) ?? []), id])
      }
      const ended = new Map<string, string[]>()
      let left = 120
      const work = async () => {
        while (left > 0) {
          // The embedded database answers within the turn: others must have theirs.
          await new Promise(setImmediate)
          for (const held of await lease('storm', { count: 2, oldest: chance() < 0.2 })) {
            if (chance() < 0.2) await giveBackMail(db, keyOf(held), back)
            else {
              const settled = await append(aChange(held, { state: 3, settle: deliveryState('done') }))
              expect(settled.kind).toBe('appended')
              ended.set(held.orderingKey, [...(ended.get(held.orderingKey) ?? []), held.id])
              left--
            }
          }
        }
      }
      const failed = (error: unknown) => {
        left = 0
        throw error
      }
      await Promise.all(Array.from({ length: 8 }, () => work().catch(failed)))
      for (const [key, ids] of sent) expect(ended.get(key)).toEqual(ids)
    })

    test('is looked at without a change, page by page, and those who look are seen', async () => {
      for (let n = 0; n < 4; n++) await openTask('look', { priority: n % 2 ? 0 : 2 })
      const box = { tenant: 't', destination: 'agent:look' }
      const query = {
        ...box,
        state: 0 as const,
        level: 3,
        held: false,
        unread: false,
        kinds: null,
        label: null,
        skill: null,
        contextId: null,
        from: null,
        limit: 10,
      }
      const all = await listInbox(db, { ...query, after: undefined })
      expect(all.map(({ priority }) => priority)).toEqual([0, 0, 2, 2])
      expect(await listInbox(db, { ...query, after: all[1] })).toEqual(all.slice(2))
      expect(await listInbox(db, { ...query, level: 0, after: undefined })).toEqual(all.slice(0, 2))
      expect(await dueMail(db, [box, { tenant: 'u', destination: 'agent:look' }])).toEqual([
        { ...box, due: 4, level: 0, results: 0 },
      ])
      await seenMany(db, [{ ...box, worked: true }])
      expect((await readQueues(db, [{ tenant: 't', destination: 'agent:look' }]))[0]).toMatchObject({
        waiting: 4,
        leased: 0,
      })
      expect((await readQueues(db, [{ tenant: 't', destination: 'agent:look' }]))[0]?.seenAt).toBeGreaterThan(0)
    })
  })
}
