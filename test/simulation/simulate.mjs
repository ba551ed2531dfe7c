/**
 * `npm run simulate -- [--seeds N] [--from S] [--seconds T]`: so many worlds, one after the other, for so long at most; prints
 * seeds a second, and for each violation the seed that shows it again. Ends with 1 if there was one.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '36000' },
  },
})
const root = join(import.meta.dirname, '../..')
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', 'test/simulation/vitest.config.ts'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { ...process.env, SIM_SEEDS: values.seeds, SIM_FROM: values.from, SIM_SECONDS: values.seconds },
})
process.exit(status ?? 1)
