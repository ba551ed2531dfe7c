/** Gateway processes that are there to be killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

export interface Start {
  readonly url: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly limits: Readonly<Record<string, number>>
}

export interface Victim {
  readonly url: string
  readonly pid: number
  /** true: it answers. false: it ended before it could. */
  readonly ready: Promise<boolean>
  /** The signal that ended it, or its code. */
  readonly ended: Promise<NodeJS.Signals | number>
  readonly running: () => boolean
  readonly output: () => string
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface Victims {
  start(how: Start): Victim
  close(): Promise<void>
}

interface Spare {
  readonly child: ChildProcess
  readonly ended: Promise<NodeJS.Signals | number>
  output: string
}

const PROGRAM = join(import.meta.dirname, 'victim.mjs')

function load(): Spare {
  const child = spawn(process.execPath, [PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '' },
  })
  const ended = new Promise<NodeJS.Signals | number>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0)),
  )
  const spare: Spare = { child, ended, output: '' }
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      spare.output = `${spare.output}${chunk}`.slice(-100_000)
    })
  // It may be killed with the line half read.
  child.stdin?.on('error', () => {})
  return spare
}

/** Keeps `spares` processes loaded. */
export function createVictims(spares: number): Victims {
  const loaded = Array.from({ length: spares }, load)
  const all = new Set<Spare>(loaded)
  return {
    start({ url, cwd, env, limits }) {
      const mine = loaded.shift() ?? load()
      const next = load()
      loaded.push(next)
      all.add(mine).add(next)
      void mine.ended.then(() => all.delete(mine))
      mine.child.stdin?.end(`${JSON.stringify({ env, limits, cwd })}\n`)
      let over = false
      void mine.ended.then(() => {
        over = true
      })
      return {
        url,
        pid: mine.child.pid ?? 0,
        ready: answers(url, mine, () => over),
        ended: mine.ended,
        running: () => !over,
        output: () => mine.output,
        async kill(signal) {
          mine.child.kill(signal)
          await mine.ended
        },
      }
    },
    async close() {
      await Promise.all(
        [...all].map(({ child, ended }) => {
          child.kill('SIGKILL')
          return ended
        }),
      )
    },
  }
}

/** It answers, and says that it is ready: only then do hits count. */
async function answers(url: string, spare: Spare, over: () => boolean): Promise<boolean> {
  for (;;) {
    if (over()) return false
    const ok = await fetch(`${url}/readyz`).then(
      async (response) => {
        await response.arrayBuffer()
        return response.ok
      },
      () => false,
    )
    if (ok && spare.output.includes('"ready"')) return true
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
