/** What is known of a mailbox's lane, read now and then: for what is said of its agent when something is accepted. */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Db } from '../../store/db.ts'
import { type QueueRow, readQueues } from '../../store/queues.ts'

interface Place {
  readonly tenant: string
  readonly destination: string
}
/** undefined: it could not be read. */
export type LookAtBox = (place: Place) => Promise<QueueRow | undefined>

export function createLookAtBox({ db, clock }: { db: Db; clock: Clock }): LookAtBox {
  const known = new Map<string, { until: number; row: Promise<QueueRow | undefined> }>()
  return ({ tenant, destination }) => {
    const key = `${tenant} ${destination}`
    const entry = known.get(key)
    if (entry && entry.until > clock.elapsed()) return entry.row
    if (known.size >= LIMITS.agentCacheMax) known.delete(known.keys().next().value as string)
    const row = readQueues(db, tenant, [destination]).then(
      ([found]) => found,
      () => undefined,
    )
    known.set(key, { until: clock.elapsed() + LIMITS.queueCountEveryMs, row })
    return row
  }
}
