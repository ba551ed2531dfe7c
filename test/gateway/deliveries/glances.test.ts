import { beforeEach, expect, test } from 'vitest'
import { createGlances } from '../../../src/gateway/deliveries/glances.ts'
import { LIMITS } from '../../../src/limits.ts'
import { type HeldClock, heldClock } from '../../support/heldClock.ts'

let clock: HeldClock
/** Each look, with what ends it. */
let looks: { places: readonly string[]; answer: (counts: readonly number[]) => void; fail: () => void }[]

beforeEach(() => {
  clock = heldClock()
  looks = []
})

const glances = (max = 10) =>
  createGlances({
    clock,
    limits: LIMITS,
    max,
    keyOf: (place: string) => place,
    unknown: () => ({ count: 0 }),
    read: (places) =>
      new Promise<{ count: number }[]>((resolve, reject) => {
        looks.push({
          places,
          answer: (counts) => resolve(counts.map((count) => ({ count }))),
          fail: () => reject(new Error('no')),
        })
      }),
  })

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('nobody waits for a look but the first', async () => {
  const { look, first } = glances()
  const waited = first('a')
  expect(look('a')).toEqual({ count: 0 })
  looks[0]?.answer([3])
  expect(await waited).toEqual({ count: 3 })
  clock.advance(LIMITS.queueCountEveryMs + 1)
  expect(await first('a')).toEqual({ count: 3 })
  expect(looks).toHaveLength(2)
  looks[1]?.answer([4])
  await settled()
  expect(look('a')).toEqual({ count: 4 })
  expect(looks).toHaveLength(2)
})

test('one look at a time, for all that were asked for meanwhile', async () => {
  const { look } = glances()
  for (const place of ['a', 'b', 'c', 'b']) look(place)
  expect(looks.map(({ places }) => places)).toEqual([['a']])
  looks[0]?.answer([1])
  await settled()
  expect(looks.map(({ places }) => places)).toEqual([['a'], ['b', 'c']])
  looks[1]?.answer([2, 3])
  await settled()
  expect([look('a'), look('b'), look('c')].map(({ count }) => count)).toEqual([1, 2, 3])
})

test('what is carried on in memory counts until the next look', async () => {
  const { look, known } = glances()
  look('a')
  looks[0]?.answer([1])
  await settled()
  known('a').count++
  expect(look('a')).toEqual({ count: 2 })
  clock.advance(LIMITS.queueCountEveryMs + 1)
  look('a')
  looks[1]?.answer([7])
  await settled()
  expect(look('a')).toEqual({ count: 7 })
})

test('a look that fails leaves what was known, and is not repeated at once', async () => {
  const { look, first } = glances()
  const waited = first('a')
  looks[0]?.fail()
  expect(await waited).toEqual({ count: 0 })
  look('a')
  expect(looks).toHaveLength(1)
  clock.advance(LIMITS.queueCountEveryMs + 1)
  look('a')
  expect(looks).toHaveLength(2)
})

test('so many places are remembered: the one that was not asked for longest is forgotten', async () => {
  const { look, known } = glances(2)
  for (const place of ['a', 'b']) known(place).count = 5
  look('a')
  known('c')
  expect(known('a')).toEqual({ count: 5 })
  expect(known('b')).toEqual({ count: 0 })
})
