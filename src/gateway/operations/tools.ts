/** What the operations work with. */
import type { OperationName, SendMessageRequest } from '../../a2a/operations.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Call, CheckMessage, Peer, PresentCard } from '../../ports.ts'
import type { Agent } from '../agents/agent.ts'
import type { Contacts } from '../agents/contacts.ts'
import type { PresentExtended } from '../agents/present.ts'
import type { Agents } from '../agents/registry.ts'
import type { NoteDenial } from '../callers/denials.ts'
import type { Quotas } from '../callers/quotas.ts'
import type { Usage } from '../callers/usage.ts'
import type { LookAtBox } from '../deliveries/boxes.ts'
import type { Room } from '../deliveries/room.ts'
import type { Hub } from '../tasks/hub.ts'
import type { Handed, OpenedTask, OpenTools } from '../tasks/open.ts'
import type { Record } from '../tasks/record.ts'
import type { Participants } from './participants.ts'

/** What the operations want of the forwarder: they are neighbours and meet in `main.ts`. */
export interface Delivering {
  /** Carries a task that was opened leased. */
  take(handed: Handed): void
  isClosed(tenant: string, destination: string): boolean
  /** How much waits there, about. */
  depth(tenant: string, destination: string): number
}

/** Agents that give what is sent to them to others: channels, the directory. */
export interface Others {
  /** Throws AGENT_NOT_FOUND for a channel that this caller may not see, PERMISSION_DENIED where it may not post. */
  admit(operation: OperationName, call: Call): Promise<unknown>
  /** undefined: this agent is none of them. */
  open(params: SendMessageRequest, call: AgentCall): Promise<OpenedTask> | undefined
}

export interface OperationTools extends OpenTools {
  readonly clock: Clock
  readonly agents: Agents
  readonly hub: Hub
  readonly record: Record
  readonly peer: Peer
  readonly delivering: Delivering
  readonly others: Others
  readonly contacts: Contacts
  /** Of mailboxes. */
  readonly room: Room
  readonly lookAtBox: LookAtBox
  /** A sign of life of an agent that collects: it sends. */
  readonly seen: (tenant: string, destination: string) => void
  readonly participants: Participants
  readonly signals: HappeningSignals
  /** For agents behind a bridge. */
  readonly checkBridged?: CheckMessage
  readonly presentCard: PresentCard
  readonly presentExtended: PresentExtended
  /** Signs page tokens; the same on every replica. */
  readonly pageKey: Buffer
  readonly quotas: Quotas
  readonly usage: Usage
  readonly noteDenial: NoteDenial
  readonly blockMs: number
  readonly pushConfigsMax: number
  readonly queuePerAgentMax: number
  /** How long an agent that collects has to agree to a cancel. */
  readonly cancelGraceMs: number
  /** Aborted when the process goes: waits and streams end. */
  readonly draining: AbortSignal
}

/** A call whose agent is known and whose caller may do what it asks. */
export interface AgentCall extends Call {
  readonly known: Agent
}
