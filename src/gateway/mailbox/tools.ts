/** What the mailbox works with, and how a lease is called outside. */
import type { Message } from '../../a2a/tasks.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { LoopTools } from '../../platform/service.ts'
import type { Db } from '../../store/db.ts'
import type { LeaseKey } from '../../store/mailbox.ts'
import type { Agent } from '../agents/agent.ts'
import type { Contacts } from '../agents/contacts.ts'
import type { Record } from '../tasks/record.ts'
import type { Attempts } from './attempts.ts'
import { CHANNEL_LANE, type SharedLanes } from './shared.ts'

/** What is sent: no content of anybody's, only that it is worth looking. */
export interface WakeCall {
  readonly url: string
  readonly agent: string
  readonly count: number
  readonly priority: string
  /** Which in a row without an answer. */
  readonly wake: number
}
/** Why it did not arrive, for people; undefined: it did. */
export type PostWake = (call: WakeCall, signal: AbortSignal) => Promise<string | undefined>

export interface MailboxTools {
  readonly postWake: PostWake
  readonly db: Db
  readonly clock: Clock
  /** The database's time as this process knows it. */
  readonly now: () => Date
  readonly loopTools: LoopTools
  readonly findAgent: (tenant: string, name: string) => Promise<Agent | undefined>
  readonly record: Record
  readonly shared: SharedLanes
  readonly signals: HappeningSignals
  readonly limits: Limits
  readonly contacts: Contacts
  /** Something may be due at this mailbox, for those who wait at other replicas. */
  readonly announce: (tenant: string, destination: string) => void
}

/** What the verbs want beside: something is due at this destination, or a place is free. */
export interface VerbTools extends MailboxTools {
  readonly wake: (tenant: string, destination: string) => void
  readonly attempts: Attempts
}

/** The text parts, joined by line ends. */
export const textOf = (parts: Message['parts']): string =>
  parts.flatMap(({ text }) => (text === undefined ? [] : [text])).join('\n')

/**
 * One string that names a delivery and proves the hold on it: 64 hex digits, and after a dot the channel that it was
 * taken from. Opaque outside.
 */
export const leaseText = (id: string, lease: string, destination: string): string =>
  (id + lease).replaceAll('-', '') +
  (destination.startsWith(CHANNEL_LANE) ? `.${destination.slice(CHANNEL_LANE.length)}` : '')

const LEASE_TEXT = /^([0-9a-f]{64})(?:\.([a-z0-9][a-z0-9\-_.]{0,62}))?$/
const uuidAt = (text: string, at: number): string =>
  text.slice(at, at + 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** undefined: not a lease at all. Whether the agent may take from that channel is for others to say. */
export function leaseKey(agent: Agent, text: string): LeaseKey | undefined {
  const [, ids, channel] = LEASE_TEXT.exec(text) ?? []
  if (ids === undefined) return undefined
  const destination = channel === undefined ? agent.destination : `${CHANNEL_LANE}${channel}`
  return { tenant: agent.tenant, destination, id: uuidAt(ids, 0), lease: uuidAt(ids, 32) }
}
