/** g3, g4: a replica dies in the middle of its work. */
import { hostname } from 'node:os'
import { quantilesOf, sharedNow } from '../numbers.mjs'
import { startPart } from '../parts.mjs'
import { absent, books, pause, plainRow, rowOf, until } from './measure.mjs'
import { calledAt } from './sending.mjs'

export const killed = {
  rows: {
    g3: {
      title: 'lost, doubled, out of order after kill -9 of a replica',
      against: 'none',
      floor: 0,
      target: 0,
      moonshot: 0,
      lower: true,
    },
    g4: {
      title: "the last of a killed replica's work, taken over",
      against: 'the time of a lease, ms',
      floor: 2,
      target: 1.2,
      moonshot: 1.1,
      lower: true,
    },
  },
  async measure(stage, { wanted, rounds, fast, ms, say }) {
    const measured = []
    for (let round = 1; round <= (fast ? 1 : rounds); round++) {
      measured.push(await killOneAtWork(stage, ms))
      const { value, leases, takeover, acknowledged, lost, duplicated, disordered } = measured.at(-1)
      say(
        `  kill ${round}: ${acknowledged} acknowledged, ${leases} in hand, lost ${lost}, doubled ${duplicated}, out of order ${disordered}, all wrong ${value}, taken over in ${Math.round(takeover.max)} ms`,
      )
    }
    const sum = (name) => measured.reduce((total, round) => total + round[name], 0)
    const notes = `${sum('acknowledged')} acknowledged, ${sum('repeats')} asked again, ${sum('leases')} in hand of the killed, ${sum('again')} of them executed twice, as their agent allows`
    const taken = measured.map(({ takeover }) => takeover)
    const lease = measured.map(({ leaseMs }) => ({ max: leaseMs }))
    if (measured.some(({ leases }) => leases === 0)) {
      const idle = absent(`the killed replica had nothing in hand, ${TRIES} times`)
      return { g3: { ...idle, ...books(measured) }, g4: idle }
    }
    return {
      g3: plainRow(measured, books(measured), notes),
      ...(wanted.has('g4') && {
        g4: rowOf(taken, lease, books(measured), 'times are from the kill on', ({ max }) => max),
      }),
    }
  },
}

const IN_HAND = `select substr(s.key, 3) as message from deliveries d join submissions s on s.tenant = d.tenant and s.task_id = d.task_id
  where d.state = 1 and d.owner = (select id from replicas where name = $1)`
const ENDED = 'select count(*)::int as count from tasks where id = any($1::uuid[]) and state = 3'
const MADE = `select count(*)::int as tasks, (select count(*)::int from task_events e join tasks t on t.tenant = e.tenant and t.id = e.task_id
    where starts_with(t.context_id, $1) and e.body like '%TASK_STATE_COMPLETED%') as ends
  from tasks where starts_with(context_id, $1)`

const TRIES = 3

/** Whoever dies without work in hand shows nothing. */
async function killOneAtWork(stage, ms) {
  for (let tries = 1; ; tries++) {
    const found = await killOne(stage, ms)
    if (found.leases > 0 || found.value > 0 || tries === TRIES) return found
  }
}

async function killOne(stage, ms) {
  const [clients, agent] = [await startPart('clients'), await startPart('agent')]
  // Long enough that some of it is always in hand.
  await agent.call('takeTime', { ms: 40 })
  const cards = [calledAt('bench', `http://127.0.0.1:${agent.port}/`)]
  const database = await stage.database()
  const [victim, heir] = [await stage.gateway(cards, database), await stage.gateway(cards, database)]
  const run = Math.floor(0x10000000 + Math.random() * 0xefffffff).toString(16)
  const ports = [victim.port, heir.port]
  const talk = { ports, clients: 64, run, everyMs: 60, path: '/agents/bench', key: victim.key }
  await clients.call('begin', talk)
  await pause(ms)
  const at = sharedNow()
  await victim.kill()
  // What it had sent to the database by then may still be done.
  await pause(300)
  const inHand = (await database.sql.unsafe(IN_HAND, [`${hostname()}:${victim.pid}`])).map(({ message }) => message)
  await pause(ms)
  const { acknowledged, repeats } = await clients.call('end')
  const waiting = async () =>
    (await database.sql.unsafe('select 1 from deliveries where state in (0, 1) limit 1')).length === 0
  await until(waiting, 60_000)
  const found = await whatIsWrong({ agent, database }, { run, acknowledged, inHand, at })
  await heir.close()
  await database.drop()
  for (const part of [clients, agent]) await part.stop()
  return { ...found, acknowledged: acknowledged.length, repeats, leases: inHand.length, leaseMs: heir.leaseMs }
}

async function whatIsWrong({ agent, database }, { run, acknowledged, inHand, at }) {
  const [ended] = await database.sql.unsafe(ENDED, [`{${acknowledged.map(([, task]) => task).join(',')}}`])
  const [made] = await database.sql.unsafe(MADE, [`${run}-`])
  const { disordered } = await agent.call('stats')
  const repeated = await agent.call('repeated')
  const allowed = new Set(inHand)
  const again = repeated.filter((id) => allowed.has(id)).length
  const executions = (await agent.call('executions', { ids: inHand })).filter((when) => when > at)
  const lost = acknowledged.length - ended.count
  // Two tasks for one message, two ends of one task, and what was executed twice without anybody having died over it.
  const doubled = made.tasks - acknowledged.length + Math.max(0, made.ends - made.tasks) + (repeated.length - again)
  return {
    value: lost + doubled + disordered,
    lost,
    duplicated: doubled,
    disordered,
    again,
    takeover: quantilesOf(executions.map((when) => when - at)),
  }
}
