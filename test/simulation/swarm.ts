/** Seeds, one world after the other. */
import { judge } from './judge.ts'
import type { Sabotage } from './network.ts'
import { inWorld, storm } from './world.ts'

export interface Told {
  readonly seed: number
  readonly violations: readonly string[]
  readonly messages: number
  readonly tasks: number
  /** Virtual seconds. */
  readonly seconds: number
}

export const runSeed = (seed: number, sabotage?: Sabotage): Promise<Told> =>
  inWorld(
    seed,
    async (world) => {
      const quiet = await storm(world)
      return {
        seed,
        violations: judge(world, quiet),
        messages: world.sent.length,
        tasks: world.sea.tables.tasks.size,
        seconds: world.sea.time.elapsed() / 1_000,
      }
    },
    sabotage,
  )
