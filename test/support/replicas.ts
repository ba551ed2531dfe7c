/** Gateway processes as they run in production: started from the build, killed, paused, restarted on the same port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './databases.ts'

export const MASTER_KEY = Buffer.alloc(32, 9).toString('base64')
export const ADMIN_KEY = `wp_admin_${'a'.repeat(43)}`

export interface ReplicaOptions {
  readonly databaseUrl?: string
  readonly cards: Record<string, Record<string, unknown>>
  readonly env?: Record<string, string>
  /** Another build's main.js. */
  readonly main?: string
  /** Opens the gRPC port as well. */
  readonly grpc?: boolean
  /** Everything that it writes to its log, as it comes. */
  readonly onOutput?: (text: string) => void
}

export interface ReplicaProcess {
  readonly url: string
  /** 0: it has none. */
  readonly grpcPort: number
  readonly pid: () => number | undefined
  /** Resolves when it answers /readyz; `more` is added to its environment for this life. */
  start(more?: Record<string, string>): Promise<void>
  kill(signal?: NodeJS.Signals): Promise<void>
  pause(): void
  resume(): void
  readonly running: () => boolean
  /** Waits for an end that is expected; one that is told as a success, and none within `ms`, are collapses. */
  ended(ms: number): Promise<void>
  /** Ends that nobody had asked for. */
  readonly collapses: readonly string[]
  /** What it wrote to its log since its first start. */
  readonly output: () => string
  remove(): Promise<void>
}

const MAIN = join(import.meta.dirname, '../../dist/main.js')

export async function aReplica(options: ReplicaOptions): Promise<ReplicaProcess> {
  const { databaseUrl, cards, env = {}, main = MAIN, onOutput } = options
  const directory = mkdtempSync(join(tmpdir(), 'waypost-replica-'))
  const port = await freePort()
  const grpcPort = options.grpc ? await freePort() : 0
  const collapses: string[] = []
  const url = `http://127.0.0.1:${port}`
  mkdirSync(join(directory, 'cards'))
  for (const [name, document] of Object.entries(cards))
    writeFileSync(join(directory, 'cards', `${name}.json`), JSON.stringify(document))
  let child: ChildProcess | undefined
  let output = ''
  const exited = (one: ChildProcess) =>
    new Promise<void>((resolve) =>
      one.exitCode !== null || one.signalCode !== null ? resolve() : one.once('exit', () => resolve()),
    )

  return {
    url,
    grpcPort,
    collapses,
    pid: () => child?.pid,
    async start(more = {}) {
      const made = spawn(process.execPath, [main], {
        cwd: directory,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH ?? '',
          PORT: String(port),
          GRPC_PORT: String(grpcPort),
          WAYPOST_DATA: directory,
          WAYPOST_CARDS: join(directory, 'cards'),
          WAYPOST_ADMIN_KEY: ADMIN_KEY,
          WAYPOST_MASTER_KEY: MASTER_KEY,
          WAYPOST_EGRESS_ALLOW: '127.0.0.0/8',
          WAYPOST_LOG: 'json',
          WAYPOST_LOG_LEVEL: 'warn',
          ...(databaseUrl && { DATABASE_URL: databaseUrl }),
          ...env,
          ...more,
        },
      })
      child = made
      let served = false
      made.once('exit', (code, signal) => {
        const planned = more.WAYPOST_FAILPOINTS?.includes('=throw') === true
        if (child === made && served && !planned)
          collapses.push(`ended with ${signal ?? code}: ${output.slice(-1_000)}`)
      })
      for (const stream of [made.stdout, made.stderr])
        stream?.on('data', (chunk) => {
          output = `${output}${chunk}`.slice(-200_000)
          onOutput?.(String(chunk))
        })
      for (;;) {
        if (made.exitCode !== null) {
          if (child === made) child = undefined
          throw new Error(`the gateway ended with ${made.exitCode}: ${output.slice(-2_000)}`)
        }
        const ready = await fetch(`${url}/readyz`).then(
          (response) => response.ok,
          () => false,
        )
        served ||= ready
        if (ready || made.signalCode !== null) return
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    },
    async kill(signal = 'SIGKILL') {
      const one = child
      child = undefined
      if (!one) return
      one.kill(signal)
      await exited(one)
    },
    async ended(ms) {
      const one = child
      child = undefined
      if (!one) return
      const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), ms).unref())
      if ((await Promise.race([exited(one), late])) === 'late') {
        collapses.push(`went on after what should have ended it: ${output.slice(-1_000)}`)
        one.kill('SIGKILL')
        await exited(one)
      } else if (one.exitCode === 0) collapses.push(`ended with 0 after what nobody caught: ${output.slice(-1_000)}`)
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    running: () => child !== undefined,
    output: () => output,
    async remove() {
      const one = child
      child = undefined
      one?.kill('SIGCONT')
      one?.kill('SIGKILL')
      if (one) await exited(one)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
