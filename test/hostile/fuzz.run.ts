/** The golden headers, and the long run of the fuzz: `npm run fuzz -- --runs N --seed S`. */
import { afterAll, beforeAll } from 'vitest'
import { fuzzSuite } from './fuzz.ts'
import { hygieneSuite } from './hygiene.ts'
import { aHostileWorld, type HostileWorld } from './world.ts'

const { FUZZ_RUNS = '500', FUZZ_SEED = '1' } = process.env

let world: HostileWorld
beforeAll(async () => {
  world = await aHostileWorld()
})
afterAll(async () => {
  console.info(`loop lag p99 ${Math.round(await world.lagP99Ms())} ms, stored ${JSON.stringify(await world.stored())}`)
  await world.stop()
})

hygieneSuite(() => world)
fuzzSuite(() => world, { runs: Number(FUZZ_RUNS), seed: Number(FUZZ_SEED) })
