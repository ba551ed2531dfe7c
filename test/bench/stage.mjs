/** Everything that stands around a row's measurement: the database, the gateway, the neighbours; made when first asked for. */

import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { startPart } from './parts.mjs'
import { pgbench, run, startPostgres } from './postgres.mjs'

/** Bounds of policy that would end a measurement before its time; none of them changes what a request costs. */
const LIMITS = {
  queuePerAgentMax: 10_000_000,
  mailboxMessagesMax: 10_000_000,
  mailboxPerSenderMax: 10_000_000,
  mailboxBytesMax: Number.MAX_SAFE_INTEGER,
  requestsPerSocketMax: 10_000_000,
  streamsPerCallerMax: 5_000,
  streamsPerTaskMax: 5_000,
  webhookInflightPerReceiver: 64,
  keepAliveTimeoutMs: 60_000,
}

/** What `npm start` gives Node. */
export const FLAGS = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  .scripts.start.split(' ')
  .filter((word) => word.startsWith('--'))

export async function openStage({ dist, profile, statements }) {
  const server = await startPostgres({ statements })
  const parts = new Map()
  const gateways = new Set()
  let databases = 0
  const part = (name, init) => {
    const key = `${name} ${JSON.stringify(init ?? {})}`
    if (!parts.has(key)) parts.set(key, startPart(name, init))
    return parts.get(key)
  }
  /** An empty database; `settings`: of its sessions. */
  async function database(settings = {}) {
    const name = `bench_${++databases}`
    const url = await server.create(name)
    const sql = postgres(url, { max: 2, onnotice: () => {} })
    for (const [key, value] of Object.entries(settings))
      await sql.unsafe(`alter database ${name} set ${key} = ${value}`)
    return {
      url,
      sql,
      async drop() {
        await sql.end()
        await server.drop(name)
      },
    }
  }
  /** A gateway; `agents`: documents as in the cards folder. `own`: a database to share, or `embedded`; else one of its own. */
  async function gateway(agents, own) {
    const place = own ?? (await database())
    const init = { dist, agents, limits: LIMITS, ...(place !== 'embedded' && { databaseUrl: place.url }) }
    const started = await startPart('gateway', init, { execArgv: [...FLAGS, '--expose-gc'] })
    gateways.add(started)
    return {
      ...started,
      sql: place.sql,
      async close() {
        gateways.delete(started)
        await started.stop()
        if (own === undefined) await place.drop()
      },
    }
  }
  return {
    server,
    dist,
    profile,
    /** Of each profiled part: what its time went to. */
    shares: {},
    statements,
    part,
    database,
    gateway,
    limitDatabase: once(() => limitDatabase(server, dist)),
    async close() {
      // Gateways only if a measurement broke off.
      for (const started of [...gateways, ...parts.values()]) await (await started).stop()
      await server.stop()
    },
  }
}

const once = (make) => {
  let made
  return () => (made ??= make())
}

async function limitDatabase(server, dist) {
  const { migrateUp, onPostgres, readMigrations } = await import(`${dist}/store/migrate.js`)
  const url = await server.create('bench_limit')
  await onPostgres(url, (connection) => migrateUp(connection, readMigrations()))
  return url
}

/** Task, first event and delivery of one message, as the gateway writes them, in one commit. No colons: pgbench's variables. */
const THREE_ROWS = (body) => `with new as materialized (select uuidv7() as id), task as (
  insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at)
  select 'default', id, 'bench', 'operator', id::text, 1, 1, false, now() from new
), event as (
  insert into task_events (tenant, task_id, seq, kind, body) select 'default', id, 1, 0, '${body}' from new
) insert into deliveries (tenant, id, kind, destination, ordering_key, position, priority, task_id, seq, state, expires_at)
  select 'default', id, 'mailbox', 'agent@bench', 'operator/' || id, 1, 2, id, 1, 0, now() + interval '7 days' from new`

/** What Postgres itself can do: 32 clients, prepared, one commit each. Commits per second. */
export async function threeRowCommits(stage, ms) {
  const url = await stage.limitDatabase()
  const statement = THREE_ROWS(`{"task":{"history":[{"parts":[{"text":"${'x'.repeat(1_050)}"}]}]}}`)
  if (!pgbench) return driverCommits(url, statement, ms)
  const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const folder = mkdtempSync(`${tmpdir()}/waypost-bench-`)
  const script = `${folder}/three.sql`
  writeFileSync(script, `${statement.replace(/\n/g, ' ')};\n`)
  const seconds = String(Math.max(1, Math.round(ms / 1_000)))
  const said = await run(pgbench, ['-n', '-M', 'prepared', '-c', '32', '-j', '1', '-T', seconds, '-f', script, url])
  rmSync(folder, { recursive: true, force: true })
  return { rate: Number(/tps = ([\d.]+)/.exec(said)?.[1]), by: 'pgbench' }
}

async function driverCommits(url, statement, ms) {
  const sql = postgres(url, { max: 32, onnotice: () => {} })
  const until = performance.now() + ms
  let done = 0
  const loop = async () => {
    for (; performance.now() < until; done++) await sql.unsafe(statement, [], { prepare: true })
  }
  await Promise.all(Array.from({ length: 32 }, loop))
  await sql.end()
  return { rate: done / (ms / 1_000), by: 'driver' }
}
