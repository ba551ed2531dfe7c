/**
 * `npm run faults -- --profile smoke|main --seed N [--runs K]`: random faults under load, with seeds N, N+1, …
 * `npm run faults -- --profile outage`: an agent that was never started, and a gateway that is killed fifty times.
 * `npm run faults -- --profile resume`: one long stream, cut a hundred times over two replicas.
 * Ends with 1 if a checker found a violation; the line with the seed runs it again.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    profile: { type: 'string', default: 'smoke' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
  },
})
const FILES = { outage: 'outage', resume: 'resume' }
const file = `test/faults/${FILES[values.profile] ?? 'faults'}.run.ts`
const root = join(import.meta.dirname, '../..')
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
let failed = 0
for (let run = 0; run < Number(values.runs); run++) {
  const seed = Number(values.seed) + run
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', 'test/faults/vitest.config.ts', file], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, FAULTS_PROFILE: values.profile, FAULTS_SEED: String(seed) },
  })
  if (status !== 0) failed++
}
process.stderr.write(`\n${values.runs} runs, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
