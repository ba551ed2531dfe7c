/** The upstream's own card: fetched when there is none or it is old, one fetch per agent at a time, kept while refreshing fails. */
import type { AgentCard } from '../../a2a/agentCard.ts'
import type { Verdict } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import type { Clock } from '../../platform/clock.ts'
import type { AgentTarget, FetchCard } from '../../ports.ts'
import { saveCard } from '../../store/agents.ts'
import { type Db, StoreError } from '../../store/db.ts'
import { type Agent, toAgent } from './agent.ts'
import { plainText } from './registration.ts'

export type CardAnswer = { kind: 'ready'; agent: Agent } | { kind: 'failed'; verdict: Verdict }

export interface CardTools {
  readonly db: Db
  readonly fetchCard: FetchCard
  readonly clock: Clock
  readonly target: (agent: Agent) => AgentTarget
  /** A card was stored: what is cached of this agent is old. */
  readonly onStored: (agent: Agent, differs: boolean) => void
}

/** After a failed refresh the old card is good for this long without asking again. */
const REFRESH_AGAIN_MS = 30_000

export interface Cards {
  /** Fetches whatever the age of what is known: an operator's probe. */
  fetch(agent: Agent, signal: AbortSignal): Promise<CardAnswer>
  ensure(agent: Agent, signal: AbortSignal): Promise<CardAnswer>
}

export function createCards({ db, fetchCard, clock, target, onStored }: CardTools): Cards {
  const running = new Map<string, Promise<CardAnswer>>()
  /** Monotonic time of the last refresh that failed, for agents that have a card. */
  const failedAt = new Map<string, number>()
  const keyOf = ({ tenant, name }: Agent) => `${tenant} ${name}`

  async function load(agent: Agent): Promise<CardAnswer> {
    const fetched = await fetchCard(target(agent), AbortSignal.timeout(LIMITS.cardFetchMs))
    if (fetched.kind === 'failed') return fetched
    const card = cleanCard(fetched.card)
    try {
      const row = await saveCard(db, { ...agent, card, connector: agent.connector })
      if (!row) return failed('its registration has changed meanwhile', 'STOPPED')
      const stored = toAgent(row)
      onStored(stored, canonicalJson(agent.card ?? null) !== canonicalJson(card))
      return { kind: 'ready', agent: stored }
    } catch (error) {
      // The card is good; that it could not be kept is the store's trouble and costs another fetch later.
      if (error instanceof StoreError) return { kind: 'ready', agent: { ...agent, card, cardFetchedAt: clock.now() } }
      throw error
    }
  }

  function fetchOnce(agent: Agent): Promise<CardAnswer> {
    const key = keyOf(agent)
    const known = running.get(key)
    if (known) return known
    const fetching = load(agent).finally(() => running.delete(key))
    running.set(key, fetching)
    return fetching
  }

  async function ask(agent: Agent, signal: AbortSignal): Promise<CardAnswer> {
    if (signal.aborted) return failed('stopped', 'STOPPED')
    let onAbort = () => {}
    // One caller's leaving must not cost the others their answer.
    const left = new Promise<CardAnswer>((resolve) => {
      onAbort = () => resolve(failed('stopped', 'STOPPED'))
      signal.addEventListener('abort', onAbort, { once: true })
    })
    try {
      return await Promise.race([fetchOnce(agent), left])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  return {
    fetch: ask,
    async ensure(agent, signal) {
      if (agent.connector.kind !== 'a2a') return { kind: 'ready', agent }
      if (agent.card && isFresh(agent, clock.now().getTime() + db.offsetMs())) return { kind: 'ready', agent }
      const key = keyOf(agent)
      const failure = failedAt.get(key)
      if (agent.card && failure !== undefined && clock.elapsed() - failure < REFRESH_AGAIN_MS)
        return { kind: 'ready', agent }
      const answer = await ask(agent, signal)
      if (answer.kind === 'ready') {
        failedAt.delete(key)
        return answer
      }
      if (!agent.card) return answer
      if (failedAt.size >= LIMITS.agentsPerTenantMax) failedAt.clear()
      failedAt.set(key, clock.elapsed())
      return { kind: 'ready', agent }
    },
  }
}

const isFresh = (agent: Agent, nowMs: number): boolean =>
  agent.cardFetchedAt !== undefined && nowMs - agent.cardFetchedAt.getTime() < LIMITS.cardFreshMs

const failed = (reason: string, code: 'STOPPED'): CardAnswer => ({
  kind: 'failed',
  verdict: { kind: 'refused', reason, code, retry: true },
})

/** A stranger's text: no controls, no direction overrides, well-formed (the database refuses NUL and lone surrogates). */
function cleanCard(card: AgentCard): AgentCard {
  return JSON.parse(
    JSON.stringify(card, (_, value) => (typeof value === 'string' ? plainText(value) : value)),
  ) as AgentCard
}
