/**
 * `npm run conformance`: every suite that speaks A2A, as one table: suite × version × binding → passed, failed, skipped,
 * and why. Our own suites run always; the official kit runs if KIT says where it stands (both of its lines, if there are
 * two folders, with commas). README.md shows the table; what has not run now stays there as it was.
 *
 *   KIT=../tck-1.0,../tck-0.3 PYTHON=… npm run conformance [-- spec peers grid across versions cli kit]
 *
 * Ends with 1 when something has failed or was skipped that nobody has named, with the reason, beforehand.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expectedOf } from './report.mjs'
import { fromKit, fromVitest, merged, reasons, SUITES, table, unexpected, withTable } from './rows.mjs'

const root = join(import.meta.dirname, '../..')
const from = (...parts) => join(root, ...parts)
const RESULTS = from('test/conformance/results.json')
const vitest = from('node_modules/vitest/vitest.mjs')

const readJson = (path, otherwise) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : otherwise)

/** Runs one of our suites; its own output is shown only if it has not gone well. */
function runOwn(name, folder) {
  const cases = join(folder, `${name}.json`)
  const { files } = SUITES[name]
  console.error(`running: ${SUITES[name].title}`)
  const args = [vitest, 'run', ...files, '--reporter=./test/conformance/reporter.mjs']
  const ran = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CONFORMANCE_CASES: cases },
  })
  const found = readJson(cases, [])
  if (found.length === 0) throw new Error(`${name} has no cases:\n${ran.stdout}${ran.stderr}`)
  if (ran.status !== 0) console.error(ran.stdout.slice(-4_000))
  return fromVitest(name, found)
}

/** Runs one line of the kit; the driver holds it against expected.json and tells what is wrong itself. */
function runKit(kit, folder) {
  const rows = join(folder, 'kit.json')
  console.error(`running: the official kit at ${kit}`)
  const ran = spawnSync(process.execPath, [from('test/conformance/kit.mjs')], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, KIT: kit, CONFORMANCE_CASES: rows },
  })
  const expected = readJson(from('test/conformance/expected.json'), {})
  const profiles = Object.entries(readJson(rows, {}))
  return {
    rows: profiles.flatMap(([name, cases]) => fromKit(name, cases, expectedOf(expected, name))),
    ok: ran.status === 0,
  }
}

function main(asked) {
  const unknown = asked.find((name) => name !== 'kit' && !Object.hasOwn(SUITES, name))
  if (unknown) {
    console.error(`Error: no suite ${unknown}\nHint: ${[...Object.keys(SUITES), 'kit'].join(', ')}`)
    return 2
  }
  const wanted = (name) => asked.length === 0 || asked.includes(name)
  const folder = mkdtempSync(join(tmpdir(), 'waypost-conformance-'))
  const kits = wanted('kit') ? (process.env.KIT?.split(',') ?? []) : []
  let ok = true
  const rows = []
  try {
    for (const kit of kits) {
      const ran = runKit(kit, folder)
      rows.push(...ran.rows)
      ok &&= ran.ok
    }
    for (const name of Object.keys(SUITES)) if (wanted(name)) rows.push(...runOwn(name, folder))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const wrong = unexpected(rows)
  const all = merged(readJson(RESULTS, []), rows)
  console.log(`${table(all)}\n\n${reasons(all)}`)
  if (kits.length === 0 && wanted('kit'))
    console.log(
      '\nThe official kit has not run now: KIT=<its checkout> PYTHON=<python with its packages>; see test/conformance/README.md',
    )
  if (wrong.length > 0 || !ok) {
    console.log(`\nnot as expected:\n  ${wrong.join('\n  ') || 'see the kit above'}`)
    return 1
  }
  writeFileSync(RESULTS, `${JSON.stringify(all, null, 2)}\n`)
  const readme = from('README.md')
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), all))
  return 0
}

process.exit(main(process.argv.slice(2)))
