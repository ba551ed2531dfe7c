/** A real PostgreSQL with fsync, gateway processes on it, agents without a server, and their workers as processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import postgres from 'postgres'
import { startPostgres } from '../support/databases.ts'
import { ADMIN_KEY, aReplica, type ReplicaProcess } from '../support/replicas.ts'

export interface Begun {
  readonly delivery: string
  readonly text: string
  readonly attempt: number
  readonly lease: string
  readonly at: number
}
export interface Worker {
  readonly child: ChildProcess
  kill(signal?: NodeJS.Signals): Promise<void>
}
export interface WorkerOptions {
  readonly language?: 'node' | 'python'
  readonly url: string
  readonly token: string
  readonly settings?: Record<string, unknown>
  /** What it says of itself, line by line. */
  readonly onSaid?: (said: { said: string } & Partial<Begun> & Record<string, unknown>) => void
}

export interface Stage {
  readonly databaseUrl: string
  readonly replicas: readonly ReplicaProcess[]
  readonly url: string
  /** Registers one, with the operator's key; its token. */
  agent(name: string, more?: Record<string, unknown>): Promise<string>
  worker(options: WorkerOptions): Worker
  /** Waits until nothing is queued or leased; false: not within `ms`. */
  quiet(ms: number): Promise<boolean>
  rows<Row>(text: string): Promise<Row[]>
  close(): Promise<void>
}

export const operator = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
export const nap = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const PROGRAMS = { node: [process.execPath, 'worker.mjs'], python: ['python3', 'worker.py'] } as const

export async function openStage({ replicas: count = 1 }: { replicas?: number } = {}): Promise<Stage> {
  const server = await startPostgres({ durable: true })
  const databaseUrl = await server.create()
  const replicas: ReplicaProcess[] = []
  for (let n = 0; n < count; n++) replicas.push(await aReplica({ databaseUrl, cards: {} }))
  for (const replica of replicas) await replica.start()
  const url = (replicas[0] as ReplicaProcess).url
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} })
  const children = new Set<ChildProcess>()
  const rows = async <Row>(text: string) => (await sql.unsafe(text)) as unknown as Row[]
  return {
    databaseUrl,
    replicas,
    url,
    async agent(name, more = {}) {
      const body = JSON.stringify({ name, ...more })
      const answer = await fetch(`${url}/v1/agents`, { method: 'POST', headers: operator, body })
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
      return ((await answer.json()) as { token: string }).token
    },
    worker({ language = 'node', url: gateway, token, settings = {}, onSaid = () => {} }) {
      const [command, file] = PROGRAMS[language]
      const child = spawn(command, [join(import.meta.dirname, '../client', file)], {
        env: { ...process.env, WORKER: JSON.stringify({ gateway, token, ...settings }) },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.add(child)
      createInterface({ input: child.stdout }).on('line', (line) => onSaid(JSON.parse(line)))
      const kill: Worker['kill'] = async (signal = 'SIGKILL') => {
        children.delete(child)
        if (child.exitCode !== null || child.signalCode !== null) return
        const gone = once(child, 'exit')
        child.kill('SIGCONT')
        child.kill(signal)
        await gone
      }
      return { child, kill }
    },
    async quiet(ms) {
      for (const until = performance.now() + ms; performance.now() < until; await nap(200)) {
        const [row] = await rows<{ n: number }>('select count(*)::int as n from deliveries where state in (0, 1)')
        if (row?.n === 0) return true
      }
      return false
    },
    rows,
    async close() {
      for (const child of children) {
        child.kill('SIGCONT')
        child.kill('SIGKILL')
      }
      await sql.end({ timeout: 2 })
      await Promise.all(replicas.map((replica) => replica.remove()))
      await server.stop()
    },
  }
}

/** How each task ended: its own ending events, and the text of its one result. */
export interface Ending {
  readonly id: string
  readonly contextId: string
  readonly state: number
  readonly endings: number
  readonly results: readonly string[]
  /** Of its first WORKING and of its end: when the database wrote it, milliseconds since 1970. */
  readonly beganAt: number
  readonly endedAt: number
}

export async function endingsOf(stage: Stage, agent: string): Promise<Map<string, Ending>> {
  interface Row {
    id: string
    context: string
    state: number
    at: number
    body: string
  }
  const all = await stage.rows<Row>(
    `select t.id::text, t.context_id as context, t.state, (extract(epoch from e.at) * 1000)::float8 as at, e.body from tasks t join task_events e on e.task_id = t.id
     where t.agent = '${agent}' order by t.id, e.seq`,
  )
  const found = new Map<string, Ending>()
  for (const { id, context, state, at, body } of all) {
    const before = found.get(id) ?? { id, contextId: context, state, endings: 0, results: [], beganAt: 0, endedAt: 0 }
    found.set(id, withEvent(before, at, JSON.parse(body)))
  }
  return found
}

interface Event {
  readonly statusUpdate?: { status: { state: string } }
  readonly artifactUpdate?: { artifact: { parts: { text?: string }[] } }
}

function withEvent(before: Ending, at: number, { statusUpdate, artifactUpdate }: Event): Ending {
  if (artifactUpdate) return { ...before, results: [...before.results, artifactUpdate.artifact.parts[0]?.text ?? ''] }
  if (!statusUpdate) return before
  const { state } = statusUpdate.status
  if (state === 'TASK_STATE_WORKING') return { ...before, beganAt: before.beganAt || at }
  if (!/COMPLETED|FAILED|CANCELED|REJECTED/.test(state)) return before
  return { ...before, endings: before.endings + 1, endedAt: at }
}

export const COMPLETED = 3
