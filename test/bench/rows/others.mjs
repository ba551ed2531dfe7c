/** e3: who else is served while a backlog drains. e4: how soon an agent that is back gets its first message. */
import { median } from '../numbers.mjs'
import { settleDrain } from './drain.mjs'
import { newStream, startStream } from './fanOut.mjs'
import { fillMessages } from './fill.mjs'
import { books, inTurn, pause, plainRow, rowOf, until } from './measure.mjs'
import { acknowledged, calledAt, collecting } from './sending.mjs'

const beside = (count) => ({
  title: `other agents' acknowledgement, p99, while ${count} drain`,
  against: 'the same load without the drain',
  floor: 5,
  target: 3,
  moonshot: 2,
  lower: true,
})
const back = { against: 'none, a time', floor: 2_000, target: 200, moonshot: 50, lower: true, unit: 'ms' }
const OTHERS_RATE = 300

export const others = {
  rows: {
    e3: beside('100,000'),
    'e3-1m': { ...beside('1,000,000'), long: true },
    'e4-call': { title: 'agent back, and said so, to first delivery', ...back },
    'e4-probe': { title: 'agent back, found at the next probe, to first delivery', ...back },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say, quick }) {
    const load = await stage.part('load')
    const agent = await stage.part('agent')
    const gateway = await stage.gateway([calledAt('bench', `http://127.0.0.1:${agent.port}/`), collecting('other')])
    const parts = { load, agent, gateway }
    const pace = { ms, skipMs, rate: OTHERS_RATE }
    const report = {}
    for (const [id, backlog] of Object.entries({ e3: quick ? 20_000 : 100_000, 'e3-1m': 1_000_000 })) {
      if (!wanted.has(id)) continue
      const measured = await inTurn(
        {
          alone: () => acknowledged(load, gateway, 'other', pace),
          draining: () => whileDraining(parts, backlog, pace),
        },
        { rounds, say, warmUp: false },
      )
      const { alone, draining } = measured
      const rate = Math.round(median(draining.map(({ drained }) => drained)))
      const notes = `${OTHERS_RATE}/s offered, ${rate}/s drained beside`
      report[id] = rowOf(draining, alone, books([...alone, ...draining]), notes, ({ p99 }) => p99)
    }
    for (const id of ['e4-call', 'e4-probe']) {
      if (!wanted.has(id)) continue
      const times = await inTurn(
        { [id]: () => comeBack(parts, id === 'e4-call') },
        { rounds: quick ? 2 : rounds * 2, say, warmUp: false },
      )
      report[id] = plainRow(times[id], books(times[id]))
    }
    await gateway.close()
    return report
  },
}

/** The others' load from the first delivery of the backlog on; nothing of either is lost. */
async function whileDraining({ load, agent, gateway }, backlog, pace) {
  await agent.call('reset')
  await fillMessages(gateway.sql, backlog)
  await until(async () => (await agent.call('stats')).executed > 0, 20_000)
  const before = (await agent.call('stats')).executed
  const sent = await acknowledged(load, gateway, 'other', pace)
  const { executed } = await agent.call('stats')
  const drained = await settleDrain(gateway, agent)
  return {
    ...sent,
    drained: (executed - before) / (pace.ms / 1_000),
    lost: sent.lost + drained.lost,
    duplicated: sent.duplicated + drained.duplicated,
  }
}

const CLOSED = `select (extract(epoch from probe_at - clock_timestamp()) * 1000)::float8 as ms from lanes
  where destination = 'agent:bench' and closed_at is not null`

/** Milliseconds from its return, or from the next probe after it, until the agent has the message that waited. */
async function comeBack({ agent, gateway }, says) {
  await agent.call('reset')
  await agent.call('away')
  const id = newStream()
  await startStream(gateway, id)
  const closed = async () => (await gateway.sql.unsafe(CLOSED)).length > 0
  if (!(await until(closed, 20_000))) throw new Error('the lane of an agent that is gone did not close')
  const at = await agent.call('back')
  const [{ ms: probeInMs } = { ms: 0 }] = says ? [] : await gateway.sql.unsafe(CLOSED)
  if (says) await probe(gateway)
  let executedAt
  const arrived = async () => {
    ;[executedAt] = await agent.call('executions', { ids: [id] })
    return executedAt !== undefined
  }
  const lost = (await until(arrived, 60_000)) ? 0 : 1
  await pause(50)
  const { executed, distinct } = await agent.call('stats')
  return { value: (executedAt ?? at + 60_000) - at - Math.max(0, probeInMs), lost, duplicated: executed - distinct }
}

const probe = ({ port, key }) =>
  fetch(`http://127.0.0.1:${port}/v1/agents/bench/probe`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
  })
