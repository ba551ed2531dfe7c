/** Every few seconds: what silent holders held is waiting again, and what waited too long ends, with its task and the reason. */

import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import type { Db } from '../../store/db.ts'
import {
  expireWebhooks,
  type GivenBack,
  giveBackLeases,
  type LostLease,
  leaseExpired,
  type Overdue,
  ownLeases,
  reapLeases,
  tasksPastDeadline,
  voidDeliveries,
} from '../../store/recovery.ts'
import { expireResults } from '../../store/results.ts'
import { refreshStatistics } from '../../store/statistics.ts'
import { findTask } from '../../store/tasks.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import type { Record } from '../tasks/record.ts'

export interface SweepTools {
  readonly db: Db
  readonly clock: Clock
  readonly now: () => Date
  readonly loopTools: LoopTools
  readonly owner: () => string
  readonly record: Record
  readonly signals: HappeningSignals
  readonly wake: (tenant: string, destination: string) => void
  /** Does anybody here answer for this lease of ours? */
  readonly standing: (lease: string) => 'held' | 'begun' | 'unknown'
  /** The lease of one who is silent ran out, and what it held waits again. */
  readonly lost: (delivery: LostLease) => Promise<void>
}

const AT_ONCE = 200
const EXPIRED = { code: 'EXPIRED_UNDELIVERED', text: 'the agent did not come for it within its time to live' }
const TOO_LATE = { code: 'DEADLINE_EXCEEDED', text: 'it was not finished by its deadline' }

export function createSweep(tools: SweepTools): Service {
  const { clock, loopTools } = tools
  const strays: Strays = new Map()
  return loop(
    'sweep',
    async (signal) => {
      await clock.sleep(LIMITS.sweepEveryMs, signal)
      if (signal.aborted) return
      await sweepOnce(tools, strays)
    },
    loopTools,
  )
}

/** One round. */
export async function sweepOnce(tools: SweepTools, strays: Strays = new Map()): Promise<void> {
  await refreshStatistics(tools.db)
  await returnLost(tools)
  await returnStrays(tools, strays)
  await endExpired(tools)
  await endLate(tools)
  await expireResults(tools.db, AT_ONCE)
  for (const dead of await expireWebhooks(tools.db, AT_ONCE)) {
    const { id, taskId, destination, kind } = dead
    tools.signals.emit('delivery.dead', {
      delivery: id,
      task: taskId,
      destination,
      kind,
      code: 'WEBHOOK_EXPIRED',
      reason: 'tried for as long as webhooks are tried',
    })
  }
}

async function returnLost({ db, signals, wake, lost: told }: SweepTools): Promise<void> {
  const lost = await reapLeases(db)
  const perOwner = new Map<string, number>()
  for (const delivery of lost) {
    const { id, taskId, destination, tenant, owner } = delivery
    signals.emit('lease.lost', { delivery: id, task: taskId, destination })
    if (owner) perOwner.set(owner, (perOwner.get(owner) ?? 0) + 1)
    await told(delivery)
    wake(tenant, destination)
  }
  for (const [replica, leases] of perOwner) signals.emit('replica.lost', { replica, leases })
}

/** Leases of ours that nobody here answers for, and since when that is so. */
export type Strays = Map<string, number>

/**
 * A claim whose answer was lost, or an attempt whose settlement failed, leaves a lease that is ours by name and nobody's
 * in fact; as long as this process lives no other will take it. Seen twice, a statement's deadline apart, it is given back.
 */
async function returnStrays({ db, clock, owner, standing, wake, signals }: SweepTools, strays: Strays): Promise<void> {
  const now = clock.elapsed()
  const back: GivenBack[] = []
  const seen = new Set<string>()
  for (const own of await ownLeases(db, owner())) {
    const is = standing(own.lease)
    if (is === 'held') continue
    seen.add(own.lease)
    const since = strays.get(own.lease) ?? now
    strays.set(own.lease, since)
    if (is === 'begun') back.push({ ...own, code: 'LEASE_LOST' })
    else if (now - since > LIMITS.statementMs) back.push({ ...own, code: 'UNSENT' })
  }
  for (const lease of strays.keys()) if (!seen.has(lease)) strays.delete(lease)
  if (back.length === 0) return
  await giveBackLeases(db, back)
  for (const { tenant, id, destination } of back) {
    signals.emit('lease.lost', { delivery: id, task: '', destination })
    wake(tenant, destination)
  }
}

async function endExpired(tools: SweepTools): Promise<void> {
  const overdue = await leaseExpired(tools.db, tools.owner(), AT_ONCE)
  for (const delivery of overdue) await endTask(tools, delivery)
}

async function endTask(
  { db, record, now, signals }: SweepTools,
  { tenant, id, taskId, lease, destination }: Overdue,
): Promise<void> {
  const head = await findTask(db, { tenant, id: taskId })
  if (!head) return
  const ids = { taskId, contextId: head.contextId }
  await record({
    tenant,
    taskId,
    agent: head.agent,
    acceptedAt: head.createdAt,
    under: { deliveryId: id, lease },
    settle: { state: 'expired', code: EXPIRED.code, reason: EXPIRED.text },
    events: [{ event: { statusUpdate: { ...ids, status: gatewayStatus('TASK_STATE_FAILED', EXPIRED, now(), ids) } } }],
  })
  await voidDeliveries(db, tenant, taskId, 'TASK_ENDED', 'the task had ended')
  signals.emit('delivery.expired', { delivery: id, task: taskId, destination, code: EXPIRED.code })
}

async function endLate({ db, record, now }: SweepTools): Promise<void> {
  for (const { tenant, id, contextId } of await tasksPastDeadline(db, AT_ONCE)) {
    const head = await findTask(db, { tenant, id })
    if (!head) continue
    const ids = { taskId: id, contextId }
    await record({
      tenant,
      taskId: id,
      agent: head.agent,
      acceptedAt: head.createdAt,
      events: [
        { event: { statusUpdate: { ...ids, status: gatewayStatus('TASK_STATE_FAILED', TOO_LATE, now(), ids) } } },
      ],
    })
    await voidDeliveries(db, tenant, id, TOO_LATE.code, TOO_LATE.text)
  }
}
