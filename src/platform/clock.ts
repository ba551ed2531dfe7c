/** Time comes in by the door: what waits or stamps takes a Clock, so that a test can hold it. */
export interface Clock {
  now(): Date
  /** Monotonic milliseconds, for durations and local timers only. */
  elapsed(): number
  /** Resolves after `ms`, or at once when the signal aborts: a stopping service does not finish its nap. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => new Date(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}

/** The local wall clock in milliseconds: to compare with another clock, never to order by. */
export const wallMs = (): number => Date.now()
