/** A blocking send: waits until the task is terminal or interrupted, at most `ms`, and gives what came (D11). */
import type { Clock } from '../../platform/clock.ts'
import type { Gone, StreamEntry } from '../../ports.ts'
import type { Hub } from './hub.ts'

export interface Wait {
  readonly tenant: string
  readonly taskId: string
  readonly after: number
  readonly fresh: boolean
  readonly ms: number
  /** The client has gone. */
  readonly gone: Gone
  /** We are going. */
  readonly draining: AbortSignal
}

/** The events after `after`, as far as they had come when the wait ended. */
export function waitFor(
  hub: Hub,
  clock: Clock,
  { tenant, taskId, after, fresh, ms, gone, draining }: Wait,
): Promise<StreamEntry[]> {
  return new Promise((resolve) => {
    const entries: StreamEntry[] = []
    let over = false
    let stop = () => {}
    let forget = () => {}
    const finish = () => {
      if (over) return
      over = true
      forget()
      stop()
      // Who waits again and again for one client must not leave a listener each time.
      gone.removeEventListener('abort', finish)
      resolve(entries)
    }
    if (gone.aborted || draining.aborted) return finish()
    gone.addEventListener('abort', finish, { once: true })
    forget = waitsOf(clock, draining).add(clock.elapsed() + ms, finish)
    stop = hub.follow(
      { tenant, taskId, after, ...(fresh && { fresh }) },
      {
        push(entry) {
          entries.push(entry)
          if (entry.last || entry.interrupted) queueMicrotask(finish)
          return !over
        },
        fail: finish,
      },
    )
    if (over) stop()
  })
}

interface Waits {
  /** Gives back how to forget it. */
  add(at: number, finish: () => void): () => void
}

/** A wait ends this late at most. */
const ROUND_MS = 50

const shared = new WeakMap<AbortSignal, Waits>()

/**
 * All waits of a process share one timer and one listener: a timer, an `AbortSignal.any` and the abort that clears it
 * cost each blocking send more than its parsing, and are hardly ever needed.
 */
function waitsOf(clock: Clock, draining: AbortSignal): Waits {
  const known = shared.get(draining)
  if (known) return known
  const waiting = new Set<{ readonly at: number; readonly finish: () => void }>()
  let running = false
  async function run(): Promise<void> {
    running = true
    while (waiting.size > 0) {
      await clock.sleep(ROUND_MS)
      const now = clock.elapsed()
      for (const { at, finish } of waiting) if (at <= now) finish()
    }
    running = false
  }
  draining.addEventListener('abort', () => {
    for (const { finish } of waiting) finish()
  })
  const waits: Waits = {
    add(at, finish) {
      const wait = { at, finish }
      waiting.add(wait)
      if (!running) void run()
      return () => void waiting.delete(wait)
    },
  }
  shared.set(draining, waits)
  return waits
}
