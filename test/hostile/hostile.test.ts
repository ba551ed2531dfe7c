/**
 * The table of bad inputs on one running gateway, over every binding of both versions: exactly the documented answer, in
 * time, no secret in it, nothing stored, and the process lives. Rows that need time, tight limits or a hostile agent stand
 * where those are, and the register says where. Then the headers of every route, and a share of the fuzz: `npm run fuzz` is
 * all of it.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { agentSuite } from './agents.ts'
import { documentSuite } from './documents.ts'
import { fuzzSuite } from './fuzz.ts'
import { hygieneSuite } from './hygiene.ts'
import { aTally, playRow } from './play.ts'
import { IDS, ROWS, SECTIONS } from './register.ts'
import { SURFACES } from './speech.ts'
import { aHostileWorld, type HostileWorld } from './world.ts'

const tally = aTally()
let world: HostileWorld
beforeAll(async () => {
  world = await aHostileWorld()
})
afterAll(async () => {
  if (!world) return
  const lag = await world.lagP99Ms()
  await world.stop()
  const rows = [...tally.played].sort(([a], [b]) => a.localeCompare(b))
  const lines = rows.map(([key, count]) => `${key}: ${count}`).join(', ')
  console.info(
    `bad inputs: ${tally.requests} requests by hand (${lines}); slowest ${tally.slowest.row} ${Math.round(tally.slowest.ms)} ms; loop lag p99 ${Math.round(lag)} ms`,
  )
})

describe('the register', () => {
  test('has every row of the table, once', () => {
    expect(ROWS.map(({ id }) => id)).toEqual(IDS)
    expect(IDS).toHaveLength(273)
  })

  test.each(ROWS.map((row) => [row.id, row] as const))('%s is played, or says where or why not', (id, row) => {
    const played = (row.cases?.length ?? 0) > 0 || row.scene !== undefined
    expect(played || (row.at?.length ?? 0) > 0 || row.pending !== undefined).toBe(true)
    for (const file of row.at ?? []) expect(readFileSync(`test/${file}`, 'utf8'), `${file} names ${id}`).toContain(id)
  })
})

describe.each(Object.entries(SECTIONS))('%s', (_section, rows) => {
  const played = rows.filter(({ cases, scene }) => cases !== undefined || scene !== undefined)
  test.each(played.map((row) => [row.id, row.what, row] as const))('%s %s', async (_id, _what, row) => {
    await playRow(row, world, tally)
  })
})

hygieneSuite(() => world)
fuzzSuite(() => world, { runs: 12, seed: 1 })
documentSuite({ runs: 200, seed: 1 })
agentSuite({ runs: 40, seed: 1 })

test('an agent gets nothing of what its caller proved itself by, nor what it says of where it came from (SR-40, SR-42)', async () => {
  const headers = {
    cookie: 'session=theirs',
    'x-forwarded-for': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    via: '1.1 theirs',
    'x-internal': 'theirs',
    'proxy-authorization': 'Basic theirs',
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  }
  for (const surface of SURFACES) {
    const before = world.agent.log.entries.length
    const message = { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'complete' }] }
    const heard = await world.say(surface, 'SendMessage', { message }, { agent: 'echo', headers })
    expect([surface, heard.reason]).toEqual([surface, undefined])
    const got = world.agent.log.entries.slice(before)
    expect(got.length).toBeGreaterThan(0)
    for (const { headers: told } of got) {
      const all = JSON.stringify(told)
      for (const secret of [...Object.values(world.fixtures.keys), 'theirs', '203.0.113.9'])
        expect(all).not.toContain(secret)
      expect(told.authorization).toBeUndefined()
      expect(told['x-api-key']).toBeUndefined()
      // Who adds no steps of its own to a trace passes it on as it came (W3C Trace Context §3.4).
      if (told.traceparent !== undefined) expect(told.traceparent).toBe(headers.traceparent)
    }
  }
})
