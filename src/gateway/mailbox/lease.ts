/** One call for work: what is due for an agent, by priority, now and then by age, leased and made ready to be handed out. */

import { type Collected, type LeaseFilter, type LeaseQuery, leaseMail, reclaimMail } from '../../store/collect.ts'
import { isRowsFault } from '../../store/db.ts'
import { DUE_COUNT_MAX } from '../../store/inbox.ts'
import { laneDepths } from '../../store/lanes.ts'
import { giveBackMail } from '../../store/mailbox.ts'
import type { Agent } from '../agents/agent.ts'
import { type Offer, offer } from './offer.ts'
import { leaseKey, type MailboxTools, type VerbTools } from './tools.ts'

export interface LeaseRequest extends LeaseFilter {
  /** How many at most. */
  readonly max: number
  /** undefined: as the agent was registered. */
  readonly leaseSeconds: number | undefined
  /** A stable name of whoever works; undefined: nobody in particular. */
  readonly worker: string | undefined
}

export type Take = (agent: Agent, request: LeaseRequest) => Promise<Offer[]>

export interface Takes {
  /** What is due. */
  readonly take: Take
  /** What this worker held before it restarted. */
  readonly reclaim: Take
}

/** What cannot be handed out is ended, and something else is looked for, so many times. */
const LOOKS = 8
/** Agents whose turns are remembered; the one that was not heard of longest begins anew. */
const TURNS_MAX = 10_000

/** Counts what each agent takes: true when its next is to be taken by age. */
function createTurns(every: number) {
  const taken = new Map<string, number>()
  return {
    byAge: (key: string): boolean => ((taken.get(key) ?? 0) + 1) % every === 0,
    took(key: string, count: number): void {
      const before = taken.get(key) ?? 0
      taken.delete(key)
      if (taken.size >= TURNS_MAX) taken.delete(taken.keys().next().value as string)
      taken.set(key, (before + count) % (every * 1_000))
    },
  }
}

export function createTake(tools: MailboxTools): Takes {
  const turns = createTurns(tools.limits.oldestEvery)

  /** Up to the next one that is taken by age; then the caller asks again. */
  async function some(query: LeaseQuery): Promise<Collected[]> {
    const key = `${query.tenant} ${query.destination}`
    const oldest = turns.byAge(key)
    const leased = await leaseMail(tools.db, { ...query, oldest, count: oldest ? 1 : query.count }).catch((error) => {
      // Two replicas wanted the same conversation: the other has it.
      if (isRowsFault(error)) return []
      throw error
    })
    turns.took(key, leased.length)
    return leased
  }

  async function fresh(agent: Agent, query: LeaseQuery): Promise<Offer[]> {
    const offers: Offer[] = []
    for (let look = 0; look < LOOKS && offers.length < query.count; look++) {
      const leased = await some({ ...query, count: query.count - offers.length })
      if (leased.length === 0) break
      offers.push(...(await offer(leased, agent, false, tools)))
    }
    return offers
  }

  /** Its own first, then what it shares with others. */
  async function all(agent: Agent, query: LeaseQuery): Promise<Offer[]> {
    const offers = await fresh(agent, query)
    for (const destination of offers.length < query.count ? await tools.shared.of(agent) : []) {
      const count = query.count - offers.length
      if (count <= 0) break
      offers.push(...(await fresh(agent, { ...query, destination, count, maxInflight: tools.limits.leaseMax * 16 })))
    }
    return offers
  }

  async function counted(agent: Agent, offers: Offer[]): Promise<Offer[]> {
    if (offers.length === 0) return []
    const [more = 0] = await laneDepths(tools.db, [agent], DUE_COUNT_MAX, false)
    return offers.map((one) => ({ ...one, more }))
  }

  return {
    take: async (agent, request) => (agent.pausedAt ? [] : counted(agent, await all(agent, queryOf(agent, request)))),
    async reclaim(agent, request) {
      if (request.worker === undefined) return []
      return counted(agent, await offer(await reclaimMail(tools.db, queryOf(agent, request)), agent, true, tools))
    },
  }
}

const queryOf = ({ tenant, destination, policy }: Agent, request: LeaseRequest): LeaseQuery => ({
  tenant,
  destination,
  level: request.level,
  kinds: request.kinds,
  label: request.label,
  contextId: request.contextId,
  from: request.from,
  skill: request.skill,
  count: request.max,
  oldest: false,
  leaseSeconds: request.leaseSeconds ?? policy.leaseSeconds,
  worker: request.worker ?? null,
  maxInflight: policy.maxInflight,
})

/** Whoever asked has gone before it had the answer: back at once, and not counted. */
export async function takeBack(agent: Agent, offers: readonly Offer[], tools: VerbTools): Promise<void> {
  const lanes = new Set<string>()
  for (const { lease } of offers) {
    const key = leaseKey(agent, lease)
    if (!key) continue
    lanes.add(key.destination)
    await giveBackMail(tools.db, key, {
      waitMs: 0,
      counts: false,
      code: 'NOT_TAKEN',
      reason: 'whoever asked for work had gone before it got the answer',
      receipt: null,
    })
  }
  for (const lane of lanes) tools.wake(agent.tenant, lane)
}
