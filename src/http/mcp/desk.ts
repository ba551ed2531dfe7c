/** What the tools of the MCP server stand on, and the rules that all of them share. */
import { A2AError } from '../../a2a/errors.ts'
import type { Agent } from '../../gateway/agents/agent.ts'
import type { Agents } from '../../gateway/agents/registry.ts'
import type { Mailbox } from '../../gateway/mailbox/mailbox.ts'
import type { Offer } from '../../gateway/mailbox/offer.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Call, Caller, Execute } from '../../ports.ts'
import { type Db, StoreError } from '../../store/db.ts'
import { dueMail } from '../../store/inbox.ts'
import { findTask, type TaskHead } from '../../store/tasks.ts'
import type { ToolAnswer, Turn } from '../../wire/bridges/mcp/server.ts'
import { LATEST } from '../../wire/versions/table.ts'
import type { Follow } from '../admin/events.ts'

export interface DeskTools {
  readonly db: Db
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly agents: Agents
  readonly execute: Execute
  readonly mailbox: Mailbox
  readonly follow: Follow
  readonly limits: Limits
  /** Without a trailing slash. */
  readonly publicUrl: () => string
  readonly pageKey: Buffer
  readonly draining: AbortSignal
}

/** One call of a tool, by whom, and how its answer goes out. */
export interface Seat extends Turn {
  readonly caller: Caller
  /** Work goes out with the answer: if that does not arrive, it goes back. */
  readonly leased: (agent: Agent, offers: readonly Offer[]) => void
}

/** What a tool does: expected refusals are thrown as A2AError, and become answers in one place. */
export type Tool<Input> = (input: Input, seat: Seat, tools: DeskTools) => Promise<ToolAnswer>

export const answer = (result: Record<string, unknown>, isError = false): ToolAnswer => ({
  result,
  ...(isError && { isError }),
})

export const invalid = (field: string, description: string): A2AError =>
  new A2AError('INVALID_PARAMS', `${field}: ${description}`, { violations: [{ field, description }] })

export const callOf = (agent: string, { caller, signal }: Seat, idempotencyKey?: string): Call => ({
  agent,
  caller,
  version: LATEST.version,
  binding: 'JSONRPC',
  extensions: [],
  signal,
  ...(idempotencyKey !== undefined && { idempotencyKey }),
})

/** The caller's own task. Unknown and foreign look alike. */
export async function ownTask(id: string, { caller }: Seat, { db }: DeskTools): Promise<TaskHead> {
  const head = await findTask(db, { tenant: caller.tenant, caller: caller.id, id })
  if (!head) throw new A2AError('TASK_NOT_FOUND', 'you have no such task')
  return head
}

const AGENT = 'agent:'

/** The mailbox whose token this is; undefined: it is a key that only sends. */
export async function mailboxOf({ caller }: Seat, { agents }: DeskTools): Promise<Agent | undefined> {
  if (!caller.id.startsWith(AGENT) || !caller.permits.has('agent')) return undefined
  const agent = await agents.find(caller.tenant, caller.id.slice(AGENT.length))
  return agent?.connector.kind === 'mailbox' ? agent : undefined
}

/** Throws PERMISSION_DENIED for a key that is no agent's. */
export async function collector(seat: Seat, tools: DeskTools): Promise<Agent> {
  const agent = await mailboxOf(seat, tools)
  if (agent) return agent
  throw new A2AError('PERMISSION_DENIED', 'this key is not an agent’s own token: it can delegate, it has no inbox', {
    metadata: { permit: 'agent', hint: 'start the server with a name: waypost mcp --name my-agent' },
  })
}

const URGENT_SHOWN_MAX = 10

/** How much waits for whoever asks, so that an agent at work notices without polling. */
export async function inboxNote(seat: Seat, tools: DeskTools): Promise<Record<string, unknown>> {
  const agent = await mailboxOf(seat, tools)
  if (!agent) return {}
  const { tenant, destination } = agent
  const [due] = await dueMail(tools.db, [{ tenant, destination }])
  if (!due || due.level === null) return { inbox: { unread: 0, urgent: 0 } }
  const any = {
    held: false,
    unread: false,
    kinds: null,
    label: null,
    skill: null,
    contextId: null,
    from: null,
    after: undefined,
  }
  const all = { tenant, destination, state: 0 as const, ...any }
  const urgent = due.level > 0 ? [] : await tools.mailbox.list({ ...all, level: 0, limit: URGENT_SHOWN_MAX })
  return { inbox: { unread: due.due, urgent: urgent.length } }
}

/** A refusal in words that a model can act upon. What is our own mistake says nothing of itself. */
export function refusal(error: unknown, signals: HappeningSignals): ToolAnswer {
  if (error instanceof A2AError) {
    const { reason, message, detail } = error
    const hint = detail.metadata?.hint ?? HINTS[reason]
    const retry = detail.retryAfterSeconds
    return answer(
      {
        error: reason,
        message,
        ...(hint !== undefined && { next: hint }),
        ...(retry !== undefined && { retryAfterSeconds: retry }),
      },
      true,
    )
  }
  if (error instanceof StoreError)
    return answer({ error: 'UNAVAILABLE', message: 'the gateway cannot do it at the moment', next: 'try again' }, true)
  signals.emit('service.failed', { service: 'mcp', error: (error as Error)?.stack?.slice(0, 600) ?? String(error) })
  return answer({ error: 'INTERNAL', message: 'a mistake of the gateway; its log has more' }, true)
}

const HINTS: Readonly<Record<string, string>> = {
  AGENT_NOT_FOUND: 'find_agents lists those that there are',
  TASK_NOT_FOUND: 'taskId is what delegate_task has given you',
  OUTCOME_UNKNOWN: 'repeat the call with the same `key`',
  QUEUE_FULL: 'wait, or choose another agent',
}
