/**
 * Calls for work that wait. A call is held in memory and leases nothing before there is something; then one statement
 * takes it, and the answer goes out. Wake-ups come from this process at once; under them one timer asks, for all
 * mailboxes that are waited at, which have something due: five thousand idle calls are one query a second.
 *
 *     call ──▶ group of calls with the same wishes ──▶ take ──▶ something: answer the oldest, try again for the next
 *                                                          └──▶ nothing: all of the group wait on
 *
 * One statement per mailbox at a time. A call whose client has gone is dropped; what was leased for it meanwhile is
 * given back.
 */
import { A2AError } from '../../a2a/errors.ts'
import { laneKey, QUIET } from '../../delivery.ts'
import type { Limits } from '../../limits.ts'
import { chance } from '../../platform/ids.ts'
import type { Mailbox } from '../../store/inbox.ts'
import type { Agent } from '../agents/agent.ts'
import { type Box, endOverdue, enter, leave, newBox, oldestOf, type Poll, pollsOf, wishes } from './box.ts'
import type { LeaseRequest, Take } from './lease.ts'
import type { Offer } from './offer.ts'
import type { MailboxTools } from './tools.ts'

export interface PollTools extends Pick<MailboxTools, 'clock' | 'limits' | 'findAgent'> {
  readonly take: Take
  readonly takeBack: (agent: Agent, offers: readonly Offer[]) => Promise<void>
}

export interface Polls {
  /** Empty: nothing came. Rejects with RATE_LIMITED, or with what the store says. */
  wait(agent: Agent, request: LeaseRequest, waitMs: number, signal: AbortSignal): Promise<Offer[]>
  /** Something may be due there. */
  wake(tenant: string, destination: string): void
  /** Ends what has waited long enough. */
  tick(): void
  /** Whether somebody waits there who also takes what nobody is woken for. */
  wantsResults(tenant: string, destination: string): boolean
  /** Where somebody waits. */
  watched(): Mailbox[]
  count(): number
  /** Ends all. */
  close(): void
}

export function createPolls(tools: PollTools): Polls {
  const { clock, limits } = tools
  const boxes = new Map<string, Box>()
  let polls = 0
  let closed = false

  function boxOf(agent: Agent): Box {
    const box = boxes.get(laneKey(agent)) ?? newBox(agent, agent.name)
    boxes.set(laneKey(agent), box)
    return box
  }

  const forget = (box: Box): void => {
    if (!box.busy && box.groups.size === 0 && boxes.get(laneKey(box)) === box) boxes.delete(laneKey(box))
  }

  function hold(box: Box, request: LeaseRequest, waitMs: number, signal: AbortSignal): Promise<Offer[]> {
    return new Promise((resolve, reject) => {
      let done = false
      const gone = () => poll.finish([])
      const settle = (tell: () => void): void => {
        if (done) return
        done = true
        polls--
        signal.removeEventListener('abort', gone)
        leave(box, poll)
        forget(box)
        tell()
      }
      const poll: Poll = {
        until: clock.elapsed() + lengthOf(waitMs, limits),
        request,
        done: () => done,
        finish: (offers) => settle(() => resolve(offers)),
        fail: (error) => settle(() => reject(error)),
      }
      polls++
      signal.addEventListener('abort', gone, { once: true })
      // Where others wait for the same there was nothing, and they are woken when there is: each call that came after an
      // answered one would ask the store for what the others have just been told.
      if (enter(box, poll)) void pump(box, tools).then(() => forget(box))
    })
  }

  return {
    async wait(agent, request, waitMs, signal) {
      if (closed || signal.aborted) return []
      if (polls >= limits.pollsMax) {
        throw new A2AError('RATE_LIMITED', `${limits.pollsMax} calls for work are waiting here`, {
          retryAfterSeconds: 5,
        })
      }
      return hold(boxOf(agent), request, waitMs, signal)
    },
    wake(tenant, destination) {
      const box = boxes.get(laneKey({ tenant, destination }))
      if (box) void pump(box, tools).then(() => forget(box))
    },
    tick() {
      for (const box of [...boxes.values()])
        if (!box.busy) for (const wish of wishes(box)) endOverdue(box, wish, clock.elapsed())
    },
    wantsResults(tenant, destination) {
      const box = boxes.get(laneKey({ tenant, destination }))
      return box !== undefined && wishes(box).some((wish) => (oldestOf(box, wish)?.request.level ?? 0) >= QUIET)
    },
    watched: () => [...boxes.values()].map(({ tenant, destination }) => ({ tenant, destination })),
    count: () => polls,
    close() {
      closed = true
      for (const box of [...boxes.values()])
        for (const wish of wishes(box)) for (const poll of pollsOf(box, wish)) poll.finish([])
    },
  }
}

/** Who waits long waits a little less than asked, each by chance: all who came at once shall not come again at once. */
function lengthOf(waitMs: number, { pollWaitMaxMs, pollEarlyFromMs, pollEarlyShare }: Limits): number {
  const length = Math.min(waitMs, pollWaitMaxMs)
  return length < pollEarlyFromMs ? length : length * (1 - chance() * pollEarlyShare)
}

/** Looks for work for all who wait at a mailbox, again if something came meanwhile. One at a time. */
async function pump(box: Box, tools: PollTools): Promise<void> {
  if (box.busy) {
    box.again = true
    return
  }
  box.busy = true
  do {
    box.again = false
    for (const wish of wishes(box)) {
      try {
        await serve(box, wish, tools)
      } catch (error) {
        for (const poll of pollsOf(box, wish)) poll.fail(error)
      }
      endOverdue(box, wish, tools.clock.elapsed())
    }
  } while (box.again)
  box.busy = false
}

/** Work for the group, one call after the other, until there is none for it. */
async function serve(box: Box, wish: string, { findAgent, take, takeBack }: PollTools): Promise<void> {
  for (let poll = oldestOf(box, wish); poll; poll = oldestOf(box, wish)) {
    const agent = await findAgent(box.tenant, box.agent)
    const offers = agent ? await take(agent, poll.request) : []
    if (!agent || offers.length === 0) return
    if (poll.done()) await takeBack(agent, offers)
    else poll.finish(offers)
  }
}
