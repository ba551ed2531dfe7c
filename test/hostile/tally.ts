/** What came of generated requests, by kind: a fuzz of which all is refused at the door tests the door only. */
const tally = new Map<string, Map<string, number>>()

export function count(kind: string, outcome: string): void {
  const known = tally.get(kind) ?? new Map<string, number>()
  tally.set(kind, known.set(outcome, (known.get(outcome) ?? 0) + 1))
}

export const countOf = (kind: string, outcome: string): number => tally.get(kind)?.get(outcome) ?? 0

/** One line for each kind. */
export const report = (): string =>
  [...tally]
    .map(([kind, outcomes]) => {
      const all = [...outcomes].sort(([, a], [, b]) => b - a)
      return `  ${kind}: ${all.map(([outcome, times]) => `${outcome} ${times}`).join(', ')}`
    })
    .join('\n')
