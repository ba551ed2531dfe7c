/** COMPLIANCE-a2a-cli.md and its machine form, from the results of the run and nothing else. */
import { stringify } from 'yaml'
import { REQUIREMENTS, type Requirement, type RequirementId, SPECIFICATION, type Tier } from './requirements.ts'

export type Status = 'pass' | 'fail'
export interface Result {
  readonly status: Status
  /** Required unless it has passed. */
  readonly note?: string
}

export interface Results {
  readonly requirements: ReadonlyMap<string, Result>
  readonly defaults: ReadonlyMap<string, Result>
  readonly codes: ReadonlyMap<string, Result>
}

export interface Tool {
  readonly version: string
  readonly transports: readonly string[]
}

const TIERS: Readonly<Record<Tier, string>> = { 1: 'Core', 2: 'Standard', 3: 'Advanced' }
const MARKS: Readonly<Record<Status, string>> = { pass: '✅ Pass', fail: '❌ Fail' }
const AGENTS =
  'the official SDK @a2a-js/sdk 1.3.0 as a server, waypost demo-server, the Waypost gateway; byte-scripted agents for misconduct'

const idsOf = (tier: Tier) =>
  (Object.entries(REQUIREMENTS) as [RequirementId, Requirement][]).filter(([, row]) => row.tier === tier)
const resultOf = (results: Results, id: string): Result =>
  results.requirements.get(id) ?? { status: 'fail', note: 'the run did not come to it' }

interface Count {
  readonly total: number
  readonly pass: number
  readonly fail: number
  readonly satisfied: boolean
}

/** A tier holds if its own requirements do and those of the tiers below. */
function countOf(tier: Tier, results: Results): Count {
  const ids = idsOf(tier).map(([id]) => id)
  const pass = ids.filter((id) => resultOf(results, id).status === 'pass').length
  const below = tier === 1 || countOf((tier - 1) as Tier, results).satisfied
  return { total: ids.length, pass, fail: ids.length - pass, satisfied: below && pass === ids.length }
}

const claimed = (results: Results): Tier | 0 =>
  ([3, 2, 1] as const).find((tier) => countOf(tier, results).satisfied) ?? 0

