/** A clock that a test moves. `sleep` ends when it has been moved far enough. */
import type { Clock } from '../../src/platform/clock.ts'

export interface HeldClock extends Clock {
  advance(ms: number): void
}

export function heldClock(startMs = Date.parse('2026-01-01T00:00:00Z')): HeldClock {
  let passed = 0
  const sleepers = new Set<{ until: number; wake: () => void }>()
  return {
    now: () => new Date(startMs + passed),
    elapsed: () => passed,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = { until: passed + ms, wake: resolve }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper)
          resolve()
        })
      }),
    advance(ms) {
      passed += ms
      for (const sleeper of sleepers) {
        if (sleeper.until > passed) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
    },
  }
}
