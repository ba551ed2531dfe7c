import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FAULTS } from './nemesis/nemesis.ts'
import { faultRun, PROFILES, pageOf } from './run.ts'

const named = PROFILES[process.env.FAULTS_PROFILE ?? 'smoke']
const only = process.env.FAULTS_ONLY
  ? Object.keys(FAULTS).filter((name) => new RegExp(process.env.FAULTS_ONLY as string).test(name))
  : undefined
const profile = named && only ? { ...named, only } : named
const seed = Number(process.env.FAULTS_SEED ?? 1)
const out = process.env.FAULTS_OUT

test(`faults, ${profile?.name}, seed ${seed}`, async () => {
  if (!profile) throw new Error(`profiles are ${Object.keys(PROFILES).join(', ')}`)
  const tell = (line: string) => process.stderr.write(`  ${line}\n`)
  const report = await faultRun(profile, seed, tell, out ? { out } : {})
  process.stderr.write(`\n${pageOf(report)}\n`)
  if (out) {
    writeFileSync(join(out, 'report.json'), JSON.stringify(report, undefined, 2))
    appendFileSync(join(out, '..', 'reports.jsonl'), `${JSON.stringify(report)}\n`)
  }
  expect(report.violations).toBe(0)
}, 7_200_000)
