/**
 * `npm run demo`: the story of an outage, with real processes. An agent goes away, a message is sent all the same, the
 * gateway is killed without warning, everything comes back, the message arrives once. Every sentence that is printed with
 * a ✓ was checked; the exit code is 0 only if all of them held.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SendMessageResponse } from '../a2a/operations.ts'
import type { Task } from '../a2a/tasks.ts'
import { systemClock } from '../platform/clock.ts'
import { uuidv7 } from '../platform/ids.ts'
import { type Actor, createStage, type Finished, freePort, type Stage } from './demoStage.ts'

interface Theatre {
  readonly stage: Stage
  readonly url: string
  readonly agentPort: number
}

const started = systemClock.elapsed()
let checked = 0

const say = (text: string) => console.log(text)
const act = (title: string) =>
  say(`\n${((systemClock.elapsed() - started) / 1_000).toFixed(1).padStart(5)} s  ${title}`)

class BrokenPromise extends Error {}

/** A sentence and whether it is true. */
function check(sentence: string, holds: boolean, found: unknown): void {
  if (!holds) throw new BrokenPromise(`${sentence}\n         found: ${JSON.stringify(found)}`)
  checked++
  say(`         ✓ ${sentence}`)
}

function json<T>(finished: Finished): T {
  try {
    return JSON.parse(finished.stdout) as T
  } catch {
    throw new BrokenPromise(
      `the command should print JSON; exit code ${finished.code}: ${finished.stdout}${finished.stderr}`,
    )
  }
}

async function startGateway({ stage, url }: Theatre): Promise<Actor> {
  const from = systemClock.elapsed()
  const gateway = stage.start('the gateway', 'main.js', [])
  for (;;) {
    const ready = await stage.cli('healthcheck', 'complete', '--gateway', url)
    if (ready.code === 0) break
    if (gateway.ended() || systemClock.elapsed() - from > 20_000)
      throw new BrokenPromise(`the gateway should be ready; it said: ${gateway.stderr.slice(-5).join(' | ')}`)
    await systemClock.sleep(50)
  }
  check(`the gateway is ready at ${url}`, true, null)
  return gateway
}

async function startAgent({ stage, agentPort }: Theatre): Promise<Actor> {
  const agent = stage.start('the agent', 'cli/cli.js', [
    'demo-server',
    '--name',
    'echo',
    '--port',
    String(agentPort),
    '--delay',
    '300ms',
    '--register',
  ])
  await agent.line((line) => line.startsWith('Registered: @echo'))
  check('the agent "echo" runs and has called in at the gateway', true, null)
  return agent
}

const textOf = (task: Task): string | undefined => task.artifacts?.[0]?.parts[0]?.text

async function online({ stage }: Theatre): Promise<void> {
  act('① Everything is up: a message goes through.')
  const { task } = json<{ task: Task }>(await stage.cli('send', '-a', '@echo', '--text', 'hello', '-o', 'json'))
  check('the task is COMPLETED', task.status.state === 'TASK_STATE_COMPLETED', task.status)
  check('its artifact is the answer', textOf(task) === 'hello', task.artifacts)
}

/** Gives back the id of the task that waits. */
async function offline({ stage }: Theatre, agent: Actor): Promise<string> {
  act('② The agent goes away. A message is sent all the same.')
  await agent.kill('SIGTERM')
  const messageId = uuidv7()
  const send = () =>
    stage.cli('send', '-a', '@echo', '--text', 'are you there?', '--async', '--message-id', messageId, '-o', 'json')
  const { task } = json<{ task: Task }>(await send())
  check('it is accepted: SUBMITTED', task.status.state === 'TASK_STATE_SUBMITTED', task.status)
  const again = json<SendMessageResponse>(await send())
  check('the same message sent twice is one task', 'task' in again && again.task.id === task.id, again)
  return task.id
}

