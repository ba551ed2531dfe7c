/**
 * C5: the official MCP clients of both generations and the inspector's command line list and call all tools, over HTTP and
 * stdio; and a delegation of minutes survives the death of its host and of the gateway.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { work } from '../../src/client/mailbox.ts'
import { TOOL_NAMES } from '../../src/wire/bridges/mcp/catalogue.ts'
import { CLI } from '../cli/run.ts'
import { startAgent } from '../support/agent.ts'
import { aHost, HOSTS, type Host, type HostKind } from '../support/mcpHosts.ts'
import { ADMIN_KEY, type ReplicaProcess } from '../support/replicas.ts'
import { MINUTES, openReport, type Report } from './report.ts'
import { nap, openStage, operator, type Stage } from './stage.ts'

const INSPECTOR = ['-p', 'node@22', '-p', '@modelcontextprotocol/inspector@2.12.0', 'mcp-inspector', '--cli']

test('C5', async () => {
  const minutes = MINUTES ?? 10
  const report = openReport(
    'C5',
    `official MCP clients and the inspector; a delegation of ${minutes} min over restarts`,
  )
  const stage = await openStage()
  const upstream = await startAgent()
  const home = mkdtempSync(join(tmpdir(), 'waypost-hosts-'))
  const stdio = (name: string) => ({
    command: process.execPath,
    args: [CLI, 'mcp', '--gateway', stage.url, '--name', name],
    env: { PATH: process.env.PATH ?? '', HOME: home, XDG_CONFIG_HOME: home },
    cwd: home,
  })
  try {
    await stage.agent('helper', { connector: { kind: 'a2a', url: upstream.url } })
    for (const kind of HOSTS)
      for (const way of ['http', 'stdio'] as const) {
        const name = `${way}-${kind.replace(' ', '-')}`
        const where = way === 'http' ? { url: `${stage.url}/mcp`, token: await stage.agent(name) } : stdio(name)
        await tryAll(await aHost(kind, where), name, report)
      }
    await inspect(stage, home, report)
    await delegate({ stage, stdio, minutes, report })
  } finally {
    await upstream.stop()
    await stage.close()
    rmSync(home, { recursive: true, force: true })
  }
  report.end()
}, 3_600_000)

async function tryAll(host: Host, name: string, report: Report): Promise<void> {
  const called: string[] = []
  const call = async (tool: string, input: Record<string, unknown> = {}) => {
    const { result, isError, text } = await host.call(tool, input)
    if (isError) throw new Error(`${tool}: ${text.slice(0, 200)}`)
    called.push(tool)
    return result
  }
  try {
    const listed = (await host.listTools()).map((tool) => tool.name)
    report.check(`${name}: lists all tools`, listed.join() === TOOL_NAMES.join(), `${listed.length} tools`)
    await call('find_agents')
    const asked = await call('delegate_task', { to: 'helper', text: 'input please' })
    await call('reply_to_task', { taskId: asked.taskId, text: 'complete' })
    await call('check_task', { taskId: asked.taskId, wait: 20 })
    const waiting = await call('delegate_task', { to: name, text: 'for myself', wait: 0 })
    await call('read_inbox')
    const taken = await call('take_task', { wait: 20 })
    await call('update_task', { lease: taken.lease, text: 'half way', progress: 50 })
    await call('finish_task', { lease: taken.lease, outcome: 'completed', text: 'done' })
    const done = await call('check_task', { taskId: waiting.taskId, wait: 20 })
    if (done.state !== 'COMPLETED') throw new Error(`its own task is ${done.state}`)
    const idle = await call('delegate_task', { to: name, text: 'not wanted', wait: 0 })
    await call('cancel_task', { taskId: idle.taskId })
    report.check(
      `${name}: calls all tools`,
      new Set(called).size === TOOL_NAMES.length,
      `${new Set(called).size} tools`,
    )
  } catch (error) {
    report.check(`${name}: calls all tools`, false, (error as Error).message)
  } finally {
    await host.close()
  }
}

/** Arguments with which each tool may be called by hand. */
const BY_HAND: Readonly<Record<string, readonly string[]>> = {
  find_agents: ['limit=5'],
  delegate_task: ['to=helper', 'text=hello'],
  check_task: ['taskId=TASK'],
  reply_to_task: ['taskId=TASK', 'text=complete'],
  cancel_task: ['taskId=TASK'],
  read_inbox: ['limit=5'],
  take_task: ['wait=0'],
  update_task: ['lease=none', 'text=x'],
  finish_task: ['lease=none', 'outcome=completed'],
}

/**
 * The inspector's answer is judged by its form: a refusal of the gateway is an answer too. In the newer era it takes tasks,
 * and stays with one until it has ended.
 */
