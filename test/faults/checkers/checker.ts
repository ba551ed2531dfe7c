/** What checkers read and what they say. None has an opinion on time but those that are there for it. */
import type { Delivered } from '../../support/receiver.ts'
import type { Struck } from '../nemesis/nemesis.ts'
import type { Watch } from '../probes.ts'
import type { Evidence } from '../record.ts'
import type { StagedAgent } from '../scene.ts'

export interface Finding {
  readonly checker: string
  readonly checked: number
  readonly violations: readonly string[]
}

export interface TaskRow {
  readonly id: string
  readonly agent: string
  readonly caller: string
  readonly state: number
  readonly last_seq: number
}

export interface EventRow {
  readonly seq: number
  readonly body: string
}

export interface WebhookRow {
  readonly id: string
  readonly task_id: string
  readonly config_id: string
  readonly seq: number
  readonly state: number
  readonly attempt: number
  readonly code: string | null
  readonly reason: string | null
  readonly disabled: boolean | null
  readonly there: boolean
}

export interface DeliveryRow {
  readonly id: string
  readonly task_id: string
  readonly seq: number
  readonly state: number
  readonly attempt: number
}

/** The database after the run. */
export interface Books {
  readonly tasks: ReadonlyMap<string, TaskRow>
  readonly events: ReadonlyMap<string, readonly EventRow[]>
  readonly webhooks: readonly WebhookRow[]
  /** Messages on their way to agents, settled or not. */
  readonly deliveries: readonly DeliveryRow[]
  readonly open: number
  /** Secrets found in text columns, and where. */
  readonly spilled: readonly string[]
  /** Bodies of failed attempts and the like, joined: for tokens that must not be there. */
  readonly tokens: ReadonlySet<string>
  /** Tasks that ended long enough ago and are gone; their rows are among the others here. */
  readonly purged: ReadonlySet<string>
  readonly wronglyPurged: readonly string[]
}

export interface Case {
  readonly evidence: Evidence
  readonly agents: readonly Pick<StagedAgent, 'name' | 'agent' | 'dedupes' | 'once' | 'forgets'>[]
  readonly books: Books
  readonly webhooks: readonly Delivered[]
  /** The secret that signs what comes to this path; undefined: none. */
  readonly signedBy: ((path: string) => string) | undefined
  readonly faults: readonly Struck[]
  readonly watch?: Watch
  /** Ends of processes that nobody had asked for. */
  readonly collapses: readonly string[]
  /** Secrets seen in logs. */
  readonly spilled: ReadonlySet<string>
  /** How many wait for it: the name of the agent that collects. */
  readonly collects?: string
  readonly leaseMs: number
  /** What was asked of where a card that lies had said its agent was. */
  readonly decoyed?: readonly string[]
  /** Of each webhook with a token signature: does it hold? Undefined: not looked at. */
  readonly jwts?: readonly { readonly id: string; readonly good: boolean }[]
}

export type Checker = (data: Case) => Finding

export const TERMINAL_NUMBERS: ReadonlySet<number> = new Set([3, 4, 5, 7])
export const INTERRUPTED_NUMBERS: ReadonlySet<number> = new Set([6, 8])
export const COMPLETED = 3

interface EventBody {
  readonly task?: { readonly status: { readonly state: string } }
  readonly statusUpdate?: { readonly status: { readonly state: string } }
  readonly artifactUpdate?: {
    readonly append?: boolean
    readonly artifact: { readonly artifactId: string; readonly parts: readonly { text?: string }[] }
  }
}

const read = new WeakMap<EventRow, EventBody>()
export function bodyOf(row: EventRow): EventBody {
  let body = read.get(row)
  if (!body) {
    body = JSON.parse(row.body) as EventBody
    read.set(row, body)
  }
  return body
}

export const stateIn = (row: EventRow): string | undefined => {
  const { task, statusUpdate } = bodyOf(row)
  return (statusUpdate ?? task)?.status.state
}

export const isTerminalState = (state: string | undefined): boolean =>
  state !== undefined && /^TASK_STATE_(COMPLETED|FAILED|CANCELED|REJECTED)$/.test(state)

export const found = (checker: string, checked: number, violations: readonly string[]): Finding => ({
  checker,
  checked,
  violations,
})

export const idOf = (taskIds: ReadonlySet<string>): string | undefined => [...taskIds][0]
