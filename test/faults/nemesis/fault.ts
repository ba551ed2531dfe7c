/** A class of faults: what it may hit, and how it comes and goes. The letters are the rows of the fault matrix. */
import type { Dice } from '../dice.ts'
import type { Scene } from '../scene.ts'

export interface Stage {
  readonly scene: Scene
  readonly dice: Dice
  /** One message, eight times at once. */
  readonly storm: () => Promise<void>
  /** So many messages to one agent, side by side, each its own conversation. */
  readonly flood: (agent: string, count: number) => Promise<void>
  /** How long a lease outlives its holder. */
  readonly leaseMs: number
}

/** A fault about to happen. */
export interface Strike {
  /** What it has for itself while it lasts: no second fault comes to the same. */
  readonly targets: readonly string[]
  /** Replicas that cannot be expected to serve meanwhile; agents and receivers by their name. */
  readonly affects: readonly string[]
  /** Resolves when it has healed. */
  run(): Promise<void>
}

export type FaultClass = (stage: Stage) => Strike

export const replicaOf = (index: number): string => `replica ${index}`
export const ALL = 'everything'
