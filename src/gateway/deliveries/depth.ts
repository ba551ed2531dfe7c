/** How much waits for a destination, about. */
import { type LanePlace, laneKey } from '../../delivery.ts'
import { laneDepths } from '../../store/lanes.ts'
import { createGlances, type GlanceGround } from './glances.ts'

export interface Depths {
  depth(tenant: string, destination: string): number
  /** One more is waiting. */
  added(tenant: string, destination: string): void
}

/** Lanes remembered. */
const LANES_MAX = 10_000

export function createDepths({ db, clock, limits }: GlanceGround): Depths {
  const lanes = createGlances({
    clock,
    limits,
    max: LANES_MAX,
    keyOf: laneKey,
    unknown: () => ({ waiting: 0 }),
    read: async (places: readonly LanePlace[]) =>
      (await laneDepths(db, places, limits.queuePerAgentMax, true)).map((waiting) => ({ waiting })),
  })
  return {
    depth: (tenant, destination) => lanes.look({ tenant, destination }).waiting,
    added(tenant, destination) {
      lanes.known({ tenant, destination }).waiting++
    },
  }
}
