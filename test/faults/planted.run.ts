import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startPostgres } from '../support/databases.ts'
import { type Bug, HURRY, LEASE_MS, SHORTEST } from './planted/bug.ts'
import { BUGS } from './planted/bugs.ts'
import { build } from './planted/build.ts'
import { faultRun, pageOf, type Report } from './run.ts'

const only = Number(process.env.FAULTS_PLANTED ?? Number.NaN)
const seed = Number(process.env.FAULTS_SEED ?? 1)
const wanted = Number.isNaN(only) ? BUGS : BUGS.filter(({ number }) => number === only)
const LONGEST_MS = 240_000
/** A bug that needs a moment to fall together gets another seed. */
const TRIES = 2

let postgres: Awaited<ReturnType<typeof startPostgres>>
beforeAll(async () => {
  postgres = await startPostgres({ durable: true })
}, 60_000)
afterAll(() => postgres?.stop(), 60_000)

const found = ({ findings }: Report, { foundBy }: Pick<Bug, 'foundBy'>) =>
  findings.filter(
    ({ checker, violations }) => violations.length > 0 && foundBy.some((start) => checker.startsWith(start)),
  )

async function runWith(name: string, bug: Pick<Bug, 'edits' | 'sql' | 'profile'>, at: number): Promise<Report> {
  const built = build(name, [...HURRY, ...bug.edits])
  try {
    const tell = process.env.FAULTS_LOUD ? (line: string) => process.stderr.write(`  ${line}\n`) : () => {}
    const more = bug.sql ? { sql: bug.sql } : {}
    return await faultRun({ ...SHORTEST, ...bug.profile, name }, at, tell, {
      main: built.main,
      postgres,
      leaseMs: LEASE_MS,
      ...more,
    })
  } finally {
    built.remove()
  }
}

describe('planted bugs', () => {
  for (const bug of wanted)
    test(
      `${bug.number}: ${bug.name}`,
      async () => {
        let report: Report | undefined
        for (let tries = 0; tries < TRIES && (!report || found(report, bug).length === 0); tries++)
          report = await runWith(`bug-${bug.number}`, bug, seed + bug.number * 100 + tries)
        const by = report ? found(report, bug) : []
        const others = report?.findings.filter((one) => one.violations.length > 0 && !by.includes(one)) ?? []
        process.stderr.write(
          `${by.length > 0 ? 'found ' : 'MISSED'} ${bug.number}: ${bug.name}${by.map(({ checker, violations }) => `; ${checker} ×${violations.length}: ${violations[0]}`).join('')}${others.map(({ checker, violations }) => `; also ${checker} ×${violations.length}`).join('')}\n`,
        )
        expect(by.length, report && pageOf(report)).toBeGreaterThan(0)
      },
      LONGEST_MS,
    )

  // 0: this one alone.
  if (Number.isNaN(only) || only === 0)
    test(
      'none: the same build without a bug is clean',
      async () => {
        const profile = {
          only: [
            'F01 kill -9 a replica',
            'F21 every connection to the database is cut',
            'F31 the listening connections are cut',
          ],
          everyMs: 3_000,
          faultsAtOnce: 1,
        }
        const report = await runWith('none', { edits: [], profile }, seed)
        process.stderr.write(
          `${report.violations === 0 ? `clean  none planted, ${report.messages} messages` : pageOf(report)}\n`,
        )
        expect(report.violations, pageOf(report)).toBe(0)
      },
      LONGEST_MS,
    )
})
