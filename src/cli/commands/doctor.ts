/** `doctor`: every check, each with what it found and, if it is bad, what to do. Exit code 1 when one failed. */
import { CHECKS, type Finding } from '../doctorChecks.ts'
import { lookAround } from '../doctorScene.ts'
import type { Invocation, Run } from '../invocation.ts'
import type { Cell } from '../output.ts'

const MARKS: Readonly<Record<Finding['kind'], Cell>> = {
  ok: { text: '✓', style: 'good' },
  warning: { text: '!', style: 'warn' },
  failure: { text: '✗', style: 'bad' },
  skipped: { text: '–', style: 'dim' },
}

export const doctor: Run = async (call) => {
  const scene = await lookAround(call)
  const rows: { name: string; finding: Finding }[] = []
  for (const { name, run } of CHECKS) {
    try {
      rows.push({ name, finding: await run(scene) })
    } catch (error) {
      // A check that breaks says something too, and must not keep the others from speaking.
      rows.push({ name, finding: { kind: 'failure', says: `could not be checked: ${(error as Error).message}` } })
    }
  }
  tell(rows, call)
  return rows.some(({ finding }) => finding.kind === 'failure') ? 1 : 0
}

function tell(rows: readonly { name: string; finding: Finding }[], { out }: Invocation): void {
  const count = (kind: Finding['kind']) => rows.filter(({ finding }) => finding.kind === kind).length
  if (out.json) {
    const checks = rows.map(({ name, finding: { kind, says, fix } }) => ({
      name,
      result: kind,
      says,
      ...(fix && { fix }),
    }))
    out.document({
      checks,
      ok: count('ok'),
      warnings: count('warning'),
      failures: count('failure'),
      skipped: count('skipped'),
    })
    return
  }
  for (const { name, finding } of rows) {
    out.mark(MARKS[finding.kind], `${name}: ${finding.says}`)
    if (finding.fix && (finding.kind === 'failure' || finding.kind === 'warning')) out.text(`    fix: ${finding.fix}`)
  }
  const counted = (kind: Finding['kind']) => `${count(kind)} ${kind}${count(kind) === 1 ? '' : 's'}`
  const told = [`${count('ok')} ok`, counted('warning'), counted('failure'), `${count('skipped')} skipped`]
  out.text(told.join(' · '))
}
