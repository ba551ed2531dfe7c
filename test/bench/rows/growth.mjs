/** f1 to f3: what a store full of tasks costs the next one. */
import { fillHistory } from './fill.mjs'
import { books, inTurn, rowOf } from './measure.mjs'
import { acknowledged, collecting, targetOf } from './sending.mjs'

const M = '1,000,000'
const MM = '10,000,000'
const grown = (id, count, rest) => ({ ...ROW[id], title: `${ROW[id].title} with ${count} tasks stored`, ...rest })
const ROW = {
  f1: { title: 'accepted/s', against: 'a database that began empty', floor: 0.7, target: 0.9, moonshot: 0.95 },
  f2: {
    title: 'WAL bytes a task',
    against: 'with 100,000 stored; both right after a checkpoint',
    floor: 1.5,
    target: 1.1,
    moonshot: 1,
    lower: true,
  },
  f3: { title: 'GetTask, p99', against: 'with 100,000 stored', floor: 5, target: 3, moonshot: 2, lower: true },
}

/** How much each database holds. */
const STORED = { empty: 0, hundred: 100_000, million: 1_000_000, tenMillion: 10_000_000 }

export const growth = {
  rows: {
    f1: grown('f1', M),
    'f1-10m': grown('f1', MM, { floor: 0.4, target: 0.6, moonshot: 0.9, long: true }),
    f2: grown('f2', M),
    'f2-10m': grown('f2', MM, { long: true }),
    f3: grown('f3', M),
    'f3-10m': grown('f3', MM, { long: true }),
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say, quick }) {
    const asked = [...wanted]
    const load = await stage.part('load')
    const long = asked.some((id) => id.endsWith('-10m'))
    const names = ['empty', 'hundred', 'million', ...(long ? ['tenMillion'] : [])]
    const stores = {}
    for (const name of names)
      stores[name] = await filled(stage, quick ? Math.min(50_000, STORED[name] / 10) : STORED[name], say)
    const pace = { ms, skipMs }
    const insert = (name) => ({ [`${name}: accept`]: () => accepted(stage, load, stores[name], pace) })
    const read = (name) => ({ [`${name}: get`]: () => got(load, stores[name], pace) })
    const measured = await inTurn(
      Object.assign({}, ...names.map(insert), ...names.filter((name) => name !== 'empty').map(read)),
      { rounds, say },
    )
    for (const { gateway } of Object.values(stores)) await gateway.close()
    return report(measured, asked, stores)
  },
}

async function filled(stage, count, say) {
  const gateway = await stage.gateway([collecting('bench')])
  if (count > 0) await fillHistory(gateway.sql, count, say)
  const ids = await gateway.sql.unsafe('select id::text from tasks order by random() limit 5000')
  return { gateway, count, ids: ids.map(({ id }) => id) }
}

/** A round of sends right after a checkpoint, with the WAL that each made. */
async function accepted(stage, load, { gateway }, pace) {
  await stage.server.checkpoint()
  const at = async () => (await gateway.sql.unsafe("select pg_current_wal_lsn() - '0/0' as bytes"))[0].bytes
  const before = await at()
  const sent = await acknowledged(load, gateway, 'bench', pace)
  return { ...sent, wal: (Number(await at()) - Number(before)) / sent.tasks.length }
}

async function got(load, { gateway, ids }, pace) {
  const read = await load.call('gets', { ...targetOf(gateway, 'bench'), ...pace, connections: 16, ids })
  if (read.refused > 0) throw new Error(`${read.refused} reads were refused: ${read.firstRefusal}`)
  const known = new Set(ids)
  const wrong = read.tasks.filter((id) => !known.has(id)).length
  return { ...read, lost: wrong }
}

function report(measured, asked, stores) {
  const size = (id) => (id.endsWith('-10m') ? 'tenMillion' : 'million')
  const rowFor = (id) => {
    const name = size(id)
    const [full, reads] = [measured[`${name}: accept`], measured[`${name}: get`]]
    const notes = `${stores[name].count.toLocaleString('en')} stored`
    const of = (limit) => measured[`${limit}: ${id.startsWith('f3') ? 'get' : 'accept'}`]
    if (id.startsWith('f1')) return rowOf(full, of('empty'), books(full), notes)
    if (id.startsWith('f2')) return rowOf(full, of('hundred'), books(full), notes, ({ wal }) => wal)
    return rowOf(reads, of('hundred'), books(reads), notes, ({ p99 }) => p99)
  }
  return Object.fromEntries(asked.map((id) => [id, rowFor(id)]))
}
