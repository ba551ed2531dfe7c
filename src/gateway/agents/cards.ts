/**
 * The upstream's own card: fetched when there is none or it is old, one fetch per agent at a time, kept while refreshing
 * fails. A card that says that the agent is somewhere or somebody else is put aside until an operator has looked at it.
 */
import type { AgentCard } from '../../a2a/agentCard.ts'
import type { Verdict } from '../../delivery.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import { within } from '../../platform/aborts.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import type { Clock } from '../../platform/clock.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { AgentTarget, CardSignatures, FetchCard, SignatureRules } from '../../ports.ts'
import { saveCard, saveCardProblem, savePending } from '../../store/cards.ts'
import { type Db, StoreError } from '../../store/db.ts'
import { type Agent, tellsCard, toAgent, waitsText } from './agent.ts'
import {
  type CardChange,
  changedText,
  changesBetween,
  following,
  type Identity,
  identityOf,
  pendingOf,
} from './identity.ts'
import { plainText } from './registration.ts'
import { digestOf, NO_RULES } from './signatures.ts'

export type CardAnswer = { kind: 'ready'; agent: Agent } | { kind: 'failed'; verdict: Verdict }

export interface CardTools {
  readonly db: Db
  readonly fetchCard: FetchCard
  readonly clock: Clock
  readonly target: (agent: Agent) => AgentTarget
  readonly signals: HappeningSignals
  /** Whose signatures count for this agent. */
  readonly rules?: (agent: Agent) => SignatureRules
  /** A card was stored: what is cached of this agent is old. */
  readonly onStored: (agent: Agent, differs: boolean) => void
}

/** After a failed refresh the old card is good for this long without asking again. */
const REFRESH_AGAIN_MS = 30_000

export interface FetchOptions {
  /** An operator asks: if the card says again what was approved, nothing waits any more. */
  readonly settles?: boolean
}

export interface Cards {
  /** Fetches whatever the age of what is known: an operator's probe. */
  fetch(agent: Agent, signal: AbortSignal, options?: FetchOptions): Promise<CardAnswer>
  ensure(agent: Agent, signal: AbortSignal): Promise<CardAnswer>
}

