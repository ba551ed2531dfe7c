/** What is known of a mailbox's lane: for what is said of its agent when something is accepted. */
import { type LanePlace, laneKey } from '../../delivery.ts'
import { type QueueRow, readQueues } from '../../store/queues.ts'
import { createGlances, type GlanceGround } from './glances.ts'

/** undefined: it could not be read. */
export type LookAtBox = (place: LanePlace) => Promise<QueueRow | undefined>

export function createLookAtBox({ db, clock, limits }: GlanceGround): LookAtBox {
  const boxes = createGlances({
    clock,
    limits,
    max: limits.agentCacheMax,
    keyOf: laneKey,
    unknown: (): { readonly row?: QueueRow } => ({}),
    read: async (places: readonly LanePlace[]) =>
      (await readQueues(db, places, { countMax: 1 })).map((row) => ({ row })),
  })
  return async (place) => (await boxes.first(place)).row
}
