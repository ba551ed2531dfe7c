import { describe, expect, test } from 'vitest'
import { assertMove, DELIVERY_STATES, decide, MOVES, type Verdict } from '../src/delivery.ts'
import { backoffMs } from '../src/gateway/deliveries/backoff.ts'

const refused = (given: Partial<Extract<Verdict, { kind: 'refused' }>> = {}): Verdict => ({
  kind: 'refused',
  reason: 'HTTP 503',
  code: 'BUSY',
  retry: true,
  ...given,
})

describe('what follows from a verdict', () => {
  test.each<[string, number, Verdict, object]>([
    ['accepted on the last attempt', 3, { kind: 'accepted' }, { kind: 'delivered' }],
    ['busy, attempts left', 2, refused(), { kind: 'retry', waitMs: 1_000, counts: true }],
    [
      'busy, and asks for more time than the backoff',
      1,
      refused({ retryAfterMs: 9_000 }),
      { kind: 'retry', waitMs: 9_000 },
    ],
    [
      'busy, none left',
      3,
      refused(),
      { kind: 'dead', code: 'DELIVERY_ATTEMPTS_EXHAUSTED', reason: 'HTTP 503, 3 of 3 attempts' },
    ],
    ['refused for good', 1, refused({ retry: false, code: 'REJECTED' }), { kind: 'dead', code: 'REJECTED' }],
    [
      'nobody there, none left: an offline agent is no failing message',
      3,
      refused({ code: 'UNREACHABLE' }),
      { kind: 'retry', counts: false },
    ],
    ['we were the ones who stopped', 3, refused({ code: 'STOPPED' }), { kind: 'retry', counts: false }],
    ['our credential is wrong', 3, refused({ code: 'UPSTREAM_AUTH' }), { kind: 'retry', counts: false }],
    [
      'unknown: never again by itself',
      1,
      { kind: 'unknown', reason: 'reset' },
      { kind: 'dead', code: 'DELIVERY_UNKNOWN' },
    ],
  ])('%s', (_title, attempt, verdict, outcome) => {
    expect(decide({ attempt, attemptsMax: 3 }, verdict, 1_000)).toMatchObject(outcome)
  })
})

test('moves: what is done or void never changes; what died can only wait again', () => {
  for (const from of DELIVERY_STATES) {
    for (const to of DELIVERY_STATES) {
      if (MOVES[from].includes(to)) expect(() => assertMove(from, to)).not.toThrow()
      else expect(() => assertMove(from, to)).toThrow(`${from} to ${to}`)
    }
  }
  expect([MOVES.done, MOVES.void, MOVES.dead]).toEqual([[], [], ['waiting']])
})

test('backoff doubles from the first to the longest, and leaves half of it to chance', () => {
  const bounds = { firstMs: 100, longestMs: 1_000 }
  expect([1, 2, 3, 4, 5, 99].map((attempt) => backoffMs(attempt, 1, bounds))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ])
  expect([1, 5].map((attempt) => backoffMs(attempt, 0, bounds))).toEqual([50, 500])
})
