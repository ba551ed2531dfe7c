import { expect, test } from 'vitest'
import { page, playAll, summarize } from './all.ts'
import type { Action } from './drive.ts'
import { SCENARIOS } from './scenarios.ts'

const { KILL_SCENARIO, KILL_SEED = '1', KILL_K, KILL_RESUME, KILL_LANES = '2', KILL_ACTION = 'kill' } = process.env
const scenarios = SCENARIOS.filter(({ name }) => !KILL_SCENARIO || new RegExp(KILL_SCENARIO).test(name))

test(`kill at every commit point, seed ${KILL_SEED}`, async () => {
  const began = performance.now()
  const tell = (line: string) => process.stderr.write(`  ${line}\n`)
  const runs = await playAll({
    scenarios,
    seed: Number(KILL_SEED),
    action: KILL_ACTION as Action,
    ...(KILL_K && { k: Number(KILL_K) }),
    resume: KILL_RESUME === '1',
    lanes: Number(KILL_LANES),
    tell,
  })
  const summary = summarize(runs, KILL_K ? [] : scenarios)
  process.stderr.write(`\n${page(summary, scenarios.length, (performance.now() - began) / 1_000)}\n`)
  expect(scenarios.length).toBeGreaterThan(0)
  expect([summary.violations, summary.unfinished]).toEqual([0, []])
}, 7_200_000)
