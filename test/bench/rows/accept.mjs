/** a1, a3, a5, e5: how fast a message is taken, committed and acknowledged. */

import { freePort } from '../postgres.mjs'
import { threeRowCommits } from '../stage.mjs'
import { inTurn, median, profiled, rowOf, withCpu } from './measure.mjs'

const CONNECTIONS = 64
const runId = () => Math.floor(0x10000000 + Math.random() * 0xefffffff).toString(16)

/** Each acknowledged task must be there, and no message may have made two. */
export async function audit(sql, sent) {
  const [found] = await sql`select count(*)::int as count from tasks where id = any(${sent.tasks}::uuid[])`
  const [made] = await sql`select count(*)::int as count from submissions where key like ${`m:${sent.run}-%`}`
  const [keys] =
    await sql`select count(distinct task_id)::int as count from submissions where key like ${`m:${sent.run}-%`}`
  return {
    lost: sent.tasks.length - found.count,
    duplicated: sent.tasks.length - new Set(sent.tasks).size + (made.count - keys.count),
  }
}

export async function sendRound(load, target, { ms, skipMs }) {
  const run = runId()
  const sent = await load.call('sends', { connections: CONNECTIONS, ms, skipMs, run, ...target })
  if (sent.refused > 0) throw new Error(`${sent.refused} requests were refused: ${sent.firstRefusal}`)
  return { ...sent, run }
}

export const books = (rounds) => ({
  lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
  duplicated: rounds.reduce((sum, { duplicated }) => sum + duplicated, 0),
})

const agents = async () => [
  { name: 'bench', connector: { kind: 'mailbox' } },
  // Nobody listens there.
  {
    name: 'offline',
    connector: { kind: 'a2a', url: `http://127.0.0.1:${await freePort()}/` },
    redelivery: 'atLeastOnce',
  },
]

export const accept = {
  rows: {
    a1: {
      title: 'durable SendMessage',
      against: 'pgbench, the 3 rows in one statement, 32 clients',
      floor: 0.6,
      target: 1,
      moonshot: 1.5,
    },
    a3: {
      title: 'durable SendMessage',
      against: '@a2a-js/sdk 1.3.0, store in memory',
      floor: 1.2,
      target: 2,
      moonshot: 3,
    },
    a5: {
      title: 'fsyncs per acknowledged task',
      against: 'one each',
      floor: 0.3,
      target: 0.1,
      moonshot: 0.05,
      lower: true,
    },
    e5: {
      title: 'accepted while the agent is offline',
      against: 'accepted for an agent that collects',
      floor: 0.8,
      target: 1,
      moonshot: 1.1,
    },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const gateway = await stage.gateway(await agents())
    const target = (agent) => ({ port: gateway.port, path: `/agents/${agent}`, key: gateway.key, blocking: false })
    const ours = (agent) => async (warmUp) => {
      const before = await stage.server.fsyncs()
      const send = () => sendRound(load, target(agent), { ms, skipMs })
      const sent = await withCpu(
        gateway,
        warmUp ? send : () => profiled(stage, gateway, `accept-${agent}`, send),
        ({ tasks }) => tasks.length,
      )
      const fsyncs = (await stage.server.fsyncs()) - before
      return { ...sent, fsyncs, ...(await audit(gateway.sql, sent)) }
    }
    const sdk = wanted.has('a3') && (await stage.part('sdk'))
    const measured = await inTurn(
      {
        ...(wanted.has('a1') && { pgbench: () => threeRowCommits(stage, ms) }),
        gateway: ours('bench'),
        ...(sdk && { sdk: () => sendRound(load, { port: sdk.port, path: '/', blocking: false }, { ms, skipMs }) }),
        ...(wanted.has('e5') && { offline: ours('offline') }),
      },
      { rounds, say },
    )
    await gateway.close()
    return report(measured)
  },
}

function report({ gateway, pgbench, sdk, offline }) {
  const kept = books([...gateway, ...(offline ?? [])])
  const cpu = `${Math.round(median(gateway.map(({ cpuMicros }) => cpuMicros)))} µs of the gateway's CPU each`
  const times = `p50 ${median(gateway.map(({ p50 }) => p50)).toFixed(1)} ms, p99 ${median(gateway.map(({ p99 }) => p99)).toFixed(1)} ms`
  const each = gateway.map(({ fsyncs, tasks }) => fsyncs / tasks.length)
  return {
    ...(pgbench && { a1: rowOf(gateway, pgbench, kept, `${cpu}; ${times}; limit by ${pgbench[0].by}`) }),
    ...(sdk && { a3: rowOf(gateway, sdk, kept) }),
    a5: {
      limit: 1,
      ours: median(each),
      ratio: median(each),
      spread: [Math.min(...each), Math.max(...each)],
      ...kept,
      notes: '',
    },
    ...(offline && { e5: rowOf(offline, gateway, kept) }),
  }
}
