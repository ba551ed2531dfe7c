/** What the store promises, written once and run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chance, uuidv7 } from '../../src/platform/ids.ts'
import { claimByKey } from '../../src/store/claimByKey.ts'
import type { Db } from '../../src/store/db.ts'
import {
  claim,
  createSettle,
  deliveryState,
  dueLanes,
  type Leased,
  loadMessages,
  loadWebhooks,
} from '../../src/store/deliveries.ts'
import { type Appended, createAppend, readEvents, type TaskChange } from '../../src/store/events.ts'
import { addMessage, cancelQueued } from '../../src/store/messages.ts'
import { beatReplica, giveBackLeases, joinReplica, leaseExpired, reapLeases } from '../../src/store/recovery.ts'
import { createOpen, findTask, listTasks, type NewTask } from '../../src/store/tasks.ts'

export function aNewTask(given: Partial<NewTask> = {}): NewTask {
  const id = given.id ?? uuidv7()
  const contextId = given.contextId ?? `ctx-${id}`
  return {
    tenant: 't',
    id,
    caller: 'alice',
    agent: 'echo',
    contextId,
    trace: null,
    statusAt: new Date().toISOString(),
    deadline: null,
    key: null,
    body: `{"task":{"id":"${id}","contextId":"${contextId}"}}`,
    request: null,
    kind: 'a2a',
    destination: `agent:${given.agent ?? 'echo'}`,
    orderingKey: contextId,
    priority: 2,
    lease: null,
    owner: null,
    notBefore: null,
    ttlSeconds: 3600,
    config: null,
    home: null,
    mail: null,
    ...given,
  }
}

const statusEvent = (state: string) => ({
  kind: 1 as const,
  body: `{"statusUpdate":{"status":{"state":"${state}"}}}`,
  history: null,
})

export function aChange(
  leased: Pick<Leased, 'taskId' | 'id' | 'lease'> & { tenant?: string },
  given: Partial<TaskChange> = {},
): TaskChange {
  return {
    tenant: leased.tenant ?? 't',
    taskId: leased.taskId,
    deliveryId: leased.id,
    lease: leased.lease,
    events: [statusEvent('TASK_STATE_WORKING')],
    state: 2,
    statusAt: new Date().toISOString(),
    upstreamTask: null,
    upstreamContext: null,
    settle: null,
    code: null,
    reason: null,
    ...given,
  }
}

const CONFIG = (id: string, destination: string) =>
  JSON.stringify({
    id,
    url: 'http://sink/',
    destination,
    version: 'v',
    token: null,
    scheme: null,
    credentials: null,
    secret: null,
  })

export function storeSuite(driver: string, open: () => Promise<{ db: Db; close: () => Promise<void> }>) {
  describe(`store on ${driver}`, () => {
    let db: Db
    let close: () => Promise<void>
    const owner = uuidv7()
    const owed: string[] = []
    const append = (change: TaskChange): Promise<Appended> =>
      createAppend(db, { webhookAgeSeconds: 60, newId: uuidv7, onOwed: (lanes) => void owed.push(lanes) }).submit(
        change,
      )
    const openTask = async (given: Partial<NewTask> = {}) => {
      const task = aNewTask(given)
      await createOpen(db).submit(task)
      return task
    }
    const take = (agent: string, count = 10) =>
      claim(db, { tenant: 't', destination: `agent:${agent}`, watermark: 0, count, owner })

    beforeAll(async () => {
      ;({ db, close } = await open())
      await joinReplica(db, owner, 'test', 60_000)
    })
    afterAll(() => close())

    test('a task is there with its first event and its delivery, or not at all', async () => {
      const task = await openTask({ agent: 'first' })
      expect(await findTask(db, { tenant: 't', id: task.id })).toMatchObject({
        state: 'TASK_STATE_SUBMITTED',
        lastSeq: 1,
        caller: 'alice',
      })
      expect(await readEvents(db, 't', task.id, 0, 10)).toMatchObject([{ seq: 1, kind: 0, body: task.body }])
      expect(await take('first')).toMatchObject([{ id: task.id, taskId: task.id, attempt: 1, seq: 1 }])
    })

    test('texts come back as they went in', async () => {
      const odd = JSON.stringify({ a: '"\\ \u2028, {}, NULL \x1e\x1f', b: 'żółć 🦊\n' })
      const task = await openTask({ body: odd, trace: 'NULL', key: 'odd' })
      expect((await readEvents(db, 't', task.id, 0, 1))[0]?.body).toBe(odd)
      expect((await findTask(db, { tenant: 't', id: task.id }))?.trace).toBe('NULL')
      const [, other] = await Promise.all([openTask({ body: odd }), openTask({ agent: 'odd', request: odd })])
      const [leased] = await take('odd')
      const events = [null, odd, null].map((history) => ({ kind: 1 as const, body: odd, history }))
      await append(aChange(leased!, { events }))
      const log = await readEvents(db, 't', other.id, 1, 10)
      expect(log.map(({ body, history }) => [body, history])).toEqual(
        events.map(({ body, history }) => [body, history]),
      )
    })

    test('a foreign task looks like none: by caller, agent and tenant', async () => {
      const task = await openTask()
      const id = task.id
      expect(await findTask(db, { tenant: 't', id, caller: 'bob' })).toBeUndefined()
      expect(await findTask(db, { tenant: 'u', id })).toBeUndefined()
      expect(await findTask(db, { tenant: 't', id, agent: 'other' })).toBeUndefined()
      expect(await findTask(db, { tenant: 't', id: 'not-a-uuid' })).toBeUndefined()
    })

    test('one key makes one task, however many send it at once', async () => {
      const batch = createOpen(db)
      const results = await Promise.all(Array.from({ length: 40 }, () => batch.submit(aNewTask({ key: 'k1' }))))
      expect(results.filter((result) => result.kind === 'opened')).toHaveLength(1)
      expect(new Set(results.flatMap((result) => (result.kind === 'repeated' ? [result.taskId] : []))).size).toBe(1)
    })

    test('the same row sent again after a lost answer is still one task', async () => {
      const batch = createOpen(db)
      const task = aNewTask({ key: 'again' })
      expect(await batch.submit(task)).toEqual({ kind: 'opened' })
      expect(await batch.submit(task)).toEqual({ kind: 'opened' })
      expect(await readEvents(db, 't', task.id, 0, 10)).toHaveLength(1)
    })

    test('one bad row fails alone', async () => {
      const batch = createOpen(db)
      const results = await Promise.allSettled(
        [...Array(9).keys()].map((n) => batch.submit(aNewTask(n === 4 ? { body: 'nul \u0000' } : {}))),
      )
      expect(results.map((result) => result.status)).toEqual(
        [...Array(9).keys()].map((n) => (n === 4 ? 'rejected' : 'fulfilled')),
      )
    })

    test('a conversation is carried in order, one at a time; others run beside it', async () => {
      const a1 = await openTask({ agent: 'fifo', orderingKey: 'a' })
      const a2 = await openTask({ agent: 'fifo', orderingKey: 'a' })
      const b1 = await openTask({ agent: 'fifo', orderingKey: 'b' })
      const first = await take('fifo')
      expect(first.map(({ id }) => id)).toEqual([a1.id, b1.id])
      expect(await take('fifo')).toEqual([])
      await append(aChange(first[0]!, { settle: deliveryState('done') }))
      expect((await take('fifo')).map(({ id }) => id)).toEqual([a2.id])
    })

    test('priority acts between conversations, not inside one', async () => {
      const low = await openTask({ agent: 'prio', orderingKey: 'a' })
      await openTask({ agent: 'prio', orderingKey: 'a', priority: 0 })
      const urgent = await openTask({ agent: 'prio', orderingKey: 'b', priority: 0 })
      expect((await take('prio', 1)).map(({ id }) => id)).toEqual([urgent.id])
      expect((await take('prio', 5)).map(({ id }) => id)).toEqual([low.id])
    })

    test('a stale lease writes nothing', async () => {
      const task = await openTask({ agent: 'fence' })
      const [stale] = await take('fence')
      await createSettle(db).submit({
        ...stale!,
        state: 0,
        waitMs: 0,
        counts: true,
        code: 'X',
        reason: 'x',
        durationMs: 1,
        outcome: 'retry',
        status: null,
      })
      const [fresh] = await take('fence')
      expect(fresh?.attempt).toBe(2)
      expect(await append(aChange(stale!))).toEqual({ kind: 'lease lost' })
      expect(await append(aChange(fresh!))).toMatchObject({ kind: 'appended', lastSeq: 2 })
      expect((await findTask(db, { tenant: 't', id: task.id }))?.lastSeq).toBe(2)
    })

    test('terminal is final: of many racing ends exactly one is recorded, and it is last', async () => {
      const ids = await Promise.all([...Array(20).keys()].map(() => openTask({ agent: 'final' })))
      for (const { id } of ids) {
        const end = (state: string, number: number) =>
          append({
            ...aChange({ taskId: id, id: '', lease: '' }),
            deliveryId: null,
            lease: null,
            events: [statusEvent(state)],
            state: number,
          })
        const ends = await Promise.all([
          end('TASK_STATE_COMPLETED', 3),
          end('TASK_STATE_FAILED', 4),
          end('TASK_STATE_CANCELED', 5),
          end('TASK_STATE_WORKING', 2),
        ])
        const log = await readEvents(db, 't', id, 0, 10)
        expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1))
        expect(ends.filter((kind) => kind.kind === 'appended')).toHaveLength(log.length - 1)
        expect(log.slice(0, -1).some(({ body }) => /COMPLETED|FAILED|CANCELED/.test(body))).toBe(false)
      }
    })

    test('two words of one holder at once are both heard: the second does not cost it the lease', async () => {
      for (const last of [0, 1]) {
        const task = await openTask({ agent: 'twice' })
        const [leased] = await take('twice')
        const batch = createAppend(db, { webhookAgeSeconds: 60, newId: uuidv7, onOwed: () => {} })
        const update = aChange(leased!)
        const end = aChange(leased!, {
          events: [statusEvent('TASK_STATE_FAILED')],
          state: 4,
          settle: deliveryState('done'),
        })
        const other = batch.submit(aChange({ taskId: uuidv7(), id: uuidv7(), lease: uuidv7() }))
        const answers = await Promise.all((last === 1 ? [update, end] : [end, update]).map(batch.submit))
        await other
        expect(answers[last === 1 ? 1 : 0]).toMatchObject({ kind: 'appended' })
        expect(answers[last === 1 ? 0 : 1]).toMatchObject(
          last === 1 ? { kind: 'appended', lastSeq: 2 } : { kind: 'lease lost' },
        )
        expect((await findTask(db, { tenant: 't', id: task.id }))?.state).toBe('TASK_STATE_FAILED')
      }
    })

    test('a task that ended meanwhile takes no event, and its delivery is withdrawn', async () => {
      const task = await openTask({ agent: 'ended' })
      const [leased] = await take('ended')
      await append({ ...aChange(leased!), deliveryId: null, lease: null, state: 5 })
      expect(await append(aChange(leased!, { settle: deliveryState('done') }))).toEqual({ kind: 'final' })
      expect((await readEvents(db, 't', task.id, 0, 10)).length).toBe(2)
      expect(await append(aChange(leased!))).toEqual({ kind: 'lease lost' })
    })

    test('what two replicas owe in one millisecond, to configs of one name, are two webhooks', async () => {
      const begun = uuidv7().slice(0, -8)
      const replica = (end: string) =>
        createAppend(db, { webhookAgeSeconds: 60, newId: () => `${begun}${end}`, onOwed: () => {} })
      for (const end of ['00000001', '00000002']) {
        await openTask({ agent: 'twins', config: CONFIG('p', 'webhook:twins') })
        const [leased] = await take('twins')
        expect(await replica(end).submit(aChange(leased!))).toMatchObject({ kind: 'appended' })
      }
      expect(
        await claim(db, { tenant: 't', destination: 'webhook:twins', watermark: 0, count: 9, owner }),
      ).toHaveLength(2)
    })

    test('by key: the heads that are free, round and round, whatever waits behind them', async () => {
      const byKey = (after: string, count = 2) =>
        claimByKey(db, { tenant: 't', destination: 'agent:keys', count, owner, after })
      const opened: Record<string, NewTask[]> = { a: [], b: [], c: [] }
      for (const key of ['a', 'b', 'c', 'a', 'b', 'a'])
        opened[key]?.push(await openTask({ agent: 'keys', orderingKey: `k/${key}` }))
      const later = new Date(Date.now() + 3_600_000).toISOString()
      await openTask({ agent: 'keys', orderingKey: 'k/d', notBefore: later })
      const ids = (key: string, at: number) => opened[key]?.[at]?.id
      const [a, b] = await byKey('')
      expect([a?.id, b?.id]).toEqual([ids('a', 0), ids('b', 0)])
      expect((await byKey('k/b')).map(({ id }) => id)).toEqual([ids('c', 0)])
      expect(await byKey('')).toEqual([])
      await append(
        aChange(a!, { events: [statusEvent('TASK_STATE_COMPLETED')], state: 3, settle: deliveryState('done') }),
      )
      const [next, ...rest] = await byKey('')
      expect([next?.id, next?.attempt, rest]).toEqual([ids('a', 1), 1, []])
    })

    test('by key: of two who claim at once each head goes to one', async () => {
      const opened = await Promise.all(
        Array.from({ length: 24 }, (_, at) => openTask({ agent: 'race', orderingKey: `k/${at % 12}` })),
      )
      const claims = await Promise.all(
        Array.from({ length: 4 }, () =>
          claimByKey(db, { tenant: 't', destination: 'agent:race', count: 12, owner, after: '' }),
        ),
      )
      const taken = claims.flat()
      expect(new Set(taken.map(({ orderingKey }) => orderingKey)).size).toBe(taken.length)
      expect(taken).toHaveLength(12)
      const order = new Map(opened.map(({ id, orderingKey }) => [id, orderingKey]))
      for (const { id, orderingKey } of taken) expect(order.get(id)).toBe(orderingKey)
    })

    test('each event owes its webhook, in the same statement, and they are carried in order', async () => {
      await openTask({ agent: 'push', config: CONFIG('c1', 'webhook:sink') })
      const [leased] = await take('push')
      owed.length = 0
      await append(aChange(leased!, { events: [statusEvent('TASK_STATE_WORKING'), statusEvent('TASK_STATE_WORKING')] }))
      expect(owed).toEqual(['t webhook:sink'])
      const hooks = () => claim(db, { tenant: 't', destination: 'webhook:sink', watermark: 0, count: 9, owner })
      const [one, ...rest] = await hooks()
      expect(rest).toEqual([])
      expect(one).toMatchObject({ kind: 'webhook', seq: 2, configId: 'c1' })
      expect(await loadWebhooks(db, [one!])).toMatchObject([{ url: 'http://sink/', gone: false, gap: false }])
      await createSettle(db).submit({
        ...one!,
        state: deliveryState('dead'),
        waitMs: 0,
        counts: true,
        code: 'X',
        reason: 'x',
        durationMs: 1,
        outcome: 'dead',
        status: 500,
      })
      const [two] = await hooks()
      expect(await loadWebhooks(db, [two!])).toMatchObject([{ gap: true }])
      expect(two?.seq).toBe(3)
    })

    test('what a dead replica held is waiting again, and the attempt counts', async () => {
      const dead = uuidv7()
      await joinReplica(db, dead, 'dead', -1)
      await openTask({ agent: 'reap' })
      const [leased] = await claim(db, { tenant: 't', destination: 'agent:reap', watermark: 0, count: 1, owner: dead })
      expect(await beatReplica(db, dead, 60_000)).toBeUndefined()
      expect(await reapLeases(db)).toMatchObject([{ id: leased!.id, owner: dead }])
      expect(await take('reap')).toMatchObject([{ id: leased!.id, attempt: 2, code: 'LEASE_LOST' }])
    })

    test('what is given back unsent keeps what a former attempt has left open', async () => {
      const codes = async (before: string | null) => {
        const agent = `back ${before}`
        await openTask({ agent })
        if (before !== null) {
          const [first] = await take(agent)
          const how = { state: 0, waitMs: 0, counts: true, reason: 'x', durationMs: 1, outcome: 'retry', status: null }
          await createSettle(db).submit({ ...first!, ...how, code: before })
        }
        const [leased] = await take(agent)
        await giveBackLeases(db, [{ ...leased!, code: 'UNSENT' }])
        const [again] = await take(agent)
        expect(again?.attempt).toBe(leased?.attempt)
        return again?.code
      }
      expect([await codes(null), await codes('UNKNOWN')]).toEqual(['UNSENT', 'UNKNOWN'])
    })

    test('what waited too long can be taken for its end', async () => {
      const task = await openTask({ agent: 'old', ttlSeconds: -1 })
      expect(await leaseExpired(db, owner, 10)).toMatchObject([{ taskId: task.id }])
      expect(await take('old')).toEqual([])
    })

    test('a queued task is canceled with its delivery; one on its way is not', async () => {
      const cancel = (taskId: string) =>
        cancelQueued(db, { tenant: 't', taskId, statusAt: new Date().toISOString(), body: '{}', eventId: uuidv7() })
      const queued = await openTask({ agent: 'cancel' })
      expect(await cancel(queued.id)).toMatchObject({ lastSeq: 2 })
      expect(await take('cancel')).toEqual([])
      expect(await cancel(queued.id)).toBeUndefined()
      const taken = await openTask({ agent: 'cancel' })
      await take('cancel')
      expect(await cancel(taken.id)).toBeUndefined()
      expect((await findTask(db, { tenant: 't', id: taken.id }))?.state).toBe('TASK_STATE_SUBMITTED')
    })

    test('cancel and claim race: never both', async () => {
      for (let round = 0; round < 30; round++) {
        const agent = `race${round}`
        const task = await openTask({ agent })
        const [claimed, canceled] = await Promise.all([
          take(agent),
          cancelQueued(db, {
            tenant: 't',
            taskId: task.id,
            statusAt: new Date().toISOString(),
            body: '{}',
            eventId: uuidv7(),
          }),
        ])
        expect(claimed.length + (canceled ? 1 : 0)).toBeLessThanOrEqual(1)
      }
    })

    test('a further message is added once per key, in the state it was meant for', async () => {
      const task = await openTask({ agent: 'more' })
      const message = (given = {}) =>
        addMessage(db, {
          tenant: 't',
          taskId: task.id,
          caller: 'alice',
          agent: 'more',
          expectedState: 1,
          state: 1,
          statusAt: new Date().toISOString(),
          body: '{}',
          history: '[{"messageId":"m2"}]',
          request: null,
          key: 'm2',
          deliveryId: uuidv7(),
          kind: 'a2a',
          destination: 'agent:more',
          orderingKey: task.orderingKey,
          priority: 2,
          ttlSeconds: 60,
          mail: null,
          ...given,
        })
      expect(await message({ expectedState: 2, key: 'other' })).toBeUndefined()
      expect(await message()).toMatchObject({ lastSeq: 2 })
      expect(await message()).toBeUndefined()
      expect(await message({ key: 'other', caller: 'bob' })).toBeUndefined()
      const [first] = await take('more')
      await append(aChange(first!, { settle: deliveryState('done') }))
      const [second] = await take('more')
      expect(await loadMessages(db, [second!])).toMatchObject([
        { seq: 2, history: '[{"messageId":"m2"}]', contextId: task.contextId },
      ])
    })

    test('a list is in the order of the status, newest first, and pages without gap or repeat', async () => {
      const made = []
      for (let n = 0; n < 25; n++)
        made.push(
          await openTask({
            caller: 'lister',
            statusAt: new Date(1_700_000_000_000 + Math.floor(chance() * 10)).toISOString(),
          }),
        )
      const seen: string[] = []
      let after: { statusAt: number; id: string } | undefined
      for (;;) {
        const { heads, total } = await listTasks(db, {
          tenant: 't',
          caller: 'lister',
          limit: 7,
          ...(after && { after }),
        })
        expect(total).toBe(25)
        seen.push(...heads.map(({ id }) => id))
        const last = heads.at(-1)
        if (!last) break
        after = { statusAt: last.statusAt, id: last.id }
      }
      expect(new Set(seen).size).toBe(25)
      expect(seen).toHaveLength(25)
    })

    test('every destination with something waiting is told, with the time of the first', async () => {
      await openTask({ agent: 'lane', notBefore: new Date(Date.now() + 60_000).toISOString() })
      const lane = (await dueLanes(db)).find(({ destination }) => destination === 'agent:lane')
      expect(lane?.dueInMs).toBeGreaterThan(30_000)
      expect(await take('lane')).toEqual([])
    })
  })
}
