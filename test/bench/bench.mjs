/**
 * `npm run bench`: measures what the budget promises, each row against a limit taken in the same minutes on the same
 * machine. Fails only below a floor, after one more try, or when something was lost or came twice.
 *
 *   --row a1,c      only these rows          --quick       one short round, for a look
 *   --fast          the fixed subset         --long        the rows with a million and more, too
 *   --json          numbers as JSON          --record      appends the numbers to RESULTS.md
 *   --rounds 5      instead of 3             --remark …    a line above the recorded numbers
 *   --profile       CPU profiles in out/     --dist <dir>  another build than dist/
 *   --statements    Postgres' time by statement
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { circumstances, record, standing, table } from './report.mjs'
import { accept } from './rows/accept.mjs'
import { drains } from './rows/backlog.mjs'
import { carry } from './rows/carry.mjs'
import { claims } from './rows/claims.mjs'
import { fanOut } from './rows/fanOut.mjs'
import { growth } from './rows/growth.mjs'
import { killed } from './rows/killed.mjs'
import { acceptLatency, carryLatency } from './rows/latency.mjs'
import { others } from './rows/others.mjs'
import { profileLines } from './rows/profile.mjs'
import { replicas } from './rows/replicas.mjs'
import { retention } from './rows/retention.mjs'
import { start } from './rows/start.mjs'
import { idle, wire } from './rows/streams.mjs'
import { webhooks } from './rows/webhooks.mjs'
import { openStage } from './stage.mjs'

const GROUPS = [
  accept,
  acceptLatency,
  carry,
  carryLatency,
  webhooks,
  fanOut,
  idle,
  wire,
  drains,
  others,
  growth,
  retention,
  claims,
  replicas,
  killed,
  start,
]
const ROWS = Object.assign({}, ...GROUPS.map(({ rows }) => rows))
/** For every change: the figures that fall first. */
const FAST = ['a1', 'a3', 'b1', 'c', 'd1-100', 'd1-1000', 'e1', 'f5', 'g3']

/** How long a round is, and how many there are. */
const paceOf = ({ quick, fast, rounds }) =>
  quick
    ? { rounds: 1, ms: 1_500, skipMs: 300 }
    : fast
      ? { rounds: Number(rounds ?? 2), ms: 2_000, skipMs: 600 }
      : { rounds: Number(rounds ?? 3), ms: 3_000, skipMs: 1_000 }

function settings() {
  const { values } = parseArgs({
    options: {
      row: { type: 'string' },
      quick: { type: 'boolean', default: false },
      fast: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      remark: { type: 'string', default: '' },
      rounds: { type: 'string' },
      profile: { type: 'boolean', default: false },
      statements: { type: 'boolean', default: false },
      dist: { type: 'string', default: join(import.meta.dirname, '../../dist') },
    },
  })
  return { ...values, dist: resolve(values.dist), wanted: new Set(chosen(values)), ...paceOf(values) }
}

function chosen({ row, fast, long }) {
  const ids = Object.keys(ROWS)
  if (!row) return fast ? FAST : ids.filter((id) => long || !ROWS[id].long)
  const among = (id) => ids.filter((one) => one === id || (one.startsWith(`${id}-`) && (long || !ROWS[one].long)))
  const asked = row.split(',').flatMap(among)
  if (asked.length > 0) return asked
  console.error(`Error: no row "${row}"\nHint: the rows are ${ids.join(', ')}`)
  return process.exit(2)
}

async function measureGroup(group, stage, options) {
  const wanted = new Set(Object.keys(group.rows).filter((id) => options.wanted.has(id)))
  if (wanted.size === 0) return []
  options.say(`${[...wanted].join(', ')}`)
  const measured = await group.measure(stage, { ...options, wanted })
  return [...wanted].map((id) => ({ id, ...group.rows[id], ...measured[id] }))
}

async function measureAll(stage, options) {
  const rows = []
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
  return rows
}

const isBad = (row) => ['BELOW', 'WRONG'].includes(standing(row))

async function main() {
  const began = performance.now()
  const options = { ...settings(), say: (line) => console.error(line) }
  // Before, because others may commit meanwhile.
  const facts = circumstances(options.dist)
  const stage = await openStage(options)
  const rows = await measureAll(stage, options).finally(() => stage.close())
  const seconds = Math.round((performance.now() - began) / 1_000)
  const profile = profileLines(stage.shares)
  if (options.json) {
    const told = rows.map((row) => ({ ...row, reached: standing(row) }))
    console.log(JSON.stringify({ ...facts, seconds, rows: told, profile: stage.shares }, null, 2))
  } else {
    console.log(
      `\n${facts.date} UTC, ${facts.commit}, Node ${facts.node}, ${facts.cpu}, ${seconds} s\n\n${table(rows)}`,
    )
    if (profile.length > 0) console.log(`\n${profile.join('\n')}`)
  }
  if (options.record) record(rows, facts, { remark: options.remark, profile })
  process.exitCode = rows.some(isBad) ? 1 : 0
}

await main()