async function crash(theatre: Theatre, gateway: Actor, id: string): Promise<void> {
  const { stage } = theatre
  act('③ The gateway is killed: kill -9, no time for last words.')
  await gateway.kill('SIGKILL')
  const refused = await stage.cli('task', 'get', '-a', '@echo', id, '-o', 'json')
  check('nobody answers (exit code 3)', refused.code === 3, refused)
  act('④ The gateway starts again, on the same data directory.')
  await startGateway(theatre)
  const task = json<Task>(await stage.cli('task', 'get', '-a', '@echo', id, '-o', 'json'))
  check(
    'the task is still there, still SUBMITTED',
    task.id === id && task.status.state === 'TASK_STATE_SUBMITTED',
    task,
  )
  const why = await stage.cli('task', 'explain', id, '-o', 'json')
  check('and the gateway can explain why it waits', why.code === 0, why)
}

interface Heard {
  readonly id: string
  readonly sequence?: string
  readonly signature: string
  readonly event: { statusUpdate?: { status: { state: string } }; task?: Task } | null
}

const isCompleted = ({ event }: Heard): boolean =>
  (event?.statusUpdate?.status.state ?? event?.task?.status.state) === 'TASK_STATE_COMPLETED'

async function comeback(theatre: Theatre, id: string): Promise<void> {
  const { stage } = theatre
  act('⑤ A webhook receiver is set up, and the agent comes back.')
  const receiver = stage.start('the receiver', 'cli/cli.js', ['webhook', 'listen', '--task', id, '-o', 'json'])
  await receiver.line((line) => line.includes(`listening to task ${id}`))
  const agent = await startAgent(theatre)
  const task = json<Task>(await stage.cli('task', 'get', '--wait', '--timeout', '15s', '-a', '@echo', id, '-o', 'json'))
  check('the task is COMPLETED', task.status.state === 'TASK_STATE_COMPLETED', task.status)
  check('its artifact is the answer', textOf(task) === 'are you there?', task.artifacts)
  const executions = agent.stderr.filter((line) => line.includes('COMPLETED')).length
  check('the agent has worked on it exactly once', executions === 1, agent.stderr)

  const parse = (line: string): Heard => JSON.parse(line) as Heard
  await receiver.line((line) => line.startsWith('{"id"') && isCompleted(parse(line)))
  const heard = receiver.stdout.filter((line) => line.startsWith('{"id"')).map(parse)
  check(
    `every one of ${heard.length} webhooks has a valid signature`,
    heard.every(({ signature }) => signature === 'verified'),
    heard,
  )
  const order = heard.map(({ sequence }) => Number(sequence))
  check(
    `they came in order (${order.join(', ')})`,
    order.every((sequence, at) => at === 0 || sequence > (order[at - 1] ?? 0)),
    order,
  )
  check('none came twice', new Set(heard.map((event) => event.id)).size === heard.length, heard)
}

async function play(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-demo-'))
  const [port, agentPort] = [await freePort(), await freePort()]
  const url = `http://localhost:${port}`
  const data = join(folder, 'data')
  mkdirSync(data, { mode: 0o700 })
  const stage = createStage({
    HOST: '127.0.0.1',
    PORT: String(port),
    GRPC_PORT: '0',
    WAYPOST_DATA: data,
    WAYPOST_CARDS: join(folder, 'agent-cards'),
    WAYPOST_URL: url,
    WAYPOST_LOG_LEVEL: 'warn',
    NO_COLOR: '1',
  })
  const theatre = { stage, url, agentPort }
  try {
    act('The gateway starts, with an empty embedded database.')
    const gateway = await startGateway(theatre)
    const agent = await startAgent(theatre)
    await online(theatre)
    const id = await offline(theatre, agent)
    await crash(theatre, gateway, id)
    await comeback(theatre, id)
  } finally {
    await stage.clear()
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  await play()
  act(`All ${checked} statements held. Nothing was lost, nothing was doubled.`)
} catch (error) {
  say(`\n         ✗ ${(error as Error).message}`)
  say(`\n${checked} statements held before this one did not.`)
  process.exitCode = 1
}
