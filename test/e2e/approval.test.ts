/**
 * An agent whose card suddenly says another address: nothing goes there before an operator has approved it, on either of
 * two gateways that share a database, nor after a restart; what was sent meanwhile waits and says why.
 */
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Loose } from '../cli/compliance/loose.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import type { Json } from '../support/agentDialects.ts'
import { openServer, type Server as Postgres } from '../support/databases.ts'
import { aWorld, type World, type WorldOptions } from '../support/world.ts'

const EXTENSION = 'urn:x-waypost:store-and-forward:1'
const LATER = { configuration: { returnImmediately: true } }

let postgres: Postgres
let agent: ScriptedAgent
let second: ScriptedAgent
/** Before `second`: counts who knocks. */
let door: Server
let knocks = 0
let card: (card: Json) => Json = (one) => one
let options: WorldOptions
const worlds: World[] = []

const doorUrl = () => `http://127.0.0.1:${(door.address() as AddressInfo).port}/`

beforeAll(async () => {
  postgres = await openServer()
  agent = await startAgent({ card: (one) => card(one), authorization: 'Bearer for-the-agent' })
  second = await startAgent({ authorization: 'Bearer for-the-agent' })
  const { connect } = await import('node:net')
  door = createServer((socket) => {
    knocks += 1
    const inner = connect(Number(new URL(second.url).port), '127.0.0.1')
    socket.on('error', () => inner.destroy()).pipe(inner)
    inner.on('error', () => socket.destroy()).pipe(socket)
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  options = {
    databaseUrl: await postgres.create(),
    env: { WAYPOST_ADMIN_KEY: `wp_admin_${'k'.repeat(43)}` },
    cards: {
      moving: {
        connector: { kind: 'a2a', url: agent.url },
        credentials: { scheme: 'Bearer', token: 'for-the-agent' },
      },
    },
  }
  worlds.push(await aWorld(options), await aWorld(options))
})
afterAll(async () => {
  for (const world of worlds) await world.stop()
  door?.close()
  await agent?.stop()
  await second?.stop()
  await postgres?.stop()
})

const admin = async (world: World, method: string, path: string, body?: unknown) => {
  const response = await fetch(`${world.gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${world.gateway.adminKey}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, json: (await response.json()) as Loose }
}
const moved = (one: Json): Json => ({
  ...one,
  supportedInterfaces: [{ url: `${doorUrl()}rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
})

test('nothing goes to a new address before it is approved, and then all that waited does', async () => {
  const [one, other] = worlds as [World, World]
  const done = await one.client('moving').send('hello')
  expect(done.status.state).toBe('TASK_STATE_COMPLETED')

  card = moved
  const pending = one.next('agent.pending')
  await admin(one, 'POST', '/v1/agents/moving/probe')
  expect(await pending).toMatchObject({ agent: 'moving', changes: 'where it is' })

  const waiting = await one.client('moving').send('later', LATER)
  const shown = (await admin(other, 'GET', '/v1/agents/moving')).json
  expect(shown).toMatchObject({
    state: 'pending-approval',
    pending: {
      changes: [
        {
          what: 'origin',
          from: [agent.url.replace('127.0.0.1', 'localhost').slice(0, -1)],
          to: [doorUrl().replace('127.0.0.1', 'localhost').slice(0, -1)],
        },
      ],
    },
  })
  await expect
    .poll(async () => (await other.client('moving').get(waiting.id)).metadata?.[EXTENSION])
    .toMatchObject({ delivery: 'waiting', recipient: 'paused', reason: expect.stringMatching(/waits for an operator/) })
  // The other gateway takes messages too, and holds them as well.
  const also = await other.client('moving').send('from the other', LATER)
  const { why, next, try: commands } = (await admin(other, 'GET', `/v1/tasks/${waiting.id}/explain`)).json
  expect(why[0]).toMatch(/the agent "moving" is held since .*: its card has changed \(where it is\)/)
  expect([next, commands]).toEqual([
    'goes on when an operator has approved the card',
    ['waypost agent show moving', 'waypost agent approve moving'],
  ])

  // A gateway that starts now holds it as well, and resuming is no way around.
  await one.stop({ keep: true })
  const third = await aWorld({ ...options, directory: one.directory })
  worlds[0] = third
  await admin(third, 'POST', '/v1/agents/moving/resume')
  await admin(third, 'POST', '/v1/agents/moving/probe')
  for (const { id } of [waiting, also])
    expect((await third.client('moving').get(id)).status.state).toBe('TASK_STATE_SUBMITTED')
  expect([knocks, second.log.entries.length]).toEqual([0, 0])

  const stale = await admin(other, 'POST', '/v1/agents/moving/approve', { change: 'another' })
  expect([stale.status, stale.json.code]).toEqual([409, 'CONFLICT'])
  expect(knocks).toBe(0)
  const ended = [waiting, also].map(({ id }) =>
    expect
      .poll(async () => (await third.client('moving').get(id)).status.state, { timeout: 20_000 })
      .toBe('TASK_STATE_COMPLETED'),
  )
  const approved = await admin(other, 'POST', '/v1/agents/moving/approve', { change: shown.pending.change })
  expect([approved.status, approved.json.pending]).toEqual([200, undefined])
  await Promise.all(ended)
  expect(knocks).toBeGreaterThan(0)
  const texts = second.log.entries.map(({ text }) => text)
  expect(texts).toEqual(expect.arrayContaining(['later', 'from the other']))
  expect(agent.log.entries.map(({ text }) => text)).not.toContain('later')
})
