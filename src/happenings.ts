/** What may happen, by name: the one list that logs, metrics, dashboards and tests listen to. Names are stable. */
import type { TaskState } from './a2a/tasks.ts'
import type { DestinationKind } from './delivery.ts'
import type { Signals } from './platform/signals.ts'

export interface Happenings {
  'task.accepted': { task: string; tenant: string; agent: string; caller: string; repeated: boolean }
  'task.recorded': { task: string; tenant: string; agent: string; sequence: number; state: TaskState; events: number }
  /** `ms` since the task was accepted. */
  'task.finished': { task: string; tenant: string; agent: string; state: TaskState; ms: number }
  'delivery.attempted': {
    delivery: string
    task: string
    destination: string
    kind: DestinationKind
    attempt: number
    /** What it took; not known of a lease that another replica handed out. */
    ms?: number
    outcome: 'delivered' | 'retry' | 'dead' | 'superseded'
    /** Since the delivery was owed. */
    waitedMs: number
    nextInMs?: number
    code?: string
    reason?: string
    status?: number
  }
  'delivery.dead': {
    delivery: string
    task: string
    destination: string
    kind: DestinationKind
    code: string
    reason: string
  }
  /** An agent that collects was told that something waits; `wake`: which in a row. */
  'mailbox.woken': { tenant: string; agent: string; status: 'sent' | 'failed'; wake: number; reason?: string }
  /** It should have been acknowledged by now. */
  'delivery.reminded': { delivery: string; task: string; destination: string }
  'delivery.expired': { delivery: string; task: string; destination: string; code: string }
  'delivery.quarantined': { task: string; destination: string; reason: string }
  'lease.lost': { delivery: string; task: string; destination: string }
  'lane.open': { destination: string }
  'lane.closed': { destination: string; reason: string; probeInMs: number }
  /** Its card says that it is somewhere or somebody else, and waits for an operator. */
  'agent.pending': { tenant: string; agent: string; change: string; changes: string }
  /** Its card was fetched, and its signatures are not as they must be. */
  'agent.cardRefused': { tenant: string; agent: string; code: string; reason: string }
  /** An MCP server offers other tools than before. */
  'agent.toolsChanged': { tenant: string; agent: string }
  'agent.changed': { tenant: string; agent: string; what: string; by: string }
  'stream.opened': { task: string; binding: string }
  'stream.closed': { task: string; binding: string; why: string }
  'request.served': { binding: string; operation: string; code: string; ms: number }
  'auth.refused': { remote: string; reason: string }
  /** Somebody asked more often than it may; `scope`: whose quota was used up. */
  'quota.refused': { tenant: string; caller: string; scope: string; operation: string }
  'egress.blocked': { host: string; reason: string }
  'store.failed': { statement: string; outcome: 'not done' | 'unknown'; reason: string }
  /** What had ended long ago is no more: one page. */
  'tasks.purged': { tenant: string; tasks: number; ms: number }
  /** All of it was looked at; `kept`: older than the retention, and still needed. */
  'retention.walked': { purged: number; kept: number; ms: number }
  'store.replaced': { reason: string }
  /** The gateway cannot start yet: the database is not there, or not able. */
  'store.awaited': { reason: string; waitedMs: number; nextInMs: number }
  'replica.lost': { replica: string; leases: number }
  'service.failed': { service: string; error: string }
}
export type Happening = keyof Happenings
export type HappeningSignals = Signals<Happenings>
