/** `conformance`: smoke-checks a live agent, requirement by requirement of the official kit; or runs the kit itself. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { A2AClient } from '../a2aClient.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { Failed, Skipped, SMOKE_CHECKS, type Smoke, type SmokeCheck } from '../smokeChecks.ts'

type Outcome = 'passed' | 'failed' | 'skipped'
interface Checked {
  readonly id: string
  readonly title: string
  readonly outcome: Outcome
  readonly reason?: string
}

const OUTCOMES: readonly Outcome[] = ['passed', 'failed', 'skipped']

/** For scripts that ask for it with --exit-status; as for a task that failed. */
const CHECKS_FAILED = 10

export const conformance: Run = async (call) => {
  const client = await call.agent(async () => call.args[0] ?? '')
  const kit = call.option('kit')
  if (kit !== undefined) return runKit(kit, client, call)
  const { binding, url } = client.chosen()
  const smoke: Smoke = { client, signal: call.signal }
  const checked: Checked[] = []
  for (const check of SMOKE_CHECKS) {
    const found = await perform(check, smoke)
    checked.push(found)
    if (!call.out.json) tell(found, call)
  }
  const counts = Object.fromEntries(
    OUTCOMES.map((name) => [name, checked.filter(({ outcome }) => outcome === name).length]),
  )
  if (call.out.json) call.out.document({ agent: client.agent.source, binding, url, ...counts, checks: checked })
  else {
    call.out.fields([
      ['Agent', `${client.agent.source} over ${binding}`],
      ...OUTCOMES.map((name) => [name[0]?.toUpperCase() + name.slice(1), counts[name]] as const),
    ])
  }
  return call.has('exit-status') && (counts.failed ?? 0) > 0 ? CHECKS_FAILED : 0
}

async function perform({ id, title, run }: SmokeCheck, smoke: Smoke): Promise<Checked> {
  try {
    await run(smoke)
    return { id, title, outcome: 'passed' }
  } catch (error) {
    if (smoke.signal.aborted) throw error
    const reason = (error as Error).message
    if (error instanceof Skipped) return { id, title, outcome: 'skipped', reason }
    if (error instanceof Failed) return { id, title, outcome: 'failed', reason }
    // An agent that cannot be reached or that knows us not has not been checked at all.
    if (error instanceof CliError && error.exitCode > 1) throw error
    return { id, title, outcome: 'failed', reason }
  }
}

const tell = ({ id, title, outcome, reason }: Checked, { out }: Invocation): void =>
  out.fields([[id, `${outcome}, ${title}${reason ? `: ${reason}` : ''}`]])

/** The kit stands beside this program and takes an address; its own output goes to stderr, its counts are told. */
async function runKit(kit: string, { agent, chosen }: A2AClient, call: Invocation): Promise<number> {
  if (!existsSync(join(kit, 'tests/compatibility')))
    throw usage(
      `--kit: ${kit} is no checkout of the kit`,
      'git clone --branch 1.0-dev https://github.com/a2aproject/a2a-tck.git',
    )
  const host = agent.source.replace(/\.well-known\/.*$/, '')
  const transport = chosen().binding === 'JSONRPC' ? 'jsonrpc' : 'http_json'
  const python = call.option('python') ?? 'python3'
  const args = [
    '-m',
    'pytest',
    'tests/compatibility/',
    `--sut-host=${host}`,
    `--transport=${transport}`,
    '-q',
    '--tb=line',
  ]
  const child = spawn(python, args, { cwd: kit, stdio: ['ignore', 'pipe', 'inherit'], signal: call.signal })
  let printed = ''
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
    call.out.debug(chunk.toString().trimEnd())
  })
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
  const count = (what: Outcome) => Number(new RegExp(`(\\d+) ${what}`).exec(printed)?.[1] ?? 0)
  const counts = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') }
  if (counts.passed + counts.failed + counts.skipped === 0)
    throw new CliError('A2ACLI_ERR_INTERNAL', 'the kit did not run', { hint: 'see why: the same command with --debug' })
  if (call.out.json) call.out.document({ agent: agent.source, kit, ...counts })
  else
    call.out.fields([
      ['Agent', agent.source],
      ['Passed', counts.passed],
      ['Failed', counts.failed],
      ['Skipped', counts.skipped],
    ])
  return call.has('exit-status') && counts.failed > 0 ? CHECKS_FAILED : 0
}
