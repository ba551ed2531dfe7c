/** What all rows share: rounds of limit and candidate in turn, medians, and the books that say what was lost. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Runs every variant once to warm up, then `rounds` times in turn. Gives the results of each by name. The ratio is taken
 * within each round and the median of those, so that an hour's noise hits both sides of it.
 */
export async function inTurn(variants, { rounds, say }) {
  const results = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(variants)) {
      const result = await measure(round === 0)
      if (round === 0) continue
      results[name].push(result)
      say(`  ${name} ${round}/${rounds}: ${Math.round(result.rate)}/s`)
    }
  }
  return results
}

export const ratios = (ours, limit) => ours.map(({ rate }, round) => rate / limit[round].rate)

/** The numbers of one row of the table. */
export function rowOf(ours, limit, books, notes = '') {
  const spread = ratios(ours, limit)
  return {
    limit: median(limit.map(({ rate }) => rate)),
    ours: median(ours.map(({ rate }) => rate)),
    ratio: median(spread),
    spread: [Math.min(...spread), Math.max(...spread)],
    ...books,
    notes,
  }
}

/** CPU of a part during `run`, in microseconds for each thing done. */
export async function withCpu(part, run, count) {
  const before = await part.cpu()
  const result = await run()
  return { ...result, cpuMicros: ((await part.cpu()) - before) / Math.max(1, count(result)) }
}

/** With `--statements`: what Postgres' time went to. With `--profile`: what the part's time went to, as a list of self times and as a file for the developer tools. */
export async function profiled(stage, part, name, run) {
  if (stage.statements) {
    await stage.server.statements()
    const result = await run()
    for (const { ms, calls, rows, query } of await stage.server.statements())
      console.error(`${Math.round(ms)} ms, ${calls} times, ${rows} rows: ${query.replace(/\s+/g, ' ').slice(0, 150)}`)
    return result
  }
  if (!stage.profile) return run()
  await part.call('profileStart')
  const result = await run()
  const profile = await part.call('profileStop')
  const folder = join(import.meta.dirname, '../out')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.cpuprofile`), JSON.stringify(profile))
  console.error(`self time, ${name}:\n${selfTimes(profile)}`)
  return result
}

function selfTimes({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const times = new Map()
  let all = 0
  samples.forEach((id, at) => {
    const { functionName, url, lineNumber } = byId.get(id)
    if (functionName === '(idle)') return
    const file = url.split('/').slice(-3).join('/')
    const key = `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
    times.set(key, (times.get(key) ?? 0) + timeDeltas[at])
    all += timeDeltas[at]
  })
  const top = [...times].sort((a, b) => b[1] - a[1]).slice(0, 45)
  return top.map(([key, time]) => `${((time / all) * 100).toFixed(1).padStart(6)} %  ${key}`).join('\n')
}

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
