/** `work NAME -- CMD…`: any command as an agent. What it is given to do comes from its mailbox; it needs no port. */
import { join, resolve } from 'node:path'
import { type DoWork, GatewayError, type Job, type WorkOptions, work } from '../../client/mailbox.ts'
import { sha256 } from '../../platform/ids.ts'
import { type AgentToken, agentToken, notOurs } from '../agentToken.ts'
import { createGateway, problem } from '../client.ts'
import { childEnvironment, pickedEnvironment } from '../credentials.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { acpWork, type Permissions } from '../runner/acp.ts'
import { findProgram } from '../runner/child.ts'
import { execWork } from '../runner/exec.ts'
import { linesWork } from '../runner/lines.ts'
import type { RunnerSettings } from '../runner/settings.ts'
import { takeWorkerName, type WorkerName } from '../runner/workerName.ts'
import { agentName } from './agent.ts'

const MIB = 1024 * 1024

export const workCommand: Run = async (call) => {
  const name = agentName((call.args[0] ?? '').replace(/^@/, ''))
  if (name === '') throw usage(`${call.args[0]} cannot be an agent's name`, 'letters, digits, - _ and .')
  const concurrency = whole(call, 'concurrency', 1, 64)
  const settings = runnerSettings(name, call)
  const token = agentToken(name, call)
  const tell = (facts: Facts) => tellFacts(name, token, facts, call)
  const { work: perform, close, facts } = await runnerFor(call.option('mode') ?? 'exec', settings, call, tell)
  const worker = workerName(name, call)
  // The terminal has gone: as if told to stop, or the command would go on alone.
  process.once('SIGHUP', () => process.kill(process.pid, 'SIGTERM'))
  try {
    const document = { ...(await facts?.()), ...registration(call, concurrency) }
    const known = token.known()
    const first = known ?? (await token.enrol(document))
    if (known !== undefined && facts) await tell(await facts())
    introduce(name, worker.name, settings, call)
    const options: Omit<WorkOptions, 'token'> = {
      gateway: call.gateway.url,
      worker: worker.name,
      concurrency,
      signal: call.signal,
      stopSeconds: (call.duration('stop-after') ?? 30_000) / 1_000,
      onError: (error, job) =>
        call.out.note(`${at(call)}  ${job ? `task ${job.task.id}  ` : ''}${(error as Error).message}`),
    }
    await working({ ...options, token: first }, told(perform, call), () => anew(token, name, call, document))
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    throw problem(error.status, { code: error.code, detail: error.message, hint: error.hint }, true)
  } finally {
    await close()
    worker.release()
  }
  return 0
}

/** A stored token may be of a gateway that began anew at this address. */
async function working(options: WorkOptions, perform: DoWork, anew: () => Promise<string>): Promise<void> {
  try {
    await work(options, perform)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status !== 401) throw error
    await work({ ...options, token: await anew() }, perform)
  }
}

async function anew(token: AgentToken, name: string, call: Invocation, document: Facts): Promise<string> {
  if (!token.forget()) throw notOurs(name, call)
  return token.enrol(document)
}

/** What a program tells of itself, as members of a registration. */
type Facts = Readonly<Record<string, unknown>>

/** An agent that is registered already says what it can do now. That it cannot say so keeps it from no work. */
async function tellFacts(name: string, token: AgentToken, facts: Facts, call: Invocation): Promise<void> {
  const { gateway, http, signal, out } = call
  const own = call.option('description') ? { description: call.option('description') } : {}
  try {
    await createGateway({ url: gateway.url, key: token.known(), http, signal }).send('PATCH', `/v1/agents/${name}`, {
      ...facts,
      ...own,
    })
  } catch (error) {
    out.note(`${at(call)}  the gateway does not take what ${name} can do: ${(error as Error).message}`)
  }
}

const registration = (call: Invocation, maxInflight: number) => ({
  connector: { kind: 'mailbox' },
  maxInflight,
  ...(call.option('description') && { description: call.option('description') }),
})

interface Runner {
  readonly work: DoWork
  readonly close: () => Promise<void>
  /** Starts the program to ask it. */
  readonly facts?: () => Promise<Facts>
}

async function runnerFor(
  mode: string,
  settings: RunnerSettings,
  call: Invocation,
  tell: (facts: Facts) => Promise<void>,
): Promise<Runner> {
  if (mode === 'exec') return { work: execWork(settings), close: async () => {} }
  if (mode === 'lines') return linesWork(settings)
  if (mode === 'acp') return acpWork(settings, permissions(call))
  if (mode === 'mcp') return mcpRunner(settings, call, tell)
  throw usage(
    `--mode: there is no mode ${mode}`,
    'exec (a process for each message), lines (one process, JSON lines), mcp (MCP server) or acp (Agent Client Protocol)',
  )
}

