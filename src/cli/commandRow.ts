/** What a command is to the command line: one row, from which the parser, the help and the completion are made. */
import type { Run } from './invocation.ts'

/** `repeat`: may be given several times; `part`: kept in the order in which it stands among the other parts. */
export type OptionRow = readonly [flags: string, about: string, how?: 'repeat' | 'part' | 'hidden']

export interface CommandRow {
  /** `task push-config create` */
  readonly path: string
  readonly args?: string
  readonly about: string
  readonly options?: readonly OptionRow[]
  /** Without the program's name. */
  readonly examples?: readonly string[]
  readonly group: string
  readonly run: () => Promise<Run>
}
