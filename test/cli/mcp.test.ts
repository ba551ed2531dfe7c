/** `waypost mcp`: the stdio form, started as hosts start it, by the official clients. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { TOOL_NAMES } from '../../src/wire/bridges/mcp/catalogue.ts'
import { aHost, HOSTS, type Host, type HostKind } from '../support/mcpHosts.ts'
import { ADMIN_KEY, aReplica, type ReplicaProcess } from '../support/replicas.ts'
import { CLI } from './run.ts'

let gateway: ReplicaProcess
const folder = mkdtempSync(join(tmpdir(), 'waypost-mcp-'))
const hosts: Host[] = []
beforeAll(async () => {
  gateway = await aReplica({ cards: {} })
  await gateway.start()
})
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()))
})
afterAll(async () => {
  await gateway?.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function start(kind: HostKind, args: readonly string[], env: Record<string, string> = {}): Promise<Host> {
  const host = await aHost(kind, {
    command: process.execPath,
    args: [CLI, 'mcp', '--gateway', gateway.url, ...args],
    env: { PATH: process.env.PATH ?? '', HOME: folder, XDG_CONFIG_HOME: folder, ...env },
    cwd: folder,
  })
  hosts.push(host)
  return host
}

async function post(path: string, body: unknown, token: string) {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })
  // biome-ignore lint/suspicious/noExplicitAny: documents of many forms
  return (response.status === 204 ? undefined : await response.json()) as any
}

/** An agent that is not there: nobody collects for it. */
const anOfflineAgent = async (name: string) => (await post('/v1/agents', { name }, ADMIN_KEY)).token as string

describe.each(HOSTS)('a host of %s', (kind) => {
  const name = `laptop-${kind.replace(' ', '-')}`

  test('lists the nine tools, is registered by its name, and keeps its token for itself', async () => {
    const host = await start(kind, ['--name', name])
    expect((await host.listTools()).map((tool) => tool.name)).toEqual(TOOL_NAMES)
    expect((await host.call('read_inbox')).result).toEqual({ items: [], inbox: { unread: 0, urgent: 0 } })
    const file = join(folder, 'a2a-cli/agents.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(Object.keys(JSON.parse(readFileSync(file, 'utf8')))).toContain(`${gateway.url} ${name}`)
  })

  test('calls all nine tools', async () => {
    const [host, other] = [await start(kind, ['--name', name]), await start(kind, ['--name', `${name}-b`])]
    await other.call('read_inbox')
    expect((await host.call('find_agents', { query: `${name}-b` })).result.agents).toHaveLength(1)
    const { taskId } = (await host.call('delegate_task', { to: `${name}-b`, text: 'over to you', wait: 0 })).result
    expect((await other.call('read_inbox')).result.items).toMatchObject([{ taskId, from: `agent:${name}` }])
    const { lease } = (await other.call('take_task', { wait: 10 })).result
    expect((await other.call('update_task', { lease, text: 'on it' })).result.cancelRequested).toBe(false)
    expect((await other.call('finish_task', { lease, outcome: 'needs_input', text: 'how?' })).result.state).toBe(
      'INPUT_REQUIRED',
    )
    const heard: string[] = []
    const asked = await host.call('check_task', { taskId, wait: 10 })
    expect(asked.result.question).toEqual({ text: 'how?' })
    await host.call('reply_to_task', { taskId, text: 'so' })
    const waiting = host.call(
      'check_task',
      { taskId, wait: 30 },
      { onprogress: ({ message }) => heard.push(message ?? '') },
    )
    const next = (await other.call('take_task', { wait: 10 })).result
    await other.call('update_task', { lease: next.lease, text: 'almost' })
    await other.call('finish_task', { lease: next.lease, outcome: 'completed', text: 'so it is' })
    expect((await waiting).result).toMatchObject({ state: 'COMPLETED', artifacts: [{ text: 'so it is' }] })
    expect(heard).toContain('WORKING: almost')
    expect((await host.call('cancel_task', { taskId })).result.error).toBe('TASK_NOT_CANCELABLE')
  })

  test('a delegation survives the end of the gateway and of the host', async () => {
    const worker = `${name}-worker`
    const token = await anOfflineAgent(worker)
    const first = await start(kind, ['--name', name])
    const { taskId, state } = (await first.call('delegate_task', { to: worker, text: 'when you are back', wait: 0 }))
      .result
    expect(state).toBe('SUBMITTED')
    // A call that waits while the gateway dies is asked again by itself.
    const waiting = first.call('check_task', { taskId, wait: 1 })
    await gateway.kill('SIGKILL')
    await gateway.start()
    expect((await waiting).result).toMatchObject({ taskId, state: 'SUBMITTED' })
    await first.close()
    const second = await start(kind, ['--name', name])
    expect((await second.call('check_task', { taskId })).result).toMatchObject({ taskId, state: 'SUBMITTED' })
    const { lease } = await post('/v1/inbox/lease?wait=5', {}, token)
    await post(`/v1/leases/${lease}/complete`, { text: 'here I am' }, token)
    const done = await second.call('check_task', { taskId, wait: 20 })
    expect(done.result).toMatchObject({ state: 'COMPLETED', artifacts: [{ text: 'here I am' }] })
  })
})

test('work that a host had in hand when it was killed is there for the next, with its checkpoint', async () => {
  const first = await start('v1', ['--name', 'mortal'])
  await first.call('read_inbox')
  const message = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'long work' }] }
  const rpc = {
    jsonrpc: '2.0',
    id: 1,
    method: 'SendMessage',
    params: { message, configuration: { returnImmediately: true } },
  }
  const sent = await fetch(`${gateway.url}/agents/mortal`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${ADMIN_KEY}` },
    body: JSON.stringify(rpc),
  })
  const { id } = ((await sent.json()) as { result: { task: { id: string } } }).result.task
  const { lease } = (await first.call('take_task', { wait: 10 })).result
  await first.call('update_task', { lease, checkpoint: { page: 7 } })
  process.kill(first.client.transport.pid, 'SIGKILL')
  const second = await start('v2 modern', ['--name', 'mortal'])
  await second.call('finish_task', { lease, outcome: 'give_back' })
  expect((await second.call('take_task', { wait: 10 })).result).toMatchObject({
    taskId: id,
    attempt: 2,
    checkpoint: { page: 7 },
  })
})

test('without a gateway the tools are there, and say what is missing', async () => {
  const host = await aHost('v2 legacy', {
    command: process.execPath,
    args: [CLI, 'mcp', '--gateway', 'http://127.0.0.1:9', '--name', 'alone'],
    env: { PATH: process.env.PATH ?? '', HOME: folder, XDG_CONFIG_HOME: folder },
    cwd: folder,
  })
  hosts.push(host)
  expect(await host.listTools()).toHaveLength(9)
  const { isError, result } = await host.call('find_agents')
  expect(isError).toBe(true)
  expect(result.error).toBe('GATEWAY_UNREACHABLE')
})

test('a key of its own only sends, and registers nothing', async () => {
  const host = await start('v1', ['--send-only'], { WAYPOST_KEY: ADMIN_KEY })
  expect((await host.listTools()).map(({ name }) => name)).not.toContain('take_task')
  expect((await host.call('find_agents')).isError).toBe(false)
})

test('a name that is somebody else’s is refused with the way out', async () => {
  await anOfflineAgent('taken')
  const host = await start('v1', ['--name', 'taken'])
  const { isError, result } = await host.call('find_agents')
  expect(isError).toBe(true)
  expect(result).toMatchObject({ error: 'GATEWAY_CREDENTIALS_MISSING', next: expect.stringContaining('--name') })
})
