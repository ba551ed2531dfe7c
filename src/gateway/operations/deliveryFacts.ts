/** Where a task's message is, for its caller: in the task's metadata, so that any A2A client sees it. */
import { DELIVERY_STATES, HELD } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { type DeliveryView, viewDelivery } from '../../store/lanes.ts'
import { type Agent, waitsText } from '../agents/agent.ts'
import type { DeliveryFacts } from '../tasks/facts.ts'
import type { OpenedTask } from '../tasks/open.ts'
import type { OperationTools } from './tools.ts'

const iso = (ms: number | null | undefined): string | undefined => (ms == null ? undefined : new Date(ms).toISOString())

/** Read from the queue. undefined: the task has none (it was opened before anything was owed, or is an old one). */
export async function deliveryFacts(
  tenant: string,
  taskId: string,
  { db, now }: Pick<OperationTools, 'db' | 'now'>,
): Promise<DeliveryFacts | undefined> {
  const view = await viewDelivery(db, tenant, taskId)
  if (!view) return undefined
  const waiting = view.state === 0
  const nextAttemptAt = waiting && !view.held ? iso(view.closedAt === null ? view.dueAt : view.probeAt) : undefined
  const expiresAt = waiting ? iso(view.expiresAt) : undefined
  return {
    delivery: DELIVERY_STATES[view.state] ?? 'waiting',
    attempt: view.attempt,
    ...(nextAttemptAt && { nextAttemptAt }),
    ...(waiting && { position: view.ahead + 1 }),
    recipient: view.held ? 'paused' : isThere(view, now().getTime()) ? 'online' : 'offline',
    ...(expiresAt && { expiresAt }),
    ...reasonOf(view, waiting),
  }
}

const CONSENT = 'waits for the consent of its recipient'

function reasonOf({ changes, reason, priority }: DeliveryView, waiting: boolean): { reason?: string } {
  const said = waiting && changes ? waitsText({ changes }) : waiting && priority >= HELD ? CONSENT : reason
  return said ? { reason: said } : {}
}

/** An agent that collects was there within the last minute, or it is away; any other is there unless its lane is closed. */
const isThere = ({ kind, closedAt, seenAt }: DeliveryView, now: number): boolean =>
  kind === 'mailbox' ? seenAt !== null && now - seenAt < 4 * LIMITS.leaseMs : closedAt === null

/** The same for a task that was opened a moment ago, without asking. */
export function freshFacts(
  opened: OpenedTask,
  agent: Agent,
  { delivering, now }: Pick<OperationTools, 'delivering' | 'now'>,
): DeliveryFacts {
  const handed = opened.handed !== undefined
  const expiresAt = iso(now().getTime() + agent.policy.ttlSeconds * 1000) as string
  if (handed) return { delivery: 'leased', attempt: 1, recipient: 'online' }
  const collects = agent.connector.kind === 'mailbox'
  const { tenant, destination } = agent
  return {
    delivery: 'waiting',
    attempt: 0,
    position: Math.max(1, delivering.depth(tenant, destination)),
    // Whether anybody collects is read with the task, not guessed here.
    ...(!collects && {
      recipient: agent.pausedAt ? 'paused' : delivering.isClosed(tenant, destination) ? 'offline' : 'online',
    }),
    expiresAt,
    ...(agent.pending && { reason: waitsText(agent.pending) }),
    ...(opened.held && { reason: CONSENT }),
  }
}
