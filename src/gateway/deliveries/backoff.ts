/** How long to wait before the next attempt. Pure: the caller brings the attempt number and the dice. */

export interface BackoffBounds {
  readonly firstMs: number
  readonly longestMs: number
}

/** Doubling, capped, with half of it left to chance, so that a crowd spreads out. `random` is between 0 and 1. */
export function backoffMs(attempt: number, random: number, { firstMs, longestMs }: BackoffBounds): number {
  const doubled = firstMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 30)
  return Math.round(Math.min(doubled, longestMs) * (0.5 + random / 2))
}
