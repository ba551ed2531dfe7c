/** Failures counted per peer and minute: guessing ends at the tenth (SR-12). Bounded; what is oldest is forgotten. */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'

export interface FailureCounter {
  /** Seconds to wait before the next try, or 0. */
  blockedFor(key: string): number
  add(key: string): void
}

const WINDOW_MS = 60_000
const KEYS_MAX = 10_000

export function createFailureCounter(clock: Clock, failuresMax: number = LIMITS.authFailuresPerMinute): FailureCounter {
  const windows = new Map<string, { since: number; count: number }>()
  return {
    blockedFor(key) {
      const window = windows.get(key)
      if (!window) return 0
      const left = window.since + WINDOW_MS - clock.elapsed()
      if (left <= 0) windows.delete(key)
      return left > 0 && window.count >= failuresMax ? Math.ceil(left / 1_000) : 0
    },
    add(key) {
      const now = clock.elapsed()
      const window = windows.get(key)
      if (window && now - window.since < WINDOW_MS) {
        window.count++
        return
      }
      windows.delete(key)
      windows.set(key, { since: now, count: 1 })
      for (const oldest of windows.keys()) {
        if (windows.size <= KEYS_MAX) break
        windows.delete(oldest)
      }
    },
  }
}
