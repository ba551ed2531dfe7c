/** Every official client against every official server, with the gateway between them; the grid is printed at the end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Happenings } from '../../../src/happenings.ts'
import { freePort } from '../../support/databases.ts'
import { createLog, type Log } from '../../support/log.ts'
import { aWorld, type World } from '../../support/world.ts'
import { type OfficialServer, startModern, startOld } from '../../wire/bindings/officialServers.ts'
import { all, mustBeTask, type PeerClient, withKey } from './client.ts'
import { CLIENTS, nameOf } from './suite.ts'

const AGENTS: readonly (readonly [name: string, title: string, start: () => Promise<OfficialServer>])[] = [
  ['new-rpc', '1.3.0 JSONRPC', () => startModern('JSONRPC', true)],
  ['new-rest', '1.3.0 HTTP+JSON', () => startModern('HTTP+JSON', true)],
  ['new-grpc', '1.3.0 GRPC', () => startModern('GRPC', true)],
  ['old-rpc', '0.3.14 JSONRPC', () => startOld('JSONRPC', true)],
  ['old-rest', '0.3.14 HTTP+JSON', () => startOld('HTTP+JSON', true)],
  ['old-grpc', '0.3.14 GRPC', () => startOld('GRPC', true)],
  ['new-rpc-plain', '1.3.0 JSONRPC, no streams', () => startModern('JSONRPC', false)],
  ['old-rpc-plain', '0.3.14 JSONRPC, no streams', () => startOld('JSONRPC', false)],
]
const DEEDS = ['send', 'message', 'stream', 'cancel', 'ask back'] as const
type Deed = (typeof DEEDS)[number]

const done = new Map<string, Deed[]>()

let world: World
let recorded: Log<Happenings['task.recorded']>
let servers: OfficialServer[]

beforeAll(async () => {
  servers = await Promise.all(AGENTS.map(([, , start]) => start()))
  const cards = AGENTS.map(([name], at) => [name, { connector: { kind: 'a2a', url: servers[at]!.url } }] as const)
  const env = { GRPC_PORT: String(await freePort()) }
  world = await aWorld({ cards: Object.fromEntries(cards), env })
  expect(world.gateway.cardProblems).toEqual([])
  recorded = createLog()
  world.gateway.signals.on('task.recorded', recorded.add)
})
afterAll(async () => {
  await world?.stop()
  await Promise.all((servers ?? []).map((server) => server.stop()))
  console.log(grid())
})

function grid(): string {
  const rows = [['client \\ agent', ...AGENTS.map(([, title]) => title)]]
  for (const kind of CLIENTS) {
    const cells = AGENTS.map(([agent]) => {
      const lacking = DEEDS.filter((deed) => !done.get(`${nameOf(kind)} ${agent}`)?.includes(deed))
      return lacking.length === 0 ? 'ok' : `not: ${lacking.join(', ')}`
    })
    rows.push([nameOf(kind), ...cells])
  }
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  return rows.map((row) => `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`).join('\n')
}

const CELLS = CLIENTS.flatMap((kind) =>
  AGENTS.map(([agent, title]) => [`${nameOf(kind)} to ${title}`, kind, agent] as const),
)

describe.each(CELLS)('%s', (_title, kind, agent) => {
  let client: PeerClient
  beforeAll(async () => {
    const base = `${world.gateway.url}/agents/${agent}/`
    client = await kind.connect(base, withKey(world.gateway.adminKey))
  })

  const deed = (name: Deed, run: () => Promise<void>) =>
    test(name, async () => {
      await run()
      const cell = `${nameOf(kind)} ${agent}`
      done.set(cell, [...(done.get(cell) ?? []), name])
    })

  deed('send', async () => {
    const task = mustBeTask(await client.send('complete'))
    expect([task.state, task.made, task.said]).toEqual(['COMPLETED', ['made'], 'done'])
    expect(await client.get(task.id)).toEqual(task)
  })

  deed('message', async () => {
    expect(await client.send('message')).toEqual({ kind: 'message', text: 'direct' })
  })

  deed('stream', async () => {
    const events = await all(client.stream('complete'))
    const glances = events.map(({ glance }) => glance)
    expect(glances[0]).toMatch(/^task /)
    expect(glances.slice(-2)).toEqual(['made', 'COMPLETED'])
    expect(new Set(events.map(({ taskId, contextId }) => `${taskId} ${contextId}`)).size).toBe(1)
  })

  deed('cancel', async () => {
    const { id } = mustBeTask(await client.send('wait', { now: true }))
    await recorded.next(({ task, state }) => task === id && state === 'TASK_STATE_WORKING')
    const canceled = await client.cancel(id)
    expect([canceled.id, canceled.state]).toEqual([id, 'CANCELED'])
    expect((await client.get(id)).state).toBe('CANCELED')
  })

  deed('ask back', async () => {
    const asked = mustBeTask(await client.send('input'))
    expect([asked.state, asked.said]).toEqual(['INPUT_REQUIRED', 'what else?'])
    const task = mustBeTask(await client.send('complete', { taskId: asked.id, contextId: asked.contextId }))
    expect([task.id, task.contextId, task.state]).toEqual([asked.id, asked.contextId, 'COMPLETED'])
    expect(task.made).toEqual(['made'])
  })
})
