/** C7: the official kit against an agent without a server, with a worker that is there, and with one that looks every twenty seconds. MAILBOX test 24. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { openReport } from './report.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROFILES = ['1.0', '1.0-mailbox', '1.0-mailbox-sleeps']

/**
 * What no agent that collects can do: answer with a Message and no task; and, for one that sleeps, within the kit's own five
 * seconds. expected.json says why.
 */
const NOT_OF_A_MAILBOX = /::TestMessageResponse::test_returns_message_with_text_part/
const TOO_LATE = /::test_empty_version_treated_as_default_jsonrpc$/

interface Case {
  readonly id: string
  readonly outcome: 'passed' | 'failed' | 'forgiven' | 'skipped'
}

test('C7', () => {
  const report = openReport('C7', 'the official kit for 1.0 against a mailbox agent, awake and asleep')
  if (!process.env.KIT) {
    report.check('KIT says where the kit stands', false, 'see test/conformance/README.md')
    return report.end()
  }
  const folder = mkdtempSync(join(tmpdir(), 'waypost-c7-'))
  const path = join(folder, 'cases.json')
  const { status } = spawnSync(process.execPath, [join(ROOT, 'test/conformance/kit.mjs'), ...PROFILES], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, CONFORMANCE_CASES: path },
  })
  const told = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Case[]>
  rmSync(folder, { recursive: true, force: true })
  const bad = (profile: string) =>
    new Set(
      (told[profile] ?? []).filter(({ outcome }) => outcome === 'failed' || outcome === 'forgiven').map(({ id }) => id),
    )
  const plain = bad('1.0')
  for (const profile of PROFILES) {
    const cases = told[profile] ?? []
    const count = (outcome: Case['outcome']) => cases.filter((one) => one.outcome === outcome).length
    report.fact(
      profile,
      `${count('passed')} passed, ${count('failed') + count('forgiven')} failed, ${count('skipped')} skipped`,
    )
    if (profile === '1.0') continue
    const sleeps = profile.endsWith('sleeps')
    const named = [...bad(profile)].filter((id) => NOT_OF_A_MAILBOX.test(id) || (sleeps && TOO_LATE.test(id)))
    report.fact(`${profile}: named in expected.json beyond the plain run's`, named.length)
    report.none(
      `${profile}: no failure that the plain run does not have`,
      [...bad(profile)].filter((id) => !plain.has(id) && !named.includes(id)),
      cases.length,
    )
  }
  report.check('all as test/conformance/expected.json says', status === 0, `exit ${status}`)
  report.end()
}, 7_200_000)
