/**
 * Telling other replicas that tasks have changed: one NOTIFY per process every 20 ms at most, outside the statements
 * that changed them (a NOTIFY in the write path cost 71–88 % of throughput). A hint may be lost: followers also poll.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Db } from '../../store/db.ts'

export interface Hints {
  announce(taskId: string): void
  /** Begins to listen to the others. `undefined`: hints were lost, look at everything. */
  listen(onTasks: (taskIds: readonly string[] | undefined) => void): Promise<void>
}

export interface HintTools {
  readonly db: Db
  readonly clock: Clock
  /** Who we are, to leave out our own. */
  readonly replica: () => string
  readonly hasOthers: () => boolean
}

/** 200 ids of 36 characters are 7,400 bytes: below the 8,000 that a payload may have. */
const IDS_PER_HINT = 200
/** More changes than this in one go are told as "everything". */
const IDS_MAX = 2_000

export function createHints({ db, clock, replica, hasOthers }: HintTools): Hints {
  let changed = new Set<string>()
  let scheduled = false

  function send(): void {
    scheduled = false
    const ids = [...changed]
    changed = new Set()
    if (ids.length > IDS_MAX) {
      db.hint(`${replica()} *`)
      return
    }
    for (let at = 0; at < ids.length; at += IDS_PER_HINT)
      db.hint(`${replica()} ${ids.slice(at, at + IDS_PER_HINT).join(',')}`)
  }

  return {
    announce(taskId) {
      if (db.kind === 'embedded' || !hasOthers()) return
      changed.add(taskId)
      if (scheduled) return
      scheduled = true
      void clock.sleep(LIMITS.notifyEveryMs).then(send)
    },
    listen: (onTasks) =>
      db.listen(
        (payload) => {
          const [from, ids] = payload.split(' ', 2)
          if (from === replica()) return
          onTasks(ids === '*' ? undefined : ids?.split(','))
        },
        () => onTasks(undefined),
      ),
  }
}
