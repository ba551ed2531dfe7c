/** Many wait for one signal: one listener for all of them, because an EventTarget walks its whole list for each one added. */

const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/** Runs when the signal aborts, unless it has by now. Gives back how to forget it. */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  let all = waiting.get(signal)
  if (!all) {
    const mine = new Set<() => void>()
    const tell = () => {
      for (const one of mine) one()
    }
    signal.addEventListener('abort', tell, { once: true })
    waiting.set(signal, mine)
    all = mine
  }
  all.add(run)
  return () => void all.delete(run)
}

/**
 * Runs something with a signal that aborts after a time. `AbortSignal.timeout` is not held by its timer: on Node 20 one that
 * only a race listens to may be collected, and never aborts.
 */
export async function within<T>(ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), ms)
  try {
    return await run(late.signal)
  } finally {
    clearTimeout(timer)
  }
}
