/**
 * `npm run soak`: an hour of mixed load at a fifth of what the machine can do, and a look each ten seconds at what must
 * not grow: memory, file descriptors, connections, dead rows. Fails when something grows, or when something was lost.
 *
 *   --minutes 60    how long                 --rate 100      messages a second, instead of a fifth of saturation
 *   --json          numbers as JSON          --record        appends the numbers to RESULTS.md
 *   --dist <dir>    another build than dist/
 *
 * Below ten minutes what a process takes to warm up is most of what is seen: growth is printed and not judged.
 */
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { slopeOf } from './numbers.mjs'
import { appendToResults, circumstances } from './report.mjs'
import { pause, until } from './rows/measure.mjs'
import { calledAt, sendRound, targetOf } from './rows/sending.mjs'
import { openStage } from './stage.mjs'

const EVERY_MS = 10_000
const JUDGED_FROM_MINUTES = 10
/** What is written while it gets warm is not looked at. */
const WARM_SHARE = 1 / 3
/** Growth a minute. */
const BARS = { rssMB: 1, descriptors: 1, connections: 0.5 }
const TABLES = ['tasks', 'task_events', 'deliveries', 'submissions', 'push_configs', 'attempts']
const MB = 1_024 * 1_024

/** Autovacuum comes once a minute and acts at a fifth: twice that, and what three minutes of five updates a task leave. */
const deadMax = (live, rate) => 0.4 * live + 3 * 60 * 5 * rate

function settings() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      rate: { type: 'string' },
      json: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      dist: { type: 'string', default: join(import.meta.dirname, '../../dist') },
    },
  })
  return {
    ...values,
    dist: resolve(values.dist),
    minutes: Number(values.minutes),
    rate: values.rate && Number(values.rate),
  }
}

async function saturation(stage, gateway) {
  const load = await stage.part('load')
  const send = () => sendRound(load, targetOf(gateway, 'called', true), { ms: 3_000, skipMs: 1_000 })
  await send()
  return (await send()).rate
}

const DATABASE = `select
  (select count(*)::int from pg_stat_activity where datname = current_database() and application_name = 'waypost') as connections,
  (select pg_database_size(current_database())::float8) as bytes,
  (select json_object_agg(relname, json_build_array(n_live_tup, n_dead_tup)) from pg_stat_user_tables where relname = any($1)) as rows`

async function sample(gateway, began) {
  const [{ connections, bytes, rows }] = await gateway.sql.unsafe(DATABASE, [TABLES])
  const { rss, heapUsed } = await gateway.call('usage')
  const descriptors = process.platform === 'linux' ? readdirSync(`/proc/${gateway.pid}/fd`).length : 0
  return {
    minute: (performance.now() - began) / 60_000,
    rssMB: rss / MB,
    heapMB: heapUsed / MB,
    descriptors,
    connections,
    databaseMB: bytes / MB,
    dead: Object.fromEntries(Object.entries(rows ?? {}).map(([table, [live, dead]]) => [table, { live, dead }])),
  }
}

const line = ({ minute, rssMB, heapMB, descriptors, connections, databaseMB, dead }) =>
  `${minute.toFixed(1).padStart(6)} min  RSS ${rssMB.toFixed(0)} MB  heap ${heapMB.toFixed(0)} MB  fds ${descriptors}  ` +
  `connections ${connections}  database ${databaseMB.toFixed(0)} MB  dead ${Object.entries(dead)
    .map(([table, { live, dead }]) => `${table} ${dead}/${live}`)
    .join(', ')}`

async function watch(gateway, minutes, say) {
  const began = performance.now()
  const samples = []
  while (performance.now() - began < minutes * 60_000) {
    await pause(EVERY_MS)
    samples.push(await sample(gateway, began))
    say(line(samples.at(-1)))
  }
  return samples
}

/** Tasks that were acknowledged and have not ended well, and messages that made two. */
async function booksOf({ sql }, told, run) {
  const waiting = async () => (await sql`select 1 from deliveries where state in (0, 1) limit 1`).length === 0
  const emptied = await until(waiting, 60_000)
  const [found] = await sql`select count(*)::int as keys, count(distinct task_id)::int as tasks,
    count(*) filter (where state = 3)::int as ended
    from submissions s join tasks t on t.tenant = s.tenant and t.id = s.task_id where starts_with(s.key, ${`m:${run}-`})`
  return { emptied, lost: Math.max(0, told.acknowledged - found.ended), duplicated: found.keys - found.tasks }
}

