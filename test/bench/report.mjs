/** The numbers for people, and their history. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

const number = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2))

/** How a row stands: below its floor, between, at the target, at the moonshot. */
export function standing({ ratio, floor, target, moonshot, lower = false, lost, duplicated }) {
  if (lost > 0 || duplicated > 0) return 'WRONG'
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
  'floor',
  'target',
  'moonshot',
  'reached',
  'lost',
  'dup',
]

function cells(row) {
  const { id, title, limit, ours, ratio, spread, floor, target, moonshot, lost, duplicated } = row
  const span = `${spread[0].toFixed(2)}–${spread[1].toFixed(2)}`
  return [
    id,
    title,
    number(limit),
    number(ours),
    ratio.toFixed(2),
    span,
    floor,
    target,
    moonshot,
    standing(row),
    lost,
    duplicated,
  ].map(String)
}

export function table(rows) {
  const lines = [COLUMNS, ...rows.map(cells)]
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const text = lines.map((line) =>
    line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '),
  )
  const notes = rows.flatMap(({ id, against, notes }) => [
    `${id}: limit = ${against}${notes ? `; ours: ${notes}` : ''}`,
  ])
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

export function record(rows, { date, commit, node, cpu }, remark) {
  const path = join(import.meta.dirname, 'RESULTS.md')
  const before = existsSync(path) ? readFileSync(path, 'utf8') : HEAD
  const line = (values) => `| ${values.join(' | ')} |`
  const section = [
    '',
    `## ${date} UTC · ${commit} · Node ${node} · ${cpu}`,
    '',
    ...(remark ? [remark, ''] : []),
    line(COLUMNS),
    line(COLUMNS.map((_, column) => (column < 2 ? '---' : '---:'))),
    ...rows.map((row) => line(cells(row))),
    '',
    ...rows.filter(({ notes }) => notes).map(({ id, notes }) => `- ${id}: ${notes}`),
    '',
  ]
  writeFileSync(path, `${before}${section.join('\n')}`)
}
