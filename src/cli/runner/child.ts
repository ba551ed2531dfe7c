/** A process that we start: in a group of its own, so that it ends with everything that it has started itself. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { usage } from '../errors.ts'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number
}

export interface Ended {
  /** null: by a signal. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Child {
  readonly process: ChildProcessWithoutNullStreams
  /** When it has ended and all that it said is read. Rejects when it could not be started. */
  readonly ended: Promise<Ended>
  /** SIGTERM, and SIGKILL after the grace. */
  stop(): void
}

/** A program is looked for in our PATH, not in the child's, which may have none. Throws CliError. */
export function findProgram(name: string, path: string | undefined, cwd: string): string {
  const places = name.includes('/')
    ? [resolve(cwd, name)]
    : (path ?? '').split(delimiter).map((place) => join(place, name))
  const found = places.find((place) => {
    try {
      accessSync(place, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
  if (found === undefined)
    throw usage(`there is no program ${name}`, 'write it behind --, as you would start it by hand')
  return found
}

const running = new Set<ChildProcessWithoutNullStreams>()
/** Whatever ends us (a second Ctrl-C, say) ends them. */
process.once('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL')
})

function signalGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal)
  } catch {
    // It has ended.
  }
}

export function startChild({ file, args, cwd, env, graceMs }: Command): Child {
  const child = spawn(file, args, { cwd, env, stdio: 'pipe', detached: process.platform !== 'win32' })
  running.add(child)
  let killing: NodeJS.Timeout | undefined
  let leaving: NodeJS.Timeout | undefined
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    // What it started and left behind may hold its output open: that goes with it, and what got away is not waited for.
    child.once('exit', () => {
      signalGroup(child, 'SIGKILL')
      leaving = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, graceMs)
    })
    child.once('close', (code, signal) => resolve({ code, signal }))
  }).finally(() => {
    clearTimeout(killing)
    clearTimeout(leaving)
    running.delete(child)
  })
  // Who has read enough closes its input; that is no error of ours.
  child.stdin.on('error', () => {})
  return {
    process: child,
    ended,
    stop() {
      if (killing) return
      signalGroup(child, 'SIGTERM')
      killing = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs)
    },
  }
}
