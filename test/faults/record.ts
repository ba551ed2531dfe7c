/** What a run leaves behind for the checkers, beside the database: all of it is data, nothing here decides. */
import type { Dice } from './dice.ts'
import type { History } from './history.ts'
import type { Speech, Way } from './speech.ts'

/** A message, and everything that its sender knows of it. */
export interface Sent {
  readonly messageId: string
  readonly contextId: string
  readonly agent: string
  readonly caller: string
  readonly client: number
  /** The order within its conversation, from 0. */
  readonly nth: number
  readonly text: string
  /** Stands in the text and nowhere else. */
  readonly token: string
  /** It goes on with this task. */
  readonly follows?: string
  /** Meant to be refused, and why. */
  readonly bad?: string
  readonly taskIds: Set<string>
  /** A cancel was sent; whether it was heard of or not. */
  cancelAsked: boolean
  /** A cancel was answered with CANCELED, then. */
  canceledAt?: number
  /** A definite refusal, and the reason; with `taskIds` empty nothing may be found of it. */
  refused?: string
  /** Some try ended without anybody knowing. */
  unknown: boolean
  tries: number
}

export interface HeardEvent {
  readonly id?: number
  /** Kind, state and content in short: what all versions and bindings can tell. */
  readonly sign: string
  readonly raw?: string
}

/** One stream, from its request to its end. */
export interface StreamRecord {
  readonly client: number
  readonly way: Way
  readonly openedAt: number
  taskId?: string
  /** Asked to go on after this event. */
  readonly after?: number
  readonly heard: HeardEvent[]
  /** Undefined: still open. */
  end?: string
  endedAt?: number
}

/** One push configuration as its owner knows it. */
export interface Hook {
  readonly caller: string
  readonly taskId: string
  readonly configId: string
  readonly inline: boolean
  deleteAsked: boolean
  /** When the delete was acknowledged, by the monotonic clock. */
  deletedAt?: number
}

/** The same question about another's task and about one that does not exist. */
export interface ForeignProbe {
  readonly op: string
  readonly way: Way
  readonly foreign: string
  readonly unknown: string
}

/** One accepted word of the agent that collects. */
export interface Settled {
  readonly delivery: string
  readonly lease: string
  readonly taskId: string
  readonly messageId: string
  readonly attempt: number
  readonly leasedAt: number
  readonly saidAt: number
  /** The lease's time was over when it was said. */
  readonly late: boolean
  readonly status: number
}

export interface Evidence {
  readonly sent: Sent[]
  readonly streams: StreamRecord[]
  readonly hooks: Hook[]
  readonly probes: ForeignProbe[]
  readonly settled: Settled[]
  readonly history: History
}

export const newEvidence = (history: History): Evidence => ({
  sent: [],
  streams: [],
  hooks: [],
  probes: [],
  settled: [],
  history,
})

/** One of those who use the gateway: they must not see anything of each other. */
export interface Party {
  readonly caller: string
  readonly tenant: string
  readonly key: string
  readonly speech: Speech
  /** The name under which this agent stands in the party's tenant. */
  readonly addressOf: (agent: string) => string
}

export interface ClientState {
  readonly index: number
  readonly party: Party
  readonly dice: Dice
  /** What it has sent of late. */
  readonly recent: Sent[]
  conversation: { contextId: string; nth: number }
  made: number
  openStreams: number
}
