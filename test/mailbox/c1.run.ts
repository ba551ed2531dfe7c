/** C1: how long a newcomer needs: from a clone to the three calls of docs/mailbox.md, in an empty folder, on an empty database. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { freePort } from '../support/databases.ts'
import { aClient } from '../support/world.ts'
import { openReport } from './report.ts'
import { nap } from './stage.ts'

const ROOT = join(import.meta.dirname, '../..')
const CLONE_MS = 120_000

test('C1', async () => {
  const report = openReport('C1', 'from a clone: three curl calls in an empty folder, on an empty database')
  const folder = mkdtempSync(join(tmpdir(), 'waypost-clone-'))
  const clone = join(folder, 'waypost')
  const began = performance.now()
  const since = () => Math.round(performance.now() - began)
  const port = await freePort()
  let gateway: ReturnType<typeof spawn> | undefined
  try {
    const cloned = spawnSync('git', ['clone', '--quiet', '--depth', '1', `file://${ROOT}`, clone], { stdio: 'inherit' })
    report.check('it is cloned', cloned.status === 0, `${since()} ms`)
    report.fact('cloned after ms', since())
    const url = `http://127.0.0.1:${port}`
    gateway = spawn('npm', ['start'], {
      cwd: clone,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        PORT: String(port),
        GRPC_PORT: '0',
        WAYPOST_ADMIN_KEY: `wp_admin_${'n'.repeat(43)}`,
      },
    })
    const ready = () =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    while (!(await ready()) && since() < 10 * CLONE_MS) await nap(50)
    report.fact('installed, built and ready after ms', since())

    const program = /```sh\n([\s\S]*?)```/.exec(readFileSync(join(clone, 'docs/mailbox.md'), 'utf8'))?.[1] ?? ''
    const calling = performance.now()
    const script = spawn('sh', ['-c', program.replaceAll('http://localhost:4280', url)], {
      cwd: mkdtempSync(join(folder, 'empty-')),
      stdio: 'ignore',
    })
    const client = aClient(`${url}/agents/shout`, `wp_admin_${'n'.repeat(43)}`)
    const registered = async () => (await fetch(`${url}/agents/shout/.well-known/agent-card.json`)).ok
    while (!(await registered())) await nap(20)
    const task = await client.send('hello')
    const callsMs = performance.now() - calling
    if (script.exitCode === null) await once(script, 'exit')
    report.fact('three curl calls and a sender, ms', Math.round(callsMs))
    report.fact('from the clone to the answer, minutes', (since() / 60_000).toFixed(2))
    report.check(
      'the task is answered as printed',
      task.artifacts?.[0]?.parts[0]?.text?.trim() === 'HELLO',
      task.status.state,
    )
    report.check('in less than two minutes', since() < CLONE_MS, `${(since() / 1_000).toFixed(1)} s`)
  } finally {
    if (gateway?.pid !== undefined && gateway.exitCode === null) {
      const gone = once(gateway, 'exit')
      process.kill(-gateway.pid, 'SIGTERM')
      await gone
    }
    rmSync(folder, { recursive: true, force: true })
  }
  report.end()
}, 1_500_000)
