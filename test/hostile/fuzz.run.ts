/** The golden headers, and the long run of the fuzz: `npm run fuzz -- --runs N --seed S`. */
import { afterAll, beforeAll } from 'vitest'
import { agentSuite } from './agents.ts'
import { documentSuite } from './documents.ts'
import { fuzzSuite } from './fuzz.ts'
import { hygieneSuite } from './hygiene.ts'
import { report } from './tally.ts'
import { aHostileWorld, type HostileWorld } from './world.ts'

const { FUZZ_RUNS = '500', FUZZ_SEED = '1' } = process.env

let world: HostileWorld
beforeAll(async () => {
  world = await aHostileWorld()
})
afterAll(async () => {
  console.info(`what came of it, ${FUZZ_RUNS} runs a property, seed ${FUZZ_SEED}:\n${report()}`)
  console.info(`loop lag p99 ${Math.round(await world.lagP99Ms())} ms, stored ${JSON.stringify(await world.stored())}`)
  await world.stop()
})

hygieneSuite(() => world)
const options = { runs: Number(FUZZ_RUNS), seed: Number(FUZZ_SEED) }
fuzzSuite(() => world, options)
documentSuite({ ...options, runs: options.runs * 20 })
agentSuite({ ...options, runs: options.runs * 4 })
