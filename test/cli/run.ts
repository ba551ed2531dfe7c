/** Runs the built command line as users do: its own process, its own directory, nothing of our surroundings. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { createLog, type Log } from '../support/log.ts'

export const CLI = join(import.meta.dirname, '../../dist/cli/cli.js')

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunSettings {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

export const emptyDirectory = (): string => mkdtempSync(join(tmpdir(), 'waypost-cli-'))

export function startCli(
  args: readonly string[],
  { env = {}, cwd = emptyDirectory() }: RunSettings = {},
): ChildProcess {
  const home = { PATH: process.env.PATH ?? '', HOME: cwd }
  return spawn(process.execPath, [CLI, ...args], { cwd, env: { ...home, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
}

export async function runCli(args: readonly string[], settings: RunSettings = {}): Promise<Ran> {
  const child = startCli(args, settings)
  child.stdin?.end(settings.input ?? '')
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** What a stream says, line by line, to be waited on. */
export function linesOf(stream: Readable | null): Log<string> {
  const log = createLog<string>()
  if (stream) createInterface({ input: stream }).on('line', (line) => log.add(line))
  return log
}
