/** What all rows share: rounds of limit and candidate in turn, medians, and the books that say what was lost. */
import { median } from '../numbers.mjs'

/**
 * Runs every variant once to warm up (if `warmUp`), then `rounds` times in turn. Gives the results of each by name. The
 * ratio is taken within each round and the median of those, so that an hour's noise hits both sides of it.
 */
export async function inTurn(variants, { rounds, say, warmUp = true }) {
  const results = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(variants)) {
      const result = await measure(round === 0)
      if (round === 0) continue
      results[name].push(result)
      say(`  ${name} ${round}/${rounds}: ${shown(result)}`)
    }
  }
  return results
}

function shown({ rate, p50, p99, value }) {
  const times = p99 === undefined ? '' : `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
  if (value !== undefined) return [value.toPrecision(4), times].filter(Boolean).join('; ')
  return [rate !== undefined && `${Math.round(rate)}/s`, times].filter(Boolean).join('; ')
}

const byRate = ({ rate }) => rate

/** Medians of what has latencies. */
export function timesOf(rounds) {
  if (rounds[0]?.p99 === undefined) return {}
  const of = (name) => median(rounds.map((round) => round[name]))
  return { times: { p50: of('p50'), p95: of('p95'), p99: of('p99'), max: Math.max(...rounds.map(({ max }) => max)) } }
}

/** The numbers of one row of the table: `of` what, in ours and in the limit; its rate if nothing else is said. */
export function rowOf(ours, limit, books, notes = '', of = byRate) {
  const spread = ours.map((round, at) => of(round) / of(limit[at]))
  return {
    limit: median(limit.map(of)),
    ours: median(ours.map(of)),
    ratio: median(spread),
    spread: [Math.min(...spread), Math.max(...spread)],
    ...timesOf(ours),
    ...books,
    notes,
  }
}

/** A row that is held against a fixed bound, in its own unit. */
export function plainRow(rounds, books, notes = '') {
  const values = rounds.map(({ value }) => value)
  return {
    ours: median(values),
    ratio: median(values),
    spread: [Math.min(...values), Math.max(...values)],
    ...timesOf(rounds),
    ...books,
    notes,
  }
}

/** A row that was not measured, and why. */
export const absent = (why) => ({ absent: why, lost: 0, duplicated: 0 })

export const NOTHING_LOST = { lost: 0, duplicated: 0 }

/** What was lost, came twice, or came out of order, in all rounds. */
export function books(rounds) {
  const sum = (name) => rounds.reduce((total, round) => total + (round[name] ?? 0), 0)
  return { lost: sum('lost'), duplicated: sum('duplicated'), disordered: sum('disordered') }
}

/** CPU of a part during `run`, in microseconds for each thing done. */
export async function withCpu(part, run, count) {
  const before = await part.cpu()
  const result = await run()
  return { ...result, cpuMicros: ((await part.cpu()) - before) / Math.max(1, count(result)) }
}

export const cpuNote = (rounds, each = 'each', digits = 0) =>
  `${median(rounds.map(({ cpuMicros }) => cpuMicros)).toFixed(digits)} µs of the gateway's CPU ${each}`

/**
 * The rate at which a backlog was carried: from the first tenth (or `skipMs`) to the end of it, or of the window. `marks`
 * are what the receiver had counted by when.
 */
export function drainRate(marks, { backlog, skipMs, windowMs }) {
  const first = marks[0]
  const from = marks.find(({ at, count }) => count >= backlog / 10 || at - first.at >= skipMs) ?? first
  const to = marks.findLast(({ at, count }) => count <= backlog * 0.98 && at - first.at <= windowMs) ?? marks.at(-1)
  return (to.count - from.count) / ((to.at - from.at) / 1_000)
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Looks each 25 ms until it holds; after `ms` it gives up and says so. */
export async function until(holds, ms) {
  const end = performance.now() + ms
  while (performance.now() < end) {
    if (await holds()) return true
    await pause(25)
  }
  return false
}
