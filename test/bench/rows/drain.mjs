/** One drain of a backlog, looked at from the receiver's side. */
import { drainRate, until, withCpu } from './measure.mjs'
import { profiled } from './profile.mjs'

const TABLES = 'tasks, task_events, deliveries, push_configs, attempts'

/**
 * Filled, woken by the gateway's own poll. What the window does not reach is taken away; what was leased by then must
 * still arrive, once. `name`: profiled under it.
 */
export async function drain({ stage, gateway, receiver, fill, backlog, skipMs, windowMs, name }) {
  await receiver.call('reset')
  await fill(gateway.sql, backlog)
  let stats
  const look = async () => {
    stats = await receiver.call('stats')
    const { marks } = stats
    return stats.distinct >= backlog || (marks.length > 1 && marks.at(-1).at - marks[0].at > windowMs)
  }
  const count = () => stats.distinct
  const run = async () => ({ reached: await until(look, 60_000) })
  const { cpuMicros } = await withCpu(gateway, name ? () => profiled(stage, gateway, name, run, count) : run, count)
  const rate = drainRate(stats.marks, { backlog, skipMs, windowMs })
  return { rate, cpuMicros, ...(await settleDrain(gateway, receiver)) }
}

/** Takes away what still waits, lets end what is on its way, and compares what was done with what arrived. */
export async function settleDrain({ sql }, receiver) {
  await sql`delete from deliveries where state = 0`
  await until(async () => (await sql`select 1 from deliveries where state in (0, 1) limit 1`).length === 0, 10_000)
  const [done] = await sql`select count(*)::int as count from deliveries where state = 2`
  const { executed, distinct, unsigned = 0, disordered = 0 } = await receiver.call('stats')
  await sql.unsafe(`truncate ${TABLES}`)
  return { lost: Math.max(0, done.count - distinct) + unsigned, duplicated: executed - distinct, disordered }
}