async function inspect({ url }: Stage, home: string, report: Report): Promise<void> {
  const http = [`${url}/mcp`, '--transport', 'http', '--header', `Authorization: Bearer ${ADMIN_KEY}`]
  const run = async (era: string, method: readonly string[]) => {
    const { stdout, stderr } = await ended(['-y', ...INSPECTOR, ...http, '--protocol-era', era, ...method], home)
    try {
      return JSON.parse(stdout.slice(stdout.indexOf('{')))
    } catch {
      return { failed: `${stdout.slice(-200)}${stderr.slice(-300)}` }
    }
  }
  for (const era of ['legacy', 'modern']) {
    const listed = await run(era, ['--method', 'tools/list'])
    const names = (listed.tools ?? []).map(({ name }: { name: string }) => name)
    const isAll = names.join() === TOOL_NAMES.join()
    report.check(`inspector, ${era}: lists all tools`, isAll, listed.failed ?? `${names.length} tools`)
    const wrong: string[] = []
    let task = ''
    for (const [tool, given] of Object.entries(BY_HAND)) {
      const pairs = given.map((pair) => pair.replace('TASK', task))
      const answer = await run(era, ['--method', 'tools/call', '--tool-name', tool, '--tool-arg', ...pairs])
      if (!Array.isArray(answer.content))
        wrong.push(`${tool}: ${answer.failed ?? JSON.stringify(answer).slice(0, 200)}`)
      if (tool === 'delegate_task') task = answer.structuredContent?.taskId ?? ''
    }
    report.none(`inspector, ${era}: calls all tools`, wrong, Object.keys(BY_HAND).length)
    report.check(`inspector, ${era}: has the result of what it delegated`, task !== '', task)
  }
}

/** The agent that is asked lives in this process: it must not stand still meanwhile. */
const ended = (args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const env = { ...process.env, npm_config_loglevel: 'error' }
    const child = execFile('npx', args, { cwd, env, timeout: 180_000 }, (_, stdout, stderr) =>
      resolve({ stdout, stderr }),
    )
    child.stdin?.end()
  })

interface Delegation {
  readonly stage: Stage
  readonly stdio: (name: string) => Parameters<typeof aHost>[1]
  readonly minutes: number
  readonly report: Report
}

async function delegate({ stage, stdio, minutes, report }: Delegation): Promise<void> {
  const token = await stage.agent('slowly', { leaseSeconds: 60 })
  const leaving = new AbortController()
  const began = performance.now()
  const worker = work({ gateway: stage.url, token, worker: 'slow', signal: leaving.signal }, async (job) => {
    for (let step = 1; step <= 10; step++) {
      await nap(minutes * 6_000)
      if (job.signal.aborted) return undefined
      await job.update({ text: `step ${step}`, progress: 10 * step })
    }
    return 'it took its time'
  })
  const [first, kinds] = [await aHost('v2 modern', stdio('boss')), ['v1', 'v2 legacy'] satisfies HostKind[]]
  const { taskId } = (await first.call('delegate_task', { to: 'slowly', text: 'take your time', wait: 1 })).result
  report.tell(`delegated: ${taskId}`)
  await nap(minutes * 15_000)
  process.kill(first.client.transport.pid, 'SIGKILL')
  const gateway = stage.replicas[0] as ReplicaProcess
  await gateway.kill('SIGKILL')
  await nap(2_000)
  await gateway.start()
  report.tell('host and gateway killed; the gateway is back')
  let host = await aHost(kinds[0] as HostKind, stdio('boss'))
  const half = (await host.call('check_task', { taskId })).result
  report.check('a new host finds the task by its handle, at work', half.state === 'WORKING', half.state)
  await nap(minutes * 15_000)
  process.kill(host.client.transport.pid, 'SIGKILL')
  await gateway.kill('SIGTERM')
  await gateway.start()
  host = await aHost(kinds[1] as HostKind, stdio('boss'))
  let last = half
  for (
    const until = performance.now() + minutes * 120_000 + 60_000;
    performance.now() < until && last.state === 'WORKING';
  )
    last = (await host.call('check_task', { taskId, wait: 45 })).result
  report.fact('the delegation took, s', Math.round((performance.now() - began) / 1_000))
  report.check('and another the result', last.artifacts?.[0]?.text === 'it took its time', `${last.state}`)
  const answer = await fetch(`${stage.url}/v1/tasks/${taskId}`, { headers: operator })
  const attempts = ((await answer.json()) as { deliveries?: { attempts?: number }[] }).deliveries?.[0]?.attempts
  if (attempts !== undefined) report.fact('attempts', attempts)
  leaving.abort()
  await worker
  await host.close()
}
