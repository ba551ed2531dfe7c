/** f5: what claiming costs while somebody holds a snapshot and the dead cannot be cleared away. */
import { join } from 'node:path'
import postgres from 'postgres'
import { quantilesOf } from '../numbers.mjs'
import { inTurn, NOTHING_LOST, rowOf } from './measure.mjs'

const DESTINATION = 'agent:bench'
const CLAIM = 10
const CLAIMS = 150
const WAITING = 20_000
/** Each dies twice: when it was claimed, and when it was settled. */
const SETTLED = 200_000

const queued = (
  count,
  due,
) => `insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, state, due_at, expires_at)
  select 'default', id, 'a2a', '${DESTINATION}', 'operator/' || id, n, id, 1, 0, ${due}, now() + interval '7 days'
  from (select uuidv7() as id, n from generate_series(1, ${count}) n) q`

export const claims = {
  rows: {
    f5: {
      title: 'claim, p99, snapshot held, 400,000 dead',
      against: 'a fresh table',
      floor: 20,
      target: 3,
      moonshot: 1.5,
      lower: true,
    },
  },
  async measure(stage, { rounds, say, quick }) {
    const [fresh, worn] = [await openQueue(stage), await openQueue(stage)]
    const holder = postgres(worn.url, { max: 1, onnotice: () => {} })
    await holder.unsafe('begin isolation level repeatable read')
    await holder.unsafe('select count(*) from tasks')
    const settled = quick ? SETTLED / 10 : SETTLED
    await worn.sql.unsafe(queued(settled, `now() - interval '1 hour' * (1.1 - n::float8 / ${settled})`))
    await worn.sql.unsafe('update deliveries set state = 1, lease = gen_random_uuid(), attempt = 1')
    await worn.sql.unsafe('update deliveries set state = 2, lease = null, settled_at = now()')
    for (const { sql } of [fresh, worn]) {
      await sql.unsafe(queued(WAITING, 'now()'))
      await sql.unsafe('analyze deliveries')
    }
    const [{ dead }] = await worn.sql.unsafe(
      "select n_dead_tup::int as dead from pg_stat_user_tables where relname = 'deliveries'",
    )
    const measured = await inTurn({ fresh: () => claimed(fresh), held: () => claimed(worn) }, { rounds, say })
    const look = measured.held.map(({ lookMs }) => lookMs).sort((a, b) => a - b)[0]
    await holder.unsafe('rollback')
    await holder.end()
    for (const queue of [fresh, worn]) await queue.close()
    const notes = `${dead.toLocaleString('en')} dead; ${CLAIM} a claim; the poll's look at what is due ${look.toFixed(1)} ms`
    return { f5: rowOf(measured.held, measured.fresh, NOTHING_LOST, notes, ({ p99 }) => p99) }
  },
}

/** The product's own statements, over its own driver. */
async function openQueue(stage) {
  const load = (file) => import(join(stage.dist, 'store', file))
  const [{ openPostgres }, { claim, dueLanes }, { migrateUp, onPostgres, readMigrations }] = await Promise.all(
    ['drivers/postgres.js', 'deliveries.js', 'migrate.js'].map(load),
  )
  const database = await stage.database()
  await onPostgres(database.url, (connection) => migrateUp(connection, readMigrations()))
  const db = openPostgres({ url: database.url })
  return {
    ...database,
    db,
    claim,
    dueLanes,
    async close() {
      await db.close()
      await database.drop()
    },
  }
}

/** As the forwarder does it: a look at what is due, and claims from ten seconds before the first of it. */
async function claimed({ db, claim, dueLanes }) {
  const began = performance.now()
  const [lane] = await dueLanes(db)
  const lookMs = performance.now() - began
  const owner = '01890000-0000-7000-8000-000000000000'
  const request = { tenant: 'default', destination: DESTINATION, watermark: lane.dueAt - 10_000, count: CLAIM, owner }
  const times = []
  for (let n = 0; n < CLAIMS; n++) {
    const from = performance.now()
    const leased = await claim(db, request)
    times.push(performance.now() - from)
    if (leased.length !== CLAIM) throw new Error(`claimed ${leased.length} of ${CLAIM}`)
  }
  return { lookMs, ...quantilesOf(times) }
}
