/** A blocking send: waits until the task is terminal or interrupted, at most `ms`, and gives what came (D11). */
import type { Clock } from '../../platform/clock.ts'
import type { StreamEntry } from '../../ports.ts'
import type { Hub } from './hub.ts'

export interface Wait {
  readonly tenant: string
  readonly taskId: string
  readonly after: number
  readonly fresh: boolean
  readonly ms: number
  /** The client has gone, or we are going. */
  readonly signal: AbortSignal
}

/** The events after `after`, as far as they had come when the wait ended. */
export function waitFor(
  hub: Hub,
  clock: Clock,
  { tenant, taskId, after, fresh, ms, signal }: Wait,
): Promise<StreamEntry[]> {
  return new Promise((resolve) => {
    const entries: StreamEntry[] = []
    const done = new AbortController()
    let stop = () => {}
    const finish = () => {
      if (done.signal.aborted) return
      done.abort()
      signal.removeEventListener('abort', finish)
      stop()
      resolve(entries)
    }
    if (signal.aborted) return finish()
    signal.addEventListener('abort', finish, { once: true })
    stop = hub.follow(
      { tenant, taskId, after, ...(fresh && { fresh }) },
      {
        push(entry) {
          entries.push(entry)
          if (entry.last || entry.interrupted) queueMicrotask(finish)
          return !done.signal.aborted
        },
        fail: finish,
      },
    )
    void clock.sleep(ms, done.signal).then(finish)
  })
}
