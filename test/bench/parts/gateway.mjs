/** The gateway under measurement, as `npm start` runs it: on a database of its own, or with replicas on a shared one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sharedNow } from '../numbers.mjs'
import { serveCalls } from '../parts.mjs'

let gateway
let folder

/** The door to the database as it is, and as a measurement may want it for a while. */
let query
const through = (instead) => {
  gateway.db.query = instead ?? query
}

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
const MARK = /#(\d{8})#/g
let commits = []

serveCalls({
  /** `agents`: documents for the cards folder; `limits`: bounds of policy that would end a measurement. */
  async start({ dist, databaseUrl, agents, limits }) {
    folder = mkdtempSync(join(tmpdir(), 'waypost-bench-'))
    for (const agent of agents) writeFileSync(join(folder, `${agent.name}.json`), JSON.stringify(agent))
    const { LIMITS } = await import(join(dist, 'limits.js'))
    Object.assign(LIMITS, limits)
    const { readConfig } = await import(join(dist, 'config.js'))
    const { startGateway } = await import(join(dist, 'main.js'))
    const env = {
      ...(databaseUrl && { DATABASE_URL: databaseUrl }),
      WAYPOST_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      WAYPOST_ADMIN_KEY: `wp_admin_${'b'.repeat(43)}`,
      WAYPOST_EGRESS_ALLOW: '127.0.0.0/8',
      WAYPOST_DATA: folder,
      WAYPOST_CARDS: folder,
      PORT: '0',
      GRPC_PORT: '0',
    }
    gateway = await startGateway(readConfig({ env, file: join(folder, 'none') }))
    gateway.signals.on('service.failed', ({ service, error }) => console.error(`gateway: ${service}: ${error}`))
    if (gateway.cardProblems.length > 0) throw new Error(gateway.cardProblems.join('\n'))
    query = gateway.db.query
    return { port: gateway.port, key: gateway.adminKey, pid: process.pid, leaseMs: LIMITS.leaseMs }
  },
  /** A database that acknowledges new tasks at once and keeps none of them; everything else is as it is. */
  storeNothing({ on }) {
    const taken = (_, values) => Promise.resolve(values[1].match(UUID).map((id) => ({ id })))
    through(
      on ? (statement, values) => (statement.name === 'tasks.open' ? taken : query)(statement, values) : undefined,
    )
  },
  /** From now on: when each numbered event was committed, on the shared clock. */
  watchCommits() {
    commits = []
    through(async (statement, values) => {
      const rows = await query(statement, values)
      if (statement.name !== 'events.append') return rows
      const at = sharedNow()
      for (const value of values)
        if (typeof value === 'string') for (const [, number] of value.matchAll(MARK)) commits.push([Number(number), at])
      return rows
    })
  },
  commits() {
    through(undefined)
    return commits
  },
  /** Bytes, after the garbage is gone. */
  memory() {
    globalThis.gc?.()
    const { rss, heapUsed } = process.memoryUsage()
    return { rss, heapUsed }
  },
  usage: () => process.memoryUsage(),
  /** Where nobody else can ask the database. */
  ask: ({ text, values }) => query({ name: 'bench', write: false, text }, values),
  async stop() {
    await gateway.stop()
    rmSync(folder, { recursive: true, force: true })
  },
})
