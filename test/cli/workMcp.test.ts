/** `waypost work --mode mcp`: an MCP server on stdio as an agent of a whole gateway, in both eras. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tool } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { AgentCard } from '../../src/a2a/agentCard.ts'
import type { Task } from '../../src/a2a/tasks.ts'
import { stateOf, textOf } from '../e2e/mailboxWorld.ts'
import { aWorld, type World } from '../support/world.ts'
import { emptyDirectory, linesOf, runCli, startCli } from './run.ts'

const SERVER = join(import.meta.dirname, '../support/mcpServer.mjs')
const now = { returnImmediately: true }

let world: World
const home = emptyDirectory()
const children: ChildProcess[] = []

beforeAll(async () => {
  world = await aWorld({ env: { WAYPOST_BLOCK_SECONDS: '20' }, limits: { cancelGraceMs: 20_000 } })
})
async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'close')
}
afterEach(async () => {
  for (const child of children.splice(0)) await end(child)
})
afterAll(() => world?.stop())

async function aServer(name: string, era: string, flags: readonly string[] = [], folder = emptyDirectory()) {
  const ledger = join(folder, 'ledger')
  const args = ['work', name, '--mode', 'mcp', ...flags, '--', process.execPath, SERVER]
  const env = { WAYPOST_URL: world.gateway.url, XDG_CONFIG_HOME: home, MCP_ERA: era, MCP_LEDGER: ledger }
  const child = startCli(args, { env })
  children.push(child)
  const stderr = linesOf(child.stderr)
  await stderr.next((line) => line.startsWith('working as'))
  const client = world.client(name)
  const call = async (tool: string, given: unknown = {}, configuration: unknown = undefined) => {
    const { result, error } = await client.rpc('SendMessage', {
      message: {
        messageId: `${name}-${Math.random()}`,
        role: 'ROLE_USER',
        parts: [{ data: { tool, arguments: given } }],
      },
      ...(configuration !== undefined && { configuration }),
    })
    if (error) throw new Error(JSON.stringify(error))
    return result.task
  }
  const reply = async (taskId: string, data: unknown) => {
    const message = { messageId: `${name}-${Math.random()}`, role: 'ROLE_USER', taskId, parts: [{ data }] }
    return (await client.rpc('SendMessage', { message })).result.task
  }
  const did = () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').trim().split('\n') : [])
  return { child, client, call, reply, did, stderr, folder }
}

const cardOf = async (name: string) =>
  (await (await fetch(`${world.gateway.url}/agents/${name}/.well-known/agent-card.json`)).json()) as AgentCard
const reasonOf = ({ status }: Task) => status.message?.parts[0]?.text

describe.each(['legacy', 'modern'])('a server of the %s era', (era) => {
  test('its tools are the skills of the card, and a message calls one', async () => {
    const { client, call } = await aServer(`tools-${era}`, era)
    const card = await cardOf(`tools-${era}`)
    expect(card.skills.find(({ id }) => id === 'echo')).toMatchObject({ description: 'The tool echo' })
    const extension = card.capabilities.extensions?.find(({ uri }) => uri === 'urn:x-waypost:mcp-tools:1')
    const tools = extension?.params?.tools as readonly Tool[]
    expect(tools.find(({ name }) => name === 'echo')?.inputSchema.required).toEqual(['text'])
    expect(textOf(await call('echo', { text: 'hello' }))).toBe('echo: hello')
    const bySkill = await client.send('in words', {
      message: { metadata: { 'urn:x-waypost:store-and-forward:1': { skill: 'echo' } } },
    })
    expect(textOf(bySkill)).toBe('echo: in words')
    const all = await call('all')
    expect(all.artifacts[0].parts.map((part: object) => Object.keys(part)[0])).toEqual(
      expect.arrayContaining(['text', 'raw', 'url', 'data']),
    )
    expect([stateOf(await call('fails')), reasonOf(await call('fails'))]).toEqual([
      'TASK_STATE_FAILED',
      'it did not work',
    ])
    expect(JSON.stringify((await call('steps', { count: 3 })).history)).toContain('step 1')
  })

  test('which tool is asked for, and what a tool asks goes to the sender: the same call goes on', async () => {
    const { client, call, reply, did } = await aServer(`asks-${era}`, era)
    const unclear = await client.send('do something')
    expect([stateOf(unclear), reasonOf(unclear)]).toEqual([
      'TASK_STATE_INPUT_REQUIRED',
      expect.stringContaining('Which tool?'),
    ])
    expect(textOf(await reply(unclear.id, { tool: 'echo', arguments: { text: 'this' } }))).toBe('echo: this')
    const asked = await call('asks', { what: 'car' })
    expect([stateOf(asked), reasonOf(asked)]).toEqual(['TASK_STATE_INPUT_REQUIRED', 'Which car?'])
    expect(textOf(await reply(asked.id, { color: 'red' }))).toBe('car: accept red')
    const calls = did().filter((line) => line.startsWith('asks'))
    // In the newer era a call that asks is made again with the answer; in the older one it stands open.
    expect(calls.length).toBe(era === 'modern' ? 2 : 1)
  })
})

test('a tool that may not be repeated is not, when its server dies; one that may is', async () => {
  const { client, call, did, folder } = await aServer('dies', 'modern')
  const died = await call('crash')
  expect([stateOf(died), reasonOf(died)]).toEqual(['TASK_STATE_FAILED', expect.stringContaining('OUTCOME_UNKNOWN')])
  const again = await call('crashOnce', { marker: join(folder, 'marker') }, now)
  await expect.poll(async () => textOf(await client.get(again.id)), { timeout: 30_000 }).toBe('the second time')
  expect(did().filter((line) => line.startsWith('crash {')).length).toBe(1)
})

test('a runner that is killed in the middle of a call: whoever comes next does not call again', async () => {
  const first = await aServer('killed', 'modern', ['--worker', 'one'])
  const sent = await first.call('hold', { key: 'k' }, now)
  await expect.poll(() => first.did().length).toBe(1)
  await end(first.child, 'SIGKILL')
  const second = await aServer('killed', 'modern', ['--worker', 'one'], first.folder)
  await expect
    .poll(async () => reasonOf(await second.client.get(sent.id)), { timeout: 20_000 })
    .toContain('OUTCOME_UNKNOWN')
  expect(second.did().filter((line) => line.startsWith('hold {')).length).toBe(1)
})

test('a cancel reaches the tool', async () => {
  const { client, call, did } = await aServer('cancels', 'modern')
  const sent = await call('hold', { key: 'c' }, now)
  await expect.poll(() => did().length).toBe(1)
  await client.rpc('CancelTask', { id: sent.id })
  await expect.poll(async () => stateOf(await client.get(sent.id)), { timeout: 20_000 }).toBe('TASK_STATE_CANCELED')
  await expect.poll(() => did()).toContain('hold c was canceled')
})

test('a tool that the server has since is on the card since', async () => {
  const { call } = await aServer('grows', 'modern')
  await call('more')
  const skills = async () => (await cardOf('grows')).skills
  await expect.poll(skills, { timeout: 20_000 }).toContainEqual(expect.objectContaining({ id: 'added' }))
  expect(textOf(await call('added'))).toBe('I am new')
})

test('only the variables that are listed reach it, with what it is started with', async () => {
  const { call } = await aServer('sandboxed', 'modern', ['--sandbox-env', 'PATH,MCP_ERA,MCP_LEDGER'])
  expect(textOf(await call('env'))).toBe('MCP_ERA MCP_LEDGER PATH')
})

test('a program that is no MCP server is told of at once', async () => {
  const env = { WAYPOST_URL: world.gateway.url, XDG_CONFIG_HOME: home }
  const { code, stderr } = await runCli(['work', 'none', '--mode', 'mcp', '--', 'false'], { env })
  expect([code, stderr]).toEqual([2, expect.stringContaining('the MCP server')])
})
