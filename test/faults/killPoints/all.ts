/** All scenarios over two lanes, what has been done kept in a file so that a broken run goes on, and the report. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startPostgres } from '../../support/databases.ts'
import { type Action, type Lane, openLane, type Run } from './drive.ts'
import type { Scenario } from './scenario.ts'

export interface Wanted {
  readonly scenarios: readonly Scenario[]
  readonly seed: number
  readonly action: Action
  /** Only this hit. */
  readonly k?: number
  /** Goes on where a run of this seed was broken off. */
  readonly resume: boolean
  readonly lanes: number
  readonly tell: (line: string) => void
}

/** More hits than any scenario has: a run that never ends untouched is a mistake of ours. */
const HITS_MAX = 120

const stateFile = (action: Action, seed: number): string =>
  join(import.meta.dirname, `../out/${action}-points-${seed}.jsonl`)

export async function playAll(wanted: Wanted): Promise<Run[]> {
  const { scenarios, seed, action, resume, lanes } = wanted
  const file = stateFile(action, seed)
  mkdirSync(dirname(file), { recursive: true })
  if (!resume) rmSync(file, { force: true })
  const runs: Run[] = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Run)
    : []
  const server = await startPostgres()
  const waiting = [...scenarios]
  const keep = (run: Run) => {
    runs.push(run)
    appendFileSync(file, `${JSON.stringify(run)}\n`)
  }
  try {
    await Promise.all(
      Array.from({ length: lanes }, async (_, at) => {
        const lane = await openLane(server, `k${at}`)
        try {
          for (let next = waiting.shift(); next; next = waiting.shift())
            await playThrough(lane, next, wanted, runs, keep)
        } finally {
          await lane.close()
        }
      }),
    )
  } finally {
    await server.stop()
  }
  return runs
}

async function playThrough(
  lane: Lane,
  scenario: Scenario,
  { seed, action, k: only, tell }: Wanted,
  done: readonly Run[],
  keep: (run: Run) => void,
): Promise<void> {
  const mine = done.filter((run) => run.scenario === scenario.name)
  const began = performance.now()
  let k = only ?? mine.reduce((most, run) => Math.max(most, run.k), 0) + 1
  let ended = only === undefined && mine.some(({ point }) => point === undefined)
  let wrong = 0
  for (; !ended && k <= HITS_MAX; k++) {
    const run = await lane.play(scenario, k, seed, action)
    keep(run)
    wrong += run.violations.length
    for (const violation of run.violations)
      tell(`FAIL ${scenario.name}, k=${k}, ${run.point ?? 'untouched'}: ${violation}`)
    ended = run.point === undefined || only !== undefined
  }
  tell(`${scenario.name}: ${k - 1} runs, ${wrong} violations, ${Math.round((performance.now() - began) / 1_000)} s`)
}

export interface Summary {
  readonly kills: number
  readonly points: Readonly<Record<string, number>>
  readonly violations: number
  readonly lost: number
  readonly doubled: number
  readonly resumed: number
  readonly slowestMs: number
  readonly p95Ms: number
  readonly unfinished: readonly string[]
}

export function summarize(runs: readonly Run[], scenarios: readonly Scenario[]): Summary {
  const killed = runs.filter(({ point }) => point !== undefined)
  const points: Record<string, number> = {}
  for (const { point = '' } of killed) points[point] = (points[point] ?? 0) + 1
  const count = (pattern: RegExp) =>
    runs.flatMap(({ violations }) => violations).filter((text) => pattern.test(text)).length
  const recoveries = killed.map(({ recoveryMs }) => recoveryMs).sort((a, b) => a - b)
  return {
    kills: killed.length,
    points,
    violations: runs.reduce((sum, { violations }) => sum + violations.length, 0),
    lost: count(/lost|never ended|never executed|not within/),
    doubled: count(/made .* and |executed \d+ times|ran twice|tasks for/),
    resumed: count(/^stream of/),
    slowestMs: recoveries.at(-1) ?? 0,
    p95Ms: recoveries[Math.floor(recoveries.length * 0.95)] ?? 0,
    unfinished: scenarios
      .map(({ name }) => name)
      .filter((name) => !runs.some((run) => run.scenario === name && run.point === undefined)),
  }
}

export function page(summary: Summary, scenarios: number, seconds: number): string {
  const { kills, points, violations, lost, doubled, resumed, slowestMs, p95Ms, unfinished } = summary
  const byCount = Object.entries(points).sort(([, a], [, b]) => b - a)
  return [
    `${kills} hits in ${scenarios} scenarios at ${byCount.length} points, ${Math.round(seconds)} s`,
    `lost ${lost}, doubled ${doubled}, streams not resumed exactly ${resumed}, violations in all ${violations}`,
    `from the kill to everything done and checked: p95 ${(p95Ms / 1_000).toFixed(1)} s, slowest ${(slowestMs / 1_000).toFixed(1)} s`,
    ...(unfinished.length > 0 ? [`not played to the end: ${unfinished.join(', ')}`] : []),
    `by point: ${byCount.map(([point, count]) => `${point} ${count}`).join(', ')}`,
  ].join('\n')
}
