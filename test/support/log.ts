/** An append-only log that tests can wait on: for what has come as well as for what is to come, never for time. */
export interface Log<Entry> extends Iterable<Entry> {
  readonly entries: readonly Entry[]
  add(entry: Entry): void
  /** The first entry, past or future, for which this holds. Fails after `ms`, telling what did come. */
  next(matches?: (entry: Entry) => boolean, ms?: number): Promise<Entry>
  /** Resolves when `n` entries (that match) have come. */
  count(n: number, matches?: (entry: Entry) => boolean, ms?: number): Promise<readonly Entry[]>
}

const all = () => true

export function createLog<Entry>(): Log<Entry> {
  const entries: Entry[] = []
  const listeners = new Set<() => void>()
  function count(n: number, matches: (entry: Entry) => boolean, ms: number): Promise<readonly Entry[]> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = entries.filter(matches)
        if (found.length < n) return
        done()
        resolve(found)
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`${n} entries were awaited for ${ms} ms; there are ${entries.length}: ${tell(entries)}`))
      }, ms)
      const done = () => {
        clearTimeout(timer)
        listeners.delete(look)
      }
      listeners.add(look)
      look()
    })
  }
  return {
    entries,
    [Symbol.iterator]: () => entries[Symbol.iterator](),
    add(entry) {
      entries.push(entry)
      for (const listener of [...listeners]) listener()
    },
    next: async (matches = all, ms = 10_000) => (await count(1, matches, ms))[0] as Entry,
    count: (n, matches = all, ms = 10_000) => count(n, matches, ms),
  }
}

const tell = (entries: readonly unknown[]): string => JSON.stringify(entries.slice(-5)).slice(0, 1_000)