function judge(samples, { minutes, rate }) {
  const later = samples.slice(Math.floor(samples.length * WARM_SHARE))
  const slope = (name) => slopeOf(later.map((one) => [one.minute, one[name]]))
  const growth = Object.fromEntries(
    ['rssMB', 'heapMB', 'descriptors', 'connections'].map((name) => [name, slope(name)]),
  )
  const dead = TABLES.map((table) => {
    const worst = Math.max(
      0,
      ...later.map(({ dead: of }) => (of[table] ? of[table].dead / deadMax(of[table].live, rate) : 0)),
    )
    return [table, worst]
  })
  const judged = minutes >= JUDGED_FROM_MINUTES
  const faults = [
    ...Object.entries(BARS)
      .filter(([name, bar]) => growth[name] > bar)
      .map(([name, bar]) => `${name} grows by ${growth[name].toFixed(2)} a minute, more than ${bar}`),
    ...dead.filter(([, worst]) => worst > 1).map(([table]) => `dead rows of ${table} are not cleared away`),
  ]
  return { growth, dead: Object.fromEntries(dead), judged, faults: judged ? faults : [] }
}

async function soak(stage, options, say) {
  const agent = await stage.part('agent')
  const sink = await stage.part('sink')
  const gateway = await stage.gateway([calledAt('called', `http://127.0.0.1:${agent.port}/`)])
  const rate = options.rate || 0.2 * (await saturation(stage, gateway))
  const run = Math.floor(0x10000000 + Math.random() * 0xefffffff).toString(16)
  const place = {
    dist: stage.dist,
    port: gateway.port,
    key: gateway.key,
    sink: `http://127.0.0.1:${sink.port}/hook`,
    run,
  }
  const mixed = await stage.part('mixed', place)
  say(`${rate.toFixed(0)} messages a second for ${options.minutes} minutes`)
  await mixed.call('begin', { rate })
  const samples = await watch(gateway, options.minutes, say)
  const told = await mixed.call('end')
  const books = await booksOf(gateway, told, run)
  const hooks = await sink.call('stats')
  await mixed.stop()
  await gateway.close()
  return { rate, ...told, ...books, webhooks: hooks.distinct, samples, ...judge(samples, { ...options, rate }) }
}

function summary(found, minutes) {
  const { rate, sent, acknowledged, refused, firstRefusal, worked, webhooks, emptied, lost, duplicated } = found
  const { growth, dead, judged, faults, samples } = found
  const { rssMB, heapMB, descriptors, connections } = growth
  const worst = Object.entries(dead).map(([table, share]) => `${table} ${(share * 100).toFixed(0)} %`)
  return [
    `${minutes} minutes at ${rate.toFixed(0)}/s: ${sent} sent, ${acknowledged} acknowledged, ${refused} refused${firstRefusal && ` (${firstRefusal})`}, ${worked} collected, ${webhooks} webhooks; lost ${lost}, doubled ${duplicated}, queue ${emptied ? 'empty' : 'NOT empty'} at the end`,
    `growth a minute: RSS ${rssMB.toFixed(2)} MB, heap ${heapMB.toFixed(2)} MB, file descriptors ${descriptors.toFixed(2)}, connections ${connections.toFixed(2)}; at the end RSS ${samples.at(-1).rssMB.toFixed(0)} MB, database ${samples.at(-1).databaseMB.toFixed(0)} MB`,
    `dead rows, most of what is allowed: ${worst.join(', ')}`,
    judged ? (faults.length > 0 ? `GROWS: ${faults.join('; ')}` : 'nothing grows') : 'too short to judge growth',
  ]
}

async function main() {
  const options = settings()
  const facts = circumstances(options.dist)
  const stage = await openStage(options)
  const found = await soak(stage, options, (text) => console.error(text)).finally(() => stage.close())
  const lines = summary(found, options.minutes)
  console.log(options.json ? JSON.stringify({ ...facts, ...found }, null, 2) : lines.join('\n'))
  if (options.record) appendToResults(facts, ['Soak.', '', ...lines.map((text) => `- ${text}`)])
  const wrong = found.lost > 0 || found.duplicated > 0 || found.refused > 0 || !found.emptied
  process.exitCode = wrong || found.faults.length > 0 ? 1 : 0
}

await main()
