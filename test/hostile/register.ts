/** All rows of the table of bad inputs, by section, and how many there are of each. */
import { A } from './rows/a.ts'
import { B } from './rows/b.ts'
import { C } from './rows/c.ts'
import { D } from './rows/d.ts'
import { E } from './rows/e.ts'
import { F } from './rows/f.ts'
import { G } from './rows/g.ts'
import { H } from './rows/h.ts'
import { I } from './rows/i.ts'
import { J } from './rows/j.ts'
import { K } from './rows/k.ts'
import { L } from './rows/l.ts'
import type { Row } from './rows.ts'

export const SECTIONS: Readonly<Record<string, readonly Row[]>> = { A, B, C, D, E, F, G, H, I, J, K, L }

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1)
/** Numbers of each section: D leaves out 33 to 39. */
const NUMBERS: Readonly<Record<string, readonly number[]>> = {
  A: upTo(43),
  B: upTo(22),
  C: upTo(20),
  D: [...upTo(32), 40, 41],
  E: upTo(27),
  F: upTo(14),
  G: upTo(29),
  H: upTo(26),
  I: upTo(11),
  J: upTo(10),
  K: upTo(25),
  L: upTo(12),
}
export const IDS: readonly string[] = Object.entries(NUMBERS).flatMap(([section, numbers]) =>
  numbers.map((number) => `${section}-${String(number).padStart(2, '0')}`),
)
export const ROWS: readonly Row[] = Object.values(SECTIONS).flat()
