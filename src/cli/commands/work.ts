/** `work NAME -- CMD…`: any command as an agent. What it is given to do comes from its mailbox; it needs no port. */
import { join, resolve } from 'node:path'
import { type DoWork, GatewayError, type Job, type WorkOptions, work } from '../../client/mailbox.ts'
import { sha256 } from '../../platform/ids.ts'
import { type AgentToken, agentToken, notOurs } from '../agentToken.ts'
import { problem } from '../client.ts'
import { childEnvironment, pickedEnvironment } from '../credentials.ts'
import { usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { acpWork } from '../runner/acp.ts'
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
  const { work: perform, close } = runnerFor(call.option('mode') ?? 'exec', settings, call)
  const token = agentToken(name, call)
  const worker = workerName(name, call)
  // The terminal has gone: as if told to stop, or the command would go on alone.
  process.once('SIGHUP', () => process.kill(process.pid, 'SIGTERM'))
  try {
    const first = token.known() ?? (await token.enrol(registration(call, concurrency)))
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
    await working({ ...options, token: first }, told(perform, call), () => anew(token, name, call, concurrency))
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

async function anew(token: AgentToken, name: string, call: Invocation, concurrency: number): Promise<string> {
  if (!token.forget()) throw notOurs(name, call)
  return token.enrol(registration(call, concurrency))
}

const registration = (call: Invocation, maxInflight: number) => ({
  connector: { kind: 'mailbox' },
  maxInflight,
  ...(call.option('description') && { description: call.option('description') }),
})

function runnerFor(
  mode: string,
  settings: RunnerSettings,
  call: Invocation,
): { work: DoWork; close: () => Promise<void> } {
  if (mode === 'exec') return { work: execWork(settings), close: async () => {} }
  if (mode === 'lines') return linesWork(settings)
  if (mode === 'acp') return acpWork(settings, new Set((call.option('permit') ?? '').split(',')))
  throw usage(
    `--mode: there is no mode ${mode}`,
    'exec (a process for each message), lines (one process, JSON lines) or acp (Agent Client Protocol)',
  )
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
