/**
 * C6: the reference "everything" server from npm as an A2A agent, used by the unmodified client of the official SDK, a question
 * back among it: the tests of `test/e2e/mcpEverything.test.ts`, told one by one.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { openReport } from './report.ts'

const ROOT = join(import.meta.dirname, '../..')
const TESTS = 'test/e2e/mcpEverything.test.ts'

interface Told {
  readonly testResults: readonly { readonly assertionResults: readonly { fullName: string; status: string }[] }[]
}

test('C6', () => {
  const report = openReport('C6', 'the reference "everything" server as an agent, by an unmodified A2A client')
  const folder = mkdtempSync(join(tmpdir(), 'waypost-c6-'))
  const path = join(folder, 'told.json')
  const args = ['run', TESTS, '--reporter=json', `--outputFile=${path}`]
  spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args], { cwd: ROOT, stdio: 'ignore' })
  const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as Told
  rmSync(folder, { recursive: true, force: true })
  const told = testResults.flatMap(({ assertionResults }) => assertionResults)
  for (const { fullName, status } of told) report.check(fullName.trim(), status === 'passed', status)
  report.check(
    'on both databases, a question back among them',
    told.filter(({ fullName }) => fullName.includes('a question back')).length === 2,
    told.length,
  )
  report.end()
}, 600_000)
