/** The MCP server of `mcpServer.mjs` as an agent's connector: a command, or a process with an address. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const PROGRAM = join(import.meta.dirname, 'mcpServer.mjs')

export const FORMS = ['stdio legacy', 'stdio modern', 'http legacy', 'http modern'] as const
export type Form = (typeof FORMS)[number]

export interface McpFixture {
  readonly connector: Record<string, unknown>
  /** What its tools have really done, one line a call. */
  ledger(): string[]
  path(name: string): string
  /** HTTP: ends it, and starts it again on the same port. */
  stop(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export async function anMcpServer(form: Form, env: Record<string, string> = {}, running = true): Promise<McpFixture> {
  const [kind, era] = form.split(' ') as [string, string]
  const folder = mkdtempSync(join(tmpdir(), 'waypost-mcp-server-'))
  const ledger = join(folder, 'ledger')
  const settings = { ...env, MCP_ERA: era, MCP_LEDGER: ledger }
  let child: ChildProcess | undefined
  let port = '0'
  const start = async () => {
    if (kind !== 'http') return
    const made = spawn(process.execPath, [PROGRAM, 'http'], {
      env: { PATH: process.env.PATH ?? '', ...settings, MCP_PORT: port },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = made
    const [line] = (await once(createInterface({ input: made.stdout }), 'line')) as [string]
    port = line
  }
  const stop = async () => {
    const one = child
    child = undefined
    if (!one || one.exitCode !== null || one.signalCode !== null) return
    const gone = once(one, 'exit')
    one.kill('SIGKILL')
    await gone
  }
  await start()
  if (!running) await stop()
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  return {
    connector:
      kind === 'http'
        ? { kind: 'mcp', url: `http://127.0.0.1:${port}/mcp` }
        : { kind: 'mcp', command: ['env', ...words, process.execPath, PROGRAM] },
    ledger: () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').trim().split('\n') : []),
    path: (name) => join(folder, name),
    start,
    stop,
    async close() {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
