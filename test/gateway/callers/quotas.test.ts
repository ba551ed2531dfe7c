import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config.ts'
import { createBuckets, createQuotas, isRate, parseRate } from '../../../src/gateway/callers/quotas.ts'
import type { Caller, Permit } from '../../../src/ports.ts'
import { heldClock } from '../../support/heldClock.ts'

const aCaller = (id: string, more: Partial<Caller> = {}, permits: Permit[] = ['send']): Caller => ({
  tenant: 't',
  id,
  kind: 'key',
  permits: new Set(permits),
  ...more,
})
/** How many are let through until the first refusal. */
function through(take: () => unknown, max = 10_000): number {
  for (let count = 0; count < max; count++) if (take() !== undefined) return count
  return max
}
const RATE = { perSecond: 10, burst: 3 }

function quotas(given: Partial<Parameters<typeof createQuotas>[0]> = {}) {
  const clock = heldClock()
  const made = createQuotas({ clock, sends: RATE, others: undefined, tenantSends: undefined, ...given })
  return { clock, ...made }
}

test('a rate is a number a second and how many at once', () => {
  expect(parseRate('50/200')).toEqual({ perSecond: 50, burst: 200 })
  expect(parseRate('50')).toEqual({ perSecond: 50, burst: 100 })
  expect(parseRate('0.1')).toEqual({ perSecond: 0.1, burst: 1 })
  expect(parseRate('off')).toBeUndefined()
  for (const text of ['', '0', '0.0', '0/5', '5/0', '-1', '1e3', '5/1.5', '12345678', ' 5', 'Off', '5/5/5']) {
    expect(isRate(text), text).toBe(false)
    expect(() => readConfig({ file: '/none', env: { WAYPOST_SEND_RATE: text || ' ' } }), text).toThrow(
      'WAYPOST_SEND_RATE',
    )
  }
  for (const text of ['off', '1', '0.5/3', '1000/5000', '9999999/9999999']) {
    expect(isRate(text), text).toBe(true)
    expect(readConfig({ file: '/none', env: { WAYPOST_SEND_RATE: text } }).sendRate).toBe(text)
  }
  expect(readConfig({ file: '/none', env: {} })).toMatchObject({ sendRate: '1000/5000', tenantSendRate: 'off' })
})

describe('a bucket', () => {
  test('gives its burst at once, then its rate, and never more than its burst after a pause', () => {
    const buckets = createBuckets()
    const take = (now: number) => through(() => (buckets.take('a', RATE, now) === 0 ? undefined : true))
    expect(take(0)).toBe(3)
    expect(take(99)).toBe(0)
    expect(take(100)).toBe(1)
    expect(take(350)).toBe(2)
    expect(take(1e9)).toBe(3)
  })

  test('says how long to wait, exactly, and a refusal takes nothing', () => {
    const buckets = createBuckets()
    for (let sent = 0; sent < 3; sent++) expect(buckets.take('a', RATE, 0)).toBe(0)
    for (let asked = 0; asked < 5; asked++) expect(buckets.take('a', RATE, 40)).toBeCloseTo(60)
    expect(buckets.take('a', RATE, 100)).toBe(0)
  })

  test('over a long time exactly the rate is let through, however often one asks', () => {
    const buckets = createBuckets()
    let taken = 0
    for (let now = 0; now < 100_000; now += 7) if (buckets.take('a', RATE, now) === 0) taken++
    expect(taken).toBeGreaterThanOrEqual(1_001)
    expect(taken).toBeLessThanOrEqual(1_003)
  })

  test('goes when its caller is idle; and there are never more than the bound', () => {
    const buckets = createBuckets(100)
    for (let name = 0; name < 50; name++) buckets.take(`a${name}`, RATE, 0)
    expect(buckets.size()).toBe(50)
    buckets.take('later', RATE, 60_000)
    expect(buckets.size()).toBe(1)
    for (let name = 0; name < 1_000; name++) buckets.take(`b${name}`, RATE, 60_001)
    expect(buckets.size()).toBe(100)
  })

  test('of a caller that still owes is kept by the sweep', () => {
    const buckets = createBuckets()
    const slow = { perSecond: 0.001, burst: 1 }
    buckets.take('slow', slow, 0)
    buckets.take('other', RATE, 60_000)
    expect(buckets.take('slow', slow, 60_000)).toBeGreaterThan(0)
  })
})

describe('quotas', () => {
  test('are of one caller: another, and one of the same name in another tenant, has its own', () => {
    const { take } = quotas()
    const [alice, bob] = [aCaller('alice'), aCaller('bob')]
    expect(through(() => take(alice, 'send'))).toBe(3)
    expect(take(alice, 'send')).toEqual({ scope: 'caller', retryAfterSeconds: 1 })
    expect(take(bob, 'send')).toBeUndefined()
    expect(take(aCaller('alice', { tenant: 'other' }), 'send')).toBeUndefined()
  })

  test('two keys of one caller share its quota; a key with a rate of its own has a bucket of its own', () => {
    const { take } = quotas()
    expect(through(() => take({ ...aCaller('alice') }, 'send'))).toBe(3)
    const own = aCaller('alice', { sendRate: { key: 'k1', rate: { perSecond: 0.1, burst: 5 } } })
    expect(through(() => take(own, 'send'))).toBe(5)
    expect(take(own, 'send')).toEqual({ scope: 'key', retryAfterSeconds: 10 })
    expect(through(() => take(aCaller('alice', { sendRate: { key: 'k2', rate: undefined } }), 'send'))).toBe(10_000)
  })

  test('operators have none, unless their key has one', () => {
    const { take } = quotas({ others: RATE, tenantSends: RATE })
    const operator = aCaller('operator', {}, ['operator'])
    expect(through(() => take(operator, 'send'))).toBe(10_000)
    expect(through(() => take(operator, 'other'))).toBe(10_000)
    expect(through(() => take({ ...operator, sendRate: { key: 'k', rate: { perSecond: 1, burst: 2 } } }, 'send'))).toBe(
      2,
    )
  })

  test('what is not a send has a quota of its own', () => {
    const { take } = quotas({ others: { perSecond: 1, burst: 7 } })
    const alice = aCaller('alice')
    expect(through(() => take(alice, 'send'))).toBe(3)
    expect(through(() => take(alice, 'other'))).toBe(7)
    expect(through(() => quotas().take(alice, 'other'))).toBe(10_000)
  })

  test('of a tenant hold for all its callers, and a refusal costs the caller nothing of its own', () => {
    const { take, clock } = quotas({ sends: { perSecond: 1, burst: 100 }, tenantSends: { perSecond: 0.5, burst: 4 } })
    const [alice, bob] = [aCaller('alice'), aCaller('bob')]
    expect(through(() => take(alice, 'send'))).toBe(4)
    expect(take(bob, 'send')).toEqual({ scope: 'tenant', retryAfterSeconds: 2 })
    for (let asked = 0; asked < 1_000; asked++) expect(take(alice, 'send')?.scope).toBe('tenant')
    clock.advance(2_000)
    expect(take(bob, 'send')).toBeUndefined()
    expect(take(aCaller('x', { tenant: 'other' }), 'send')).toBeUndefined()
  })
})
