/**
 * What a tenant may have here (SR-27): open streams, waiting messages, bytes, webhooks. Counted now and then for tenants that
 * have such a quota, and carried on in memory in between; who has none costs nothing.
 */
import { z } from 'zod'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { isRate } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { bytesOfTenant, countTenant } from '../../store/usage.ts'

const count = z.int().min(0).max(1_000_000_000)
const TenantQuota = z.strictObject({
  /** Messages a second of all its callers, and how many at once. */
  sendRate: z
    .string()
    .refine(isRate, { error: 'a number a second and, after a slash, how many at once (50/200), or off' })
    .optional(),
  streams: count.optional(),
  waiting: count.optional(),
  bytes: z.int().min(0).optional(),
  webhooks: count.optional(),
  /** How long its tasks are kept after they have ended; 0: for ever. No quota, and stands here because it is a tenant's. */
  retentionDays: z.number().min(0).max(99_999).optional(),
})
export type TenantQuota = z.infer<typeof TenantQuota>

/** By tenant; `*` for every tenant that is not named. */
export type TenantQuotas = Readonly<Record<string, TenantQuota>>

/** Throws a TypeError that says what is wrong. */
export function parseTenantQuotas(text: string): TenantQuotas {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new TypeError('not JSON')
  }
  const parsed = z.record(z.string().regex(/^(\*|[a-z0-9][a-z0-9_-]{0,62})$/), TenantQuota).safeParse(json)
  if (parsed.success) return parsed.data
  const [first] = parsed.error.issues
  throw new TypeError(`${first?.path.join('.') || 'the document'}: ${first?.message}`)
}

export const quotaOf = (quotas: TenantQuotas, tenant: string): TenantQuota | undefined =>
  Object.hasOwn(quotas, tenant) ? quotas[tenant] : quotas['*']

export type UsedUp = 'waiting' | 'bytes' | 'webhooks'

export interface Usage {
  /** Which quota has no room for one more of these, of so many bytes; undefined: there is room, as far as is known. */
  usedUp(tenant: string, more: More): UsedUp | undefined
  /** It was taken. */
  added(tenant: string, more: More): void
  /** Whether anybody counts the bytes of this tenant. */
  countsBytes(tenant: string): boolean
}

export interface More {
  readonly waiting?: number
  readonly webhooks?: number
  readonly bytes?: number
}

interface Count {
  waiting: number
  webhooks: number
  bytes: number
  countedAt: number
  weighedAt: number
  counting: boolean
}

const TENANTS_MAX = 10_000
const NEVER = Number.NEGATIVE_INFINITY

export interface UsageTools {
  readonly db: Db
  readonly clock: Pick<Clock, 'elapsed'>
  readonly quotas: TenantQuotas
  readonly onError: (error: unknown) => void
}

export function createUsage({ db, clock, quotas, onError }: UsageTools): Usage {
  const counts = new Map<string, Count>()

  function of(tenant: string): Count {
    let known = counts.get(tenant)
    if (!known) {
      if (counts.size >= TENANTS_MAX) counts.delete(counts.keys().next().value as string)
      known = { waiting: 0, webhooks: 0, bytes: 0, countedAt: NEVER, weighedAt: NEVER, counting: false }
      counts.set(tenant, known)
    }
    return known
  }

  async function recount(tenant: string, quota: TenantQuota, known: Count): Promise<void> {
    if (quota.bytes !== undefined && clock.elapsed() - known.weighedAt > LIMITS.tenantBytesEveryMs) {
      known.weighedAt = clock.elapsed()
      known.bytes = await bytesOfTenant(db, tenant)
    }
    const { waiting = 0, webhooks = 0 } = quota
    Object.assign(known, await countTenant(db, tenant, { waiting: waiting + 1, webhooks: webhooks + 1 }))
  }

  /** In the background: what is asked meanwhile is answered by what is known. */
  function look(tenant: string, quota: TenantQuota): Count {
    const known = of(tenant)
    if (!known.counting && clock.elapsed() - known.countedAt > LIMITS.queueCountEveryMs) {
      known.counting = true
      recount(tenant, quota, known)
        .catch(onError)
        .finally(() => {
          known.countedAt = clock.elapsed()
          known.counting = false
        })
    }
    return known
  }

  return {
    usedUp(tenant, more) {
      const quota = quotaOf(quotas, tenant)
      if (!quota) return undefined
      const known = look(tenant, quota)
      const full = (['waiting', 'webhooks', 'bytes'] as const).find(
        (kind) =>
          more[kind] !== undefined && known[kind] + (more[kind] ?? 0) > (quota[kind] ?? Number.POSITIVE_INFINITY),
      )
      return full
    },
    added(tenant, more) {
      if (!quotaOf(quotas, tenant)) return
      const known = of(tenant)
      for (const kind of ['waiting', 'webhooks', 'bytes'] as const) known[kind] += more[kind] ?? 0
    },
    countsBytes: (tenant) => quotaOf(quotas, tenant)?.bytes !== undefined,
  }
}
