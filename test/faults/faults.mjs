/**
 * `npm run faults -- --profile smoke|main --seed N [--runs K] [--json]`: random faults under load, with seeds N, N+1, …
 * `--only REGEXP`: with no other classes of faults than those.
 * `npm run faults -- --profile release [--runs K]`: the same in legs, K of them; one that is broken off goes on where it was.
 * `npm run faults -- --planted [n]`: builds with one of sixteen bugs each, and fails if the checkers do not find it.
 * `npm run faults -- --profile outage`: an agent that was never started, and a gateway that is killed fifty times.
 * `npm run faults -- --profile resume`: one long stream, cut a hundred times over two replicas.
 * Histories and reports are in test/faults/out/. Ends with 1 if a checker found a violation; the line with the seed runs it again.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    planted: { type: 'boolean', default: false },
    profile: { type: 'string', default: 'smoke' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const { profile } = values
const root = join(import.meta.dirname, '../..')
const out = join(import.meta.dirname, 'out')
const vitest = join(root, 'node_modules/vitest/vitest.mjs')

/** Runs one file with one seed; true: nothing was found. */
function run(file, env) {
  const { status } = spawnSync(
    process.execPath,
    [
      '--max-old-space-size=8192',
      vitest,
      'run',
      '--config',
      'test/faults/vitest.config.ts',
      `test/faults/${file}.run.ts`,
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } },
  )
  return status === 0
}

function runSeed(seed) {
  const folder = join(out, `${profile}-${seed}`)
  // What a run before left there must not be taken for its own.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const file = { outage: 'outage', resume: 'resume' }[profile] ?? 'faults'
  const good = run(file, {
    FAULTS_PROFILE: profile,
    FAULTS_SEED: String(seed),
    FAULTS_OUT: folder,
    FAULTS_ONLY: values.only,
  })
  const report = join(folder, 'report.json')
  if (values.json && existsSync(report)) process.stdout.write(readFileSync(report, 'utf8'))
  return good
}

const STATE = join(out, 'release.json')
/** What a release run has done so far; a finished one makes room for the next. */
function releaseSoFar(first, legs) {
  const known = existsSync(STATE) ? JSON.parse(readFileSync(STATE, 'utf8')) : undefined
  return known && known.done.length < known.legs ? known : { first, legs, done: [] }
}

/** One line at the end of RESULTS.md, where the table of releases is. */
function summarise(seed) {
  const path = join(out, `${profile}-${seed}`, 'report.json')
  if (!existsSync(path)) return
  const { tasks, faultCount, faults, lost, duplicated, violations, recoveryP95Ms } = JSON.parse(
    readFileSync(path, 'utf8'),
  )
  const day = new Date().toISOString().slice(0, 10)
  const cells = [day, seed, tasks, `${faultCount} of ${Object.keys(faults).length}`, lost, duplicated, violations]
  appendFileSync(join(import.meta.dirname, 'RESULTS.md'), `| ${cells.join(' | ')} | ${recoveryP95Ms} ms |\n`)
}

function release() {
  mkdirSync(out, { recursive: true })
  const state = releaseSoFar(Number(values.seed), Number(values.runs ?? 32))
  while (state.done.length < state.legs) {
    const seed = state.first + state.done.length
    process.stderr.write(`\nleg ${state.done.length + 1} of ${state.legs}, seed ${seed}\n`)
    state.done.push({ seed, good: runSeed(seed) })
    writeFileSync(STATE, JSON.stringify(state))
    summarise(seed)
  }
  return state.done.filter(({ good }) => !good).map(({ seed }) => seed)
}

function several() {
  const seeds = Array.from({ length: Number(values.runs ?? 1) }, (_, at) => Number(values.seed) + at)
  return seeds.filter((seed) => !runSeed(seed))
}

function planted() {
  const number = positionals[0]
  return run('planted', { FAULTS_SEED: values.seed, ...(number !== undefined && { FAULTS_PLANTED: number }) })
    ? []
    : [values.seed]
}

const failed = values.planted ? planted() : profile === 'release' ? release() : several()
process.stderr.write(failed.length === 0 ? '\nno run failed\n' : `\nfailed: seeds ${failed.join(', ')}\n`)
process.exit(failed.length === 0 ? 0 : 1)
