/** What an attempt works with. */
import type { DeliveryState } from '../../delivery.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Seal } from '../../platform/seal.ts'
import type { LoopTools } from '../../platform/service.ts'
import type { Peer, PrepareWebhook } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import type { Leased } from '../../store/deliveries.ts'
import type { Agents } from '../agents/registry.ts'
import type { Record } from '../tasks/record.ts'
import type { Consent } from './consent.ts'
import type { UpstreamPush } from './upstreamPush.ts'

/** What becomes of a delivery when no event of its task is written with it. */
export interface SettleRequest {
  readonly state: DeliveryState
  readonly waitMs: number
  readonly counts: boolean
  readonly code: string
  readonly reason: string
  readonly outcome: string
  readonly status?: number
}

/** How often and how far apart a webhook is tried. */
export interface WebhookBounds {
  readonly attemptsMax: number
  readonly firstMs: number
  readonly longestMs: number
}

export interface AttemptTools {
  readonly db: Db
  readonly clock: Clock
  /** The database's time as this process knows it. */
  readonly now: () => Date
  readonly agents: Agents
  readonly peer: Peer
  readonly prepareWebhook: PrepareWebhook
  /** Whether a receiver may be sent anything; undefined: nobody is asked. */
  readonly consent?: Consent
  readonly seal: Seal
  readonly record: Record
  readonly settle: (attempt: { leased: Leased; startedAt: number }, request: SettleRequest) => Promise<boolean>
  readonly signals: HappeningSignals
  readonly webhooks: WebhookBounds
  /** Where agents that push are asked to push to. */
  readonly pushes: UpstreamPush
  /** Whether this lease is certainly ours still: what must not be done twice is not begun without it. */
  readonly holds: (lease: string) => boolean
  /** Aborted when the process goes. */
  readonly stopping: AbortSignal
}

/** What the forwarder works with. */
export interface ForwarderTools extends Omit<AttemptTools, 'settle' | 'holds' | 'stopping'> {
  readonly loopTools: LoopTools
  /** This process's incarnation: who holds what it leases. */
  readonly owner: () => string
  /** Until when it holds them for certain, in monotonic milliseconds. */
  readonly holdsUntil: () => number
  readonly widthOf: (tenant: string, destination: string) => Promise<{ width: number; paused: boolean }>
  /** Asks whether an agent is back without giving it work. */
  readonly probe: (tenant: string, destination: string, signal: AbortSignal) => Promise<boolean>
}