const listed = (call: Invocation, flag: string): string[] =>
  (call.option(flag) ?? '').split(',').flatMap((name) => name.trim() || [])

function permissions(call: Invocation): Permissions {
  const otherwise = call.option('permissions') ?? 'deny'
  if (otherwise !== 'ask' && otherwise !== 'allow' && otherwise !== 'deny')
    throw usage(`--permissions: there is no ${otherwise}`, 'ask (the sender), allow or deny')
  return { kinds: new Set(listed(call, 'permit')), otherwise }
}

/** The library is loaded for this mode alone. */
async function mcpRunner(
  settings: RunnerSettings,
  call: Invocation,
  tell: (facts: Facts) => Promise<void>,
): Promise<Runner> {
  const { mcpWork } = await import('../runner/mcp.ts')
  const changed = () => void runner.facts().then(tell, (error: Error) => settings.onLine(error.message))
  const runner = mcpWork(settings, listed(call, 'idempotent'), changed)
  const facts = async () => {
    try {
      return await runner.facts()
    } catch (error) {
      await runner.close()
      throw new CliError('A2ACLI_ERR_USAGE', (error as Error).message, {
        hint: 'start it by hand, to see what it says',
      })
    }
  }
  return { ...runner, facts }
}

function runnerSettings(agent: string, call: Invocation): RunnerSettings {
  const [, program, ...args] = call.args
  if (program === undefined) throw usage('which command does the work?', `${call.program} work ${agent} -- tr a-z A-Z`)
  const cwd = resolve(call.option('cwd') ?? '.')
  const names = call.option('sandbox-env')
  const env =
    names === undefined ? childEnvironment({}) : pickedEnvironment(names.split(',').map((name) => name.trim()))
  return {
    command: {
      file: findProgram(program, call.around.get('PATH'), cwd),
      args,
      cwd,
      env,
      graceMs: call.duration('grace') ?? 5_000,
    },
    agent,
    gateway: call.gateway.url,
    taskTimeoutMs: call.duration('task-timeout'),
    outputBytesMax: whole(call, 'max-output', 16, 32) * MIB,
    tellsProgress: call.flags.progress !== false,
    onLine: (line) => call.out.note(`${at(call)}  ${line}`),
  }
}

function whole(call: Invocation, flag: string, without: number, most: number): number {
  const text = call.option(flag)
  const number = text === undefined ? without : Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= most) return number
  throw usage(`--${flag}: ${text} is not a number from 1 to ${most}`)
}

function workerName(agent: string, call: Invocation): WorkerName {
  const given = call.option('worker')
  if (given !== undefined) return { name: given, release: () => {} }
  const scope = sha256(`${call.gateway.url} ${agent}`).slice(0, 16)
  return takeWorkerName(join(call.tokensPath, '../workers'), scope)
}

function introduce(name: string, worker: string, { command }: RunnerSettings, { out, gateway, program }: Invocation) {
  const url = `${gateway.url}/agents/${name}`
  if (out.json) return out.line({ name, url, worker, command: [command.file, ...command.args] })
  out.fields([
    ['Agent', name],
    ['Address', url],
    ['Send', `${program} send -a @${name} --text "hello"`],
  ])
  return out.note(`working as ${worker} (^C to stop)`)
}

const at = ({ clock }: Invocation): string => clock.now().toTimeString().slice(0, 8)

const told =
  (perform: DoWork, call: Invocation): DoWork =>
  async (job) => {
    const tell = (what: string) => call.out.note(`${at(call)}  task ${job.task.id}  ${what}`)
    tell(`begun${attemptWords(job)}`)
    const startedAt = call.clock.elapsed()
    try {
      const answer = await perform(job)
      const { reason } = job.signal
      const how = job.signal.aborted ? `ended: ${(reason as Error).message}` : 'done'
      tell(`${how}, after ${Math.round(call.clock.elapsed() - startedAt)} ms`)
      return answer
    } catch (error) {
      tell(`not done: ${(error as Error).message}`)
      throw error
    }
  }

const attemptWords = ({ attempt, reclaimed }: Job): string =>
  `${attempt > 1 ? `, attempt ${attempt}` : ''}${reclaimed ? ', taken up again' : ''}`
