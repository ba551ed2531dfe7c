/**
 * What a coding host tells its hooks, and how it takes their answer. Claude Code and Codex write `Stop` and so on and read
 * text, or a decision at the stop; Cursor writes `stop` and reads one JSON object. Anything else gets text. Pure.
 */
import { z } from 'zod'

export type Moment = 'start' | 'prompt' | 'stop'
export interface HostCall {
  readonly moment: Moment
  readonly speaks: 'text' | 'decision' | 'cursor'
}

const MOMENTS: Readonly<Record<string, HostCall>> = {
  SessionStart: { moment: 'start', speaks: 'text' },
  UserPromptSubmit: { moment: 'prompt', speaks: 'text' },
  Stop: { moment: 'stop', speaks: 'decision' },
  sessionStart: { moment: 'start', speaks: 'cursor' },
  stop: { moment: 'stop', speaks: 'cursor' },
}
const SAID = z.object({ hook_event_name: z.string() })

/** undefined: at this moment nothing that is said would be heard. */
export function readHostCall(input: string): HostCall | undefined {
  const said = SAID.safeParse(parsed(input)).data
  return said ? MOMENTS[said.hook_event_name] : { moment: 'start', speaks: 'text' }
}

/** What goes to stdout. */
export function answerTo({ moment, speaks }: HostCall, text: string): string {
  if (speaks === 'decision') return JSON.stringify({ decision: 'block', reason: text })
  if (speaks === 'cursor')
    return JSON.stringify(moment === 'stop' ? { followup_message: text } : { additional_context: text })
  return text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The wake that is out: what it told of, when, and how many there were. */
export interface Wake {
  readonly deliveries: readonly string[]
  readonly at: number
  readonly wakes: number
}

/** An unheard wake is repeated after these, then after the last again and again. */
const AGAIN_MS = [60_000, 300_000, 900_000] as const

export interface Waiting {
  /** In the order in which it would be taken. */
  readonly deliveries: readonly string[]
  /** Somebody is at work: he sees for himself what waits. */
  readonly isHeld: boolean
}

/**
 * One wake for a burst: while one is out that nobody has answered by taking something, only time, or a new session, gives
 * another. `wake` is what to remember; `isDue`: tell the host.
 */
export function nextWake(
  known: Wake | undefined,
  { deliveries, isHeld }: Waiting,
  moment: Moment,
  now: number,
): { wake: Wake | undefined; isDue: boolean } {
  if (deliveries.length === 0 || isHeld) return { wake: undefined, isDue: false }
  const isUnheard = known?.deliveries.every((one) => deliveries.includes(one)) === true
  const wakes = isUnheard ? known.wakes + 1 : 1
  const fresh = { wake: { deliveries: deliveries.slice(0, 10), at: now, wakes }, isDue: true }
  if (!isUnheard || moment === 'start') return fresh
  const after = AGAIN_MS[Math.min(known.wakes, AGAIN_MS.length) - 1] ?? AGAIN_MS[0]
  return now - known.at >= after ? fresh : { wake: known, isDue: false }
}
