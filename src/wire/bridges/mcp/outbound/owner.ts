/**
 * Whose question it is. In the older protocol a server asks on the connection, not in the call: it does not say which of
 * several running tools wants to know. A tool that asks stands still, so as soon as all others have ended or stand still,
 * the one that is left is it. Until then the question waits, and no new call begins.
 */
export interface Owners<Run> {
  /** A call begins; resolves when it may. */
  enter(run: Run): Promise<void>
  leave(run: Run): void
  /** Who asks; undefined: nobody runs, or several ask and cannot be told apart. Until the answer he does not count. */
  ask(): Promise<Run | undefined>
  /** He has his answer, and runs again. */
  resume(run: Run): void
  /** The connection has ended: nobody is asked any more. */
  close(): void
}

export function createOwners<Run>(): Owners<Run> {
  const inside = new Set<Run>()
  const active = new Set<Run>()
  const asking: ((owner: Run | undefined) => void)[] = []
  let entering: (() => void)[] = []
  let closed = false

  function settle(): void {
    if (asking.length > 0 && (active.size <= asking.length || closed)) {
      const [only] = active
      const owner = asking.length === 1 && active.size === 1 && !closed ? only : undefined
      if (owner !== undefined) active.delete(owner)
      for (const tell of asking.splice(0)) tell(owner)
    }
    if (asking.length > 0) return
    const waiting = entering
    entering = []
    for (const begin of waiting) begin()
  }

  return {
    async enter(run) {
      while (asking.length > 0 && !closed) await new Promise<void>((resolve) => entering.push(resolve))
      inside.add(run)
      active.add(run)
    },
    leave(run) {
      inside.delete(run)
      active.delete(run)
      settle()
    },
    ask: () =>
      new Promise((resolve) => {
        asking.push(resolve)
        settle()
      }),
    resume(run) {
      // Its call may have ended before the answer came.
      if (inside.has(run)) active.add(run)
    },
    close() {
      closed = true
      inside.clear()
      active.clear()
      settle()
    },
  }
}
