import { expect, test } from 'vitest'
import { faultRun, PROFILES, pageOf } from './run.ts'

const profile = PROFILES[process.env.FAULTS_PROFILE ?? 'smoke']
const seed = Number(process.env.FAULTS_SEED ?? 1)

test(`faults, ${profile?.name}, seed ${seed}`, async () => {
  if (!profile) throw new Error(`profiles are ${Object.keys(PROFILES).join(', ')}`)
  const report = await faultRun(profile, seed, (line) => process.stderr.write(`  ${line}\n`))
  process.stderr.write(`\n${pageOf(report)}\n`)
  expect(report.violations).toBe(0)
}, 3_600_000)
