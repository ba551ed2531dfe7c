/**
 * The mailbox: agents without a server collect what is theirs and report back. To the queue they are what the forwarder
 * is, a consumer with a lease; all that they say comes to the task through `record`, fenced by that lease.
 */
import { A2AError } from '../../a2a/errors.ts'
import { loop, type Service } from '../../platform/service.ts'
import { leaseSpent } from '../../store/collect.ts'
import {
  type Mailbox as Box,
  cancelDue,
  dueMail,
  type InboxQuery,
  type InboxRow,
  listInbox,
  seenMany,
} from '../../store/inbox.ts'
import type { LostLease } from '../../store/recovery.ts'
import type { Agent } from '../agents/agent.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import { type Consent, createConsent } from './consent.ts'
import { createHints, type HintSink, type Hints } from './hints.ts'
import { createTake, type LeaseRequest, takeBack } from './lease.ts'
import { type Offer, offer } from './offer.ts'
import { createPolls, type Polls } from './polls.ts'
import { type Alive, type Refused, type Renew, renew, type Update, update } from './report.ts'
import { settle } from './settle.ts'
import { laneAgent } from './shared.ts'
import { leaseKey, type MailboxTools, type VerbTools } from './tools.ts'
import type { Settled, Verdict } from './verdict.ts'

