/**
 * `npm run mailbox -- --run C2|C3|C4|…|all [--seed N] [--minutes M] [--polls N] [--rate N] [--json]`: the named runs of the mailbox, each with its
 * report; a line of each is added to RESULTS.md. Ends with 1 if a check did not hold.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const RUNS = ['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7', 'C8', 'clients']
const root = join(import.meta.dirname, '../..')
const results = join(import.meta.dirname, 'RESULTS.md')

const { values } = parseArgs({
  options: {
    run: { type: 'string', default: 'all' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    // C4: how many wait, and how many messages a second.
    polls: { type: 'string' },
    rate: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const asked = values.run === 'all' ? RUNS : values.run.split(',')
const unknown = asked.find((run) => !RUNS.includes(run))
if (unknown !== undefined) {
  process.stderr.write(`Error: there is no run ${unknown}\nHint: ${RUNS.join(', ')} or all\n`)
  process.exit(2)
}

/** undefined: it did not come to a report. */
function runOne(run) {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-mailbox-'))
  const path = join(folder, 'report.json')
  const args = ['run', '--config', 'test/mailbox/vitest.config.ts', `test/mailbox/${run.toLowerCase()}.run.ts`]
  spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      MAILBOX_SEED: values.seed,
      ...(values.minutes !== undefined && { MAILBOX_MINUTES: values.minutes }),
      ...(values.polls !== undefined && { MAILBOX_POLLS: values.polls }),
      ...(values.rate !== undefined && { MAILBOX_RATE: values.rate }),
      MAILBOX_REPORT: path,
    },
  })
  const report = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
  rmSync(folder, { recursive: true, force: true })
  return report
}

const machineOf = ({ cores, node, loadBefore, loadAfter }) =>
  `${cores} cores, load ${loadBefore} → ${loadAfter}, Node ${node}`

const pageOf = ({ run, title, seed, seconds, machine, facts, checks }) =>
  [
    `${run}  ${title}`,
    `seed ${seed}, ${seconds} s, ${machineOf(machine)}`,
    ...Object.entries(facts).map(([name, value]) => `     ${name}: ${value}`),
    ...checks.map(({ what, ok, found }) => `${ok ? 'ok  ' : 'FAIL'} ${what} (${found})`),
  ].join('\n')

const cell = (text) => String(text).replaceAll('|', '/').replaceAll('\n', ' ')

function rowOf({ run, title, seed, seconds, machine, facts, checks }) {
  const wrong = checks.filter(({ ok }) => !ok)
  const told = Object.entries(facts).map(([name, value]) => `${name}: ${value}`)
  const held =
    wrong.length === 0
      ? `all ${checks.length} hold`
      : `**${wrong.map(({ what, found }) => `${what} (${found})`).join('; ')}**`
  const date = new Date().toISOString().slice(0, 10)
  return `| ${[date, `${run}, seed ${seed}: ${title}`, told.join('; '), held, `${seconds} s, ${machineOf(machine)}`].map(cell).join(' | ')} |\n`
}

const reports = []
let failed = 0
for (const run of asked) {
  const report = runOne(run)
  if (!report || report.checks.some(({ ok }) => !ok)) failed++
  if (!report) {
    process.stderr.write(`${run}: it has not come to its end\n`)
    continue
  }
  reports.push(report)
  if (!values.json) process.stdout.write(`\n${pageOf(report)}\n`)
  writeFileSync(results, `${readFileSync(results, 'utf8').trimEnd()}\n${rowOf(report)}`)
}
if (values.json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`)
process.exit(failed === 0 ? 0 : 1)
