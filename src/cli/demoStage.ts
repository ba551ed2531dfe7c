/** The demo's stage: real programs in their own processes, started, listened to, killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { childEnvironment } from './credentials.ts'

/** A program that runs, and all that it has said. */
export interface Actor {
  readonly name: string
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  ended(): boolean
  /** The first line, said or to be said, for which this holds; fails when the program ends before. */
  line(matches: (line: string) => boolean): Promise<string>
  /** Ends it and waits until it is gone. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Stage {
  start(name: string, program: string, args: readonly string[]): Actor
  /** Runs the command line to its end. */
  cli(...args: string[]): Promise<Finished>
  /** Kills whatever still runs. */
  clear(): Promise<void>
}

const DIST = join(import.meta.dirname, '..')
const CLI = join(DIST, 'cli', 'cli.js')

/** How long anything on this stage may take before it is taken for hung. */
const LINE_MS = 20_000

export function createStage(environment: Readonly<Record<string, string>>): Stage {
  const actors = new Set<Actor>()
  const run = (program: string, args: readonly string[]) =>
    spawn(process.execPath, [join(DIST, program), ...args], {
      env: childEnvironment(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  return {
    start(name, program, args) {
      const actor = listenTo(name, run(program, args))
      actors.add(actor)
      return actor
    },
    async cli(...args) {
      const child = run(CLI.slice(DIST.length), args)
      const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
      const [code] = (await once(child, 'close')) as [number | null]
      return { code, stdout: stdout(), stderr: stderr() }
    },
    async clear() {
      await Promise.all([...actors].map((actor) => actor.kill('SIGKILL')))
    },
  }
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = ''
  stream?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}

function listenTo(name: string, child: ChildProcess): Actor {
  const stdout: string[] = []
  const stderr: string[] = []
  const listeners = new Set<() => void>()
  const wake = () => {
    for (const listener of [...listeners]) listener()
  }
  let gone = false
  for (const [stream, lines] of [[child.stdout, stdout] as const, [child.stderr, stderr] as const]) {
    if (stream)
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        wake()
      })
  }
  const closed = once(child, 'close').then(() => {
    gone = true
    wake()
  })
  return {
    name,
    stdout,
    stderr,
    ended: () => gone,
    line: (matches) =>
      new Promise((resolve, reject) => {
        const settle = (found: string | undefined, why: string) => {
          clearTimeout(timer)
          listeners.delete(look)
          if (found !== undefined) resolve(found)
          else
            reject(new Error(`${name} ${why}; it said: ${[...stdout, ...stderr].slice(-8).join(' | ') || 'nothing'}`))
        }
        const look = () => {
          const found = [...stdout, ...stderr].find(matches)
          if (found !== undefined) settle(found, '')
          else if (gone) settle(undefined, 'has ended')
        }
        const timer = setTimeout(() => settle(undefined, `did not say it within ${LINE_MS / 1_000} s`), LINE_MS)
        listeners.add(look)
        look()
      }),
    async kill(signal) {
      if (!gone) child.kill(signal)
      await closed
    },
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