export function createCards(tools: CardTools): Cards {
  const { db, fetchCard, clock, target } = tools
  const take = createTake(tools)
  const running = new Map<string, Promise<CardAnswer>>()
  /** Monotonic time of the last refresh that failed, for agents that have a card. */
  const failedAt = new Map<string, number>()
  const keyOf = ({ tenant, name }: Agent) => `${tenant} ${name}`

  async function load(agent: Agent, settles: boolean): Promise<CardAnswer> {
    const fetched = await within(LIMITS.cardFetchMs, (signal) => fetchCard(target(agent), signal))
    if (fetched.kind === 'fetched') return take(agent, { ...fetched, card: cleanCard(fetched.card) }, settles)
    await noteProblem(agent, fetched.verdict, tools)
    return fetched
  }

  function fetchOnce(agent: Agent, settles: boolean): Promise<CardAnswer> {
    const key = `${keyOf(agent)}${settles ? ' settles' : ''}`
    const known = running.get(key)
    if (known) return known
    const fetching = load(agent, settles).finally(() => running.delete(key))
    running.set(key, fetching)
    return fetching
  }

  async function ask(agent: Agent, signal: AbortSignal, { settles = false }: FetchOptions = {}): Promise<CardAnswer> {
    if (signal.aborted) return failed('stopped', 'STOPPED')
    let onAbort = () => {}
    // One caller's leaving must not cost the others their answer.
    const left = new Promise<CardAnswer>((resolve) => {
      onAbort = () => resolve(failed('stopped', 'STOPPED'))
      signal.addEventListener('abort', onAbort, { once: true })
    })
    try {
      return await Promise.race([fetchOnce(agent, settles), left])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  return {
    fetch: ask,
    async ensure(agent, signal) {
      if (!tellsCard(agent)) return { kind: 'ready', agent }
      if (agent.pending) return waits(agent.pending)
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
      if (!agent.card || isHeld(answer.verdict)) return answer
      if (failedAt.size >= LIMITS.agentsPerTenantMax) failedAt.clear()
      failedAt.set(key, clock.elapsed())
      return { kind: 'ready', agent }
    },
  }
}

const isFresh = (agent: Agent, nowMs: number): boolean =>
  agent.cardFetchedAt !== undefined && nowMs - agent.cardFetchedAt.getTime() < LIMITS.cardFreshMs

const failed = (reason: string, code: 'STOPPED', retryAfterMs?: number): CardAnswer => ({
  kind: 'failed',
  verdict: { kind: 'refused', reason, code, retry: true, ...(retryAfterMs !== undefined && { retryAfterMs }) },
})

/** How long a delivery waits before it looks again whether somebody has approved the card. */
const PENDING_MS = 5_000
const waits = (pending: Parameters<typeof waitsText>[0]): CardAnswer =>
  failed(waitsText(pending), 'STOPPED', PENDING_MS)
/** Not unreachable, but not to be sent to: an older card is no way around it. */
const isHeld = (verdict: Verdict): boolean => verdict.kind === 'refused' && verdict.code === 'STOPPED'

interface Taken {
  readonly card: AgentCard
  readonly signatures?: CardSignatures
}
const NO_CHANGES: readonly never[] = []

/** What becomes of a card that was fetched and whose signatures are good: it is stored, or it waits for an operator. */
function createTake({ db, clock, rules = () => NO_RULES, onStored, signals }: CardTools) {
  async function store(agent: Agent, taken: Taken, settles: boolean): Promise<CardAnswer> {
    const { card, signatures } = taken
    const { tenant, name, connector, identity: known } = agent
    const now = identityOf(card, { signatures, rules: digestOf(rules(agent)) })
    const changes = 'url' in connector && connector.url ? changesBetween(known, now, connector.url) : NO_CHANGES
    const of = { tenant, name, connector, known }
    if (changes.length > 0) return setAside(agent, now, changes, card)
    if (agent.pending && !settles) return waits(agent.pending)
    const row = await saveCard(db, of, { card, identity: following(known, now), settles })
    if (!row) return failed('its registration or its card has changed meanwhile', 'STOPPED')
    const stored = toAgent(row)
    onStored(stored, agent.pending !== undefined || canonicalJson(agent.card ?? null) !== canonicalJson(card))
    return { kind: 'ready', agent: stored }
  }

  async function setAside(agent: Agent, now: Identity, changes: readonly CardChange[], card: AgentCard) {
    const { tenant, name, connector, identity: known } = agent
    const pending = pendingOf(now, changes, new Date(clock.now().getTime() + db.offsetMs()))
    const { change } = pending
    const note = {
      id: uuidv7(),
      actor: agent.destination,
      action: 'agent.cardChanged',
      subject: name,
      detail: { change, changes },
    }
    const row = await savePending(db, { tenant, name, connector, known }, { ...pending, card }, note)
    if (row) {
      onStored(toAgent(row), false)
      signals.emit('agent.pending', { tenant, agent: name, change, changes: changedText(changes) })
    }
    return waits(pending)
  }

  return async (agent: Agent, taken: Taken, settles: boolean): Promise<CardAnswer> => {
    try {
      return await store(agent, taken, settles)
    } catch (error) {
      // The card may be good; that it could not be kept is the store's trouble and costs another fetch later.
      if (!(error instanceof StoreError)) throw error
      const { card, signatures } = taken
      const now = identityOf(card, { signatures, rules: digestOf(rules(agent)) })
      const home = 'url' in agent.connector ? (agent.connector.url ?? '') : ''
      if (agent.pending || changesBetween(agent.identity, now, home).length > 0)
        return failed('its card has changed, and the store cannot keep that', 'STOPPED', PENDING_MS)
      return { kind: 'ready', agent: { ...agent, card, cardFetchedAt: clock.now() } }
    }
  }
}

/** What an operator has to hear of: a card that is there and must not be used. */
async function noteProblem(agent: Agent, verdict: Verdict, { db, signals, onStored }: CardTools): Promise<void> {
  if (verdict.kind !== 'refused' || verdict.code !== 'CARD_SIGNATURE') return
  const { tenant, name } = agent
  const { code, reason } = verdict
  signals.emit('agent.cardRefused', { tenant, agent: name, code, reason })
  try {
    if (await saveCardProblem(db, agent, { code, reason: reason.slice(0, 500) })) onStored(agent, false)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}

/** A stranger's text: no controls, no direction overrides, well-formed (the database refuses NUL and lone surrogates). */
export function cleanCard(card: AgentCard): AgentCard {
  return JSON.parse(
    JSON.stringify(card, (_, value) => (typeof value === 'string' ? plainText(value) : value)),
  ) as AgentCard
}
