/** Named things that happened. Logs, metrics and tests listen; a signal costs nothing when nobody does. */

export interface Signals<Map> {
  emit<Name extends keyof Map>(name: Name, fact: Map[Name]): void
  /** Gives back how to stop listening. */
  on<Name extends keyof Map>(name: Name, listener: (fact: Map[Name]) => void): () => void
  /** All signals, by name: for the log. */
  onAny(listener: (name: keyof Map, fact: unknown) => void): () => void
}

export function createSignals<Map>(): Signals<Map> {
  const listeners = new globalThis.Map<keyof Map, Set<(fact: never) => void>>()
  const all = new Set<(name: keyof Map, fact: unknown) => void>()
  return {
    emit(name, fact) {
      const mine = listeners.get(name)
      if (mine) for (const listener of mine) listener(fact as never)
      for (const listener of all) listener(name, fact)
    },
    on(name, listener) {
      let mine = listeners.get(name)
      if (!mine) {
        mine = new Set()
        listeners.set(name, mine)
      }
      mine.add(listener)
      return () => void mine.delete(listener)
    },
    onAny(listener) {
      all.add(listener)
      return () => void all.delete(listener)
    },
  }
}
