/**
 * How often a caller may ask (SR-27): token buckets in this process's memory. What is refused here has cost a look-up or
 * two and stored nothing; what is within its quota allocates nothing. Operators have no quota unless their key has one.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Caller, Rate } from '../../ports.ts'

/** `off`, or a number a second and, after a slash, how many at once (default: twice the number, at least 1). */
export const RATE_FORM = /^(off|\d{1,7}(\.\d{1,3})?(\/\d{1,7})?)$/

/** undefined: no limit, or not in the form. Nothing is allowed to be never: a rate of 0 is refused by `isRate`. */
export function parseRate(text: string): Rate | undefined {
  if (text === 'off' || !isRate(text)) return undefined
  const [perSecond = 0, burst = Math.max(1, Math.ceil(perSecond * 2))] = text.split('/').map(Number)
  return { perSecond, burst }
}

export const isRate = (text: string): boolean =>
  RATE_FORM.test(text) && (text === 'off' || text.split('/').every((part) => Number(part) > 0))

/** Whose quota is used up, and when there is room again: whole seconds, at least 1. */
export interface QuotaRefusal {
  readonly scope: 'caller' | 'key' | 'tenant'
  readonly retryAfterSeconds: number
}

export interface Quotas {
  /** Takes one from what the caller has left; the refusal, if nothing is left, takes nothing. */
  take(caller: Caller, kind: 'send' | 'other'): QuotaRefusal | undefined
}

export interface QuotasTools {
  readonly clock: Pick<Clock, 'elapsed'>
  /** Messages of one caller; undefined: no limit. */
  readonly sends: Rate | undefined
  /** Everything else that one caller asks. */
  readonly others: Rate | undefined
  /** Messages of all callers of a tenant. */
  readonly tenantSends: Rate | undefined
  /** Callers that are kept count of, for each of the three. */
  readonly bucketsMax?: number
}

export function createQuotas({ clock, sends, others, tenantSends, bucketsMax }: QuotasTools): Quotas {
  const perCaller = { send: createBucketsByTenant(bucketsMax), other: createBucketsByTenant(bucketsMax) }
  const perKey = createBuckets(bucketsMax)
  const perTenant = createBuckets(bucketsMax)

  function takeOwn(caller: Caller, kind: 'send' | 'other', now: number): QuotaRefusal | undefined {
    const rate = kind === 'send' ? sends : others
    if (rate === undefined) return undefined
    const wait = perCaller[kind](caller.tenant).take(caller.id, rate, now)
    return wait === 0 ? undefined : refusal('caller', wait)
  }

  return {
    take(caller, kind) {
      const { sendRate } = caller
      const own = kind === 'send' && sendRate !== undefined
      if (!own && caller.permits.has('operator')) return undefined
      const now = clock.elapsed()
      if (!own) {
        const refused = takeOwn(caller, kind, now)
        if (refused) return refused
      } else if (sendRate.rate !== undefined) {
        const wait = perKey.take(sendRate.key, sendRate.rate, now)
        if (wait > 0) return refusal('key', wait)
      }
      if (kind !== 'send' || tenantSends === undefined) return undefined
      const wait = perTenant.take(caller.tenant, tenantSends, now)
      if (wait === 0) return undefined
      // It has not been served: what it had of its own is its own again.
      if (own) perKey.giveBack(sendRate.key)
      else perCaller.send(caller.tenant).giveBack(caller.id)
      return refusal('tenant', wait)
    },
  }
}

const refusal = (scope: QuotaRefusal['scope'], waitMs: number): QuotaRefusal => ({
  scope,
  retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
})

interface Bucket {
  rate: Rate
  left: number
  /** When `left` was true. */
  at: number
}

export interface Buckets {
  /** Milliseconds to wait for the next; 0: it was taken. */
  take(name: string, rate: Rate, now: number): number
  giveBack(name: string): void
  readonly size: () => number
}

/** A caller is never more than a bucket, and a bucket that is full is as good as none: those go, at the latest when room is needed. */
const SWEEP_EVERY_MS = 60_000

export function createBuckets(bucketsMax: number = LIMITS.rateBucketsMax): Buckets {
  const buckets = new Map<string, Bucket>()
  let sweptAt = 0

  function refill(bucket: Bucket, now: number): void {
    bucket.left = Math.min(bucket.rate.burst, bucket.left + ((now - bucket.at) * bucket.rate.perSecond) / 1_000)
    bucket.at = now
  }

  function sweep(now: number): void {
    sweptAt = now
    for (const [name, bucket] of buckets) {
      refill(bucket, now)
      if (bucket.left >= bucket.rate.burst) buckets.delete(name)
    }
  }

  function add(name: string, rate: Rate, now: number): Bucket {
    if (now - sweptAt >= SWEEP_EVERY_MS) sweep(now)
    // All are in use: the oldest is forgotten, and has a full bucket when it asks again.
    for (const oldest of buckets.keys()) {
      if (buckets.size < bucketsMax) break
      buckets.delete(oldest)
    }
    const bucket = { rate, left: rate.burst, at: now }
    buckets.set(name, bucket)
    return bucket
  }

  return {
    take(name, rate, now) {
      const bucket = buckets.get(name) ?? add(name, rate, now)
      refill(bucket, now)
      if (bucket.left < 1) return ((1 - bucket.left) * 1_000) / rate.perSecond
      bucket.left -= 1
      return 0
    },
    giveBack(name) {
      const bucket = buckets.get(name)
      if (bucket) bucket.left += 1
    },
    size: () => buckets.size,
  }
}

/** Callers of different tenants may have the same name. */
function createBucketsByTenant(bucketsMax?: number): (tenant: string) => Buckets {
  const tenants = new Map<string, Buckets>()
  return (tenant) => {
    let buckets = tenants.get(tenant)
    if (!buckets) {
      buckets = createBuckets(bucketsMax)
      tenants.set(tenant, buckets)
    }
    return buckets
  }
}
