/** Calls that wait for work, with the clock in hand and a shelf instead of a database. */
import { setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import { toAgent } from '../../../src/gateway/agents/agent.ts'
import type { LeaseRequest } from '../../../src/gateway/mailbox/lease.ts'
import type { Offer } from '../../../src/gateway/mailbox/offer.ts'
import { createPolls } from '../../../src/gateway/mailbox/polls.ts'
import { LIMITS } from '../../../src/limits.ts'

const agent = toAgent({
  tenant: 't',
  name: 'shout',
  owner: 'local',
  registration: { name: 'shout', connector: { kind: 'mailbox' } },
  modifiedAt: 0,
  createdAt: 0,
  provisioned: false,
  card: null,
  cardFetchedAt: null,
  pausedAt: null,
  pausedReason: null,
  credentials: null,
} as never)

const wishing = (given: Partial<LeaseRequest> = {}): LeaseRequest => ({
  max: 1,
  leaseSeconds: undefined,
  worker: undefined,
  level: 3,
  contextId: null,
  from: null,
  skill: null,
  kinds: null,
  label: null,
  ...given,
})
const never = new AbortController().signal
setMaxListeners(0, never)
const turn = () => new Promise(setImmediate)

function aShelf({ pollsMax = 100 } = {}) {
  const shelf: string[] = []
  const back: string[] = []
  const looks: LeaseRequest[] = []
  let now = 0
  let gate = Promise.resolve()
  let failing: Error | undefined
  const polls = createPolls({
    clock: { elapsed: () => now, now: () => new Date(now), sleep: async () => {} },
    limits: { ...LIMITS, pollsMax },
    findAgent: async () => agent,
    async take(_agent, request) {
      looks.push(request)
      if (failing) throw failing
      const found = request.skill ? undefined : shelf.shift()
      await gate
      return found ? [{ text: found } as Offer] : []
    },
    async takeBack(_agent, offers) {
      back.push(...offers.map(({ text }) => text))
    },
  })
  return {
    polls,
    shelf,
    back,
    looks,
    later: (ms: number) => {
      now += ms
      polls.tick()
    },
    put: (text: string) => {
      shelf.push(text)
      polls.wake('t', 'agent:shout')
    },
    hold: () => {
      let open = () => {}
      gate = new Promise((resolve) => {
        open = resolve
      })
      return open
    },
    fail: (error: Error | undefined) => {
      failing = error
    },
  }
}

const texts = async (offers: Promise<Offer[]>) => (await offers).map(({ text }) => text)

test('who does not wait is answered at once', async () => {
  const { polls, shelf } = aShelf()
  expect(await polls.wait(agent, wishing(), 0, never)).toEqual([])
  shelf.push('a')
  expect(await texts(polls.wait(agent, wishing(), 0, never))).toEqual(['a'])
  expect(polls.count()).toBe(0)
})

test('who came first is served first; one that wakes up for nothing costs one look for all', async () => {
  const { polls, put, looks } = aShelf()
  const calls = Array.from({ length: 50 }, () => polls.wait(agent, wishing(), 50_000, never))
  await turn()
  looks.length = 0
  polls.wake('t', 'agent:shout')
  await turn()
  expect(looks).toHaveLength(1)
  put('a')
  put('b')
  expect(await texts(calls[0] as Promise<Offer[]>)).toEqual(['a'])
  expect(await texts(calls[1] as Promise<Offer[]>)).toEqual(['b'])
  expect(polls.count()).toBe(48)
  polls.close()
  expect((await Promise.all(calls.slice(2))).flat()).toEqual([])
})

test('other wishes do not wait behind those that cannot be met', async () => {
  const { polls, put } = aShelf()
  const picky = polls.wait(agent, wishing({ skill: 'x' }), 50_000, never)
  const plain = polls.wait(agent, wishing(), 50_000, never)
  put('a')
  expect(await texts(plain)).toEqual(['a'])
  polls.close()
  expect(await picky).toEqual([])
})

test('a wait ends, and at the longest wait that is allowed', async () => {
  const { polls, later } = aShelf()
  const short = polls.wait(agent, wishing(), 2_000, never)
  const long = polls.wait(agent, wishing(), 3_600_000, never)
  await turn()
  later(2_000)
  expect(await short).toEqual([])
  expect(polls.count()).toBe(1)
  later(LIMITS.pollWaitMaxMs)
  expect(await long).toEqual([])
  expect(polls.watched()).toEqual([])
})

test('what was leased for one who left meanwhile goes back', async () => {
  const { polls, shelf, back, hold } = aShelf()
  const open = hold()
  shelf.push('a')
  const leaving = new AbortController()
  const call = polls.wait(agent, wishing(), 50_000, leaving.signal)
  await turn()
  leaving.abort()
  expect(await call).toEqual([])
  open()
  await turn()
  expect(back).toEqual(['a'])
  expect(polls.count()).toBe(0)
})

test('work that comes during a look is found by the next', async () => {
  const { polls, put, hold } = aShelf()
  const open = hold()
  const call = polls.wait(agent, wishing(), 50_000, never)
  await turn()
  put('a')
  open()
  expect(await texts(call)).toEqual(['a'])
})

test('a store that fails is told to who asked, and the next may ask again', async () => {
  const { polls, shelf, fail } = aShelf()
  fail(new Error('down'))
  await expect(polls.wait(agent, wishing(), 50_000, never)).rejects.toThrow('down')
  fail(undefined)
  shelf.push('a')
  expect(await texts(polls.wait(agent, wishing(), 50_000, never))).toEqual(['a'])
})

test('more than there is room for is refused', async () => {
  const { polls } = aShelf({ pollsMax: 2 })
  const calls = [0, 1].map(() => polls.wait(agent, wishing(), 50_000, never))
  await expect(polls.wait(agent, wishing(), 50_000, never)).rejects.toMatchObject({ reason: 'RATE_LIMITED' })
  polls.close()
  await Promise.all(calls)
  expect(await polls.wait(agent, wishing(), 50_000, never)).toEqual([])
})

test('those who began to wait together do not end together; who waits briefly waits as long as he asked', async () => {
  const { polls, later } = aShelf({ pollsMax: 300 })
  const long = Array.from({ length: 200 }, () => polls.wait(agent, wishing(), 50_000, never))
  const brief = polls.wait(agent, wishing({ skill: 'x' }), 19_000, never)
  await turn()
  later(18_999)
  expect(polls.count()).toBe(201)
  later(1)
  expect(await brief).toEqual([])
  later(21_000)
  expect(polls.count()).toBe(200)
  const left: number[] = []
  for (let second = 41; second <= 50; second++) {
    later(1_000)
    left.push(polls.count())
  }
  // Spread over the last fifth, and none later than it asked for.
  expect(left.slice(0, -1).every((count, at) => count > (left[at + 1] as number))).toBe(true)
  expect(left.at(-1)).toBe(0)
  expect((await Promise.all(long)).flat()).toEqual([])
})

test('a call beside others that wait for the same asks nobody, and is woken like them; for something else it asks', async () => {
  const { polls, looks, put, shelf, later } = aShelf()
  const waiting = [polls.wait(agent, wishing(), 5_000, never), polls.wait(agent, wishing(), 5_000, never)]
  await turn()
  const before = looks.length
  waiting.push(polls.wait(agent, wishing(), 5_000, never))
  await turn()
  expect(looks).toHaveLength(before)
  for (const text of ['a', 'b', 'c']) put(text)
  expect((await Promise.all(waiting.map(texts))).flat().sort()).toEqual(['a', 'b', 'c'])
  shelf.push('d')
  expect(await texts(polls.wait(agent, wishing(), 5_000, never))).toEqual(['d'])
  const other = polls.wait(agent, wishing({ skill: 's' }), 5_000, never)
  await turn()
  expect(looks.at(-1)?.skill).toBe('s')
  later(5_000)
  expect(await other).toEqual([])
})
