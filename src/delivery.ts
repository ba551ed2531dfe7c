/**
 * The queue's words. A delivery is one thing owed to one destination; it survives restarts.
 *
 * waiting: owed, not due, blocked by an older one of its ordering key, or not yet picked up.
 * leased:  someone holds it; only the holder of the token may settle it.
 * done:    the destination has accepted it, and what followed is recorded. Never changes again.
 * dead:    will not be tried again by itself; an operator may replay it.
 * void:    withdrawn before it was sent, because its task was canceled or its config deleted.
 * expired: waited longer than its time to live, or past its deadline.
 */
import assert from 'node:assert/strict'

/** The extension under whose key a task tells where its delivery stands, and a sender says what it wants (never A2A's own). */
export const EXTENSION_URI = 'urn:x-waypost:store-and-forward:1'

/** Where what is owed to one destination waits. */
export interface LanePlace {
  readonly tenant: string
  readonly destination: string
}
/** The key of whatever is remembered of it. */
export const laneKey = ({ tenant, destination }: LanePlace): string => `${tenant} ${destination}`

export const DELIVERY_STATES = ['waiting', 'leased', 'done', 'dead', 'void', 'expired'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/**
 * What a message to an agent that collects is for; the database keeps the index, null is a task.
 *
 * task:   needs an answer.
 * note:   for your information: `complete` says that it was read, and leaves no artifact.
 * result: a task that this agent gave to another has ended, or asks something; it belongs to that task and is none itself.
 * call:   its sender waits for somebody to answer at once.
 * post:   said in a channel.
 */
export const MAIL_KINDS = ['task', 'note', 'result', 'call', 'post'] as const
export type MailKind = (typeof MAIL_KINDS)[number]
export const mailKind = (kind: MailKind): number => MAIL_KINDS.indexOf(kind)
export const mailKindOf = (index: number): MailKind => MAIL_KINDS[index] ?? 'task'

/** Priorities of what waits beside the four levels: looked at by who asks for it, and nobody is woken for it. */
export const QUIET = 4
/** Added to the level of what waits for its recipient's consent: no lease and no claim looks there. */
export const HELD = 8

/** The legal moves; the database's predicates obey the same table (DESIGN: a delivery's life). */
export const MOVES: Record<DeliveryState, readonly DeliveryState[]> = {
  waiting: ['leased', 'void', 'expired'],
  leased: ['leased', 'done', 'waiting', 'dead', 'void', 'expired'],
  done: [],
  dead: ['waiting'],
  void: [],
  expired: ['waiting'],
}

export function assertMove(from: DeliveryState, to: DeliveryState): void {
  assert(MOVES[from].includes(to), `a delivery does not go from ${from} to ${to}`)
}

/**
 * Where a delivery goes, by kind: what a forwarder does with it is one row per kind. `result` goes to the mailbox of the
 * task's own caller and is never carried; it is the one kind that comes back from done to waiting, when its task moves on.
 */
export type DestinationKind = 'a2a' | 'mailbox' | 'webhook' | 'mcp' | 'result'

/**
 * What the other side did with a delivery, as the sender saw it. The sender, who knows the protocol, says whether
 * asking again can help.
 */
export type Verdict =
  | { kind: 'accepted' }
  | {
      kind: 'refused'
      /** For people: cause and address class, never a secret. */
      reason: string
      /** For programs: stable, upper case. */
      code: RefusalCode
      retry: boolean
      retryAfterMs?: number
      /** It is another replica's to deliver: this one does not look for it sooner than any other. */
      elsewhere?: true
    }
  /** The request may have been acted upon: connection lost after it was sent, time-out, garbage half way. */
  | { kind: 'unknown'; reason: string /** Default: DELIVERY_UNKNOWN. */; code?: UnknownCode }

/** `OUTCOME_UNKNOWN`: it was acted upon, or may have been, and nobody knows with what result. */
export type UnknownCode = 'DELIVERY_UNKNOWN' | 'OUTCOME_UNKNOWN'

export type RefusalCode =
  /** Dial, DNS or TLS failure: provably not delivered. Counts for the breaker, not for the delivery (D24). */
  | 'UNREACHABLE'
  /** The egress guard refused the address. */
  | 'EGRESS_BLOCKED'
  /** 429, or 503 before a body. */
  | 'BUSY'
  /** 401 or 403: our credential for the agent is wrong. */
  | 'UPSTREAM_AUTH'
  /** The agent understood and refused for good. */
  | 'REJECTED'
  /** Its card is not signed as it must be: somebody has to look at it, and the message waits. */
  | 'CARD_SIGNATURE'
  /** What came back is not A2A. */
  | 'INVALID_AGENT_RESPONSE'
  /** The receiver has not agreed to have this tenant's webhooks. */
  | 'UNPROVED'
  /** 410: the receiver is gone for good. */
  | 'GONE'
  /** Any other answer that is not a success. */
  | 'FAILED'
  /** We are the ones who stopped: shutdown, lease lost, canceled. */
  | 'STOPPED'

/** What one attempt can be explained by later. */
export interface AttemptFacts {
  readonly status?: number
  readonly durationMs?: number
}

/** What follows from a verdict. */
export type Outcome =
  | { kind: 'delivered' }
  | { kind: 'retry'; waitMs: number; reason: string; counts: boolean }
  | { kind: 'dead'; reason: string; code: string }

export interface AttemptCount {
  readonly attempt: number
  readonly attemptsMax: number
}

/** Not the message's fault, and nobody has seen it. */
const UNCOUNTED: ReadonlySet<RefusalCode> = new Set(['UNREACHABLE', 'STOPPED', 'UPSTREAM_AUTH', 'CARD_SIGNATURE'])

/** Decides, and knows no clock, no database, no protocol. `waitMs` is the backoff if there is to be another attempt. */
export function decide(count: AttemptCount, verdict: Verdict, waitMs: number): Outcome {
  if (verdict.kind === 'accepted') return { kind: 'delivered' }
  if (verdict.kind === 'unknown')
    return { kind: 'dead', reason: verdict.reason, code: verdict.code ?? 'DELIVERY_UNKNOWN' }
  if (!verdict.retry) return { kind: 'dead', reason: verdict.reason, code: verdict.code }
  const counts = !UNCOUNTED.has(verdict.code)
  if (counts && count.attempt >= count.attemptsMax) {
    const reason = `${verdict.reason}, ${count.attempt} of ${count.attemptsMax} attempts`
    return { kind: 'dead', reason, code: 'DELIVERY_ATTEMPTS_EXHAUSTED' }
  }
  return { kind: 'retry', waitMs: Math.max(waitMs, verdict.retryAfterMs ?? 0), reason: verdict.reason, counts }
}
