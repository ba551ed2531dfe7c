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
} from '../../store/inbox.ts'
import { renewMail } from '../../store/mailbox.ts'
import {
  type ArrivedQuery,
  type ArrivedRow,
  arrivedMail,
  markRead,
  remindOverdue,
  tellUnacknowledged,
} from '../../store/reading.ts'
import type { LostLease } from '../../store/recovery.ts'
import type { Agent } from '../agents/agent.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import { createAttempts } from './attempts.ts'
import { type Consent, createConsent } from './consent.ts'
import { createHints, type HintSink, type Hints } from './hints.ts'
import { createTake, type LeaseRequest, takeBack } from './lease.ts'
import { type Offer, offer } from './offer.ts'
import { createPolls, type Polls } from './polls.ts'
import { type Alive, type Refused, type Renew, renew, type Update, update } from './report.ts'
import { createSeen, type Seen } from './seen.ts'
import { settle } from './settle.ts'
import { laneAgent } from './shared.ts'
import { leaseKey, type MailboxTools, type VerbTools } from './tools.ts'
import type { Settled, Verdict } from './verdict.ts'
import { createWaker } from './wake.ts'

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
  /** Whoever took these has gone without a word: unless it comes back soon they are another's. */
  dropped(agent: Agent, leases: readonly string[]): Promise<void>
  list(query: InboxQuery): Promise<InboxRow[]>
  /** Sets a read mark, or takes it back. Answers the ids of those that are this agent's. */
  read(agent: Agent, ids: readonly string[], read: boolean): Promise<string[]>
  /** What has come since. */
  arrived(query: ArrivedQuery): Promise<ArrivedRow[]>
  /** A sign of life of this agent. */
  seen(tenant: string, destination: string): void
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
  const presence = createSeen(tools)
  const rate = createRate(tools)
  const wake = (tenant: string, destination: string) => {
    polls.wake(tenant, destination)
    hints.wake(tenant, destination)
    for (const box of tools.shared.lookersAt({ tenant, destination })) polls.wake(tenant, box.destination)
  }
  const attempts = createAttempts(tools)
  const verbTools: VerbTools = {
    ...tools,
    attempts,
    wake(tenant, destination) {
      wake(tenant, destination)
      tools.announce(tenant, destination)
    },
  }
  const waker = createWaker(tools)
  const wheel = createWheel({ ...verbTools, polls, hints, presence })

  /** The lease that this text names, if it is one of this agent's; who names it is there. */
  const keyOf = async (agent: Agent, lease: string) => {
    presence.worked(agent)
    const key = leaseKey(agent, lease)
    if (!key || key.destination === agent.destination) return key
    return (await tools.shared.of(agent)).includes(key.destination) ? key : undefined
  }

  return {
    ...createConsent(verbTools),
    name: 'mailbox',
    async start() {
      await wheel.start()
      await waker.start()
    },
    async stop() {
      polls.close()
      hints.close()
      await waker.stop()
      await wheel.stop()
    },
    async lease(agent, { reclaim: reclaims, ...request }, waitMs, signal) {
      rate.count(agent)
      presence.seen([agent])
      const kept = reclaims ? await reclaim(agent, request) : []
      const offers = kept.length > 0 ? kept : await polls.wait(agent, request, waitMs, signal)
      if (offers.length > 0) presence.worked(agent)
      attempts.began(offers.flatMap(({ lease }) => leaseKey(agent, lease)?.lease ?? []))
      return offers
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
    async dropped(agent, leases) {
      const grace = {
        leaseSeconds: tools.limits.socketGraceSeconds,
        defaultSeconds: 0,
        touched: false,
        checkpoint: null,
      }
      for (const lease of leases) {
        const key = await keyOf(agent, lease)
        if (key) await renewMail(tools.db, key, grace)
      }
    },
    list: (query) => listInbox(tools.db, query),
    read: (agent, ids, read) => markRead(tools.db, agent, ids, read),
    arrived: (query) => arrivedMail(tools.db, query),
    seen: (tenant, destination) => presence.seen([{ tenant, destination }]),
    listen(agent, sink) {
      presence.seen([agent])
      return hints.listen(agent, sink)
    },
    wake,
    woken(boxes) {
      for (const { tenant, destination } of boxes ?? [...polls.watched(), ...hints.watched()]) wake(tenant, destination)
    },
    async lost(delivery) {
      const { tenant, id, kind, destination, attempt } = delivery
      if (kind !== 'mailbox') return
      const agent = await tools.findAgent(tenant, laneAgent(destination))
      const isLast = agent !== undefined && attempt >= agent.policy.maxAttempts
      attempts.lost(delivery, isLast)
      if (!isLast) return
      await offer(await leaseSpent(tools.db, tenant, id, agent.policy.maxAttempts), agent, false, tools)
      wake(tenant, destination)
    },
    waiting: polls.count,
  }
}

interface WheelTools extends VerbTools {
  readonly polls: Polls
  readonly hints: Hints
  readonly presence: Seen
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
      await askForAnswers(tools)
    },
    tools.loopTools,
  )
}

/** What should have been acknowledged: its agent is reminded once, and then its sender is told. */
async function askForAnswers({ db, limits, wake, signals }: VerbTools): Promise<void> {
  for (const { tenant, destination, delivery, taskId: task } of await remindOverdue(db, AT_ONCE)) {
    signals.emit('delivery.reminded', { delivery, task, destination })
    wake(tenant, destination)
  }
  for (const { tenant, destination } of await tellUnacknowledged(db, limits.ackReminderMs, AT_ONCE))
    wake(tenant, destination)
}
const AT_ONCE = 200

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
