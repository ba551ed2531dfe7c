/**
 * C7: the official kit against an agent without a server, with a worker that is there, and with one that looks every twenty
 * seconds: no failure that an agent with a server does not have. MAILBOX test 24. The kit is the one that KIT names, or the
 * checkout beside this repository, or it is fetched.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { openReport } from './report.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROFILES = ['1.0', '1.0-mailbox', '1.0-mailbox-sleeps']
const BESIDE = join(ROOT, '../a2a-tck')
const FETCHED = join(ROOT, '.cache/a2a-tck')
const SOURCE = ['--branch', '1.0-dev', '--depth', '1', 'https://github.com/a2aproject/a2a-tck.git']

interface Case {
  readonly id: string
  readonly outcome: 'passed' | 'failed' | 'forgiven' | 'skipped'
}
interface Kit {
  readonly KIT: string
  readonly PYTHON: string
}

/** What it is run with, or why there is none. */
function kit(): Kit | string {
  const { KIT, PYTHON } = process.env
  const python = (folder: string) => join(folder, '.venv/bin/python')
  if (KIT) return { KIT, PYTHON: PYTHON ?? (existsSync(python(KIT)) ? python(KIT) : 'python3') }
  const known = [BESIDE, FETCHED].find((folder) => existsSync(python(folder)))
  if (known) return { KIT: known, PYTHON: python(known) }
  for (const [command, args] of [
    ['git', ['clone', '-q', ...SOURCE, FETCHED]],
    ['python3', ['-m', 'venv', join(FETCHED, '.venv')]],
    [python(FETCHED), ['-m', 'pip', 'install', '-q', FETCHED]],
  ] as const) {
    const { status, stderr } = spawnSync(command, args, { stdio: ['ignore', 2, 'pipe'] })
    if (status === 0) continue
    rmSync(FETCHED, { recursive: true, force: true })
    return `${command} ${args[0]}: ${stderr?.toString().trim().slice(0, 300)}; test/conformance/README.md says how to get it`
  }
  return { KIT: FETCHED, PYTHON: python(FETCHED) }
}

test('C7', () => {
  const report = openReport('C7', 'the official kit for 1.0 against a mailbox agent, awake and asleep')
  const found = kit()
  if (typeof found === 'string') {
    report.check('the kit can be had', false, found)
    return report.end()
  }
  const folder = mkdtempSync(join(tmpdir(), 'waypost-c7-'))
  const path = join(folder, 'cases.json')
  const { status } = spawnSync(process.execPath, [join(ROOT, 'test/conformance/kit.mjs'), ...PROFILES], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...found, CONFORMANCE_CASES: path },
  })
  const told = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, Case[]>) : {}
  rmSync(folder, { recursive: true, force: true })
  const bad = (profile: string) =>
    (told[profile] ?? []).filter(({ outcome }) => outcome === 'failed' || outcome === 'forgiven').map(({ id }) => id)
  const plain = new Set(bad('1.0'))
  for (const profile of PROFILES) {
    const cases = told[profile] ?? []
    const count = (outcome: Case['outcome']) => cases.filter((one) => one.outcome === outcome).length
    const failed = count('failed') + count('forgiven')
    report.fact(profile, `${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`)
    report.check(`${profile}: the kit has run`, cases.length > 200, cases.length)
    if (profile === '1.0') continue
    const beyond = bad(profile).filter((id) => !plain.has(id))
    report.none(`${profile}: no failure that the plain run does not have`, beyond, cases.length)
  }
  report.check('all as test/conformance/expected.json says', status === 0, `exit ${status}`)
  report.end()
}, 7_200_000)