const yes = (holds: boolean): string => (holds ? 'yes' : 'no')
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const tierTable = (tier: Tier, results: Results): string => {
  const rows = idsOf(tier).map(([id, { says, spec }]) => {
    const { status, note = '' } = resultOf(results, id)
    return `| \`${id}\` | ${cell(says)} | ${spec} | ${MARKS[status]} | ${cell(note)} |`
  })
  return ['| ID | Requirement | Spec § | Status | Notes |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
}

export function markdown(results: Results, { version, transports }: Tool): string {
  const tier = claimed(results)
  const glance = ([1, 2, 3] as const).map((one) => {
    const { total, pass, fail, satisfied } = countOf(one, results)
    return `| Tier ${one} — ${TIERS[one]} | ${total} | ${pass} | 0 | ${fail} | 0 | 0 | ${yes(satisfied)} |`
  })
  const defaults = [...results.defaults].map(
    ([name, { status, note = '' }]) =>
      `| ${name} | ${yes(status === 'pass')} | ${yes(status === 'pass')} | ${cell(note)} |`,
  )
  const codes = [...results.codes].map(
    ([name, { status, note = '' }]) => `| \`${name}\` | ${yes(status === 'pass')} | ${cell(note)} |`,
  )
  return `# a2a-cli compliance report

Written by \`npm run compliance\`; do not edit. \`npm test\` fails if this is not what the run yields. The same in machine
form: [COMPLIANCE-a2a-cli.yaml](COMPLIANCE-a2a-cli.yaml).

## 1. Summary

| Field | Value |
| --- | --- |
| Tool name | \`waypost\` |
| Tool version | ${version} |
| Implementation language | TypeScript |
| Repository | this one |
| Report date | that of the commit |
| Specification version targeted | ${SPECIFICATION.version} |
| Specification revision (Last updated) | ${SPECIFICATION.revision} |
| **Tier claimed** | ${tier === 0 ? 'none' : `Tier ${tier}`} |
| A2A protocol version(s) | 1.0 |
| Agent exercised against | ${AGENTS} |
| That agent is TCK-conformant? | unknown for the SDK; the gateway: see test/conformance |
| Transports covered | ${transports.join(', ')} |

## 2. Legend

\`✅ Pass\`: implemented and verified by the run. \`❌ Fail\`: not implemented, or not as specified; the note says what. Nothing
is marked passed that the run has not exercised, so \`◐\`, \`⊘\` and \`—\` do not occur.

## 3. Results at a glance

| Tier | Requirements | \`✅\` | \`◐\` | \`❌\` | \`⊘\` | \`—\` | Tier satisfied? |
| --- | --- | --- | --- | --- | --- | --- | --- |
${glance.join('\n')}

## 4. Tier 1 — Core

${tierTable(1, results)}

### 4a. \`A2ACLI_DEFAULT_001\` breakdown

| Default (§6.5) | Shipped? | Overridable by flag? | Notes |
| --- | --- | --- | --- |
${defaults.join('\n')}

## 5. Tier 2 — Standard

${tierTable(2, results)}

## 6. Tier 3 — Advanced

${tierTable(3, results)}

## 7. Test evidence

- **How the tool was exercised:** \`npm run compliance\` (test/cli/compliance): the built command line as a process of its own,
  black box, over real sockets, one check per requirement.
- **Agents:** ${AGENTS}.

## 8. Error code coverage

| Code | Emitted | Notes |
| --- | --- | --- |
${codes.join('\n')}

## 9. Attestation

The tier claimed in §1 and §3 is what the run has shown; the run is part of \`npm test\`.
`
}

const areaOf = (id: string): string => id.replace(/^A2ACLI_|_\d+$/g, '')
const DEFAULT_KEYS = [
  'transport_server_preference_order',
  'task_completion_wait_by_default',
  'output_human_readable_text',
  'detail_level_concise',
  'protocol_version_highest_mutual',
  'transport_security_tls_on',
] as const

export function yaml(results: Results, { version, transports }: Tool): string {
  const summary = ([1, 2, 3] as const).map((tier) => {
    const { total, pass, fail, satisfied } = countOf(tier, results)
    return [`tier_${tier}`, { total, pass, partial: 0, fail, not_measured: 0, na: 0, satisfied }]
  })
  const requirements = (Object.entries(REQUIREMENTS) as [RequirementId, Requirement][]).map(
    ([id, { tier, spec, says }]) => {
      const { status, note = null } = resultOf(results, id)
      return [id, { tier, area: areaOf(id), spec, requirement: says, status, note, evidence: 'test/cli/compliance' }]
    },
  )
  const defaults = [...results.defaults.values()].map(({ status, note = null }, at) => [
    DEFAULT_KEYS[at],
    { shipped: yes(status === 'pass'), overridable: yes(status === 'pass'), note },
  ])
  const codes = [...results.codes].map(([name, { status, note = null }]) => [
    name,
    { emitted: yes(status === 'pass'), note },
  ])
  return stringify({
    report: {
      tool: 'waypost',
      tool_version: version,
      language: 'TypeScript',
      repository: 'this one',
      maintainer: 'the Waypost project',
      report_date: 'that of the commit',
      spec_version: SPECIFICATION.version,
      spec_revision: SPECIFICATION.revision,
      a2a_versions: ['1.0'],
      agent_tested: AGENTS,
      agent_tck_conformant: 'unknown',
      transports_covered: transports,
      tier_claimed: claimed(results),
    },
    summary: Object.fromEntries(summary),
    requirements: Object.fromEntries(requirements),
    default_001_breakdown: Object.fromEntries(defaults),
    error_codes: Object.fromEntries(codes),
    attestation: {
      reported_by: 'npm run compliance',
      date: 'that of the commit',
      statement: 'What the run has shown.',
    },
  })
}
