import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { openServer, type Server } from '../support/databases.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import { worldSuite } from './suite.ts'

worldSuite('PostgreSQL', async () => {
  const server = await openServer()
  return { databaseUrl: await server.create(), close: () => server.stop() }
})

describe('while the database holds its answer back', () => {
  let server: Server
  let databaseUrl: string
  let agent: ScriptedAgent
  let world: World

  beforeAll(async () => {
    server = await openServer()
    databaseUrl = await server.create()
    agent = await startAgent({ dedupe: true })
    world = await aWorld({ databaseUrl, cards: { echo: { connector: { kind: 'a2a', url: agent.url } } } })
  })
  afterAll(async () => {
    await world?.stop()
    await Promise.all([agent?.stop(), server?.stop()])
  })

  test('a message is carried although the reader of its stream has gone before the stream opened', async () => {
    const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} })
    const gone = new AbortController()
    const finished = world.next('task.finished')
    await sql.begin(async (held) => {
      await held`lock table submissions in exclusive mode`
      const body = { jsonrpc: '2.0', id: 1, method: 'SendStreamingMessage', params: { message: aMessage('complete') } }
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${world.gateway.adminKey}` }
      const leaving = fetch(`${world.gateway.url}/agents/echo`, {
        method: 'POST',
        headers: { ...headers, 'a2a-version': '1.0' },
        body: JSON.stringify(body),
        signal: gone.signal,
      }).catch(() => undefined)
      const waits = () =>
        sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%submissions%'`
      while ((await waits()).length === 0) await new Promise(setImmediate)
      gone.abort()
      await leaving
    })
    await finished
    await sql.end()
    expect(agent.runs).toHaveLength(1)
  })
})
