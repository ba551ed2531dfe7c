/** f4: what it costs to be rid of tasks that ended long ago, beside the plainest way to remove as many rows. */
import { fillHistory } from './fill.mjs'
import { books, inTurn, pause, rowOf } from './measure.mjs'
import { acknowledged, collecting } from './sending.mjs'

const TABLES = ['task_events', 'deliveries', 'submissions', 'tasks']
const LAST = 'ffffffff-ffff-7fff-bfff-ffffffffffff'
const FIRST = '00000000-0000-0000-0000-000000000000'

export const retention = {
  rows: {
    // The budget's 0.2 and 0.02 are what dropping a partition would cost; see `src/ARCHITECTURE.md` for why there are none.
    f4: {
      title: 'retention: ms per 1,000 rows, of 1,000,000 tasks',
      against: 'one DELETE a table and VACUUM, of as many rows',
      floor: 2,
      target: 1.2,
      moonshot: 1,
      lower: true,
    },
    'f4-load': {
      title: 'accepted/s while a purge goes on',
      against: 'the same without',
      floor: 0.7,
      target: 0.9,
      moonshot: 0.95,
    },
  },
  async measure(stage, { wanted, ...pace }) {
    const rows = {}
    if (wanted.has('f4')) rows.f4 = await alone(stage, pace)
    if (wanted.has('f4-load')) rows['f4-load'] = await underLoad(stage, pace)
    return rows
  },
}

async function alone(stage, { rounds, say, quick }) {
  const place = await migrated(stage)
  const { purgeTasks } = await import(`${stage.dist}/store/purge.js`)
  const stored = quick ? 40_000 : 1_000_000
  await fillHistory(place.sql, stored, say)
  const db = await opened(stage, place.url)
  const next = slices(place.sql, Math.floor(stored / (2 * (rounds + 1))))
  const measured = await inTurn(
    {
      purge: async () => {
        const slice = await next()
        return timed(place.sql, slice, () => purged(db, purgeTasks, slice))
      },
      delete: async () => {
        const slice = await next()
        return timed(place.sql, slice, () => deleted(place.sql, slice))
      },
    },
    { rounds, say },
  )
  await db.close()
  await place.drop()
  const [ours, limit] = [measured.purge, measured.delete]
  const lost = [...ours, ...limit].filter(({ left }) => left > 0).length
  const slowest = Math.max(...ours.map(({ slowest }) => slowest))
  const notes = `${ours[0].tasks.toLocaleString('en')} tasks a round, five rows each, without the pauses that a gateway makes; slowest page ${Math.round(slowest)} ms`
  return rowOf(ours, limit, { lost, duplicated: 0 }, notes, ({ value }) => value)
}

async function migrated(stage) {
  const place = await stage.database()
  const { migrateUp, onPostgres, readMigrations } = await import(`${stage.dist}/store/migrate.js`)
  await onPostgres(place.url, (connection) => migrateUp(connection, readMigrations()))
  return place
}

async function opened(stage, url) {
  const { openPostgres } = await import(`${stage.dist}/store/drivers/postgres.js`)
  return openPostgres({ url, connections: 2 })
}

/** Sends as fast as they are taken, with and without a purge at the pace of the product: a pause four times as long as each page. */
async function underLoad(stage, { rounds, ms, skipMs, say, quick }) {
  const place = await migrated(stage)
  await fillHistory(place.sql, quick ? 40_000 : 400_000, say)
  const gateway = await stage.gateway([collecting('bench')], place)
  const load = await stage.part('load')
  const db = await opened(stage, place.url)
  const { purgeTasks } = await import(`${stage.dist}/store/purge.js`)
  let after = FIRST
  let gone = 0
  const sends = () => acknowledged(load, gateway, 'bench', { ms, skipMs })
  const measured = await inTurn(
    {
      quiet: sends,
      purging: async () => {
        let going = true
        const purge = async () => {
          while (going) {
            const began = performance.now()
            const page = await purgeTasks(db, {
              tenant: 'default',
              after,
              upTo: LAST,
              keepSeconds: 3_600,
              keepDeadSeconds: 3_600,
              tasksMax: 1_000,
              rowsMax: 20_000,
            })
            after = page.last ?? after
            gone += page.gone.length
            await pause(4 * (performance.now() - began))
          }
        }
        const [sent] = await Promise.all([
          sends().finally(() => {
            going = false
          }),
          purge(),
        ])
        return sent
      },
    },
    { rounds, say },
  )
  await db.close()
  await gateway.close()
  await place.drop()
  const [ours, limit] = [measured.purging, measured.quiet]
  return rowOf(ours, limit, books(ours), `${gone.toLocaleString('en')} tasks gone meanwhile`)
}

/** One slice after the other, oldest first. */
function slices(sql, count) {
  let from = FIRST
  return async () => {
    const [row] = await sql.unsafe(
      `select max(id::text) as to, count(*)::int as tasks from (select id from tasks where tenant = 'default' and id > $1::uuid order by id limit $2::int) s`,
      [from, count],
    )
    const slice = { from, to: row.to, tasks: row.tasks }
    from = row.to
    return slice
  }
}

async function timed(sql, { to, tasks }, remove) {
  const began = performance.now()
  const facts = await remove()
  for (const table of TABLES) await sql.unsafe(`vacuum ${table}`)
  const ms = performance.now() - began
  const [{ left }] = await sql.unsafe(
    `select (select count(*) from tasks where id <= $1::uuid)::int + (select count(*) from task_events where task_id <= $1::uuid)::int
      + (select count(*) from deliveries where task_id <= $1::uuid)::int + (select count(*) from submissions where task_id <= $1::uuid)::int as left`,
    [to],
  )
  return { tasks, left, value: ms / (tasks * 5 * 0.001), ...facts }
}

/** As a gateway does it, page by page. */
async function purged(db, purgeTasks, { from, to }) {
  const keep = { keepSeconds: 0, keepDeadSeconds: 0, tasksMax: 1_000, rowsMax: 20_000 }
  let slowest = 0
  for (let after = from; ; ) {
    const began = performance.now()
    const { last } = await purgeTasks(db, { tenant: 'default', after, upTo: to, ...keep })
    slowest = Math.max(slowest, performance.now() - began)
    if (last === null) return { slowest }
    after = last
  }
}

async function deleted(sql, { to }) {
  for (const table of TABLES)
    await sql.unsafe(
      `delete from ${table} where tenant = 'default' and ${table === 'tasks' ? 'id' : 'task_id'} <= $1::uuid`,
      [to],
    )
  return {}
}
