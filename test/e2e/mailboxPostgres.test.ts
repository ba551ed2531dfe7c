import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Offer } from '../../src/gateway/mailbox/offer.ts'
import { aCollector } from '../support/collector.ts'
import { openServer } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'
import { mailboxSuites } from './mailboxSuites.ts'

let server: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  server = await openServer()
})
afterAll(() => server?.stop())

for (const suite of mailboxSuites)
  suite('PostgreSQL', async () => ({ databaseUrl: await server.create(), close: async () => {} }))

test('two gateways are one mailbox: sent here, taken there at once, settled here', async () => {
  const databaseUrl = await server.create()
  // They look at the database once an hour: what wakes is what the other one tells.
  const options = { databaseUrl, limits: { pollMs: 3_600_000 } }
  const [here, there] = [await aWorld(options), await aWorld(options)]
  const agent = await aCollector(here, 'shout')
  const call = async (world: World, path: string) => {
    const headers = { authorization: `Bearer ${agent.token}` }
    const answer = await fetch(world.gateway.url + path, { method: 'POST', headers })
    return answer.status === 200 ? answer.json() : answer.status
  }
  const waiting = [there, there, there].map(async (world) => (await call(world, '/v1/inbox/lease?wait=20')) as Offer)
  const tasks = await Promise.all(
    [0, 1, 2].map((n) => here.client('shout').send(`${n}`, { configuration: { returnImmediately: true } })),
  )
  const works = await Promise.all(waiting)
  expect(new Set(works.map(({ task }) => task.id))).toEqual(new Set(tasks.map(({ id }) => id)))
  for (const { lease } of works)
    expect(await call(here, `/v1/leases/${lease}/complete`)).toMatchObject({ settled: 'complete' })
  // Said again to the other one: the same answer, from the same row.
  expect(await call(there, `/v1/leases/${works[0]?.lease}/complete`)).toMatchObject({ settled: 'complete' })
  await Promise.all([here.stop(), there.stop()])
})
