/** How the service was as a whole: C18, C22. Here time has a say, and only here. */

import { replicaOf } from '../nemesis/fault.ts'
import type { Struck } from '../nemesis/nemesis.ts'
import type { Probe } from '../probes.ts'
import { type Case, type Checker, found } from './checker.ts'

const RSS_MAX = 512 * 1024 * 1024
const LAG_MAX_MS = 250
/** After a pause a replica says how long it slept; that is no lag of its own. */
const AFTER_PAUSE_MS = 8_000

const percentile = (values: readonly number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0
}

const within = (faults: readonly Struck[], name: string, at: number, after: number): boolean =>
  faults.some(({ affects, began, healed }) => affects.includes(name) && at >= began && at <= healed + after)

/** C18: no end that was not planned, no loop that stands still, no memory without end. The machine's own lag is taken off. */
export const alive: Checker = ({ watch, collapses, faults }) => {
  const violations = [...collapses]
  const calm = (watch?.feelings ?? []).filter(
    ({ replica, at }) => !within(faults, replicaOf(replica), at, AFTER_PAUSE_MS),
  )
  const lag = percentile(
    calm.map(({ lagP99Ms }) => lagP99Ms),
    0.5,
  )
  const allowed = Math.max(LAG_MAX_MS, 2 * (watch?.ownLagP99Ms() ?? 0))
  if (lag > allowed)
    violations.push(
      `loops lag ${Math.round(lag)} ms (p99, median of ${calm.length} looks), allowed are ${Math.round(allowed)}`,
    )
  const rss = Math.max(0, ...(watch?.feelings ?? []).map(({ rssBytes }) => rssBytes))
  if (rss > RSS_MAX) violations.push(`a replica had ${Math.round(rss / 1_048_576)} MiB`)
  return found('C18 alive, awake, bounded', watch?.feelings.length ?? 0, violations)
}

export interface Recovery {
  readonly what: string
  readonly after: string
  readonly ms: number
}

/** Moments at which the last of overlapping faults on the same had healed. */
function heals(faults: readonly Struck[], name: string): { at: number; after: string; next: number }[] {
  const mine = faults.filter(({ affects }) => affects.includes(name)).sort((a, b) => a.began - b.began)
  const spans: { healed: number; began: number; after: string }[] = []
  for (const { began, healed, name: after } of mine) {
    const last = spans.at(-1)
    if (last && began <= last.healed) {
      if (healed > last.healed) Object.assign(last, { healed, after })
    } else spans.push({ began, healed, after })
  }
  return spans.map(({ healed, after }, at) => ({
    at: healed,
    after,
    next: spans[at + 1]?.began ?? Number.POSITIVE_INFINITY,
  }))
}

/**
 * From each heal to the first message that was taken and carried. A fault that comes before that goes on with the same
 * trouble: then the time is not told, but for the last of them.
 */
export function recoveries({ watch, faults, agents, webhooks, evidence }: Case): Recovery[] {
  const told: Recovery[] = []
  const began = performance.now() - evidence.history.now()
  const first = (times: readonly number[], at: number) => times.find((time) => time >= at)
  const learn = (name: string, times: readonly number[]) => {
    for (const { at, after, next } of heals(faults, name)) {
      const good = first(times, at)
      if (good !== undefined && good < next) told.push({ what: name, after, ms: good - at })
    }
  }
  for (const index of new Set(watch?.probes.map(({ replica }) => replica)))
    learn(
      replicaOf(index),
      (watch?.probes ?? []).filter(({ replica, good }: Probe) => good && replica === index).map(({ at }) => at),
    )
  // Whoever has come back is counted as found when the next message or webhook has arrived.
  for (const { name, agent } of agents)
    learn(
      `agent ${name}`,
      agent.runs.map(({ at }) => at - began),
    )
  learn(
    'receiver',
    webhooks.filter(({ status }) => status === 200).map(({ at }) => at - began),
  )
  return told
}

/** C22: it recovers by itself, in time, and no lease outlives its holder for long; who lives is not taken for dead. */
export const recovers =
  (p95MaxMs: number): Checker =>
  (data) => {
    const { watch, books, leaseMs, faults } = data
    const violations: string[] = []
    const all = recoveries(data)
    const p95 = percentile(
      all.map(({ ms }) => ms),
      0.95,
    )
    if (p95 > p95MaxMs) violations.push(`recovery takes ${Math.round(p95)} ms (p95 of ${all.length})`)
    if (books.open > 0) violations.push(`${books.open} deliveries are still waiting or leased`)
    for (const { at, stuckSeconds } of watch?.looks ?? [])
      if (
        stuckSeconds * 1_000 > leaseMs + LOOK_SLACK_MS &&
        !faults.some(({ began, healed }) => at >= began && at <= healed + LOOK_SLACK_MS)
      )
        violations.push(
          `at ${Math.round(at / 1_000)} s a lease had outlived its holder by ${Math.round(stuckSeconds)} s`,
        )
    return found('C22 recovers by itself', all.length, violations)
  }
const LOOK_SLACK_MS = 10_000

/** C5: nobody is taken for dead who lives: else two would hold the same. Who was cut off or asleep for a while may be. */
export const livingIsNotDead: Checker = ({ watch, faults, leaseMs }) => {
  const violations: string[] = []
  const feelings = watch?.feelings ?? []
  const indexOf = new Map(feelings.flatMap(({ pid, replica }) => (pid === undefined ? [] : [[pid, replica] as const])))
  for (const { at, dead } of watch?.looks ?? [])
    for (const pid of dead) {
      const replica = indexOf.get(pid)
      // It felt something just before and just after: it was there all the time.
      const lived =
        feelings.some((one) => one.pid === pid && one.at < at && one.at > at - 5_000) &&
        feelings.some((one) => one.pid === pid && one.at >= at && one.at < at + 5_000)
      const harmed = (one: Struck) =>
        !one.name.startsWith('F10') && at >= one.began && at <= one.healed + leaseMs + LOOK_SLACK_MS
      if (
        replica === undefined ||
        !lived ||
        faults.some((one) => one.affects.includes(replicaOf(replica)) && harmed(one))
      )
        continue
      violations.push(`at ${Math.round(at / 1_000)} s replica ${replica} lived and was taken for dead`)
    }
  return found('C5 who lives is not taken for dead', watch?.looks.length ?? 0, violations)
}

export { percentile }
