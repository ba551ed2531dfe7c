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
import type { Mailbox } from '../../store/inbox.ts'
import type { Agent } from '../agents/agent.ts'
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
  /** Where somebody waits. */
  watched(): Mailbox[]
  count(): number
  /** Ends all. */
  close(): void
}

interface Poll {
  readonly until: number
  readonly request: LeaseRequest
  done: boolean
  finish(offers: Offer[]): void
  fail(error: unknown): void
}

interface Box extends Mailbox {
  readonly agent: string
  /** By what they wish for, each in the order of their coming. */
  readonly groups: Map<string, Set<Poll>>
  busy: boolean
  again: boolean
}

const wishKey = ({ level, contextId, from, skill }: LeaseRequest): string =>
  JSON.stringify([level, contextId, from, skill])

export function createPolls(tools: PollTools): Polls {
  const { clock, limits } = tools
  const boxes = new Map<string, Box>()
  let polls = 0
  let closed = false

  function boxOf({ tenant, destination, name }: Agent): Box {
    const key = `${tenant} ${destination}`
    let box = boxes.get(key)
    if (!box) {
      box = { tenant, destination, agent: name, groups: new Map(), busy: false, again: false }
      boxes.set(key, box)
    }
    return box
  }

  /** Work for the group, until there is none for it. */
  async function serve(box: Box, wish: string): Promise<void> {
    for (;;) {
      const [poll] = box.groups.get(wish) ?? []
      if (!poll) return
      const agent = await tools.findAgent(box.tenant, box.agent)
      const offers = agent ? await tools.take(agent, poll.request) : []
      if (agent && offers.length > 0) {
        if (poll.done) await tools.takeBack(agent, offers)
        else poll.finish(offers)
      } else return
    }
  }

  async function pump(box: Box): Promise<void> {
    if (box.busy) {
      box.again = true
      return
    }
    box.busy = true
    do {
      box.again = false
      for (const wish of [...box.groups.keys()]) {
        try {
          await serve(box, wish)
        } catch (error) {
          for (const poll of [...(box.groups.get(wish) ?? [])]) poll.fail(error)
        }
        endOld(box, wish)
      }
    } while (box.again && !closed)
    box.busy = false
    forget(box)
  }

  function endOld(box: Box, wish: string): void {
    const now = clock.elapsed()
    for (const poll of [...(box.groups.get(wish) ?? [])]) if (poll.until <= now) poll.finish([])
  }

  function forget(box: Box): void {
    if (!box.busy && box.groups.size === 0) boxes.delete(`${box.tenant} ${box.destination}`)
  }

  function add(box: Box, wish: string, poll: Poll): void {
    const group = box.groups.get(wish)
    if (group) group.add(poll)
    else box.groups.set(wish, new Set([poll]))
    polls++
  }

  function drop(box: Box, wish: string, poll: Poll): void {
    poll.done = true
    polls--
    const group = box.groups.get(wish)
    group?.delete(poll)
    if (group?.size === 0) box.groups.delete(wish)
    forget(box)
  }

  return {
    wait(agent, request, waitMs, signal) {
      if (closed || signal.aborted) return Promise.resolve([])
      if (polls >= limits.pollsMax) {
        const full = new A2AError('RATE_LIMITED', `${limits.pollsMax} calls for work are waiting here`, {
          retryAfterSeconds: 5,
        })
        return Promise.reject(full)
      }
      const box = boxOf(agent)
      const wish = wishKey(request)
      return new Promise((resolve, reject) => {
        const leave = () => poll.finish([])
        const settle = (): boolean => {
          if (poll.done) return false
          signal.removeEventListener('abort', leave)
          drop(box, wish, poll)
          return true
        }
        const poll: Poll = {
          until: clock.elapsed() + Math.min(waitMs, limits.pollWaitMaxMs),
          request,
          done: false,
          finish: (offers) => settle() && resolve(offers),
          fail: (error) => settle() && reject(error),
        }
        signal.addEventListener('abort', leave, { once: true })
        add(box, wish, poll)
        void pump(box)
      })
    },
    wake(tenant, destination) {
      const box = boxes.get(`${tenant} ${destination}`)
      if (box) void pump(box)
    },
    tick() {
      for (const box of [...boxes.values()]) if (!box.busy) for (const wish of [...box.groups.keys()]) endOld(box, wish)
    },
    watched: () => [...boxes.values()].map(({ tenant, destination }) => ({ tenant, destination })),
    count: () => polls,
    close() {
      closed = true
      for (const box of [...boxes.values()])
        for (const group of [...box.groups.values()]) for (const poll of [...group]) poll.finish([])
    },
  }
}
