/** a1 to a6, e5: how fast a message is taken, committed and acknowledged. */

import { median } from '../numbers.mjs'
import { freePort } from '../postgres.mjs'
import { threeRowCommits } from '../stage.mjs'
import { books, cpuNote, inTurn, rowOf, timesOf, withCpu } from './measure.mjs'
import { profiled } from './profile.mjs'
import { audit, calledAt, collecting, emptyQueues, sendRound, targetOf } from './sending.mjs'

const rows = {
  a1: {
    title: 'durable SendMessage',
    against: 'pgbench, the 3 rows in one statement, 32 clients',
    floor: 0.6,
    target: 1,
    moonshot: 1.5,
  },
  a2: {
    title: 'durable SendMessage',
    against: 'the same process with a store that acknowledges at once and keeps nothing',
    floor: 0.4,
    target: 0.55,
    moonshot: 0.7,
  },
  a3: {
    title: 'durable SendMessage',
    against: '@a2a-js/sdk 1.3.0, store in memory',
    floor: 1.2,
    target: 2,
    moonshot: 3,
  },
  a4: {
    title: 'durable SendMessage',
    against: '@a2a-js/sdk 1.3.0, its PostgreSQL store, 16 connections',
    floor: 5,
    target: 10,
    moonshot: 15,
  },
  a5: {
    title: 'fsyncs per acknowledged task',
    against: 'one each',
    floor: 0.3,
    target: 0.1,
    moonshot: 0.05,
    lower: true,
  },
  a6: {
    title: 'durable SendMessage',
    against: 'the same with synchronous_commit = off',
    floor: 0.7,
    target: 0.85,
    moonshot: 0.95,
  },
  e5: {
    title: 'accepted while the agent is offline',
    against: 'accepted for an agent that collects',
    floor: 0.8,
    target: 1,
    moonshot: 1.1,
  },
}

/** One round at a gateway; `name`: profiled under it. */
const sendsTo =
  (stage, load, gateway, agent, { ms, skipMs }, name = '') =>
  async (warmUp) => {
    await emptyQueues(gateway)
    const before = await stage.server.fsyncs()
    const send = () => sendRound(load, targetOf(gateway, agent), { ms, skipMs })
    const count = ({ tasks }) => tasks.length
    const run = warmUp || !name ? send : () => profiled(stage, gateway, name, send, count)
    const sent = await withCpu(gateway, run, count)
    const fsyncs = (await stage.server.fsyncs()) - before
    return { ...sent, fsyncs, ...(await audit(gateway, sent)) }
  }

/** The same process, its database door shut: nothing is stored, so nothing can be audited. */
const storesNothing =
  (load, gateway, { ms, skipMs }) =>
  async () => {
    await gateway.call('storeNothing', { on: true })
    const sent = await sendRound(load, targetOf(gateway, 'bench'), { ms, skipMs })
    await gateway.call('storeNothing', { on: false })
    return sent
  }

const sdkSends = (load, sdk, pace) => () => sendRound(load, { port: sdk.port, path: '/', blocking: false }, pace)

export const accept = {
  rows,
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const pace = { ms, skipMs }
    const nobody = `http://127.0.0.1:${await freePort()}/`
    const gateway = await stage.gateway([collecting('bench'), calledAt('offline', nobody)])
    const loose = wanted.has('a6') && (await stage.database({ synchronous_commit: 'off' }))
    const hurried = loose && (await stage.gateway([collecting('bench')], loose))
    const sdk = wanted.has('a3') && (await stage.part('sdk'))
    const kept = wanted.has('a4') && (await stage.part('sdk', { databaseUrl: (await stage.database()).url }))
    const measured = await inTurn(
      {
        ...(wanted.has('a1') && { pgbench: () => threeRowCommits(stage, ms) }),
        gateway: sendsTo(stage, load, gateway, 'bench', pace, 'a1'),
        ...(wanted.has('a2') && { 'null store': storesNothing(load, gateway, pace) }),
        ...(sdk && { sdk: sdkSends(load, sdk, pace) }),
        ...(kept && { 'sdk on postgres': sdkSends(load, kept, pace) }),
        ...(hurried && { 'commit not awaited': sendsTo(stage, load, hurried, 'bench', pace) }),
        ...(wanted.has('e5') && { offline: sendsTo(stage, load, gateway, 'offline', pace) }),
      },
      { rounds, say },
    )
    await gateway.close()
    if (hurried) await hurried.close()
    if (loose) await loose.drop()
    return report(measured)
  },
}

function report({ gateway, pgbench, offline, ...limits }) {
  const kept = books([...gateway, ...(offline ?? [])])
  const each = gateway.map(({ fsyncs, tasks }) => fsyncs / tasks.length)
  const against = (id, limit) => limit && { [id]: rowOf(gateway, limit, kept) }
  return {
    ...(pgbench && { a1: rowOf(gateway, pgbench, kept, `${cpuNote(gateway)}; limit by ${pgbench[0].by}`) }),
    ...against('a2', limits['null store']),
    ...against('a3', limits.sdk),
    ...against('a4', limits['sdk on postgres']),
    a5: {
      limit: 1,
      ours: median(each),
      ratio: median(each),
      spread: [Math.min(...each), Math.max(...each)],
      ...timesOf(gateway),
      ...kept,
    },
    ...against('a6', limits['commit not awaited']),
    ...(offline && { e5: rowOf(offline, gateway, kept) }),
  }
}
