/** `npm run faults -- --profile smoke|main --seed N [--runs K]`: runs with seeds N, N+1, …; ends with 1 if any run found a violation. */
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
const root = join(import.meta.dirname, '../..')
let failed = 0
for (let run = 0; run < Number(values.runs); run++) {
  const seed = Number(values.seed) + run
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/faults/vitest.config.ts'],
    {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, FAULTS_PROFILE: values.profile, FAULTS_SEED: String(seed) },
    },
  )
  if (status !== 0) failed++
}
process.stderr.write(`\n${values.runs} runs, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
