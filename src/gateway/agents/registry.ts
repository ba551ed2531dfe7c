/**
 * The agents of this gateway: looked up by everyone, changed by their owners and operators.
 *
 * Lookups are answered from memory for a second: what this process changes it sees at once, what another replica changes
 * within that second.
 */
import { A2AError } from '../../a2a/errors.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Seal } from '../../platform/seal.ts'
import type { AgentTarget, Caller, FetchCard } from '../../ports.ts'
import * as store from '../../store/agents.ts'
import { rotateAgentKey } from '../../store/callers.ts'
import type { Db } from '../../store/db.ts'
import { type Agent, credentialsPlace, toAgent } from './agent.ts'
import { createAgentCache } from './cache.ts'
import { type CardAnswer, createCards } from './cards.ts'
import { type CardProblem, readCards } from './provision.ts'
import { type Credentials, type ParsedRegistration, parseRegistration } from './registration.ts'
import {
  createRegister,
  headerOf,
  mayChange,
  type NewAgentKey,
  noteOf,
  type Register,
  type Registered,
  wrong,
} from './writes.ts'

export type { CardAnswer } from './cards.ts'
export type { CardProblem } from './provision.ts'
export type { NewAgentKey, Registered } from './writes.ts'

export interface Agents {
  /** undefined: there is no such agent in this tenant. The name is case-folded. */
  find(tenant: string, name: string): Promise<Agent | undefined>
  /** With unsealed credential headers. Throws a SealError when they were stored under another master key. */
  target(agent: Agent): AgentTarget
  /** The agent with a card that is fresh, or as fresh as can be had; other kinds than a2a are ready as they are. */
  ensureCard(agent: Agent, signal: AbortSignal): Promise<CardAnswer>
  /** Asks for the card whatever is known. */
  probe(agent: Agent, signal: AbortSignal): Promise<CardAnswer>
  /** Idempotent for the owner. Throws INVALID_PARAMS, CONFLICT, PERMISSION_DENIED, CONFIG_LIMIT. */
  register(document: unknown, by: Caller): Promise<Registered>
  /** JSON merge patch (RFC 7396) of the registration: null brings a default back. */
  patch(name: string, changes: Readonly<Record<string, unknown>>, by: Caller): Promise<Agent>
  /** Throws CONFLICT when something is still owed to it, unless `force`. Its token ends with it. */
  remove(name: string, by: Caller, options?: { force?: boolean }): Promise<void>
  /** Deliveries stay in the queue and are not sent until `resume`. */
  pause(name: string, reason: string | undefined, by: Caller): Promise<Agent>
  resume(name: string, by: Caller): Promise<Agent>
  /** A new token in place of a mailbox's older ones. */
  rotateToken(name: string, by: Caller): Promise<string>
  list(filter: store.AgentQuery): Promise<Agent[]>
  /** Registers what the folder holds, in the name of `by`. What is wrong with a file is told, never thrown. */
  provision(folder: string, by: Caller): Promise<{ agents: readonly Agent[]; problems: readonly CardProblem[] }>
}

export interface AgentsTools {
  readonly db: Db
  readonly seal: Seal
  readonly fetchCard: FetchCard
  /** Why this URL may not be called, or undefined. */
  readonly checkUrl: (url: string) => string | undefined
  readonly newAgentKey: NewAgentKey
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly limits?: Partial<Pick<Limits, 'agentCacheMs' | 'agentCacheMax' | 'agentsPerTenantMax'>>
}

export function createAgents(tools: AgentsTools): Agents {
  const { db, signals } = tools
  const cache = createAgentCache(tools)
  const target = createTarget(tools.seal)

  function changed(agent: Agent, what: string, by: string): Agent {
    cache.forget(agent.tenant, agent.name)
    signals.emit('agent.changed', { tenant: agent.tenant, agent: agent.name, what, by })
    return agent
  }
  const cards = createCards({
    ...tools,
    target,
    onStored: (agent, differs) => {
      cache.forget(agent.tenant, agent.name)
      if (differs) changed(agent, 'card', agent.destination)
    },
  })
  const register = createRegister({ ...tools, changed })
  const verbs = createVerbs({ ...tools, changed, register })

  return {
    find: cache.find,
    target,
    ensureCard: cards.ensure,
    async probe(agent, signal) {
      return agent.connector.kind === 'a2a' ? cards.fetch(agent, signal) : { kind: 'ready', agent }
    },
    async register(document, by) {
      const parsed = parseRegistration(document)
      assertNoCommand(parsed)
      return register(parsed, { by, provisioned: false })
    },
    ...verbs,
    list: async (filter) => (await store.listAgents(db, filter)).map(toAgent),
    provision: (folder, by) => provision({ db, register }, folder, by),
  }
}

function createTarget(seal: Seal): Agents['target'] {
  const known = new WeakMap<Agent, AgentTarget>()
  return (agent) => {
    const made = known.get(agent)
    if (made) return made
    const { tenant, name, connector, card, credentials } = agent
    const url = 'url' in connector ? (connector.url ?? '') : ''
    const headers = credentials
      ? headerOf(JSON.parse(seal.open(credentials, credentialsPlace(tenant, name))) as Credentials)
      : {}
    const target = { tenant, name, url, headers, ...(card && { card }) }
    known.set(agent, target)
    return target
  }
}

