/**
 * Virtual time. Nothing waits: when all that can run has run, the clock jumps to the next thing that somebody waits for. What
 * belongs to a process that has died never happens; of one that is paused it happens when it wakes.
 */
import type { Clock } from '../../src/platform/clock.ts'
import { runImmediates } from './determinism.ts'

/** Whose waits these are. */
export interface Owner {
  alive: boolean
  /** Virtual milliseconds; until then nothing of it happens. */
  pausedUntil: number
}

export interface Time {
  /** Milliseconds since the world began. */
  readonly elapsed: () => number
  /** Calls back after `ms`, unless its owner is dead by then; gives back how to call it off. */
  after(ms: number, run: () => void, owner?: Owner): () => void
  clock(owner: Owner): Clock
  sleep(ms: number, owner?: Owner): Promise<void>
  /** Lets time go by until this holds. false: it did not within `ms`. */
  until(holds: () => boolean, ms: number): Promise<boolean>
}

interface Timer {
  at: number
  readonly order: number
  readonly run: () => void
  readonly owner: Owner | undefined
  off: boolean
}

const sooner = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

export function createTime(epochMs: number): Time {
  const heap: Timer[] = []
  let now = 0
  let orders = 0

  function push(timer: Timer): void {
    let place = heap.length
    heap.push(timer)
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!sooner(timer, heap[above] as Timer)) break
      heap[place] = heap[above] as Timer
      place = above
    }
    heap[place] = timer
  }

  function pop(): Timer | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && sooner(heap[below + 1] as Timer, heap[below] as Timer)) below++
      if (!sooner(heap[below] as Timer, last)) break
      heap[place] = heap[below] as Timer
      place = below
    }
    heap[place] = last
    return first
  }

  function after(ms: number, run: () => void, owner?: Owner): () => void {
    const timer: Timer = { at: now + Math.max(0, ms), order: orders++, run, owner, off: false }
    push(timer)
    return () => {
      timer.off = true
    }
  }

  const sleep = (ms: number, owner?: Owner, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const off = after(ms, done, owner)
      function done() {
        signal?.removeEventListener('abort', done)
        off()
        resolve()
      }
      signal?.addEventListener('abort', done, { once: true })
    })

  return {
    elapsed: () => now,
    after,
    sleep,
    clock: (owner) => ({
      now: () => new Date(epochMs + now),
      elapsed: () => now,
      sleep: (ms, signal) => sleep(ms, owner, signal),
    }),
    async until(holds, ms) {
      const end = now + ms
      for (;;) {
        await runImmediates()
        if (holds()) return true
        const timer = pop()
        if (!timer || timer.at > end) {
          if (timer) push(timer)
          now = Math.max(now, Math.min(end, timer?.at ?? end))
          return false
        }
        if (timer.off || timer.owner?.alive === false) continue
        now = Math.max(now, timer.at)
        if (timer.owner && timer.owner.pausedUntil > now) {
          timer.at = timer.owner.pausedUntil
          push(timer)
          continue
        }
        timer.run()
      }
    },
  }
}
