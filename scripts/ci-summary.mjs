/**
 * Reads vitest's JSON report and prints `N passed, N failed` alone on the last line; exits 1 when anything failed.
 *
 *   node scripts/ci-summary.mjs <report.json> [exit code of the test run]
 */
import { existsSync, readFileSync } from 'node:fs'

const [reportPath, testExit = '0'] = process.argv.slice(2)

/** Counts tests; a file that could not even be loaded has no tests and counts as one failure. */
function summarize(report) {
  const files = report.testResults ?? []
  const unloadable = files.filter(({ status, assertionResults = [] }) => {
    return status === 'failed' && !assertionResults.some((test) => test.status === 'failed')
  })
  return {
    passed: report.numPassedTests ?? 0,
    failed: (report.numFailedTests ?? 0) + unloadable.length,
    skipped: (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0),
    failures: files.flatMap(({ name, message, assertionResults = [] }) => {
      const failed = assertionResults.filter((test) => test.status === 'failed').map((test) => test.fullName)
      return unloadable.some((file) => file.name === name) ? [`${name}: ${firstLine(message)}`] : failed
    }),
  }
}

const firstLine = (text = '') => text.split('\n', 1)[0]

function main() {
  if (!reportPath || !existsSync(reportPath)) {
    console.error(`no test report at ${reportPath ?? '(no path given)'}: the run died before it could write one`)
    console.log('0 passed, 1 failed')
    return 1
  }
  const { passed, failed, skipped, failures } = summarize(JSON.parse(readFileSync(reportPath, 'utf8')))
  for (const failure of failures) console.error(`failed: ${failure}`)
  if (skipped > 0) console.log(`${skipped} skipped`)
  // A run without failed tests may still end badly, for example by an unhandled rejection between two tests.
  const lost = failed === 0 && testExit !== '0' ? 1 : 0
  if (lost) console.error(`the test run ended with exit code ${testExit} although no test failed`)
  console.log(`${passed} passed, ${failed + lost} failed`)
  return failed + lost > 0 || passed === 0 ? 1 : 0
}

process.exitCode = main()
