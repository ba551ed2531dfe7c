/**
 * The command line against the a2a-cli specification 0.2, requirement by requirement, black box. What this run yields is
 * the report at the root of the repository; `npm run compliance` writes it anew.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ACCESS } from './access.ts'
import { markdown, type Result, yaml } from './report.ts'
import { REQUIREMENTS } from './requirements.ts'
import { aScene, type Check } from './scene.ts'
import { SENDING } from './sending.ts'
import { DEFAULTS, ERROR_CODES, SURFACE } from './surface.ts'
import { WAITING } from './waiting.ts'

const ROOT = join(import.meta.dirname, '../../..')
const CHECKS: Readonly<Record<string, Check>> = { ...SENDING, ...WAITING, ...ACCESS, ...SURFACE }

/** What the command line does not do, and why. */
const GAPS: Readonly<Record<string, string>> = {}

/** A check is a dozen processes; on a busy machine each takes its time. */
const CHECK_MS = 120_000

const results = {
  requirements: new Map<string, Result>(),
  defaults: new Map<string, Result>(),
  codes: new Map<string, Result>(),
}
const scene = aScene()

const recorded = (kind: keyof typeof results, checks: Readonly<Record<string, Check>>) =>
  test.each(Object.entries(checks))(
    '%s',
    async (name, check) => {
      results[kind].set(name, { status: 'fail', note: 'the run of this check failed' })
      await check(scene())
      results[kind].set(name, { status: 'pass' })
    },
    CHECK_MS,
  )

test('every requirement has a check or a named gap, and nothing else has', () => {
  const known = [...Object.keys(CHECKS), ...Object.keys(GAPS), 'A2ACLI_DEFAULT_001']
  expect(known.sort()).toEqual(Object.keys(REQUIREMENTS).sort())
})

describe.concurrent('requirements', () => recorded('requirements', CHECKS))
describe.concurrent('defaults', () => recorded('defaults', DEFAULTS))
describe.concurrent('error codes', () => recorded('codes', ERROR_CODES))

describe('the report', () => {
  const tool = {
    version: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
    transports: ['JSON-RPC', 'HTTP+JSON', 'gRPC'],
  }
  // In the order of the lists, not of who was first.
  const inOrder = (kind: 'defaults' | 'codes', checks: object) =>
    new Map(
      Object.keys(checks).map((name): [string, Result] => [
        name,
        results[kind].get(name) ?? { status: 'fail', note: 'not run' },
      ]),
    )
  const found = () => {
    const defaults = inOrder('defaults', DEFAULTS)
    const all = [...defaults.values()].every(({ status }) => status === 'pass')
    results.requirements.set('A2ACLI_DEFAULT_001', all ? { status: 'pass' } : { status: 'fail', note: 'see 4a' })
    for (const [id, note] of Object.entries(GAPS)) results.requirements.set(id, { status: 'fail', note })
    return { requirements: results.requirements, defaults, codes: inOrder('codes', ERROR_CODES) }
  }

  test('COMPLIANCE-a2a-cli.md is what the run yields', async () => {
    await expect(markdown(found(), tool)).toMatchFileSnapshot(join(ROOT, 'COMPLIANCE-a2a-cli.md'))
  })
  test('COMPLIANCE-a2a-cli.yaml is what the run yields', async () => {
    await expect(yaml(found(), tool)).toMatchFileSnapshot(join(ROOT, 'COMPLIANCE-a2a-cli.yaml'))
  })
})
