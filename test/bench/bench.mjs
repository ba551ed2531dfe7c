/**
 * `npm run bench`: measures what the budget promises, each row against a limit taken in the same minutes on the same
 * machine. Fails only below a floor, after one more try, or when something was lost or came twice.
 *
 *   --row a1,c      only these rows          --quick       one short round, for a look
 *   --json          numbers as JSON          --record      appends the numbers to RESULTS.md
 *   --rounds 5      instead of 3             --remark …    a line above the recorded numbers
 *   --profile       CPU profiles in out/     --dist <dir>  another build than dist/
 *   --statements    Postgres' time by statement
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { circumstances, record, standing, table } from './report.mjs'
import { accept } from './rows/accept.mjs'
import { drains, webhooks } from './rows/backlog.mjs'
import { carry } from './rows/carry.mjs'
import { fanOut } from './rows/fanOut.mjs'
import { openStage } from './stage.mjs'

const GROUPS = [accept, carry, webhooks, fanOut, drains]
const ROWS = GROUPS.flatMap(({ rows }) => Object.keys(rows))

function settings() {
  const { values } = parseArgs({
    options: {
      row: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      remark: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      profile: { type: 'boolean', default: false },
      statements: { type: 'boolean', default: false },
      dist: { type: 'string', default: join(import.meta.dirname, '../../dist') },
    },
  })
  const asked = values.row?.split(',').flatMap((id) => ROWS.filter((row) => row === id || row.startsWith(`${id}-`)))
  if (asked?.length === 0) {
    console.error(`Error: no row "${values.row}"\nHint: the rows are ${ROWS.join(', ')}`)
    process.exit(2)
  }
  return {
    ...values,
    dist: resolve(values.dist),
    wanted: new Set(asked ?? ROWS),
    rounds: values.quick ? 1 : Number(values.rounds),
    ms: values.quick ? 1_500 : 3_000,
    skipMs: values.quick ? 300 : 1_000,
  }
}

async function measureGroup(group, stage, options) {
  const wanted = new Set(Object.keys(group.rows).filter((id) => options.wanted.has(id)))
  if (wanted.size === 0) return []
  options.say(`${[...wanted].join(', ')}`)
  const measured = await group.measure(stage, { ...options, wanted })
  return [...wanted].map((id) => ({ id, ...group.rows[id], ...measured[id] }))
}

const isBad = (row) => ['BELOW', 'WRONG'].includes(standing(row))

async function main() {
  const options = { ...settings(), say: (line) => console.error(line) }
  // Before, because others may commit meanwhile.
  const facts = circumstances(options.dist)
  const stage = await openStage(options)
  const rows = []
  try {
    for (const group of GROUPS) {
      let measured = await measureGroup(group, stage, options)
      const below = measured.filter((row) => standing(row) === 'BELOW')
      if (below.length > 0 && !options.quick) {
        options.say(`below the floor: ${below.map(({ id }) => id).join(', ')}; once more`)
        const again = await measureGroup(group, stage, { ...options, wanted: new Set(below.map(({ id }) => id)) })
        measured = measured.map((row) => again.find(({ id }) => id === row.id) ?? row)
      }
      rows.push(...measured)
    }
  } finally {
    await stage.close()
  }
  if (options.json)
    console.log(JSON.stringify({ ...facts, rows: rows.map((row) => ({ ...row, reached: standing(row) })) }, null, 2))
  else console.log(`\n${facts.date} UTC, ${facts.commit}, Node ${facts.node}, ${facts.cpu}\n\n${table(rows)}`)
  if (options.record) record(rows, facts, options.remark)
  process.exitCode = rows.some(isBad) ? 1 : 0
}

await main()
