/** a7, a8, b2, b3: what durability costs one request when there is room, against what costs nothing and one flush. */
import { median } from '../numbers.mjs'
import { flushMs } from '../postgres.mjs'
import { carried, carryStage, proxied } from './carry.mjs'
import { books, inTurn, rowOf } from './measure.mjs'
import { acknowledged, collecting, emptyQueues, sendRound, targetOf } from './sending.mjs'

const p99 = (round) => round.p99
const flush = (stage) => async () => ({ value: await flushMs(stage.server.home) })

/** A closed loop's rate, after one to warm up. */
async function saturation(send) {
  await send()
  return (await send()).rate
}

export const acceptLatency = {
  rows: {
    a7: {
      title: 'added p50 at half of saturation, in flushes',
      against: 'one flush of 8 kB; added to the null store at the same load',
      floor: 6,
      target: 3,
      moonshot: 2,
      lower: true,
      unit: '×',
    },
    a8: {
      title: 'p99 at 25 % of saturation',
      against: 'the null store at the same load',
      floor: 8,
      target: 4,
      moonshot: 2,
      lower: true,
    },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const gateway = await stage.gateway([collecting('bench')])
    const stored = (pace) => async () => {
      await emptyQueues(gateway)
      return acknowledged(load, gateway, 'bench', { ms, skipMs, ...pace })
    }
    const full = await saturation(stored({}))
    say(`  saturation: ${Math.round(full)}/s`)
    const unstored = (pace) => async () => {
      await gateway.call('storeNothing', { on: true })
      const sent = await sendRound(load, targetOf(gateway, 'bench'), { ms, skipMs, ...pace })
      await gateway.call('storeNothing', { on: false })
      return sent
    }
    const at = (name, share) => ({
      [`null store ${name}`]: unstored({ rate: full * share }),
      [`gateway ${name}`]: stored({ rate: full * share }),
    })
    const measured = await inTurn(
      {
        ...(wanted.has('a7') && { ...at('at half', 0.5), flush: flush(stage) }),
        ...(wanted.has('a8') && at('at a quarter', 0.25)),
      },
      { rounds, say },
    )
    await gateway.close()
    const [half, quarter] = [measured['gateway at half'], measured['gateway at a quarter']]
    return {
      ...(half && { a7: addedRow(half, measured['null store at half'], measured.flush, full) }),
      ...(quarter && { a8: rowOf(quarter, measured['null store at a quarter'], books(quarter), '', p99) }),
    }
  },
}

/** The budget: so many flushes and a constant; the constant in flushes of this machine. */
function addedRow(gateway, bare, flushes, full) {
  const one = median(flushes.map(({ value }) => value))
  const added = gateway.map(({ p50 }, round) => ({ value: p50 - bare[round].p50 }))
  const row = rowOf(added, flushes, books(gateway), '', ({ value }) => value)
  const notes = `${row.ours.toFixed(2)} ms added at ${Math.round(full / 2)}/s, a flush is ${one.toFixed(2)} ms`
  return { ...row, floor: 6 + 1 / one, target: 3 + 0.5 / one, moonshot: 2 + 0.3 / one, notes }
}

export const carryLatency = {
  rows: {
    b2: {
      title: 'end to end, one at a time, p50',
      against: 'the proxy and two flushes',
      floor: 4,
      target: 2.5,
      moonshot: 1.5,
      lower: true,
    },
    b3: {
      title: 'end to end, p99 at 25 % of saturation',
      against: 'the proxy at the same load',
      floor: 5,
      target: 3,
      moonshot: 2,
      lower: true,
    },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const parts = await carryStage(stage)
    const pace = { ms, skipMs }
    const alone = { ...pace, connections: 1 }
    const quarter = wanted.has('b3') && { ...pace, rate: 0.25 * (await saturation(() => carried(parts, pace))) }
    if (quarter) say(`  a quarter of saturation: ${Math.round(quarter.rate)}/s`)
    const measured = await inTurn(
      {
        ...(wanted.has('b2') && {
          'proxy alone': () => proxied(parts, alone),
          flush: flush(stage),
          'gateway alone': () => carried(parts, alone),
        }),
        ...(quarter && { proxy: () => proxied(parts, quarter), gateway: () => carried(parts, quarter) }),
      },
      { rounds, say },
    )
    await parts.gateway.close()
    const single = measured['gateway alone']
    const least = single?.map((_, at) => ({ p50: measured['proxy alone'][at].p50 + 2 * measured.flush[at].value }))
    return {
      ...(single && { b2: rowOf(single, least, books(single), flushNote(measured.flush), ({ p50 }) => p50) }),
      ...(quarter && { b3: rowOf(measured.gateway, measured.proxy, books(measured.gateway), '', p99) }),
    }
  },
}

const flushNote = (flushes) => `a flush is ${median(flushes.map(({ value }) => value)).toFixed(2)} ms`
