/** What can go wrong when we call an agent or a receiver, told apart by one question: may the request have been acted upon? */
import { REASONS, type Reason } from '../../a2a/errors.ts'
import type { RefusalCode, Verdict } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { EgressFailure } from '../../platform/egress.ts'

export type FaultCause =
  /** Dial, DNS, TLS: provably not delivered. */
  | 'unsent'
  /** The guard refused, or the request cannot be written as HTTP. */
  | 'blocked'
  /** 429, 503 and the like: not now. */
  | 'busy'
  /** 401 or 403. */
  | 'auth'
  /** Understood, and refused for good. */
  | 'rejected'
  /** Another answer that is no success, a redirect for example. */
  | 'failed'
  /** Answered to the end, and not A2A. */
  | 'invalid'
  /** It may have been acted upon. */
  | 'unknown'
  /** Our own signal. */
  | 'stopped'

export interface Fault {
  readonly kind: 'fault'
  readonly cause: FaultCause
  /** For people; holds the other side's words clipped, and no secret of ours. */
  readonly reason: string
  /** The protocol's reason, where the agent gave one that is definite. */
  readonly error?: Reason
  readonly retryAfterMs?: number
}

export const fault = (cause: FaultCause, reason: string, more: Pick<Fault, 'error' | 'retryAfterMs'> = {}): Fault => ({
  kind: 'fault',
  cause,
  reason,
  ...more,
})

const CODES: Record<Exclude<FaultCause, 'unknown'>, readonly [RefusalCode, retry: boolean]> = {
  unsent: ['UNREACHABLE', true],
  blocked: ['EGRESS_BLOCKED', false],
  busy: ['BUSY', true],
  auth: ['UPSTREAM_AUTH', true],
  rejected: ['REJECTED', false],
  failed: ['FAILED', true],
  // A whole answer that nobody can read was written by somebody who had the request: asking again could double it.
  invalid: ['INVALID_AGENT_RESPONSE', false],
  stopped: ['STOPPED', true],
}

export function verdictOf({ cause, reason, retryAfterMs }: Fault): Verdict {
  if (cause === 'unknown') return { kind: 'unknown', reason }
  const [code, retry] = CODES[cause]
  return { kind: 'refused', reason, code, retry, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

export function faultOfEgress({ kind, sent, reason }: EgressFailure): Fault {
  if (kind === 'blocked') return fault('blocked', reason)
  if (kind === 'aborted') return fault('stopped', sent ? 'stopped after the request was sent' : 'stopped')
  if (kind === 'too-large') return fault('invalid', `the answer has ${reason}`)
  return fault(sent ? 'unknown' : 'unsent', reason)
}

/** Another's words in our logs and statuses: without control characters, and short. */
export function clip(text: unknown, max = 500): string {
  if (typeof text !== 'string') return ''
  const plain = text.slice(0, max).replace(/\p{Cc}+/gu, ' ')
  return text.length > max ? `${plain}…` : plain
}

/**
 * `Retry-After` as seconds or HTTP date, within [retryAfterMinMs, retryAfterMaxMs]: a hostile value must neither park a
 * lane for years nor spin it. Undefined: absent or neither form.
 */
export function retryAfterMs(header: string | undefined, clock: Pick<Clock, 'now'>): number | undefined {
  const text = header?.trim() ?? ''
  const seconds = /^-?\d+$/.test(text) ? Number(text) : undefined
  const at = seconds === undefined && /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  const wait = seconds === undefined ? at - clock.now().getTime() : seconds * 1_000
  if (Number.isNaN(wait)) return undefined
  return Math.min(Math.max(wait, LIMITS.retryAfterMinMs), LIMITS.retryAfterMaxMs)
}

/** The specification's reasons by JSON-RPC code, and the generic ones that say that nothing was done. */
const DEFINITE: ReadonlyMap<number, Reason> = new Map(
  (Object.keys(REASONS) as Reason[])
    .filter((reason) => {
      const { jsonRpc } = REASONS[reason]
      return jsonRpc <= -32_001 && jsonRpc !== REASONS.INTERNAL.jsonRpc
    })
    .map((reason) => [REASONS[reason].jsonRpc, reason] as const)
    // Several of our own reasons share a generic code; the first of each code is the plain one.
    .reverse(),
)

/** Peers that answer -32603 for everything (a2a-python 1.1's 0.3 compatibility, ADK-JS) say what they mean in the text. */
const SNIFFED: readonly (readonly [RegExp, Reason])[] = [
  [/task.{0,80}(not found|does not exist|unknown)|no such task/i, 'TASK_NOT_FOUND'],
  [/(cannot|can't|can not|not).{0,20}cancel/i, 'TASK_NOT_CANCELABLE'],
  [/unsupported operation|streaming.{0,30}not supported/i, 'UNSUPPORTED_OPERATION'],
]

/** An error with a JSON-RPC code. Definite codes are refusals; all else may have come from the midst of the work. */
export function faultOfCode(code: unknown, message: unknown): Fault {
  const said = clip(message) || `error ${clip(String(code), 40)}`
  // The Go SDK says -31401 and -31403 inside HTTP 200 for what others say by status.
  if (code === -31401 || code === -31403) return fault('auth', said)
  if (typeof code !== 'number') return fault('invalid', `an error without a code: ${said}`)
  const definite = DEFINITE.get(code)
  if (definite) return fault('rejected', said, { error: definite })
  // All of -32001…-32099 belongs to A2A: a newer version's refusals are refusals too.
  if (code <= -32_001 && code >= -32_099) return fault('rejected', said)
  const sniffed = SNIFFED.find(([words]) => words.test(said))
  if (sniffed) return fault('rejected', said, { error: sniffed[1] })
  return fault('unknown', said)
}

/** `reason` of google.rpc.ErrorInfo among an error's details. */
export function reasonIn(details: unknown): Reason | undefined {
  if (!Array.isArray(details)) return undefined
  for (const detail of details) {
    const reason: unknown = (detail as { reason?: unknown } | null)?.reason
    if (typeof reason === 'string' && Object.hasOwn(REASONS, reason)) return reason as Reason
  }
  return undefined
}

/** A status that is no success. `said`: what the body's error says, if it has one. */
export function faultOfStatus(status: number, retryAfter: number | undefined, said?: Fault): Fault {
  const reason = said ? `HTTP ${status}: ${said.reason}` : `HTTP ${status}`
  const later = retryAfter === undefined ? {} : { retryAfterMs: retryAfter }
  if (status === 401 || status === 403) return fault('auth', reason)
  if (status === 408 || status === 425 || status === 429) return fault('busy', reason, later)
  // Another gateway that does not know what became of the request says so.
  if (status === 503) return fault(said?.error === 'OUTCOME_UNKNOWN' ? 'unknown' : 'busy', reason, later)
  if (status >= 500) return said?.cause === 'rejected' ? { ...said, reason } : fault('unknown', reason)
  if (status >= 400) return fault('rejected', reason, said?.error ? { error: said.error } : {})
  return fault('failed', `${reason}, not followed`)
}
