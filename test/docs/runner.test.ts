/** The commands and programs of docs/runner.md as they stand, run against a gateway. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { aWorld, type World } from '../support/world.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/runner.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'waypost-docs-'))
const children: ChildProcess[] = []
let world: World

/** What stands behind ``` and this word. */
function block(head: string): string {
  const found = new RegExp(`\`\`\`${head.replace('.', '\\.')}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/runner.md has no ${head}`)
  return found
}

beforeAll(async () => {
  world = await aWorld()
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/waypost'))
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await once(child, 'close')
  }
})
afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(agent: string, command: string, args: readonly string[]): Promise<void> {
  const registered = world.next('agent.changed', (changed) => changed.agent === agent)
  const child = spawn(command, args, {
    cwd: folder,
    env: {
      ...process.env,
      WAYPOST_URL: world.gateway.url,
      XDG_CONFIG_HOME: folder,
      PYTHONPATH: join(root, 'clients/python'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  children.push(child)
  await registered
}

/** `./waypost …` as a shell would have it. */
const startLine = (agent: string, line: string) =>
  start(agent, 'sh', ['-c', `exec ${line.trim().replace(/^\.\/waypost/, join(root, 'waypost'))}`])

const commandIn = (program: string): string => {
  const line = /(?:#|\/\/) (\.\/waypost work .*)/.exec(program)?.[1]
  if (line === undefined) throw new Error('it does not say how it is started')
  return line
}
const quiet = (line: string) => line.replace(' work ', ' work --quiet ')
const textOf = (task: { artifacts?: readonly { parts: readonly { text?: string | undefined }[] }[] | undefined }) =>
  (task.artifacts ?? []).map(({ parts }) => parts.map((part) => part.text ?? '').join('')).join('|')

test('a command', async () => {
  await startLine('shout', quiet(block('sh work')))
  expect(textOf(await world.client('shout').send('hello'))).toBe('HELLO')
})

test('a script with progress, refusals and files', async () => {
  const script = block('sh review.sh')
  writeFileSync(join(folder, 'review.sh'), script)
  await startLine('reviewer', quiet(commandIn(script)))
  const task = await world.client('reviewer').send('a text')
  expect(textOf(task)).toBe('reviewed: a text|')
  expect(task.artifacts?.[1]).toMatchObject({ name: 'copy.txt' })
  const refused = await world.client('reviewer').send('', { message: { parts: [{ data: 1 }] } })
  expect([refused.status.state, refused.status.message?.parts[0]?.text]).toEqual([
    'TASK_STATE_REJECTED',
    'reading, attempt 1\nthere is nothing to review',
  ])
})

test('one process for all', async () => {
  const program = block('js lines.mjs')
  writeFileSync(join(folder, 'lines.mjs'), program)
  await startLine('counter', quiet(commandIn(program)))
  expect(textOf(await world.client('counter').send('one'))).toBe('1: one')
  expect(textOf(await world.client('counter').send('two'))).toBe('2: two')
})

/** Also shows that the package's types are there, and that it is strict TypeScript. */
function compiled(file: string): string {
  const args = ['--ignoreConfig', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
  const types = ['--typeRoots', join(root, 'node_modules/@types')]
  execFileSync(join(root, 'node_modules/.bin/tsc'), [...args, ...types, file], { stdio: 'inherit', cwd: folder })
  return file.replace(/\.mts$/, '.mjs')
}

describe.each([
  ['ts', 'teller.mts', (file: string) => [process.execPath, compiled(file)]],
  ['python', 'teller.py', (file: string) => ['python3', file]],
] as const)('a program in %s', (language, file, run) => {
  test('grows an artifact, and asks', async () => {
    const name = `teller-${language}`
    const path = join(folder, file)
    const text = block(language).replaceAll('http://localhost:4280', world.gateway.url)
    writeFileSync(path, text.replaceAll(/(['"])teller\1/g, `'${name}'`))
    const [command, ...args] = run(path) as [string, ...string[]]
    await start(name, command, args)
    expect(textOf(await world.client(name).send('once upon a time'))).toBe('once upon a time ')
    const asked = await world.client(name).send('how much?')
    expect(asked.status.state).toBe('TASK_STATE_INPUT_REQUIRED')
    expect(asked.status.message?.parts[0]?.text).toBe('in which currency?')
  })
})

test('what a host is to be given is JSON', () => {
  const blocks = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => JSON.parse(text as string))
  expect(blocks).toHaveLength(2)
  for (const { hooks } of blocks) expect(JSON.stringify(hooks)).toContain('waypost hook my-laptop')
})