/** Starting a program on this machine is for whoever can write its files, not for whoever has a key. */
function assertNoCommand({ registration: { connector } }: ParsedRegistration): void {
  if (connector.kind === 'mcp' && connector.command)
    throw wrong('connector.command', 'starts a program: only a file in the folder of cards may say so')
}

const unknownAgent = (name: string): A2AError =>
  new A2AError('AGENT_NOT_FOUND', `there is no agent "${name.slice(0, LIMITS.echoCharsMax)}"`)

interface VerbTools extends AgentsTools {
  readonly changed: (agent: Agent, what: string, by: string) => Agent
  readonly register: Register
}

function createVerbs(tools: VerbTools): Pick<Agents, 'patch' | 'remove' | 'pause' | 'resume' | 'rotateToken'> {
  const { db, changed, register } = tools

  /** The agent as it is now, if this caller may change it. */
  async function owned(name: string, by: Caller): Promise<Agent> {
    const row = await store.findAgent(db, by.tenant, name.toLowerCase())
    if (!row) throw unknownAgent(name)
    const agent = toAgent(row)
    if (!mayChange(agent, by)) throw new A2AError('PERMISSION_DENIED', `${agent.name} is another owner's`)
    return agent
  }

  async function setPaused(agent: Agent, paused: boolean, reason: string | undefined, by: Caller): Promise<Agent> {
    const what = paused ? 'paused' : 'resumed'
    const note = noteOf(by, `agent.${what}`, agent.name, reason === undefined ? undefined : { reason })
    const row = await store.pauseAgent(db, { ...agent, paused, reason: paused ? (reason ?? null) : null }, note)
    if (!row) throw unknownAgent(agent.name)
    return changed(toAgent(row), what, by.id)
  }

  return {
    async patch(name, changes, by) {
      const agent = await owned(name, by)
      const parsed = parseRegistration(mergePatch(agent.registration, changes))
      assertNoCommand(parsed)
      if (parsed.registration.name !== agent.name) throw wrong('name', 'an agent keeps its name')
      const keep = 'credentials' in changes ? undefined : agent.credentials
      if (keep && originOf(agent.connector) !== originOf(parsed.registration.connector))
        throw wrong('credentials', 'the new address is another host: give its credentials, or null')
      return (await register(parsed, { by, provisioned: false, ...(keep && { keep }) })).agent
    },
    async remove(name, by, { force = false } = {}) {
      const agent = await owned(name, by)
      if (agent.provisioned)
        throw new A2AError(
          'CONFLICT',
          `${agent.name} comes from a file in the folder of cards: delete it there, and start again`,
        )
      const note = noteOf(by, 'agent.removed', agent.name, { force })
      if (
        !(await store.removeAgent(db, { ...agent, force }, note)) &&
        (await store.findAgent(db, agent.tenant, agent.name))
      )
        throw new A2AError(
          'CONFLICT',
          `${agent.name} is still owed deliveries: let them finish, or remove it with force`,
        )
      changed(agent, 'removed', by.id)
    },
    pause: async (name, reason, by) => setPaused(await owned(name, by), true, reason, by),
    resume: async (name, by) => setPaused(await owned(name, by), false, undefined, by),
    async rotateToken(name, by) {
      const agent = await owned(name, by)
      if (agent.connector.kind !== 'mailbox') throw wrong('connector', 'only a mailbox has a token')
      const { token, key } = tools.newAgentKey({ tenant: agent.tenant, name: agent.name, by: by.id })
      const note = noteOf(by, 'agent.tokenRotated', agent.name, { key: key.id })
      if (!(await rotateAgentKey(db, key, note))) throw unknownAgent(agent.name)
      changed(agent, 'token', by.id)
      return token
    },
  }
}

const originOf = (connector: Agent['connector']): string =>
  'url' in connector && connector.url !== undefined ? new URL(connector.url).origin : connector.kind

/** RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const merged = new Map(Object.entries(typeof target === 'object' && target !== null ? target : {}))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name), value))
  }
  return Object.fromEntries(merged)
}

async function provision(
  { db, register }: { db: Db; register: Register },
  folder: string,
  by: Caller,
): ReturnType<Agents['provision']> {
  const { cards, problems } = readCards(folder)
  const agents: Agent[] = []
  for (const { file, ...parsed } of cards) {
    try {
      agents.push((await register(parsed, { by, provisioned: true })).agent)
    } catch (error) {
      if (!(error instanceof A2AError)) throw error
      problems.push({ file, problem: error.message })
    }
  }
  // A file that cannot be read must not set its agent free.
  const keep = [
    ...agents.map(({ name }) => name),
    ...problems.map(({ file }) => file.replace(/\.json$/, '').toLowerCase()),
  ]
  const note = noteOf(by, 'agents.released', 'agent-cards')
  await store.releaseProvisioned(db, by.tenant, keep, note)
  return { agents, problems }
}
