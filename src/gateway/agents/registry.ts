/**
 * The agents of this gateway: looked up by everyone, changed by their owners and operators.
 *
 * Lookups are answered from memory for a second: what this process changes it sees at once, what another replica changes
 * within that second.
 */
import { A2AError } from '../../a2a/errors.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Seal } from '../../platform/seal.ts'
import type { AgentTarget, Caller, FetchCard, McpServerTarget, SignatureRules } from '../../ports.ts'
import * as store from '../../store/agents.ts'
import type { Db } from '../../store/db.ts'
import { type Agent, credentialsPlace, tellsCard, toAgent } from './agent.ts'
import { createAgentCache } from './cache.ts'
import { type CardAnswer, createCards, type FetchOptions } from './cards.ts'
import { type CardProblem, readCards } from './provision.ts'
import { type Credentials, parseRegistration } from './registration.ts'
import { NO_RULES, rulesFor } from './signatures.ts'
import { createCardRefusal, type Rules, withTrustedCard } from './trust.ts'
import { assertNoCommand, createVerbs, type Verbs } from './verbs.ts'
import { createRegister, headerOf, type NewAgentKey, noteOf, type Register, type Registered } from './writes.ts'

export type { CardAnswer } from './cards.ts'
export type { CardProblem } from './provision.ts'
export type { NewAgentKey, Registered } from './writes.ts'

export interface Agents extends Verbs {
  /** undefined: there is no such agent in this tenant. The name is case-folded. */
  find(tenant: string, name: string): Promise<Agent | undefined>
  /** The agent of this name, whoever's it is, if it may be seen or asked by callers of whom nothing is known. */
  findOpen(name: string): Promise<Agent | undefined>
  /** With unsealed credential headers. Throws a SealError when they were stored under another master key. */
  target(agent: Agent): AgentTarget
  /** The agent with a card that is fresh, or as fresh as can be had; other kinds than a2a are ready as they are. */
  ensureCard(agent: Agent, signal: AbortSignal): Promise<CardAnswer>
  /** Asks for the card whatever is known. */
  probe(agent: Agent, signal: AbortSignal, options?: FetchOptions): Promise<CardAnswer>
  /** Idempotent for the owner. Throws INVALID_PARAMS, CONFLICT, PERMISSION_DENIED, CONFIG_LIMIT. */
  register(document: unknown, by: Caller): Promise<Registered>
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
  /** Whose signatures count where a registration does not say; default: nobody's are looked at. */
  readonly signatures?: SignatureRules
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly limits?: Partial<Pick<Limits, 'agentCacheMs' | 'agentCacheMax' | 'agentsPerTenantMax' | 'enrolledAgentsMax'>>
}

export function createAgents(tools: AgentsTools): Agents {
  const { db, signals } = tools
  const { signatures = NO_RULES } = tools
  // An MCP server has no card to sign: what it offers is asked for by us, over its own connection.
  const rules = ({ registration }: Pick<Agent, 'registration'>) =>
    registration.connector.kind === 'mcp' ? NO_RULES : rulesFor(registration.signatures, signatures)
  const cache = createAgentCache({ ...tools, admit: (agent) => withTrustedCard(agent, rules(agent)) })
  const target = createTarget(tools.seal, rules)

  function changed(agent: Agent, what: string, by: string): Agent {
    cache.forget(agent.tenant, agent.name)
    signals.emit('agent.changed', { tenant: agent.tenant, agent: agent.name, what, by })
    return agent
  }
  const cards = createCards({
    ...tools,
    target,
    rules,
    onStored: (agent, differs) => {
      cache.forget(agent.tenant, agent.name)
      if (differs) changed(agent, 'card', agent.destination)
    },
  })
  const cardRefusal = createCardRefusal(tools.fetchCard, rules)
  const register = createRegister({ ...tools, changed, cardRefusal })
  const verbs = createVerbs({ ...tools, changed, register })

  return {
    find: cache.find,
    findOpen: cache.findOpen,
    target,
    ensureCard: cards.ensure,
    async probe(agent, signal, options) {
      return tellsCard(agent) ? cards.fetch(agent, signal, options) : { kind: 'ready', agent }
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

function createTarget(seal: Seal, rules: Rules): Agents['target'] {
  const known = new WeakMap<Agent, AgentTarget>()
  return (agent) => {
    const made = known.get(agent)
    if (made) return made
    const { tenant, name, connector, card, credentials, identity } = agent
    const url = 'url' in connector ? (connector.url ?? '') : ''
    const headers = credentials
      ? headerOf(JSON.parse(seal.open(credentials, credentialsPlace(tenant, name))) as Credentials)
      : {}
    const origins = identity?.approved ?? []
    const target = {
      ...{ tenant, name, url, headers, signatures: rules(agent) },
      ...(card && { card }),
      ...(origins.length > 0 && { origins }),
      ...(connector.kind === 'a2a' && connector.binding && { binding: connector.binding }),
      ...(connector.kind === 'mcp' && { mcp: mcpOf(connector, agent.policy) }),
    }
    known.set(agent, target)
    return target
  }
}

const mcpOf = (
  { command, env = [], tools = {}, idempotent = [] }: Extract<Agent['connector'], { kind: 'mcp' }>,
  { redelivery }: Agent['policy'],
): McpServerTarget => ({
  ...(command && { command }),
  env,
  ...(tools.allow && { allow: tools.allow }),
  deny: tools.deny ?? [],
  idempotent,
  repeats: redelivery === 'atLeastOnce',
})

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
