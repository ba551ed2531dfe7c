/**
 * The log: one line for one thing that happened, under its stable name, with the fields that are listed here and no other.
 * No bodies, no secrets; line ends inside a value are escaped in both forms, so that nobody can forge a line (SR-81).
 */
import { type Logger, pino } from 'pino'
import type { Happening, HappeningSignals, Happenings } from '../happenings.ts'
import { LIMITS } from '../limits.ts'

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error'
type Line<H extends Happening> = {
  readonly level: Level | ((fact: Happenings[H]) => Level)
  readonly fields: readonly (keyof Happenings[H] & string)[]
}

const LINES: { readonly [H in Happening]: Line<H> } = {
  'task.accepted': { level: 'info', fields: ['task', 'tenant', 'agent', 'caller', 'repeated'] },
  'task.recorded': { level: 'debug', fields: ['task', 'tenant', 'agent', 'sequence', 'state', 'events'] },
  'task.finished': { level: 'info', fields: ['task', 'tenant', 'agent', 'state', 'ms'] },
  'delivery.attempted': {
    level: ({ outcome }) => (outcome === 'delivered' || outcome === 'superseded' ? 'info' : 'warn'),
    fields: [
      'delivery',
      'task',
      'destination',
      'kind',
      'attempt',
      'ms',
      'outcome',
      'waitedMs',
      'nextInMs',
      'code',
      'reason',
      'status',
    ],
  },
  'delivery.dead': { level: 'error', fields: ['delivery', 'task', 'destination', 'kind', 'code', 'reason'] },
  'mailbox.woken': { level: 'debug', fields: ['tenant', 'agent', 'status', 'wake', 'reason'] },
  'delivery.reminded': { level: 'info', fields: ['delivery', 'task', 'destination'] },
  'delivery.expired': { level: 'warn', fields: ['delivery', 'task', 'destination', 'code'] },
  'delivery.quarantined': { level: 'warn', fields: ['task', 'destination', 'reason'] },
  'lease.lost': { level: 'warn', fields: ['delivery', 'task', 'destination'] },
  'lane.open': { level: 'info', fields: ['destination'] },
  'lane.closed': { level: 'warn', fields: ['destination', 'reason', 'probeInMs'] },
  'agent.pending': { level: 'warn', fields: ['tenant', 'agent', 'change', 'changes'] },
  'agent.cardRefused': { level: 'warn', fields: ['tenant', 'agent', 'code', 'reason'] },
  'agent.toolsChanged': { level: 'info', fields: ['tenant', 'agent'] },
  'agent.changed': { level: 'info', fields: ['tenant', 'agent', 'what', 'by'] },
  'stream.opened': { level: 'debug', fields: ['task', 'binding'] },
  'stream.closed': { level: 'debug', fields: ['task', 'binding', 'why'] },
  'request.served': { level: 'debug', fields: ['binding', 'operation', 'code', 'ms'] },
  'auth.refused': { level: 'warn', fields: ['remote', 'reason'] },
  // One line per refusal would be the flood that is being refused: the metric counts them.
  'quota.refused': { level: 'debug', fields: ['tenant', 'caller', 'scope', 'operation'] },
  'egress.blocked': { level: 'warn', fields: ['host', 'reason'] },
  'store.failed': { level: 'error', fields: ['statement', 'outcome', 'reason'] },
  'tasks.purged': { level: 'debug', fields: ['tenant', 'tasks', 'ms'] },
  'retention.walked': {
    level: ({ purged }) => (purged > 0 ? 'info' : 'debug'),
    fields: ['purged', 'kept', 'ms'],
  },
  'store.replaced': { level: 'error', fields: ['reason'] },
  'store.awaited': { level: 'warn', fields: ['reason', 'waitedMs', 'nextInMs'] },
  'replica.lost': { level: 'warn', fields: ['replica', 'leases'] },
  'service.failed': { level: 'error', fields: ['service', 'error'] },
}

export interface LogOptions {
  readonly level: Level | 'silent'
  /** For people: one line of words each. Otherwise JSON. */
  readonly pretty: boolean
  /** Default: on a terminal; what is piped has no control characters. */
  readonly colour?: boolean
  /** Where lines go; default: standard output. */
  readonly write?: (line: string) => void
}

export interface Log {
  /** What is no happening: ready, stopping. `fields` are the caller's responsibility. */
  say(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void
  /** Writes a line for each happening; gives back how to stop. */
  follow(signals: HappeningSignals): () => void
}

const toStdout = (line: string): void => void process.stdout.write(line)

export function createLog({
  level,
  pretty,
  colour = process.stdout.isTTY === true,
  write = toStdout,
}: LogOptions): Log {
  const destination = { write: pretty ? (line: string) => write(prettyLine(line, colour)) : write }
  const logger: Logger = pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  return {
    say: (at, message, fields = {}) => logger[at](clipped(fields), message),
    follow: (signals) => signals.onAny((name, fact) => tell(logger, name, fact as never)),
  }
}

function tell<H extends Happening>(logger: Logger, name: H, fact: Happenings[H]): void {
  const line: Line<H> = LINES[name]
  const level = typeof line.level === 'function' ? line.level(fact) : line.level
  if (!logger.isLevelEnabled(level)) return
  logger[level](clipped(Object.fromEntries(line.fields.map((field) => [field, fact[field]]))), name)
}

const TEXT_CHARS_MAX = 1_000
/** A value that fills the disk is no value. */
const clipped = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > TEXT_CHARS_MAX ? `${value.slice(0, TEXT_CHARS_MAX)}…` : value,
    ]),
  )

const COLOURS: Readonly<Record<string, string>> = { trace: '90', debug: '90', info: '32', warn: '33', error: '31' }

/** `12:50:49.123 INFO  task.accepted task=… agent=…`; a value with anything but plain characters stands in quotes. */
export function prettyLine(json: string, colour = false): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown>
  const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const told = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`)
  const word = paint(COLOURS[String(level)] ?? '0', String(level).toUpperCase().padEnd(5))
  const line = [paint('90', String(time).slice(11, 23)), word, plain(msg, true), ...told].join(' ')
  return `${line.slice(0, LIMITS.logLineCharsMax)}\n`
}

/** JSON escapes C0; what else moves the cursor of a terminal is escaped here. */
function plain(value: unknown, words = false): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (/^[\w.:/@+…-]+$/.test(text) || (words && /^[\w .:/@+-]+$/.test(text))) return text
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