export interface Mailbox extends Service, Consent {
  /**
   * Work for this agent; empty: nothing came within `waitMs`. Nothing is leased for a client that has gone.
   * `reclaim`: first what the same worker held before it restarted. Rejects with RATE_LIMITED.
   */
  lease(
    agent: Agent,
    request: LeaseRequest & { reclaim: boolean },
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Offer[]>
  /** The answer did not reach whoever asked. */
  takeBack(agent: Agent, offers: readonly Offer[]): Promise<void>
  renew(agent: Agent, lease: string, said: Renew): Promise<Alive | Refused>
  update(agent: Agent, lease: string, said: Update): Promise<Alive | Refused>
  settle(agent: Agent, lease: string, verdict: Verdict): Promise<Settled>
  list(query: InboxQuery): Promise<InboxRow[]>
  listen(agent: Agent, sink: HintSink): () => void
  /** Something may be due at this destination. */
  wake(tenant: string, destination: string): void
  /** The same, said by another replica. undefined: hints were lost, it may be any of them. */
  woken(boxes: readonly Box[] | undefined): void
  /** Its lease ran out: if that was the last attempt it ends here, also if nobody ever asks again. */
  lost(delivery: LostLease): Promise<void>
  /** Calls for work that wait here. */
  waiting(): number
}

const unknown = { kind: 'unknown' } as const

export function createMailbox(tools: MailboxTools): Mailbox {
  const { take, reclaim } = createTake(tools)
  const hints = createHints(tools)
  const polls = createPolls({ ...tools, take, takeBack: (agent, offers) => takeBack(agent, offers, verbTools) })
  const presence = createPresence(tools)
  const rate = createRate(tools)
  const wake = (tenant: string, destination: string) => {
    polls.wake(tenant, destination)
    hints.wake(tenant, destination)
    for (const box of tools.shared.lookersAt({ tenant, destination })) polls.wake(tenant, box.destination)
  }
  const verbTools: VerbTools = {
    ...tools,
    wake(tenant, destination) {
      wake(tenant, destination)
      tools.announce(tenant, destination)
    },
  }
  const wheel = createWheel({ ...verbTools, polls, hints, presence })

  /** The lease that this text names, if it is one of this agent's; who names it is there. */
  const keyOf = async (agent: Agent, lease: string) => {
    presence.seen([agent])
    const key = leaseKey(agent, lease)
    if (!key || key.destination === agent.destination) return key
    return (await tools.shared.of(agent)).includes(key.destination) ? key : undefined
  }

  return {
    ...createConsent(verbTools),
    name: 'mailbox',
    start: () => wheel.start(),
    async stop() {
      polls.close()
      hints.close()
      await wheel.stop()
    },
    async lease(agent, { reclaim: reclaims, ...request }, waitMs, signal) {
      rate.count(agent)
      presence.seen([agent])
      const kept = reclaims ? await reclaim(agent, request) : []
      return kept.length > 0 ? kept : polls.wait(agent, request, waitMs, signal)
    },
    takeBack: (agent, offers) => takeBack(agent, offers, verbTools),
    async renew(agent, lease, said) {
      const key = await keyOf(agent, lease)
      return key ? renew(agent, key, said, tools) : unknown
    },
    async update(agent, lease, said) {
      const key = await keyOf(agent, lease)
      return key ? update(agent, key, said, tools) : unknown
    },
    async settle(agent, lease, verdict) {
      const key = await keyOf(agent, lease)
      return key ? settle(agent, key, verdict, verbTools) : unknown
    },
    list: (query) => listInbox(tools.db, query),
    listen(agent, sink) {
      presence.seen([agent])
      return hints.listen(agent, sink)
    },
    wake,
    woken(boxes) {
      for (const { tenant, destination } of boxes ?? [...polls.watched(), ...hints.watched()]) wake(tenant, destination)
    },
    async lost({ tenant, id, kind, destination, attempt }) {
      if (kind !== 'mailbox') return
      const agent = await tools.findAgent(tenant, laneAgent(destination))
      if (!agent || attempt < agent.policy.maxAttempts) return
      await offer(await leaseSpent(tools.db, tenant, id, agent.policy.maxAttempts), agent, false, tools)
      wake(tenant, destination)
    },
    waiting: polls.count,
  }
}

interface WheelTools extends VerbTools {
  readonly polls: Polls
  readonly hints: Hints
  readonly presence: Presence
}

/** The one timer: ends waits at every turn; once a second looks at the database for all who wait and listen. */
function createWheel(tools: WheelTools): Service {
  const { clock, limits, polls, hints, presence } = tools
  let lookedAt = clock.elapsed()
  return loop(
    'mailbox',
    async (signal) => {
      await clock.sleep(limits.pollTickMs, signal)
      if (signal.aborted) return
      polls.tick()
      const all = clock.elapsed() - lookedAt >= limits.pollMs
      await hints.look(all)
      if (!all) return
      lookedAt = clock.elapsed()
      presence.seen([...polls.watched(), ...hints.watched()])
      await presence.write()
      const watched = polls.watched()
      const looked = [...watched, ...tools.shared.watched(watched)]
      for (const { tenant, destination, due } of await dueMail(tools.db, looked)) {
        const shared = tools.shared.lookersAt({ tenant, destination })
        for (const box of shared) polls.wake(tenant, box.destination)
        if (due > 0 || polls.wantsResults(tenant, destination)) polls.wake(tenant, destination)
      }
      await endCanceled(tools)
    },
    tools.loopTools,
  )
}

type Presence = ReturnType<typeof createPresence>
/** That an agent asked, renewed or settled is written down now and then, for all of them in one statement. */
function createPresence({ db, clock, limits }: MailboxTools) {
  const writtenAt = new Map<string, number>()
  const fresh = new Map<string, Box>()
  return {
    seen(boxes: readonly Box[]): void {
      for (const { tenant, destination } of boxes) {
        const key = `${tenant} ${destination}`
        const last = writtenAt.get(key)
        if (last === undefined || clock.elapsed() - last >= limits.seenEveryMs) fresh.set(key, { tenant, destination })
      }
    },
    async write(): Promise<void> {
      const boxes = [...fresh.entries()]
      fresh.clear()
      await seenMany(
        db,
        boxes.map(([, box]) => box),
      )
      const now = clock.elapsed()
      for (const [key, at] of writtenAt) if (now - at >= limits.seenEveryMs) writtenAt.delete(key)
      for (const [key] of boxes) writtenAt.set(key, now)
    },
  }
}

/** Calls for work of one agent, counted by the second. */
function createRate({ clock, limits }: MailboxTools) {
  let counts = new Map<string, number>()
  let since = clock.elapsed()
  return {
    count({ tenant, name }: Agent): void {
      const now = clock.elapsed()
      if (now - since >= 1_000) {
        counts = new Map()
        since = now
      }
      const key = `${tenant} ${name}`
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      if (count > limits.leaseCallsPerSecond)
        throw new A2AError('RATE_LIMITED', 'too many calls for work: wait for it with ?wait=50', {
          retryAfterSeconds: 1,
        })
    },
  }
}

/** Whoever holds what should be canceled has had its time: the task ends, and the lease with it. Of an ended task only the lease ends. */
async function endCanceled(tools: VerbTools): Promise<void> {
  const why = { code: 'CANCELED', text: 'canceled by its caller' }
  for (const due of await cancelDue(tools.db, tools.limits.cancelGraceMs)) {
    const { tenant, taskId, contextId, id, lease, agent, acceptedAt, destination } = due
    const ids = { taskId, contextId }
    const status = gatewayStatus('TASK_STATE_CANCELED', why, tools.now(), ids)
    await tools.record({
      tenant,
      taskId,
      agent,
      acceptedAt,
      under: { deliveryId: id, lease },
      events: [{ event: { statusUpdate: { ...ids, status } } }],
      settle: { state: 'void', code: why.code, reason: 'its holder had its time to agree' },
    })
    tools.wake(tenant, destination)
  }
}
