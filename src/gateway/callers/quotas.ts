/**
 * How often a caller may ask (SR-27): token buckets in this process's memory. What is refused here has cost a look-up or
 * two and stored nothing; what is within its quota allocates nothing. Operators have no quota unless their key has one.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Caller, Rate } from '../../ports.ts'

export { isRate, parseRate } from '../../ports.ts'

/** Whose quota is used up, and when there is room again: whole seconds, at least 1. */
export interface QuotaRefusal {
  readonly scope: 'caller' | 'key' | 'tenant' | 'agent'
  readonly retryAfterSeconds: number
}

export interface Quotas {
  /** Takes one from what the caller has left; the refusal, if nothing is left, takes nothing. */
  take(caller: Caller, kind: 'send' | 'other'): QuotaRefusal | undefined
  /** The same for the messages that one agent takes, whoever sends them. */
  takeAgent(agent: { readonly name: string }, rate: Rate): QuotaRefusal | undefined
}

export interface QuotasTools {
  readonly clock: Pick<Clock, 'elapsed'>
  /** Messages of one caller; undefined: no limit. */
  readonly sends: Rate | undefined
  /** Everything else that one caller asks. */
  readonly others: Rate | undefined
  /** Messages of all callers of a tenant. */
  readonly tenantSends: Rate | undefined
  /** For tenants with another rate than that; undefined: it has none of its own. */
  readonly rateOfTenant?: (tenant: string) => { readonly rate: Rate | undefined } | undefined
  /** Callers that are kept count of, for each of the three. */
  readonly bucketsMax?: number
}

export function createQuotas({ clock, sends, others, tenantSends, rateOfTenant, bucketsMax }: QuotasTools): Quotas {
  const perCaller = { send: createBucketsByTenant(bucketsMax), other: createBucketsByTenant(bucketsMax) }
  const perKey = createBuckets(bucketsMax)
  const perTenant = createBuckets(bucketsMax)
  const perAgent = createBuckets(bucketsMax)
  const tenantRate = ({ tenant }: Caller) => {
    const own = rateOfTenant?.(tenant)
    return own ? own.rate : tenantSends
  }

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
      const shared = kind === 'send' ? tenantRate(caller) : undefined
      if (shared === undefined) return undefined
      const wait = perTenant.take(caller.tenant, shared, now)
      if (wait === 0) return undefined
      // It has not been served: what it had of its own is its own again.
      if (own) perKey.giveBack(sendRate.key)
      else perCaller.send(caller.tenant).giveBack(caller.id)
      return refusal('tenant', wait)
    },
    takeAgent({ name }, rate) {
      const wait = perAgent.take(name, rate, clock.elapsed())
      return wait === 0 ? undefined : refusal('agent', wait)
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
