import { describe, expect, test } from 'vitest'
import { cadenceMs } from '../../../src/gateway/agents/cadence.ts'
import { bucketOf, mailboxPresence } from '../../../src/gateway/agents/mailboxPresence.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const NOW = Date.parse('2026-01-31T12:00:00Z')

const look = (
  silentMs: number | null,
  more: { cadence?: string; leased?: number; pausedAt?: Date; wake?: object } = {},
) => {
  const { cadence, leased = 0, pausedAt, wake } = more
  const registration = { name: 'x', ...(cadence && { cadence }), ...(wake && { wake }) }
  const agent = { policy: { maxInflight: 2 }, registration, ...(pausedAt && { pausedAt }) }
  const seenAt = silentMs === null ? null : NOW - silentMs
  return mailboxPresence(agent as never, { seenAt, workedAt: null, leased, waiting: 0, oldestAt: null, now: NOW })
}

describe('the presence of an agent that collects', () => {
  test.each([
    ['never seen', null, {}, 'offline'],
    ['waits on a connection', 20_000, {}, 'available'],
    ['silent for two minutes', 2 * MINUTE, {}, 'offline'],
    ['silent for a week', 8 * DAY, {}, 'ghost'],
    ['works, and says nothing', 5 * MINUTE, { leased: 1 }, 'available'],
    ['has all that it may have', 5 * MINUTE, { leased: 2 }, 'busy'],
    ['between two visits', 50 * MINUTE, { cadence: 'PT1H' }, 'away'],
    ['has missed one', 2 * HOUR, { cadence: 'PT1H' }, 'offline'],
    ['has missed three', 3 * HOUR + MINUTE, { cadence: 'PT1H' }, 'ghost'],
    ['of a rare one, a week', 8 * DAY, { cadence: 'P7D' }, 'ghost'],
    ['now and then', 10 * MINUTE, { cadence: 'polling' }, 'away'],
    ['no more', DAY, { cadence: 'polling' }, 'offline'],
    ['paused', 1_000, { pausedAt: new Date(NOW) }, 'blocked-by-operator'],
  ] as const)('%s', (_, silentMs, more, state) => {
    expect(look(silentMs, more).state).toBe(state)
  })

  test('when it is expected, and how it can be woken', () => {
    expect(look(30 * MINUTE, { cadence: 'PT1H' }).nextExpected).toEqual(new Date(NOW + 30 * MINUTE))
    expect(look(30 * MINUTE).nextExpected).toBeUndefined()
    expect([look(1_000).wakeable, look(DAY).wakeable, look(DAY, { wake: {} }).wakeable]).toEqual([
      'socket',
      'none',
      'webhook',
    ])
  })

  test('counts are told roughly, cadences exactly', () => {
    expect([0, 1, 9, 10, 99, 100, 1_000, 100_000].map(bucketOf)).toEqual([
      '0',
      '1-9',
      '1-9',
      '10-99',
      '10-99',
      '100-999',
      '1000+',
      '1000+',
    ])
    expect(['PT90M', 'P1DT2H', 'PT30S', 'P', 'PT', 'P31D', 'hourly'].map(cadenceMs)).toEqual([
      90 * MINUTE,
      26 * HOUR,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})
