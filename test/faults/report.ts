/** What a run has shown, as data and as a page. */
import type { Case, Finding } from './checkers/checker.ts'
import { percentile, type Recovery, recoveries } from './checkers/service.ts'
import type { Profile } from './profiles.ts'
import type { Trials } from './trials.ts'

export interface Report {
  readonly profile: string
  readonly seed: number
  readonly seconds: number
  readonly messages: number
  readonly acknowledged: number
  /** Neither acknowledged nor refused, though their senders had time enough. */
  readonly unanswered: number
  readonly tasks: number
  readonly events: number
  readonly repeats: number
  readonly webhooks: number
  readonly streams: number
  readonly operations: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly faultCount: number
  readonly lost: number
  readonly duplicated: number
  /** Answers of which nobody knows whether it was done; all were asked again. */
  readonly unknown: number
  readonly recoveryP95Ms: number
  readonly worstRecovery?: Recovery
  /** Until nothing waited any more. */
  readonly drainedMs: number
  readonly trials?: Omit<Trials, 'findings'>
  readonly findings: readonly Finding[]
  readonly violations: number
}

export interface ReportParts {
  readonly profile: Profile
  readonly seed: number
  readonly data: Case
  readonly seconds: number
  readonly drainedMs: number
  readonly findings: readonly Finding[]
  readonly trials?: Trials
}

function count<T>(rows: readonly T[], nameOf: (row: T) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const row of rows) counts[nameOf(row)] = (counts[nameOf(row)] ?? 0) + 1
  return counts
}

export function reportOf({ profile, seed, data, seconds, drainedMs, findings: found, trials }: ReportParts): Report {
  const { evidence, books, faults, webhooks } = data
  const findings = [...found, ...(trials?.findings ?? [])]
  const wrong = (start: string) =>
    findings
      .filter(({ checker }) => checker.startsWith(start))
      .reduce((sum, { violations }) => sum + violations.length, 0)
  const all = recoveries(data)
  const worstRecovery = all.toSorted((a, b) => b.ms - a.ms)[0]
  return {
    profile: profile.name,
    seed,
    seconds: Math.round(seconds),
    messages: evidence.sent.length,
    acknowledged: evidence.sent.filter(({ taskIds }) => taskIds.size > 0).length,
    unanswered: evidence.sent.filter(({ taskIds, refused, bad }) => taskIds.size === 0 && refused === undefined && !bad)
      .length,
    tasks: books.tasks.size,
    events: [...books.tasks.values()].reduce((sum, { last_seq }) => sum + last_seq, 0),
    repeats: evidence.sent.reduce((sum, { tries }) => sum + Math.max(0, tries - 1), 0),
    webhooks: webhooks.length,
    streams: evidence.streams.length,
    operations: count(evidence.history.lines, ({ op, type }) => `${op} ${type}`),
    faults: count(faults, ({ name }) => name),
    faultCount: faults.length,
    lost: findings.flatMap(({ violations }) => violations).filter((text) => text.startsWith('lost')).length,
    duplicated: wrong('C3') + wrong('C4 executed'),
    unknown: evidence.history.lines.filter(({ type }) => type === 'info').length,
    recoveryP95Ms: Math.round(
      percentile(
        all.map(({ ms }) => ms),
        0.95,
      ),
    ),
    ...(worstRecovery && { worstRecovery: { ...worstRecovery, ms: Math.round(worstRecovery.ms) } }),
    drainedMs,
    ...(trials && { trials: { ...trials, findings: undefined } as Omit<Trials, 'findings'> }),
    findings,
    violations: findings.reduce((sum, { violations }) => sum + violations.length, 0),
  }
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

/** The report as a page. */
export function pageOf(report: Report): string {
  const { profile, seed, faults, findings, worstRecovery, trials } = report
  const rows = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort()
      .map(([name, n]) => `${name} ×${n}`)
  return [
    `profile ${profile}, seed ${seed}, ${report.seconds} s`,
    `tasks ${report.tasks}, events ${report.events}; messages ${report.messages}, acknowledged ${report.acknowledged}, unanswered ${report.unanswered}, sent again ${report.repeats}; streams ${report.streams}, webhooks ${report.webhooks}`,
    `operations: ${rows(report.operations).join(', ')}`,
    `faults ${report.faultCount} of ${Object.keys(faults).length} classes:`,
    ...rows(faults).map((row) => `     ${row}`),
    `lost ${report.lost}, duplicated ${report.duplicated}, unknown answers ${report.unknown}`,
    `recovery p95 ${seconds(report.recoveryP95Ms)}${worstRecovery ? `, worst ${seconds(worstRecovery.ms)} (${worstRecovery.what}, after ${worstRecovery.after})` : ''}; nothing waited ${seconds(report.drainedMs)} after the clients had stopped`,
    ...(trials
      ? [
          `three times the load: ${Math.round(trials.overloadedPerSecond)} a second, ${Math.round(trials.goodputPerSecond)} before; beside a dead agent's backlog p99 ${Math.round(trials.besideBacklogP99Ms)} ms, ${Math.round(trials.baselineP99Ms)} before`,
        ]
      : []),
    ...findings.map(
      ({ checker, checked, violations: found }) =>
        `${found.length === 0 ? 'ok  ' : 'FAIL'} ${checker} (${checked} looked at${found.length > 0 ? `, ${found.length} wrong` : ''})`,
    ),
    ...findings.flatMap(({ checker, violations: found }) =>
      found.slice(0, 6).map((text) => `     ${checker.split(' ')[0]}: ${text}`),
    ),
    report.violations === 0
      ? 'no violation'
      : `${report.violations} violations; again with --profile ${profile} --seed ${seed}`,
  ].join('\n')
}
