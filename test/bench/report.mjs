/** The numbers for people, and their history. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

const number = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2))

/** How a row stands: not measured, something wrong, below its floor, between, at the target, at the moonshot. */
export function standing({ absent, ratio, floor, target, moonshot, lower = false, lost, duplicated, disordered = 0 }) {
  if (lost > 0 || duplicated > 0 || disordered > 0) return 'WRONG'
  if (absent) return 'absent'
  const reaches = (bound) => (lower ? ratio <= bound : ratio >= bound)
  return reaches(moonshot) ? 'moonshot' : reaches(target) ? 'target' : reaches(floor) ? 'floor' : 'BELOW'
}

const COLUMNS = [
  'row',
  'what',
  'limit',
  'ours',
  'ratio',
  'min–max',
  'p50 ms',
  'p95',
  'p99',
  'max',
  'floor',
  'target',
  'moonshot',
  'reached',
  'lost',
  'dup',
]

const BLANK = '–'
const bound = (value, lower) => `${lower ? '≤ ' : ''}${Number.isInteger(value) ? value : Number(value.toFixed(2))}`

function cells(row) {
  const { id, title, limit, ours, ratio, spread, unit, lower, times, floor, target, moonshot } = row
  const { lost, duplicated, disordered } = row
  const measured = row.absent
    ? [BLANK, BLANK, BLANK, BLANK]
    : [
        limit === undefined ? BLANK : number(limit),
        number(ours),
        `${number(ratio)}${unit ? ` ${unit}` : ''}`,
        `${number(spread[0])}–${number(spread[1])}`,
      ]
  return [
    id,
    title,
    ...measured,
    ...['p50', 'p95', 'p99', 'max'].map((name) => (times ? number(times[name]) : BLANK)),
    ...[floor, target, moonshot].map((value) => bound(value, lower)),
    standing(row),
    disordered > 0 ? `${lost} (${disordered} out of order)` : lost,
    duplicated,
  ].map(String)
}

/** For people: the rows, what each limit is, and what else is worth knowing. */
export function table(rows) {
  const lines = [COLUMNS, ...rows.map(cells)]
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const text = lines.map((line) =>
    line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '),
  )
  const notes = rows.map(
    ({ id, against, notes, absent }) =>
      `${id}: ${absent ? `not measured: ${absent}` : `limit = ${against}${notes ? `; ours: ${notes}` : ''}`}`,
  )
  return [...text, '', ...notes].join('\n')
}

const git = (...args) => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()

export function circumstances(dist) {
  const commit = git('rev-parse', '--short', 'HEAD')
  const changed = git('status', '--porcelain', '--', '../../src') !== ''
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit:
      dist !== join(import.meta.dirname, '../../dist') ? 'another build' : changed ? `${commit} with changes` : commit,
    node: process.versions.node,
    cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
  }
}

const HEAD = `# Bench results

Newest last. Absolute figures are one machine's on one day; what counts is the ratio to a limit that was measured in the
same minutes. Made by \`npm run bench -- --record\`.
`

/** A section of RESULTS.md. */
export function appendToResults({ date, commit, node, cpu }, lines) {
  const path = join(import.meta.dirname, 'RESULTS.md')
  const before = existsSync(path) ? readFileSync(path, 'utf8') : HEAD
  writeFileSync(
    path,
    `${before}${['', `## ${date} UTC · ${commit} · Node ${node} · ${cpu}`, '', ...lines, ''].join('\n')}`,
  )
}

export function record(rows, facts, { remark, profile = [] }) {
  const line = (values) => `| ${values.join(' | ')} |`
  const told = rows.filter(({ notes, absent }) => notes || absent)
  appendToResults(facts, [
    ...(remark ? [remark, ''] : []),
    line(COLUMNS),
    line(COLUMNS.map((_, column) => (column < 2 ? '---' : '---:'))),
    ...rows.map((row) => line(cells(row))),
    '',
    ...told.map(({ id, notes, absent }) => `- ${id}: ${absent ?? notes}`),
    ...(profile.length > 0 ? ['', ...profile.map((text) => `- profile, ${text}`)] : []),
  ])
}
