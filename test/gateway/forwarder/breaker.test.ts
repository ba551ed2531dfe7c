import { describe, expect, test } from 'vitest'
import {
  afterFailure,
  afterSuccess,
  type Breaker,
  isOpen,
  newBreaker,
  reopen,
} from '../../../src/gateway/forwarder/breaker.ts'

const bounds = { widthMax: 16, failuresMax: 5, probeFirstMs: 1_000, probeLongestMs: 30_000 }
const fail = (breaker: Breaker, unreachable: boolean, now = 0) =>
  afterFailure(breaker, { unreachable, reason: 'r', now, random: 1 }, bounds)

describe('a breaker', () => {
  test('closes at once when nobody is there', () => {
    expect(fail(newBreaker(16), true, 500)).toMatchObject({ failures: 1, probeAt: 1_500, reason: 'r' })
  })

  test('closes only after several failures of other kinds in a row', () => {
    let breaker = newBreaker(16)
    for (let n = 1; n < 5; n++) {
      breaker = fail(breaker, false)
      expect(isOpen(breaker)).toBe(true)
    }
    expect(isOpen(fail(breaker, false))).toBe(false)
    expect(isOpen(fail(afterSuccess(breaker, bounds), false))).toBe(true)
  })

  test('opens at width one and doubles with each success; its failures are remembered until one', () => {
    let breaker = reopen(fail(newBreaker(16), true))
    expect(breaker).toEqual({ failures: 1, width: 1 })
    const widths = []
    for (let n = 0; n < 6; n++) {
      breaker = afterSuccess(breaker, bounds)
      widths.push(breaker.width)
    }
    expect(widths).toEqual([2, 4, 8, 16, 16, 16])
  })

  test('is probed later and later, up to a bound', () => {
    let breaker = newBreaker(16)
    const waits = []
    for (let n = 0; n < 7; n++) {
      breaker = fail(breaker, true)
      waits.push(breaker.probeAt)
      breaker = reopen(breaker)
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })

  test('that is closed is not closed for longer by what was still on its way', () => {
    const closed = fail(newBreaker(16), true)
    expect(fail(closed, true, 900).probeAt).toBe(closed.probeAt)
  })
})
