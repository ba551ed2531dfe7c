/** h: how soon a gateway with the embedded database takes its first task, and how fast it goes on. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../postgres.mjs'
import { FLAGS } from '../stage.mjs'
import { books, inTurn, NOTHING_LOST, plainRow, rowOf } from './measure.mjs'
import { acknowledged, collecting, emptyQueues } from './sending.mjs'

const started = { against: 'none, a time from the start of the process', lower: true, unit: 's' }

export const start = {
  rows: {
    'h-first': {
      title: 'start to first accepted task, embedded, new',
      ...started,
      floor: 5,
      target: 2.5,
      moonshot: 1.5,
    },
    'h-later': {
      title: 'start to first accepted task, embedded, again',
      ...started,
      floor: 2,
      target: 1,
      moonshot: 0.4,
    },
    'h-batch': {
      title: 'accepted/s on the embedded database',
      against: 'the same on PostgreSQL',
      floor: 0.4,
      target: 0.4,
      moonshot: 0.75,
    },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const report = {}
    if (wanted.has('h-first') || wanted.has('h-later')) {
      const folders = []
      const measured = await inTurn(
        {
          first: () => {
            folders.push(prepare())
            return firstTask(stage, folders.at(-1))
          },
          later: () => firstTask(stage, folders.at(-1)),
        },
        { rounds, say, warmUp: false },
      )
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
      if (wanted.has('h-first')) report['h-first'] = plainRow(measured.first, NOTHING_LOST)
      if (wanted.has('h-later')) report['h-later'] = plainRow(measured.later, books(measured.later))
    }
    if (wanted.has('h-batch')) report['h-batch'] = await batched(stage, { rounds, ms, skipMs, say })
    return report
  },
}

async function batched(stage, { rounds, ms, skipMs, say }) {
  const load = await stage.part('load')
  const [full, embedded] = [
    await stage.gateway([collecting('bench')]),
    await stage.gateway([collecting('bench')], 'embedded'),
  ]
  const send = (gateway) => async () => {
    await emptyQueues(gateway)
    return acknowledged(load, gateway, 'bench', { ms, skipMs })
  }
  const measured = await inTurn({ postgres: send(full), embedded: send(embedded) }, { rounds, say })
  for (const gateway of [full, embedded]) await gateway.close()
  return rowOf(measured.embedded, measured.postgres, books(measured.embedded))
}

const KEY = `wp_admin_${'b'.repeat(43)}`

function prepare() {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-bench-'))
  mkdirSync(join(folder, 'cards'))
  writeFileSync(join(folder, 'cards/bench.json'), JSON.stringify(collecting('bench')))
  return folder
}

let sent = 0
const message = () =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'SendMessage',
    params: {
      message: {
        messageId: `00000000-0000-4000-8000-${String(++sent).padStart(12, '0')}`,
        role: 'ROLE_USER',
        parts: [{ text: 'hello' }],
      },
      configuration: { returnImmediately: true },
    },
  })

/** Seconds from the start of the process, as `npm start` starts it, to an acknowledged message. */
async function firstTask({ dist }, folder) {
  const port = await freePort()
  const began = performance.now()
  const child = spawn(process.execPath, [...FLAGS, join(dist, 'main.js')], {
    cwd: folder,
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH ?? '',
      PORT: String(port),
      GRPC_PORT: '0',
      WAYPOST_DATA: join(folder, 'data'),
      WAYPOST_CARDS: join(folder, 'cards'),
      WAYPOST_ADMIN_KEY: KEY,
      WAYPOST_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    },
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const headers = { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${KEY}` }
  const body = message()
  const accepted = () =>
    fetch(`http://127.0.0.1:${port}/agents/bench`, { method: 'POST', headers, body }).then(
      async (response) => (await response.json()).result?.task !== undefined,
      () => false,
    )
  while (!(await accepted())) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const value = (performance.now() - began) / 1_000
  child.kill('SIGTERM')
  await gone
  return { value }
}
