/**
 * Whether an agent that collects is there, derived from what it does, never declared. Pure.
 *
 *     available            it asks for work now, and has room for some
 *     busy                 it holds as much as it may
 *     away                 it comes now and then, and its next time has not passed
 *     offline              it was expected and did not come, or was never here
 *     ghost                it has missed three of its times, or a week
 *     blocked-by-operator  an operator has paused it, or must approve its card
 */
import type { QueueRow } from '../../store/queues.ts'
import type { Agent } from './agent.ts'
import { CONNECTED_MS, cadenceMs } from './cadence.ts'

export const MAILBOX_STATES = ['available', 'busy', 'away', 'offline', 'ghost', 'blocked-by-operator'] as const
export type MailboxState = (typeof MAILBOX_STATES)[number]

export interface MailboxPresence {
  readonly state: MailboxState
  readonly lastSeen?: Date
  /** When it last took, renewed or settled. */
  readonly lastWorked?: Date
  readonly nextExpected?: Date
  /** How it learns that something came: it waits on a connection, by a webhook, or when it next looks. */
  readonly wakeable: 'socket' | 'webhook' | 'none'
  readonly waiting: Bucket
  readonly oldestWaiting?: Date
}

export const BUCKETS = ['0', '1-9', '10-99', '100-999', '1000+'] as const
export type Bucket = (typeof BUCKETS)[number]
export const bucketOf = (count: number): Bucket =>
  BUCKETS[count === 0 ? 0 : Math.min(4, Math.floor(Math.log10(count)) + 1)] as Bucket

const WEEK_MS = 7 * 24 * 3_600_000

type Known = Pick<QueueRow, 'seenAt' | 'workedAt' | 'leased' | 'waiting' | 'oldestAt' | 'now'>

export function mailboxPresence(
  { pausedAt, policy, registration }: Pick<Agent, 'pausedAt' | 'policy' | 'registration'>,
  lane: Known,
): MailboxPresence {
  const { seenAt, workedAt, oldestAt, waiting } = lane
  const { cadence = 'live', wake } = registration
  const everyMs = cadenceMs(cadence) ?? CONNECTED_MS
  const connected = seenAt !== null && lane.now - seenAt <= CONNECTED_MS
  return {
    state: pausedAt
      ? 'blocked-by-operator'
      : stateOf(lane, policy.maxInflight, { everyMs, says: !/^[lp]/.test(cadence) }),
    ...(seenAt !== null && { lastSeen: new Date(seenAt) }),
    ...(workedAt !== null && { lastWorked: new Date(workedAt) }),
    ...(seenAt !== null && !connected && cadence !== 'live' && { nextExpected: new Date(seenAt + everyMs) }),
    wakeable: wake ? 'webhook' : connected ? 'socket' : 'none',
    waiting: bucketOf(waiting),
    ...(oldestAt !== null && { oldestWaiting: new Date(oldestAt) }),
  }
}

const iso = (at: Date | undefined): string | undefined => at?.toISOString()

/** As it is told outside: times as ISO 8601. */
export function showPresence({ lastSeen, lastWorked, nextExpected, oldestWaiting, ...said }: MailboxPresence) {
  const times = { lastSeen: iso(lastSeen), lastWorked: iso(lastWorked), nextExpected: iso(nextExpected) }
  const told = Object.entries({ ...times, oldestWaiting: iso(oldestWaiting) }).filter(([, at]) => at !== undefined)
  return { ...said, ...Object.fromEntries(told) }
}

/** `says`: it has told when it comes. */
function stateOf(
  { seenAt, leased, now }: Known,
  maxInflight: number,
  visits: { everyMs: number; says: boolean },
): MailboxState {
  if (leased >= maxInflight) return 'busy'
  if (seenAt === null) return 'offline'
  const silentMs = now - seenAt
  if (silentMs <= CONNECTED_MS || leased > 0) return 'available'
  const ghostAfter = visits.says ? Math.min(3 * visits.everyMs, WEEK_MS) : WEEK_MS
  if (silentMs > Math.max(ghostAfter, CONNECTED_MS)) return 'ghost'
  return silentMs <= visits.everyMs ? 'away' : 'offline'
}
