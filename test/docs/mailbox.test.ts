/** The programs of docs/mailbox.md as they stand, run against a gateway: each collects one task and completes it. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aWorld, type World } from '../support/world.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/mailbox.md'), 'utf8')

function program(language: string): string {
  const found = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/mailbox.md has no ${language}`)
  return found
}

/** What runs it, from the file that it was written to. */
const FORMS = [
  { language: 'sh', file: 'hello.sh', needs: ['curl', 'jq'], run: (file: string) => ['sh', file] },
  { language: 'python', file: 'hello.py', needs: ['python3'], run: (file: string) => ['python3', file] },
  { language: 'ts', file: 'hello.mts', needs: [], run: (file: string) => ['node', compiled(file)] },
] as const

/** Also shows that it is strict TypeScript. */
function compiled(file: string): string {
  const args = ['--ignoreConfig', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
  const types = ['--typeRoots', join(root, 'node_modules/@types')]
  execFileSync(join(root, 'node_modules/.bin/tsc'), [...args, ...types, file], { stdio: 'inherit' })
  return file.replace(/\.mts$/, '.mjs')
}

const isThere = (tool: string): boolean => spawnSync(tool, ['--version']).error === undefined

/** A further program of the page: the one that holds these words. */
function programWith(words: string): string {
  const all = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text as string)
  const found = all.find((text) => text.includes(words))
  if (found === undefined) throw new Error(`docs/mailbox.md has no program with ${words}`)
  return found
}

describe('the three calls of an agent without a server', () => {
  let world: World
  const folder = mkdtempSync(join(tmpdir(), 'waypost-docs-'))
  const children: ChildProcess[] = []

  beforeAll(async () => {
    world = await aWorld()
    mkdirSync(folder, { recursive: true })
  })
  afterAll(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    await world?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test.for(FORMS)('in $language', async ({ language, file, needs, run }, { skip }) => {
    const missing = needs.filter((tool) => !isThere(tool))
    skip(missing.length > 0 && !process.env.CI, `${missing.join(', ')} is not installed`)
    expect(missing).toEqual([])
    const name = `shout-${language}`
    const path = join(folder, file)
    writeFileSync(
      path,
      program(language).replaceAll('http://localhost:4280', world.gateway.url).replaceAll('shout', name),
    )
    const registered = world.next('agent.changed', ({ agent }) => agent === name)
    const [command, ...args] = run(path) as [string, ...string[]]
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    children.push(child)
    await registered
    const task = await world.client(name).send('hello')
    expect(task.status.state).toBe('TASK_STATE_COMPLETED')
    expect(task.artifacts?.[0]?.parts[0]?.text?.trim()).toBe('HELLO')
  })
  test('a result comes home to who has sent and gone', ({ skip }) => {
    skip(['curl', 'jq'].some((tool) => !isThere(tool)) && !process.env.CI, 'curl or jq is not installed')
    const script = programWith('Another day').replaceAll('http://localhost:4280', world.gateway.url)
    return new Promise<void>((resolve, reject) => {
      const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      children.push(child)
      let said = ''
      child.stdout?.on('data', (piece) => {
        said += piece
      })
      child.once('error', reject)
      child.once('close', () => resolve(expect(said).toBe('42\n')))
    })
  })
})
