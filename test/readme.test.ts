/**
 * README's console blocks, executed as they stand, in their terminals, against a real gateway. What differs from run to
 * run is matched, not compared: ids (the same id twice is the same id), `…`, and the ports that are free here.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, test } from 'vitest'
import { freePort } from '../src/cli/demoStage.ts'
import { SETTINGS, type Setting } from '../src/config.ts'
import { createLog, type Log } from './support/log.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

interface Step {
  readonly terminal: string
  /** `^C`, a command, or '' for more output of the one that runs there. */
  readonly command: string
  readonly output: readonly string[]
}

/** The blocks as steps: a line `$ …` or `^C` begins one, what follows is its output. */
function stepsOf(text: string): Step[] {
  return [...text.matchAll(/```console terminal=(\w)\n([\s\S]*?)```/g)].flatMap(([, terminal = '', block = '']) => {
    const steps: { terminal: string; command: string; output: string[] }[] = []
    for (const line of block.replace(/\n$/, '').split('\n')) {
      if (line.startsWith('$ ')) steps.push({ terminal, command: line.slice(2), output: [] })
      else if (line === '^C') steps.push({ terminal, command: '^C', output: [] })
      else if (steps.length === 0) steps.push({ terminal, command: '', output: [line] })
      else steps.at(-1)?.output.push(line)
    }
    return steps
  })
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** What README calls an id, and what it is in this run. */
const ids = new Map<string, string>()
const known = (text: string) => text.replace(UUID, (id) => ids.get(id) ?? id)

function pattern(line: string): { regex: RegExp; news: readonly string[] } {
  const news: string[] = []
  const source = quoted(line)
    .replaceAll('…', '.*')
    .replace(UUID, (id) => {
      const now = ids.get(id)
      if (now) return now
      news.push(id)
      return `(${UUID.source})`
    })
  return { regex: new RegExp(`^${source}$`), news }
}

/** Finds the expected line among the printed ones, learning the ids in it. */
function matches(expected: string, printed: string): boolean {
  const { regex, news } = pattern(expected)
  const found = regex.exec(printed)
  if (!found) return false
  for (const [at, id] of news.entries()) ids.set(id, found[at + 1] as string)
  return true
}

interface Terminal {
  readonly child: ChildProcess
  readonly lines: Log<string>
}

describe('the first five minutes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-readme-'))
  const terminals = new Map<string, Terminal>()
  const ports = Promise.all([freePort(), freePort()])

  afterAll(async () => {
    for (const { child } of terminals.values()) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'close')
      }
    }
    rmSync(folder, { recursive: true, force: true })
  })

  async function environment(terminal: string): Promise<Record<string, string>> {
    const [port, agentPort] = await ports
    return {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      PORT: String(port),
      GRPC_PORT: '0',
      WAYPOST_DATA: join(folder, 'data'),
      WAYPOST_CARDS: join(folder, 'agent-cards'),
      // What is called with ./ says so in its hints, also from npm.
      WAYPOST_SELF: './waypost',
      ...(terminal === 'B' && { A2ACLI_PORT: String(agentPort) }),
    }
  }

  /** README's text with the ports and the directory of this run. */
  async function here(text: string): Promise<string> {
    const [port, agentPort] = await ports
    const moved = text
      .replaceAll('localhost:4280', `localhost:${port}`)
      .replaceAll('localhost:9100', `localhost:${agentPort}`)
    return known(moved.replaceAll('.waypost/', `${join(folder, 'data')}/`))
  }

  async function start(terminal: string, command: string): Promise<Terminal> {
    const lines = createLog<string>()
    const child = spawn('sh', ['-c', `exec ${command}`], {
      cwd: root,
      env: await environment(terminal),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => lines.add(line))
    const opened = { child, lines }
    terminals.set(terminal, opened)
    return opened
  }

  async function run(terminal: string, command: string): Promise<string[]> {
    const child = spawn('sh', ['-c', command], {
      cwd: root,
      env: await environment(terminal),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk
    })
    const [code] = await once(child, 'close')
    expect(code, `${command}\n${stdout}${stderr}`).toBe(0)
    return stdout.split('\n')
  }

  async function untilReady(terminal: Terminal): Promise<void> {
    const [port] = await ports
    for (;;) {
      expect(terminal.child.exitCode, [...terminal.lines].join('\n')).toBeNull()
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
      if (answer?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async function play({ terminal, command, output }: Step): Promise<void> {
    const open = terminals.get(terminal)
    if (command === '^C') {
      open?.child.kill('SIGINT')
      if (open && open.child.exitCode === null) await once(open.child, 'close')
      return
    }
    const expected = await Promise.all(output.map(here))
    if (terminal === 'C') {
      const printed = await run(terminal, await here(command))
      let from = 0
      for (const line of expected) {
        const at = printed.findIndex((text, index) => index >= from && matches(known(line), text))
        expect(at, `${line}\n— not in —\n${printed.join('\n')}`).toBeGreaterThanOrEqual(0)
        from = at + 1
      }
      return
    }
    const running =
      command === '' ? open : await start(terminal, command === 'npm start' ? 'node dist/main.js' : await here(command))
    expect(running, `nothing runs in terminal ${terminal}`).toBeDefined()
    if (command === 'npm start') return untilReady(running as Terminal)
    for (const line of expected) await running?.lines.next((text) => matches(line, text), 20_000)
    // The listener has said where it is; it has yet to be known to the gateway.
    if (command.includes('webhook listen'))
      await running?.lines.next((text) => text.startsWith('listening to task'), 20_000)
  }

  // Each step stands on the one before it.
  let broken = false
  const steps = stepsOf(readme).map(
    (step, at) => [`${at + 1} ${step.terminal} ${step.command || '(more)'}`, step] as const,
  )
  test.for(steps)('%s', { timeout: 60_000 }, async ([, step], { skip }) => {
    if (broken) skip('a step before it failed')
    broken = true
    await play(step)
    broken = false
  })
})

test('the table of settings says what src/config.ts says', () => {
  const table = /<!-- settings -->([\s\S]*?)<!-- \/settings -->/.exec(readme)?.[1] ?? ''
  const rows = (Object.values(SETTINGS) as Setting[]).map(({ env, flag, schema, means }) => {
    const parsed = schema.safeParse(undefined)
    const fallback = parsed.success && parsed.data !== undefined ? `\`${parsed.data}\`` : '–'
    return `| \`${env}\` | \`--${flag}\` | ${fallback} | ${means.replaceAll('|', '\\|')} |`
  })
  expect(table.trim().split('\n').slice(2), 'run: node scripts/readme-settings.mjs').toEqual(rows)
})

test('every file and every command that README names is there', () => {
  for (const [, path = ''] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g))
    expect(existsSync(join(root, path)), path).toBe(true)
})
