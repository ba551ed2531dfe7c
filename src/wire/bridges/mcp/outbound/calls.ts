/** The calls of one connection, by the names that go with them: whose stream has ended, who has been asked in it. */
import type { CallStreams } from './egressFetch.ts'
import { type Run, WHY } from './run.ts'

export interface Calls extends CallStreams {
  enter(run: Run): void
  end(run: Run): void
  /** undefined: it did not come in a call's stream. */
  whoAsked(requestId: string): Run | undefined
}

/** A stream that ends has its last words on their way to the library. */
const LAST_WORDS_MS = 250

/** The calls of a connection, by the names that go with them. */
export function createCalls(): Calls {
  const open = new Map<string, Run>()
  const asked = new Map<string, Run>()
  return {
    enter: (run) => void open.set(run.ids.taskId, run),
    end(run) {
      open.delete(run.ids.taskId)
      for (const [id, owner] of asked) if (owner === run) asked.delete(id)
    },
    asked(call, requestId) {
      const run = open.get(call)
      if (run) asked.set(requestId, run)
    },
    ended(call) {
      const run = open.get(call)
      if (run) setTimeout(() => open.get(call) === run && run.stop.abort(WHY.broken), LAST_WORDS_MS)
    },
    whoAsked: (requestId) => asked.get(requestId),
  }
}
