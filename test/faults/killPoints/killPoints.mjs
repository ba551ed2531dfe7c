/**
 * `npm run kill-points -- [--scenario REGEXP] [--seed N] [--k K] [--resume] [--lanes N]
 * [--action kill|throw|dropReply]`: plays every scenario with the process killed at each of its failpoints in turn (or with that
 * step failing, or its reply not sent), and prints the report. `--k` plays one hit only; `--resume` goes on where a run
 * of the same seed was broken off. Ends with 1 if a checker found a violation.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    k: { type: 'string', default: '' },
    action: { type: 'string', default: 'kill' },
    lanes: { type: 'string', default: '2' },
    resume: { type: 'boolean', default: false },
  },
})
const root = join(import.meta.dirname, '../../..')
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--config', 'test/faults/killPoints/vitest.config.ts', 'test/faults/killPoints/killPoints.run.ts'],
  {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      KILL_SCENARIO: values.scenario,
      KILL_SEED: values.seed,
      KILL_K: values.k,
      KILL_LANES: values.lanes,
      KILL_ACTION: values.action,
      KILL_RESUME: values.resume ? '1' : '',
    },
  },
)
process.exit(status ?? 1)
