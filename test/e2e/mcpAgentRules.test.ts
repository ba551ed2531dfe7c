/** What holds for MCP servers as for all agents: who may register them, what they are shown, what happens when they are away. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Task } from '../../src/a2a/tasks.ts'
import { openServer } from '../support/databases.ts'
import { anMcpServer, FORMS, type McpFixture } from '../support/mcpServers.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'

let world: World
const servers: McpFixture[] = []
beforeAll(async () => {
  process.env.WAYPOST_TEST_PASSED_ON = 'passed'
  process.env.WAYPOST_TEST_KEPT = 'kept'
  const stdio = await server('stdio modern')
  world = await aWorld({
    cards: {
      local: { connector: { ...stdio.connector, env: ['WAYPOST_TEST_PASSED_ON'] } },
      some: { connector: { ...stdio.connector, tools: { deny: ['env', 'crash'] }, idempotent: ['hold'] } },
      broken: { connector: { kind: 'mcp', command: ['/nonexistent/program'] } },
    },
  })
  expect(world.gateway.cardProblems).toEqual([])
})
afterAll(async () => {
  delete process.env.WAYPOST_TEST_PASSED_ON
  delete process.env.WAYPOST_TEST_KEPT
  await world?.stop()
  await Promise.all(servers.map((one) => one.close()))
})

async function server(...of: Parameters<typeof anMcpServer>): Promise<McpFixture> {
  const made = await anMcpServer(...of)
  servers.push(made)
  return made
}

async function call(agent: string, tool: string, given: object = {}, configuration: object = {}): Promise<Task> {
  const message = aMessage('', { parts: [{ data: { tool, arguments: given } }] })
  const { result, error } = await world.client(agent).rpc('SendMessage', { message, configuration })
  if (error) throw new Error(error.message)
  return result.task
}
const textOf = (task: Task) => task.artifacts?.[0]?.parts[0]?.text

const register = async (document: object, key = world.gateway.adminKey) => {
  const response = await fetch(`${world.gateway.url}/v1/agents`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(document),
  })
  // biome-ignore lint/suspicious/noExplicitAny: a problem document
  return { status: response.status, json: (await response.json()) as any }
}

test('a command comes from a file of the operator, never by a request', async () => {
  const { status, json } = await register({ name: 'evil', connector: { kind: 'mcp', command: ['touch', '/tmp/x'] } })
  expect(status).toBe(400)
  expect(json.violations[0].field).toBe('connector.command')
  const patched = await fetch(`${world.gateway.url}/v1/agents/local`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${world.gateway.adminKey}` },
    body: JSON.stringify({ connector: { kind: 'mcp', command: ['sh'] } }),
  })
  expect(patched.status).toBe(400)
})

test('only a command has an environment, and its variables are named, not told', async () => {
  const url = 'http://127.0.0.1:9/mcp'
  expect((await register({ name: 'e1', connector: { kind: 'mcp', url, env: ['HOME'] } })).status).toBe(400)
  expect((await register({ name: 'e2', connector: { kind: 'mcp', url, idempotnt: ['a'] } })).json.detail).toContain(
    'idempotent',
  )
})

test('the program gets what it was promised of our environment', async () => {
  const names = textOf(await call('local', 'env'))?.split(' ') ?? []
  expect(names).toContain('WAYPOST_TEST_PASSED_ON')
  expect(names).not.toContain('WAYPOST_TEST_KEPT')
})

test('tools that are denied are not there', async () => {
  await call('some', 'echo', { text: 'x' })
  await expect(call('some', 'env')).rejects.toThrow(/no tool "env"/)
  const response = await fetch(`${world.gateway.url}/agents/some/.well-known/agent-card.json`)
  // biome-ignore lint/suspicious/noExplicitAny: a card
  const ids = ((await response.json()) as any).skills.map(({ id }: { id: string }) => id)
  expect(ids).toContain('hold')
  expect(ids).not.toContain('crash')
})

test('a program that does not start is an agent that is away', async () => {
  const task = await call('broken', 'anything', {}, { returnImmediately: true })
  await world.next('lane.closed', ({ destination }) => destination === 'agent:broken').catch(() => {})
  expect((await world.client('broken').get(task.id)).status.state).toBe('TASK_STATE_SUBMITTED')
})

test('with two gateways the answer finds the one that holds the call', async () => {
  const database = await openServer()
  const fixture = await server('stdio modern')
  const options = {
    databaseUrl: await database.create(),
    cards: { pair: { connector: fixture.connector, backoff: { firstMs: 10, longestMs: 100 } } },
  }
  const pair = [await aWorld(options), await aWorld(options)] as const
  const send = async (at: World, parts: object[], taskId?: string): Promise<Task> => {
    const message = aMessage('', { parts, ...(taskId && { taskId }) })
    return (await at.client('pair').rpc('SendMessage', { message })).result.task
  }
  for (const what of ['a', 'b', 'c', 'd']) {
    const asked = await send(pair[0], [{ data: { tool: 'asks', arguments: { what } } }])
    expect(asked.status.state).toBe('TASK_STATE_INPUT_REQUIRED')
    const done = await send(pair[1], [{ data: { color: 'red' } }], asked.id)
    expect([done.status.state, textOf(done)]).toEqual(['TASK_STATE_COMPLETED', `${what}: accept red`])
  }
  await Promise.all(pair.map((one) => one.stop()))
  await database.stop()
})

describe.each(FORMS.filter((form) => form.startsWith('http')))('over %s', (form) => {
  const name = form.replace(' ', '-')

  test('a server that is away has its messages when it comes', async () => {
    const away = await server(form, {}, false)
    expect((await register({ name: `away-${name}`, connector: away.connector })).status).toBe(201)
    const task = await call(`away-${name}`, 'echo', { text: 'later' }, { returnImmediately: true })
    await world.next('lane.closed', ({ destination }) => destination === `agent:away-${name}`)
    const ended = world.next('task.finished', (fact) => fact.task === task.id)
    await away.start()
    expect((await ended).state).toBe('TASK_STATE_COMPLETED')
    expect(textOf(await world.client(`away-${name}`).get(task.id))).toBe('echo: later')
  })

  test('credentials are shown to it, and not repeated to callers', async () => {
    const guarded = await server(form, { MCP_KEY: 'a-long-secret-of-ours' })
    const connector = guarded.connector
    const credentials = { scheme: 'Bearer', token: 'a-long-secret-of-ours' }
    expect((await register({ name: `guarded-${name}`, connector, credentials })).status).toBe(201)
    expect(textOf(await call(`guarded-${name}`, 'secret'))).toBe('you sent [redacted]')
    expect((await register({ name: `unknown-${name}`, connector })).status).toBe(201)
    const refused = await call(`unknown-${name}`, 'secret', {}, { returnImmediately: true })
    const { code } = await world.next('delivery.attempted', ({ task }) => task === refused.id)
    expect(code).toBe('UPSTREAM_AUTH')
  })

  test('an address that the guard refuses is never called', async () => {
    const { status, json } = await register({
      name: `inside-${name}`,
      connector: { kind: 'mcp', url: 'http://169.254.169.254/mcp' },
    })
    expect(status).toBe(400)
    expect(json.violations[0].field).toBe('connector.url')
  })
})
