/**
 * What is printed, and where. stdout carries the payload and nothing else; everything said beside it goes to stderr.
 * Text is one `Label: value` a line, longer content is a block closed by an empty line (a2a-cli specification §11.2).
 * What agents say is data: control characters in it are made visible, because a terminal would obey them.
 */
import { styleText } from 'node:util'
import type { CliError } from './errors.ts'
import { envelope } from './errors.ts'
import type { Redactor } from './redaction.ts'

export type Format = 'text' | 'json' | 'wide'
export type Style = 'good' | 'warn' | 'bad' | 'dim'
export type Cell = string | { readonly text: string; readonly style: Style }

export interface Output {
  readonly format: Format
  readonly json: boolean
  /** One JSON document. */
  document(value: unknown): void
  /** One JSON document on one line. */
  line(value: unknown): void
  /** `Label: value` lines; undefined values are left out. */
  fields(rows: readonly (readonly [label: string, value: string | number | undefined])[]): void
  /** The label on a line of its own, the content, an empty line. */
  block(label: string, text: string): void
  text(line?: string): void
  /** A line that begins with a painted word. */
  mark(word: Cell, line: string): void
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void
  /** For people, on stderr, not when --quiet. */
  note(line: string): void
  /** What must be seen even with --quiet, on stderr. */
  warn(line: string): void
  readonly debugging: boolean
  /** Developer's diagnostics, on stderr, only with --debug. */
  debug(line: string): void
  error(error: CliError): void
  /** A secret that nothing of the above may show. */
  hide(secret: string | undefined): void
}

export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
}

export interface OutputSettings {
  readonly format: Format
  readonly stdout: Stream
  readonly stderr: Stream
  readonly quiet?: boolean
  readonly debug?: boolean
  readonly color?: 'auto' | 'always' | 'never'
  readonly plain?: boolean
  readonly redact?: Redactor
}

const STYLES = { good: 'green', warn: 'yellow', bad: 'red', dim: 'gray' } as const

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Content of several lines, without what a terminal would obey. */
export const visible = (text: string): string => text.replaceAll('\r\n', '\n').replace(CONTROLS, escaped)

/** The same for a single line. */
export const oneLine = (text: string): string => visible(text).replaceAll('\n', '\\n').replaceAll('\t', ' ')

/** An empty line ends a block, so an empty line of the content is written as a single space. */
const insideBlock = (text: string): string => text.replace(/\n+$/, '').replace(/^$/gm, ' ')

const plainText = (cell: Cell): string => oneLine(typeof cell === 'string' ? cell : cell.text)

/** East Asian wide characters and emoji take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u
const width = (text: string): number => [...text].reduce((sum, character) => sum + (WIDE.test(character) ? 2 : 1), 0)

export function createOutput(settings: OutputSettings): Output {
  const { stdout, stderr, format } = settings
  const colored =
    settings.color === 'always' || (settings.color !== 'never' && stdout.isTTY === true && !settings.plain)
  const print = (text: string) => void stdout.write(`${text}\n`)
  const { redact } = settings
  const tell = (text: string) => void stderr.write(`${redact ? redact.text(text) : text}\n`)
  const paint = (cell: Cell, padded: string) =>
    colored && typeof cell !== 'string' ? styleText(STYLES[cell.style], padded, { validateStream: false }) : padded

  const table = (head: readonly string[], rows: readonly (readonly Cell[])[]) => {
    const widths = head.map((name, at) => Math.max(width(name), ...rows.map((row) => width(plainText(row[at] ?? '')))))
    const pad = (cell: Cell, at: number) => {
      const text = plainText(cell)
      const last = at === head.length - 1
      return paint(cell, last ? text : text + ' '.repeat((widths[at] ?? 0) - width(text)))
    }
    for (const row of [head, ...rows]) print(row.map(pad).join('  ').trimEnd())
  }

  return {
    format,
    json: format === 'json',
    debugging: settings.debug === true,
    document: (value) => print(JSON.stringify(value, null, 2)),
    line: (value) => print(JSON.stringify(value)),
    fields: (rows) => {
      for (const [label, value] of rows) if (value !== undefined) print(`${label}: ${oneLine(String(value))}`)
    },
    block: (label, text) => {
      print(`${oneLine(label)}:\n${insideBlock(visible(text))}\n`)
    },
    text: (line = '') => print(visible(line)),
    mark: (word, line) => print(`${paint(word, plainText(word))} ${visible(line)}`),
    table,
    note: (line) => {
      if (!settings.quiet) tell(visible(line))
    },
    warn: (line) => tell(visible(line)),
    debug: (line) => {
      if (settings.debug) tell(`debug: ${visible(line)}`)
    },
    hide: (secret) => redact?.hide(secret),
    error: (error) => {
      // With -o json the envelope stands where the result would stand, so that stdout always parses.
      if (format === 'json') {
        const text = JSON.stringify(envelope(error))
        return print(redact ? redact.text(text) : text)
      }
      tell(`Error: ${error.code}: ${visible(error.message)}`)
      if (error.hint) tell(`Hint: ${visible(error.hint)}`)
    },
  }
}
