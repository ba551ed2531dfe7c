/** The fault runs in small: the same harness and checkers as `npm run faults`, short enough for every change. */
import { expect, test } from 'vitest'
import { faultRun, PROFILES, pageOf } from '../faults/run.ts'

Object.assign(process.env, { OUTAGE_MESSAGES: '200', OUTAGE_KILLS: '8', RESUME_CHUNKS: '400', RESUME_CUTS: '30' })
await import('../faults/outage.run.ts')
await import('../faults/resume.run.ts')

test('clients, two replicas, agents and a receiver under random faults: no checker finds anything', async () => {
  const report = await faultRun(PROFILES.test!, 4, () => {})
  expect(report.violations, pageOf(report)).toBe(0)
  expect(report.unanswered).toBe(0)
  expect(report.acknowledged).toBeGreaterThan(0)
}, 180_000)
