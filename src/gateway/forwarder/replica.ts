/**
 * This process among its replicas. It holds its leases by saying, every few seconds, that it lives; one statement for
 * all of them. If it was silent for too long (stopped, swapped out), its leases may be another's by now: it goes on
 * under a new id, and what it still writes under the old leases changes nothing (P5).
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import type { Db } from '../../store/db.ts'
import { beatReplica, joinReplica, leaveReplica } from '../../store/recovery.ts'

export interface Replica extends Service {
  readonly id: () => string
  /**
   * Until when what it leased under this id is certainly its own, in monotonic milliseconds: a lease's time after the last
   * word of it that the database has heard was sent.
   */
  readonly holdsUntil: () => number
  /** There are others on this database, as far as is known. */
  readonly hasOthers: () => boolean
}

export interface ReplicaTools {
  readonly db: Db
  readonly clock: Clock
  readonly loopTools: LoopTools
  /** For people: host and pid. */
  readonly name: string
}

export async function joinAsReplica({ db, clock, loopTools, name }: ReplicaTools): Promise<Replica> {
  let id = uuidv7()
  let others = true
  let holdsUntil = clock.elapsed() + LIMITS.leaseMs
  await joinReplica(db, id, name, LIMITS.leaseMs)
  const beats = loop(
    'replica.beat',
    async (signal) => {
      await clock.sleep(LIMITS.leaseHeartbeatMs, signal)
      if (signal.aborted) return
      await db.ping()
      const until = clock.elapsed() + LIMITS.leaseMs
      const alive = await beatReplica(db, id, LIMITS.leaseMs)
      others = alive !== 1
      if (alive !== undefined) {
        holdsUntil = until
        return
      }
      const next = uuidv7()
      await joinReplica(db, next, name, LIMITS.leaseMs)
      id = next
      holdsUntil = until
    },
    loopTools,
  )
  return {
    name: 'replica',
    id: () => id,
    holdsUntil: () => holdsUntil,
    hasOthers: () => others,
    start: () => beats.start(),
    async stop() {
      await beats.stop()
      await leaveReplica(db, id).catch(() => {})
    },
  }
}
