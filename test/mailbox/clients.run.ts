/**
 * The official Python client, unmodified, from its own package index, against an agent without a server: send, stream, get,
 * list, cancel, push, and a send to an agent that is away. MAILBOX tests 12 and 25; those in JavaScript are in `npm test`
 * (test/e2e/peers/mailboxClients.test.ts).
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'vitest'
import { work } from '../../src/client/mailbox.ts'
import { playScripts } from '../support/mailboxAgent.ts'
import { startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY } from '../support/replicas.ts'
import { openReport } from './report.ts'
import { openStage } from './stage.ts'

const SDK = 'a2a-sdk[http-server]==1.3.0'
const BINDINGS = ['JSONRPC', 'HTTP+JSON']
/** Kept for the next run. */
const PLACE = join(import.meta.dirname, '../../.cache/mailbox')

function python(): string {
  const venv = join(PLACE, 'py')
  const program = join(venv, 'bin/python')
  if (!existsSync(join(venv, 'ready'))) {
    mkdirSync(PLACE, { recursive: true })
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
    execFileSync(program, ['-m', 'pip', 'install', '--quiet', SDK], { stdio: ['ignore', 'ignore', 'inherit'] })
    mkdirSync(join(venv, 'ready'))
  }
  return program
}

test('clients', async () => {
  const report = openReport('clients', `the official Python client (${SDK}) against a mailbox agent`)
  const program = python()
  const stage = await openStage()
  const receiver = await startReceiver()
  const leaving = new AbortController()
  const token = await stage.agent('clerk', { maxInflight: 16 })
  await stage.agent('away')
  const play = playScripts(() => new Promise(() => {}))
  const worker = work(
    { gateway: stage.url, token, concurrency: 16, checkSeconds: 0.5, stopSeconds: 1, signal: leaving.signal },
    play,
  )
  try {
    for (const binding of BINDINGS) {
      const at = (name: string) => `${stage.url}/agents/${name}`
      const args = [join(import.meta.dirname, 'peer.py'), at('clerk'), at('away'), ADMIN_KEY, binding, receiver.url]
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      })
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { deed, ok, found } = JSON.parse(line) as { deed: string; ok: boolean; found: string }
        report.check(`${binding}: ${deed.replaceAll('_', ' ')}`, ok, found)
      })
      await once(child, 'close')
      const path = `/python-${binding.replace('+', '')}`
      const told = await receiver
        .next((post) => post.path === path && post.body.includes('COMPLETED'))
        .catch(() => undefined)
      report.check(
        `${binding}: is pushed the end`,
        told?.headers['x-a2a-notification-token'] === 't0k',
        told ? 'with its token' : 'nothing came',
      )
    }
  } finally {
    leaving.abort()
    await worker
    await receiver.stop()
    await stage.close()
  }
  report.end()
}, 600_000)
