/** Where the gateway does not go, whoever asks it to: refused with a reason, and not one connection made. */
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ResolvedAddress } from '../../src/platform/egress.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { createLog } from '../support/log.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { aWorld, type World } from '../support/world.ts'

const now = { returnImmediately: true }
const hasty = { maxAttempts: 2, backoff: { firstMs: 10, longestMs: 20 } }

/** Nobody should ever come here. */
interface Trap {
  readonly port: number
  visits(): number
  stop(): Promise<void>
}
async function aTrap(): Promise<Trap> {
  let visits = 0
  const server: Server = createServer((socket) => {
    visits += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    visits: () => visits,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Forms of addresses that are not to be reached; PORT is the trap's. */
const FORMS = [
  // G-05
  'http://127.0.0.1:PORT/',
  'http://127.1:PORT/',
  'http://2130706433:PORT/',
  'http://0x7f.1:PORT/',
  'http://0177.0.0.1:PORT/',
  // G-06
  'http://0.0.0.0:PORT/',
  'http://0:PORT/',
  'http://[::]:PORT/',
  'http://[::1]:PORT/',
  // G-07
  'http://[::ffff:127.0.0.1]:PORT/',
  'http://[::127.0.0.1]:PORT/',
  'http://[64:ff9b::7f00:1]:PORT/',
  'http://[2002:7f00:1::]:PORT/',
  'http://[::ffff:0:127.0.0.1]:PORT/',
  // G-12
  'http://①②⑦.⓪.⓪.①:PORT/',
  'http://127。0。0。1:PORT/',
  // G-13
  'http://localhost:PORT/',
  'http://LOCALHOST.:PORT/',
  'http://foo.localhost:PORT/',
  'http://db.internal/',
  'http://printer.local/',
  'http://single/',
  // G-08
  'http://10.0.0.1/',
  'http://172.16.0.1/',
  'http://192.168.1.1/',
  'http://100.64.0.1/',
  'http://198.18.0.1/',
  'http://192.0.0.1/',
  'http://192.88.99.1/',
  // G-09
  'http://169.254.169.254/latest/meta-data/',
  'http://[fd00:ec2::254]/',
  'http://100.100.100.200/',
  'http://192.0.0.192/',
  // G-10
  'http://[fe80::1]/',
  'http://[fec0::1]/',
  'http://[fd00::1]/',
  'http://[ff02::1]/',
  'http://[2001:db8::1]/',
  'http://[5f00::1]/',
  'http://[100::1]/',
  'http://[3fff::1]/',
  // G-11
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  // G-15, and G-04
  'https://8.8.8.8:22/',
  'https://8.8.8.8:25/',
  'https://8.8.8.8:6379/',
  'https://user:pass@example.com/',
]

describe('with nothing of this machine allowed', () => {
  let world: World
  let trap: Trap
  /** What a name resolves to, answer by answer; the last one stays. */
  const names = new Map<string, ResolvedAddress[][]>()
  const asked = createLog<string>()

  beforeAll(async () => {
    trap = await aTrap()
    world = await aWorld({
      env: { WAYPOST_EGRESS_ALLOW: `203.0.113.0/24:${trap.port}` },
      webhooks: { attemptsMax: 3, firstMs: 10, longestMs: 20 },
      egress: {
        connectMs: 50,
        lookup: async (name) => {
          asked.add(name)
          const answers = names.get(name) ?? []
          return (answers.length > 1 ? answers.shift() : answers[0]) ?? []
        },
      },
      cards: { box: { connector: { kind: 'mailbox' } } },
    })
    expect(world.gateway.cardProblems).toEqual([])
  })
  afterAll(async () => {
    await world?.stop()
    await trap?.stop()
  })
  afterEach(() => expect(trap.visits()).toBe(0))

  const at = (form: string, path = '') => form.replace('PORT', String(trap.port)) + path
  const count = async (table: string) =>
    Number(
      (
        await world.gateway.db.query<{ n: number }>(
          { name: 'count', text: `select count(*)::int as n from ${table}`, write: false },
          [],
        )
      )[0]?.n,
    )

  test.each(FORMS.map((form) => [form]))('a webhook at %s is refused, set or sent along', async (form) => {
    const client = world.client('box')
    const { id: taskId } = await client.send('x', { configuration: now })
    const before = [await count('push_configs'), await count('tasks')]
    const { error } = await client.rpc('CreateTaskPushNotificationConfig', { taskId, url: at(form, 'hook') })
    expect([error?.code, error?.data[0].reason]).toEqual([-32602, 'INVALID_PARAMS'])
    expect(error.data[1].fieldViolations[0].description).not.toBe('')
    const { error: sent } = await client.rpc('SendMessage', {
      message: { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [{ text: 'x' }] },
      configuration: { ...now, taskPushNotificationConfig: { url: at(form, 'hook') } },
    })
    expect(sent?.code).toBe(-32602)
    expect([await count('push_configs'), await count('tasks')]).toEqual(before)
  })

  test.each(FORMS.map((form) => [form]))('an agent at %s is refused', async (form) => {
    const before = await count('agents')
    const response = await fetch(`${world.gateway.url}/v1/agents`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${world.gateway.adminKey}` },
      body: JSON.stringify({ name: 'evil', connector: { kind: 'a2a', url: at(form) } }),
    })
    const problem = (await response.json()) as { code: string; detail: string }
    expect([response.status, problem.code]).toEqual([400, 'INVALID_PARAMS'])
    expect(problem.detail).toContain('url')
    expect(await count('agents')).toBe(before)
  })

  const loopback = { address: '127.0.0.1', family: 4 }
  const allowed = { address: '203.0.113.7', family: 4 }
  const mapped = { address: '::ffff:127.0.0.1', family: 6 }
  test.each<[string, ResolvedAddress[][]]>([
    ['loopback', [[loopback]]],
    ['loopback, mapped', [[mapped]]],
    ['link-local', [[{ address: '169.254.169.254', family: 4 }]]],
    ['an allowed and a forbidden address', [[allowed, loopback]]],
    ['an allowed address, then loopback', [[allowed], [loopback]]],
  ])('G-14 a webhook whose name resolves to %s is not called: a dead letter says why', async (title, answers) => {
    const name = `hook-${title.replace(/[^a-z]+/g, '-')}.example.com`
    names.set(name, answers)
    const client = world.client('box')
    const { id: taskId } = await client.send('x', { configuration: now })
    const url = `http://${name}:${trap.port}/hook`
    expect((await client.rpc('CreateTaskPushNotificationConfig', { taskId, url })).error).toBeUndefined()
    const blocked = world.next('egress.blocked', ({ host }) => host === name)
    const dead = world.next('delivery.dead', ({ kind, task }) => kind === 'webhook' && task === taskId)
    await client.rpc('CancelTask', { id: taskId })
    expect((await blocked).reason).toMatch(/address/)
    expect((await dead).code).toBe('EGRESS_BLOCKED')
    expect(asked.entries).toContain(name)
  })

  test.each<[string, ResolvedAddress[][]]>([
    ['loopback', [[loopback]]],
    ['link-local', [[{ address: '169.254.169.254', family: 4 }]]],
    ['an allowed and a forbidden address', [[allowed, loopback]]],
  ])('an agent whose name resolves to %s is not called: its task fails and says why', async (title, answers) => {
    const agent = `agent-${title.replace(/[^a-z]+/g, '-')}`
    names.set(`${agent}.example.com`, answers)
    await world.register({ name: agent, connector: { kind: 'a2a', url: `http://${agent}.example.com:${trap.port}/` } })
    const blocked = world.next('egress.blocked', ({ host }) => host === `${agent}.example.com`)
    const task = await world.client(agent).send('x')
    expect((await blocked).reason).toMatch(/address/)
    expect(task.status.state).toBe('TASK_STATE_FAILED')
    expect(JSON.stringify(task.status)).toContain('EGRESS_BLOCKED')
  })
})

describe('a redirect is an answer, and is not followed', () => {
  let world: World
  let trap: Trap
  let agent: ScriptedAgent
  let receiver: Receiver

  beforeAll(async () => {
    trap = await aTrap()
    receiver = await startReceiver()
    agent = await startAgent({
      card: (card) => ({
        ...card,
        supportedInterfaces: [
          { url: `http://127.0.0.1:${trap.port}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
        ],
        url: `http://127.0.0.1:${trap.port}/rpc`,
      }),
    })
    const ports = [receiver.url, agent.url].map((url) => `127.0.0.1/32:${new URL(url).port}`)
    world = await aWorld({
      env: { WAYPOST_EGRESS_ALLOW: ports.join(',') },
      webhooks: { attemptsMax: 2, firstMs: 10, longestMs: 20 },
      cards: {
        box: { connector: { kind: 'mailbox' } },
        lured: { connector: { kind: 'a2a', url: agent.url }, ...hasty },
      },
    })
    expect(world.gateway.cardProblems).toEqual([])
  })
  afterAll(async () => {
    await world?.stop()
    await Promise.all([trap?.stop(), agent?.stop(), receiver?.stop()])
  })
  afterEach(() => expect(trap.visits()).toBe(0))

  const away = (status: number) => ({
    status,
    headers: { location: status === 302 ? 'http://169.254.169.254/' : `http://127.0.0.1:${trap.port}/` },
  })

  test.each([301, 302, 307, 308])('G-18 by a webhook receiver, with %i', async (status) => {
    receiver.always(away(status))
    const client = world.client('box')
    const { id: taskId } = await client.send('x', { configuration: now })
    await client.rpc('CreateTaskPushNotificationConfig', { taskId, url: `${receiver.url}hook${status}` })
    const dead = world.next('delivery.dead', ({ kind, task }) => kind === 'webhook' && task === taskId)
    await client.rpc('CancelTask', { id: taskId })
    expect((await dead).code).toMatch(/EXHAUSTED|FAILED|REJECTED/)
    expect(receiver.log.entries.filter(({ path }) => path === `/hook${status}`).length).toBeGreaterThan(0)
  })

  test.each([301, 302, 307, 308])('K-11 by an agent, for its card, with %i', async (status) => {
    receiver.always(away(status))
    const name = `moved-${status}`
    await world.register({ name, connector: { kind: 'a2a', url: receiver.url }, ...hasty })
    const dead = world.next('delivery.dead', ({ destination }) => destination === `agent:${name}`)
    const task = await world.client(name).send('x')
    expect((await dead).task).toBe(task.id)
    expect(task.status.state).toBe('TASK_STATE_FAILED')
  })

  test('nor does a card lead away from where its agent was registered: somebody has to approve it', async () => {
    const pending = world.next('agent.pending', ({ agent }) => agent === 'lured')
    const { id } = await world.client('lured').send('x', { configuration: now })
    expect((await pending).changes).toBe('where it is')
    await expect
      .poll(async () => (await world.client('lured').get(id)).metadata?.['urn:x-waypost:store-and-forward:1'])
      .toMatchObject({ delivery: 'waiting', reason: expect.stringMatching(/waits for an operator/) })
    expect((await world.client('lured').get(id)).status.state).toBe('TASK_STATE_SUBMITTED')
  })
})
