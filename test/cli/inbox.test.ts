/** A mailbox by hand, on the command line. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aCollector, type Collector } from '../support/collector.ts'
import { aWorld, type World } from '../support/world.ts'
import { emptyDirectory, runCli } from './run.ts'

const patient = { timeout: 180_000 }
let world: World
let agent: Collector
const home = emptyDirectory()

beforeAll(async () => {
  world = await aWorld()
  agent = await aCollector(world, 'hand', { policy: 'approval' })
})
afterAll(() => world?.stop())

const cli = (words: readonly string[], more: Record<string, string> = {}) =>
  runCli(words, {
    env: {
      WAYPOST_URL: world.gateway.url,
      XDG_CONFIG_HOME: home,
      WAYPOST_TOKEN: agent.token,
      WAYPOST_AGENT: 'hand',
      ...more,
    },
  })
const json = async (words: readonly string[], more?: Record<string, string>) => {
  const { code, stdout, stderr } = await cli([...words, '-o', 'json'], more)
  expect(code, stderr + stdout).toBe(0)
  return JSON.parse(stdout)
}

test(
  'a stranger is accepted, its message is looked at, taken and answered; the sender sees when',
  patient,
  async () => {
    const stranger = await aCollector(world, 'stranger')
    const client = world.client('hand', stranger.token)
    const sent = await client.send('hello', { configuration: { returnImmediately: true } })
    expect(await json(['contact', 'list', '--state', 'asked'])).toMatchObject({
      policy: 'approval',
      items: [{ contact: 'agent:stranger', held: 1 }],
    })
    const [accepted, empty] = await Promise.all([
      json(['contact', 'accept', 'agent:stranger', '--rights', 'send']),
      cli(['next', '--kind', 'post']),
    ])
    expect(accepted).toMatchObject({ state: 'accepted', rights: ['send'] })
    expect([empty.code, empty.stdout]).toEqual([5, ''])
    const listed = await cli(['inbox'])
    expect(listed.stdout).toMatch(/task +normal +agent:stranger .* no +hello/)
    const { lease } = await json(['next', 'hand', '--lease-for', '5m'])
    const done = await json(['done', lease, '--text', 'HELLO'])
    expect(done).toMatchObject({ settled: 'complete', task: { id: sent.id } })
    const key = { WAYPOST_KEY: world.gateway.adminKey }
    const [presence, receipts, again] = await Promise.all([
      json(['presence', 'hand'], key),
      json(['receipts', sent.id], key),
      cli(['fail', lease]),
    ])
    expect(presence).toMatchObject({ agent: 'hand', state: 'available', waiting: '0' })
    const { accepted: at, leased, settled } = receipts.receipt
    expect([at, leased, settled].map((time) => Date.parse(time))).toEqual(
      [at, leased, settled].map((time) => Date.parse(time)).sort(),
    )
    expect(again.code).toBe(1)
  },
)

test('what is not ours is said', patient, async () => {
  const unknown = await runCli(['inbox', 'nobody'], { env: { WAYPOST_URL: world.gateway.url, XDG_CONFIG_HOME: home } })
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('WAYPOST_TOKEN')
})
