/** One host's room, for all lanes together (SR-35). */
import { expect, test } from 'vitest'
import { createHostRoom, type HostRoomTools } from '../../../src/gateway/forwarder/hostRoom.ts'
import { heldClock } from '../../support/heldClock.ts'

const never = new AbortController().signal

function world(given: Partial<HostRoomTools> = {}) {
  const clock = heldClock()
  const room = createHostRoom({ clock, rate: { perSecond: 50, burst: 100 }, ...given })
  return { clock, room, enter: (host = 'h.test', signal = never) => room.enter(host, signal) }
}
const isPlace = (entered: unknown): entered is () => void => typeof entered === 'function'

test('five at once, the others in their order as places become free; another host has its own', async () => {
  const { enter } = world()
  const places = await Promise.all(Array.from({ length: 5 }, () => enter()))
  expect(places.every(isPlace)).toBe(true)
  const order: string[] = []
  const waiting = ['a', 'b'].map(async (name) => {
    const place = await enter()
    order.push(name)
    return place
  })
  expect(isPlace(await enter('other.test'))).toBe(true)
  expect(order).toEqual([])
  ;(places[0] as () => void)()
  const first = await waiting[0]
  expect(order).toEqual(['a'])
  ;(first as () => void)()
  await waiting[1]
  expect(order).toEqual(['a', 'b'])
})

test('no more than ten wait: the next are told to come again, one after the other', async () => {
  const { enter } = world({ places: 1 })
  const place = (await enter()) as () => void
  const waiting = Array.from({ length: 10 }, () => enter())
  expect([await enter(), await enter()]).toEqual([1_000, 1_000])
  const later = await Promise.all(Array.from({ length: 100 }, () => enter()))
  expect(later.at(-1)).toBe(102 * 20)
  place()
  for (const one of waiting) {
    const turn = await one
    expect(isPlace(turn)).toBe(true)
    ;(turn as () => void)()
  }
  expect(isPlace(await enter())).toBe(true)
})

test('so many a second', async () => {
  const { clock, enter } = world({ rate: { perSecond: 2, burst: 2 } })
  for (let at = 0; at < 2; at++) ((await enter()) as () => void)()
  expect([await enter(), await enter()]).toEqual([1_000, 1_500])
  clock.advance(500)
  const place = await enter()
  expect(isPlace(place)).toBe(true)
})

test('who is stopped while it waits gives its turn to the next', async () => {
  const { enter } = world({ places: 1 })
  const place = (await enter()) as () => void
  const [stop, gone] = [new AbortController(), new AbortController()]
  gone.abort()
  const [first, second] = [enter('h.test', stop.signal), enter()]
  expect(await enter('h.test', gone.signal)).toBe(1_000)
  stop.abort()
  expect(await first).toBe(1_000)
  place()
  expect(isPlace(await second)).toBe(true)
})
