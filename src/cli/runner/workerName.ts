/**
 * A worker's name that stays through restarts and that no other process on this machine has meanwhile: under it the
 * gateway gives back what was in hand. `host/1`, `host/2` for the second one beside it, and so on.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'

export interface WorkerName {
  readonly name: string
  /** Somebody else may have it. */
  release(): void
}

const WORKERS_MAX = 1_000

/** `scope`: names whose numbers are counted by themselves, a gateway and an agent there; a file name. */
export function takeWorkerName(folder: string, scope: string): WorkerName {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (let number = 1; number <= WORKERS_MAX; number++) {
    const path = join(folder, `${scope}.${number}`)
    if (!take(path) && !(dropDead(path) && take(path))) continue
    process.once('exit', () => rmSync(path, { force: true }))
    return { name: `${hostname().slice(0, 100)}/${number}`, release: () => rmSync(path, { force: true }) }
  }
  throw new Error(`${WORKERS_MAX} workers of this agent are at work on this machine`)
}

function take(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Of two who find it dead, one moves it away; who moved a living one in its stead puts it back. */
function dropDead(path: string): boolean {
  const pidIn = (file: string): number => {
    try {
      return Number(readFileSync(file, 'utf8'))
    } catch {
      return process.pid
    }
  }
  if (isAlive(pidIn(path))) return false
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
    if (!isAlive(pidIn(aside))) return true
    linkSync(aside, path)
    return false
  } catch {
    return false
  } finally {
    rmSync(aside, { force: true })
  }
}
