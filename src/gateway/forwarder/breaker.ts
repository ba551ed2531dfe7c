/**
 * Is a destination worth trying? Pure: the caller brings the time (monotonic milliseconds) and the dice.
 *
 * open:    deliveries flow, `width` side by side.
 * closed:  nothing is claimed until `probeAt`; waiting costs nothing, however much waits (D24).
 * After a closed time the lane opens at width 1 and doubles with every success: a crowd must not fell who has just risen.
 */
import { backoffMs } from '../deliveries/backoff.ts'

export interface Breaker {
  /** Failures since the last success. */
  readonly failures: number
  /** Not to be tried before; undefined: open. */
  readonly probeAt?: number
  readonly reason?: string
  readonly width: number
}

export interface BreakerBounds {
  readonly widthMax: number
  /** Failures in a row that close it, when each by itself is no proof. */
  readonly failuresMax: number
  readonly probeFirstMs: number
  readonly probeLongestMs: number
}

export const newBreaker = (widthMax: number): Breaker => ({ failures: 0, width: widthMax })

export const isOpen = (breaker: Breaker): boolean => breaker.probeAt === undefined

export function afterSuccess(breaker: Breaker, { widthMax }: BreakerBounds): Breaker {
  return { failures: 0, width: Math.min(widthMax, Math.max(1, breaker.width) * 2) }
}

export interface Failure {
  /** Nobody is there: closes at once. */
  readonly unreachable: boolean
  readonly reason: string
  readonly now: number
  readonly random: number
}

export function afterFailure(
  breaker: Breaker,
  { unreachable, reason, now, random }: Failure,
  bounds: BreakerBounds,
): Breaker {
  const failures = breaker.failures + 1
  if (!isOpen(breaker)) return { ...breaker, reason }
  if (!unreachable && failures < bounds.failuresMax) return { ...breaker, failures }
  const waitMs = backoffMs(failures, random, { firstMs: bounds.probeFirstMs, longestMs: bounds.probeLongestMs })
  return { failures, probeAt: now + waitMs, reason, width: 1 }
}

/** Time to try again, or somebody said so: open at width 1, and remember the failures until a success. */
export function reopen(breaker: Breaker): Breaker {
  return { failures: breaker.failures, width: 1 }
}
