/** A handful of the kills of `npm run kill-points`, so that the way they are made stays whole. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPostgres } from '../../support/databases.ts'
import type { PostgresServer } from './copies.ts'
import { type Lane, openLane } from './drive.ts'
import { SCENARIOS } from './scenarios.ts'

let server: PostgresServer
let lane: Lane
beforeAll(async () => {
  server = await startPostgres()
  lane = await openLane(server, 'slice')
})
afterAll(async () => {
  await lane?.close()
  await server?.stop()
})

test.each([
  ['send, immediate', 1],
  ['send, immediate', 4],
  ['send, immediate', 12],
  ['mailbox: take and complete', 9],
  ['channel: the answers of members, and the end of their parent', 25],
])('%s, killed at its failpoint %i: nothing lost, nothing doubled', async (name, k) => {
  const scenario = SCENARIOS.find((one) => one.name === name)
  if (!scenario) throw new Error(`there is no scenario "${name}"`)
  const { point, violations } = await lane.play(scenario, k, 1)
  expect([typeof point, violations]).toEqual(['string', []])
})
