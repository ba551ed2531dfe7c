/** c, e1: how fast what waits is carried. The backlog is written straight into the database, as a gateway had left it. */
import { createHash } from 'node:crypto'
import { books } from './accept.mjs'
import { drainRate, inTurn, median, profiled, rowOf, until, withCpu } from './measure.mjs'

const WORDS = 'x'.repeat(900)

const TASKS = `insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at)
  select 'default', id, 'bench', 'operator', id::text, $1, $2, $3, now() from backlog`

/** Messages that wait for the agent. */
async function fillMessages(sql, count) {
  await sql.unsafe('create unlogged table backlog as select uuidv7() as id from generate_series(1, $1)', [count])
  await sql.unsafe(TASKS, [1, 1, false])
  await sql.unsafe(`insert into task_events (tenant, task_id, seq, kind, body)
    select 'default', id, 1, 0, json_build_object('task', json_build_object('id', id, 'contextId', id,
      'status', json_build_object('state', 'TASK_STATE_SUBMITTED'),
      'history', json_build_array(json_build_object('messageId', id, 'role', 'ROLE_USER', 'parts',
        json_build_array(json_build_object('text', '${WORDS}'))))))::text from backlog`)
  await sql.unsafe(`insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, state, expires_at)
    select 'default', id, 'a2a', 'agent:bench', 'operator/' || id, 1, id, 1, 0, now() + interval '7 days' from backlog`)
  await sql.unsafe('drop table backlog')
}

const destinationOf = (url) =>
  `webhook:${new URL(url).origin}/${createHash('sha256').update(url).digest('base64url').slice(0, 12)}`

/** Finished tasks whose last event is owed to a push URL. */
async function fillWebhooks(sql, count, url) {
  await sql.unsafe('create unlogged table backlog as select uuidv7() as id from generate_series(1, $1)', [count])
  await sql.unsafe(TASKS, [3, 2, true])
  await sql.unsafe(`insert into task_events (tenant, task_id, seq, kind, body)
    select 'default', id, 2, 1, json_build_object('statusUpdate', json_build_object('taskId', id, 'contextId', id,
      'status', json_build_object('state', 'TASK_STATE_COMPLETED', 'message', json_build_object('messageId', id,
        'role', 'ROLE_AGENT', 'parts', json_build_array(json_build_object('text', '${WORDS}'))))))::text from backlog`)
  await sql.unsafe(
    `insert into push_configs (tenant, task_id, id, url, destination, version) select 'default', id, 'p', $1, $2, '1.0' from backlog`,
    [url, destinationOf(url)],
  )
  await sql.unsafe(
    `insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
    select 'default', uuidv7(), 'webhook', $1, id || '/p', 2, id, 2, 'p', 0, now() + interval '1 day' from backlog`,
    [destinationOf(url)],
  )
  await sql.unsafe('drop table backlog')
}

const TABLES = 'tasks, task_events, deliveries, push_configs, attempts'

/**
 * One drain: filled, woken by the gateway's own poll, looked at from the receiver's side. What the window does not reach
 * is taken away; what was leased by then must still arrive, once.
 */
async function drain({ stage, gateway, receiver, fill, backlog, skipMs, windowMs, name }) {
  await receiver.call('reset')
  await fill(gateway.sql, backlog)
  await gateway.sql.unsafe('analyze tasks, task_events, deliveries, push_configs')
  let stats
  const look = async () => {
    stats = await receiver.call('stats')
    const { marks } = stats
    return stats.distinct >= backlog || (marks.length > 1 && marks.at(-1).at - marks[0].at > windowMs)
  }
  const run = async () => ({ reached: await until(look, 60_000) })
  const { cpuMicros } = await withCpu(
    gateway,
    name ? () => profiled(stage, gateway, name, run) : run,
    () => stats.distinct,
  )
  const rate = drainRate(stats.marks, { backlog, skipMs, windowMs })
  await gateway.sql`delete from deliveries where state = 0`
  await until(
    async () => (await gateway.sql`select 1 from deliveries where state in (0, 1) limit 1`).length === 0,
    10_000,
  )
  const [done] = await gateway.sql`select count(*)::int as count from deliveries where state = 2`
  const { executed, distinct, unsigned = 0 } = await receiver.call('stats')
  await gateway.sql.unsafe(`truncate ${TABLES}`)
  return { rate, cpuMicros, lost: Math.max(0, done.count - distinct) + unsigned, duplicated: executed - distinct }
}

export const webhooks = {
  rows: {
    c: {
      title: 'webhooks, durable and signed (ES256)',
      against: 'a bare undici POST loop to the same sink, 64 in flight',
      floor: 0.2,
      target: 0.3,
      moonshot: 0.5,
    },
  },
  async measure(stage, { rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const receiver = await stage.part('sink')
    const gateway = await stage.gateway([])
    const url = `http://127.0.0.1:${receiver.port}/hook`
    const fill = (sql, count) => fillWebhooks(sql, count, url)
    const shared = { stage, gateway, receiver, fill, skipMs, windowMs: ms }
    const measured = await inTurn(
      {
        'bare loop': () => load.call('posts', { port: receiver.port, inFlight: 64, ms, skipMs, bytes: 1_150 }),
        gateway: (warmUp) =>
          drain({ ...shared, backlog: warmUp ? 3_000 : Math.round(ms * 10), name: warmUp ? '' : 'webhooks' }),
      },
      { rounds, say },
    )
    await gateway.close()
    const cpu = `${Math.round(median(measured.gateway.map(({ cpuMicros }) => cpuMicros)))} µs of the gateway's CPU each`
    return {
      c: rowOf(
        measured.gateway,
        measured['bare loop'],
        books(measured.gateway),
        `${cpu}; 64 in flight to one receiver`,
      ),
    }
  },
}

export const drains = {
  rows: {
    e1: {
      title: 'drain of a backlog of 100,000',
      against: 'drain of a backlog of 10,000',
      floor: 0.7,
      target: 0.9,
      moonshot: 1,
    },
  },
  async measure(stage, { rounds, ms, skipMs, say }) {
    const receiver = await stage.part('agent')
    const url = `http://127.0.0.1:${receiver.port}/`
    const gateway = await stage.gateway([
      { name: 'bench', connector: { kind: 'a2a', url }, maxInflight: 64, redelivery: 'atLeastOnce' },
    ])
    const shared = { stage, gateway, receiver, fill: fillMessages, skipMs, windowMs: ms }
    const measured = await inTurn(
      {
        'of 10,000': (warmUp) => drain({ ...shared, backlog: warmUp ? 3_000 : 10_000 }),
        'of 100,000': (warmUp) => drain({ ...shared, backlog: warmUp ? 3_000 : 100_000, name: warmUp ? '' : 'drain' }),
      },
      { rounds, say },
    )
    await gateway.close()
    const [small, large] = [measured['of 10,000'], measured['of 100,000']]
    const cpu = `${Math.round(median(large.map(({ cpuMicros }) => cpuMicros)))} µs of the gateway's CPU each`
    return { e1: rowOf(large, small, books([...small, ...large]), cpu) }
  },
}
