/** What one run found: facts to be read, and checks that hold or do not. */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { expect } from 'vitest'

export interface Check {
  readonly what: string
  readonly ok: boolean
  /** What was looked at, or what was found instead. */
  readonly found: string
}

export interface Report {
  fact(name: string, value: string | number): void
  check(what: string, ok: boolean, found: string | number): void
  /** Whatever is in the list is wrong; `looked`: at how many. */
  none(what: string, wrong: readonly string[], looked: number): void
  tell(line: string): void
  /** Hands it to whoever started the run, and fails if a check does not hold. */
  end(): void
}

export const SEED = Number(process.env.MAILBOX_SEED ?? 1)
export const MINUTES = process.env.MAILBOX_MINUTES === undefined ? undefined : Number(process.env.MAILBOX_MINUTES)

const load = () => Number((loadavg()[0] as number).toFixed(1))

export function openReport(run: string, title: string): Report {
  const [startedAt, loadBefore] = [Date.now(), load()]
  const facts: Record<string, string | number> = {}
  const checks: Check[] = []
  const check: Report['check'] = (what, ok, found) => void checks.push({ what, ok, found: String(found) })
  return {
    fact(name, value) {
      facts[name] = value
    },
    check,
    none: (what, wrong, looked) =>
      check(
        what,
        wrong.length === 0,
        wrong.length === 0 ? `${looked} looked at` : `${wrong.length} wrong: ${wrong[0]}`,
      ),
    tell: (line) => void process.stderr.write(`  ${run} ${Math.round((Date.now() - startedAt) / 1_000)} s  ${line}\n`),
    end() {
      const machine = { node: process.versions.node, cores: cpus().length, loadBefore, loadAfter: load() }
      const seconds = Math.round((Date.now() - startedAt) / 1_000)
      const document = { run, title, seed: SEED, seconds, machine, facts, checks }
      if (process.env.MAILBOX_REPORT) writeFileSync(process.env.MAILBOX_REPORT, JSON.stringify(document))
      expect(checks.filter(({ ok }) => !ok)).toEqual([])
    },
  }
}

/** Nearest rank, in the unit of the numbers. */
export function percentile(numbers: readonly number[], rank: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(rank * sorted.length) - 1)] ?? 0
}

export const spread = (numbers: readonly number[]): string =>
  [0.5, 0.95, 0.99, 1].map((rank) => percentile(numbers, rank).toFixed(rank === 1 ? 0 : 1)).join(' / ')
