/** How much waits for a destination, about: counted now and then, and carried on in memory in between. */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Db } from '../../store/db.ts'
import { laneDepth } from '../../store/lanes.ts'

export interface Depths {
  depth(tenant: string, destination: string): number
  /** One more is waiting. */
  added(tenant: string, destination: string): void
}

interface Count {
  waiting: number
  countedAt: number
  counting: boolean
}

/** Lanes remembered; the one that was not asked for longest is forgotten, and counted anew when it is. */
const LANES_MAX = 10_000

export function createDepths({ db, clock, max }: { db: Db; clock: Clock; max: number }): Depths {
  const counts = new Map<string, Count>()

  function countOf(tenant: string, destination: string): Count {
    const key = `${tenant} ${destination}`
    let count = counts.get(key)
    if (!count) {
      if (counts.size >= LANES_MAX) counts.delete(counts.keys().next().value as string)
      count = { waiting: 0, countedAt: Number.NEGATIVE_INFINITY, counting: false }
      counts.set(key, count)
    }
    return count
  }

  return {
    depth(tenant, destination) {
      const count = countOf(tenant, destination)
      if (!count.counting && clock.elapsed() - count.countedAt > LIMITS.queueCountEveryMs) {
        count.counting = true
        laneDepth(db, { tenant, destination }, max, true)
          .then(
            (waiting) => {
              count.waiting = waiting
              count.countedAt = clock.elapsed()
            },
            () => {},
          )
          .finally(() => {
            count.counting = false
          })
      }
      return count.waiting
    },
    added(tenant, destination) {
      countOf(tenant, destination).waiting++
    },
  }
}
