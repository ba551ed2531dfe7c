/** Whether an agent is there: derived from what was seen of it, never declared. */
import type { QueueRow } from '../../store/queues.ts'
import type { Agent } from './agent.ts'
import { mailboxPresence } from './mailboxPresence.ts'

export type PresenceState = 'online' | 'offline' | 'paused' | 'pending-approval' | 'unknown'

export interface Presence {
  readonly state: PresenceState
  /** For people: why it is paused or offline. */
  readonly reason?: string
  readonly since?: Date
  readonly lastSeenAt?: Date
  /** When the gateway will look again. */
  readonly probeAt?: Date
}

/** Longest silence of an agent that collects: one long wait (50 s) and the way back. */
const COLLECTOR_SILENCE_MS = 90_000

/** Pure: the agent, what the store knows of its lane, and the database's now (milliseconds) in it. */
export function presenceOf(
  agent: Pick<Agent, 'connector' | 'pausedAt' | 'pausedReason' | 'pending'>,
  lane: QueueRow | undefined,
): Presence {
  const seen = lane?.seenAt != null ? { lastSeenAt: new Date(lane.seenAt) } : {}
  if (agent.pausedAt) {
    return {
      state: agent.pending ? 'pending-approval' : 'paused',
      since: agent.pausedAt,
      ...seen,
      ...(agent.pausedReason !== undefined && { reason: agent.pausedReason }),
    }
  }
  if (lane?.closedAt != null) {
    return {
      state: 'offline',
      since: new Date(lane.closedAt),
      ...seen,
      ...(lane.reason !== null && { reason: lane.reason }),
      ...(lane.probeAt !== null && { probeAt: new Date(lane.probeAt) }),
    }
  }
  if (lane?.seenAt == null) return { state: 'unknown' }
  const collects = agent.connector.kind === 'mailbox'
  if (collects && lane.leased === 0 && lane.now - lane.seenAt > COLLECTOR_SILENCE_MS)
    return { state: 'offline', reason: 'has not asked for work', since: new Date(lane.seenAt), ...seen }
  return { state: 'online', ...seen }
}

/** There, and with room: of an agent that collects, by what it does. */
export function isAvailable(agent: Agent, lane: QueueRow | undefined): boolean {
  if (agent.connector.kind !== 'mailbox') return presenceOf(agent, lane).state === 'online'
  return lane !== undefined && mailboxPresence(agent, lane).state === 'available'
}
