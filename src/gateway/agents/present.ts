/**
 * The card of an agent as this gateway fronts it: what the agent says of itself, at our addresses, with what the gateway
 * can do for it (streams and webhooks come from the log, whether the agent has them or not) and our ways to prove who one is.
 */
import type { AgentCard, AgentCardSignature, AgentExtension, AgentInterface, AgentSkill } from '../../a2a/agentCard.ts'
import type { SecurityRequirement, SecurityScheme } from '../../a2a/security.ts'
import { EXTENSION_URI } from '../../delivery.ts'
import { type Caller, isAdmin, type PresentCard, type PresentedCard } from '../../ports.ts'
import type { Agent } from './agent.ts'

export const STORE_AND_FORWARD = EXTENSION_URI

/** One way in, in the order of preference. */
export interface FrontInterface {
  readonly binding: string
  readonly version: string
  /** Below `<public URL>/agents/<name>/`. */
  readonly path: string
  /** An address of its own instead, with the agent's name for `{agent}`. */
  readonly url?: string
  /** There the agent is named by the interface's tenant. */
  readonly byTenant?: boolean
  /** The only agent that is offered this way; undefined: all. */
  readonly only?: string
}

/** The gRPC listener. */
export interface GrpcFront {
  /** As clients dial it; with `{agent}` in it, each agent has a name of its own there. */
  readonly address: string
  /** Whom a call means that names no agent. */
  readonly rootAgent: string | undefined
}

/**
 * Versions before the newest have no tenant: over gRPC they reach an agent by the listener's name for it, or the root agent.
 * @param versions from new to old
 */
export function waysIn(versions: readonly string[], grpc: GrpcFront | undefined): FrontInterface[] {
  const path = ''
  return versions.flatMap((version, at) => [
    { binding: 'JSONRPC', version, path },
    { binding: 'HTTP+JSON', version, path },
    ...(grpc ? grpcWays(grpc, version, at === 0) : []),
  ])
}

function grpcWays({ address: url, rootAgent }: GrpcFront, version: string, byTenant: boolean): FrontInterface[] {
  const way = { binding: 'GRPC', version, path: '', url }
  if (byTenant) return [{ ...way, byTenant }]
  if (url.includes('{agent}')) return [way]
  return rootAgent === undefined ? [] : [{ ...way, only: rootAgent.toLowerCase() }]
}

export interface SecurityWays {
  readonly schemes: Readonly<Record<string, SecurityScheme>>
  /** Any one of them is enough. */
  readonly requirements: readonly SecurityRequirement[]
}

/** What is promised to senders, for a card's params. */
export interface FrontLimits {
  readonly ttlSecondsMax: number
  readonly bodyBytesMax: number
  readonly blockSeconds: number
}

export interface PresentTools {
  /** undefined: cards do not tell them. */
  readonly limits?: FrontLimits
  readonly find: (tenant: string, name: string) => Promise<Agent | undefined>
  /** Whoever's it is: for callers of whom nothing is known. */
  readonly findOpen: (name: string) => Promise<Agent | undefined>
  /** Without a trailing slash; known once the listener is bound. */
  readonly publicUrl: () => string
  readonly interfaces: readonly FrontInterface[]
  /** Further ways to prove who one is to this agent; default: the gateway's own keys only. */
  readonly ways?: (agent: Pick<Agent, 'tenant' | 'name'> & { readonly skills?: readonly string[] }) => SecurityWays
  /** Signs the card as it is fronted; what the upstream signed is another text. */
  readonly sign?: (card: AgentCard) => Promise<AgentCardSignature[]>
  /** Since when it is signed by the present key. */
  readonly signedSince?: () => Date | undefined
}

export function createPresentCard(tools: PresentTools): PresentCard {
  const { find, findOpen } = tools
  // One object per state of the agent, so that its encodings can be kept beside it.
  const made = new WeakMap<Agent, Promise<PresentedCard>>()
  return async (name, caller) => {
    const agent = caller ? await find(caller.tenant, name) : await findOpen(name)
    if (!agent || !isVisible(agent, caller)) return undefined
    const known = made.get(agent)
    if (known) return known
    const presenting = present(agent, tools)
    made.set(agent, presenting)
    presenting.catch(() => made.delete(agent))
    return presenting
  }
}

async function present(agent: Agent, tools: PresentTools): Promise<PresentedCard> {
  const { sign, signedSince } = tools
  const { modifiedAt } = agent
  const card = frontedCard(agent, tools)
  if (!sign) return { card, modifiedAt }
  const signed = { ...card, signatures: await sign(card) }
  const since = signedSince?.()
  return { card: signed, modifiedAt: since && since > modifiedAt ? since : modifiedAt }
}

/**
 * An extended card as this gateway fronts it: like the public one, made for one caller and kept for nobody.
 * `card`: what the agent told of itself; undefined: it cannot be asked. `params`: what is told of it under our extension beside.
 */
export type PresentExtended = (agent: Agent, card: AgentCard | undefined, params?: object) => Promise<AgentCard>

export function createPresentExtended(tools: PresentTools): PresentExtended {
  const { sign } = tools
  return async (agent, card, params) => {
    const fronted = frontedCard(card ? { ...agent, card } : agent, tools)
    const extensions = fronted.capabilities.extensions?.map((one) =>
      params && one.uri === STORE_AND_FORWARD ? { ...one, params: { ...one.params, ...params } } : one,
    )
    const capabilities = { ...fronted.capabilities, ...(extensions && { extensions }), extendedAgentCard: true }
    const extended = { ...fronted, capabilities }
    return sign ? { ...extended, signatures: await sign(extended) } : extended
  }
}

/** A private agent is there for those of its tenant who have said who they are. */
export function isVisible(agent: Agent, caller: Caller | undefined): boolean {
  if (agent.policy.visibility === 'public') return true
  if (!caller || caller.kind === 'anonymous' || caller.tenant !== agent.tenant) return false
  return isAdmin(caller) || caller.agents === undefined || caller.agents.has(agent.name)
}

type FrontTools = Pick<PresentTools, 'publicUrl' | 'interfaces' | 'ways' | 'limits'>

export function frontedCard(agent: Agent, { publicUrl, interfaces, ways, limits }: FrontTools): AgentCard {
  // Of an agent that collects the gateway itself knows more than its card says: whether it is there.
  const collects = agent.connector.kind === 'mailbox'
  const { signatures: _, securitySchemes: __, securityRequirements: ___, ...said } = agent.card ?? cardOf(agent)
  return {
    ...whole(said, agent.name),
    supportedInterfaces: interfaces
      .filter(({ only = agent.name }) => only === agent.name)
      .map((way) => interfaceOf(way, agent.name, publicUrl())),
    capabilities: {
      streaming: true,
      pushNotifications: true,
      extensions: extensionsOf(agent, limits),
      // Who is not asked for a key cannot be told from anybody else, and the extended card is not for anybody.
      ...((collects || said.capabilities.extendedAgentCard !== undefined) && {
        extendedAgentCard: (collects || said.capabilities.extendedAgentCard === true) && agent.policy.access === 'keys',
      }),
    },
    ...(agent.policy.access === 'keys' &&
      securityOf(ways?.({ tenant: agent.tenant, name: agent.name, ...skillsOf(agent) }))),
  }
}

/** Those that one must have a scope for, each. */
function skillsOf({ policy, card, registration }: Agent): { readonly skills?: readonly string[] } {
  if (!policy.skillScopes) return {}
  const skills = card?.skills ?? registration.skills ?? []
  return { skills: skills.slice(0, SKILL_SCOPES_TOLD_MAX).map(({ id }) => id) }
}
const SKILL_SCOPES_TOLD_MAX = 50

const MODES = ['text/plain']
const TAGS = ['agent']

/**
 * What a card must have and real ones leave empty (ruling 9.10): clients choose by skills, and verifiers drop what is
 * empty. What a skill demands is told in the upstream's schemes, which are not ours to offer.
 */
function whole(said: AgentCard, name: string): AgentCard {
  const description = said.description || `The agent ${name}`
  const skills = said.skills.map(({ securityRequirements: _, examples, inputModes, outputModes, ...skill }) => ({
    ...skill,
    ...(examples?.length && { examples }),
    ...(inputModes?.length && { inputModes }),
    ...(outputModes?.length && { outputModes }),
    name: skill.name || skill.id,
    description: skill.description || skill.name || skill.id,
    tags: skill.tags.length > 0 ? skill.tags : TAGS,
  }))
  return {
    ...said,
    name: said.name || name,
    description,
    version: said.version || '0',
    defaultInputModes: said.defaultInputModes.length > 0 ? said.defaultInputModes : MODES,
    defaultOutputModes: said.defaultOutputModes.length > 0 ? said.defaultOutputModes : MODES,
    skills: skills.length > 0 ? skills : [{ id: name, name, description, tags: TAGS }],
  }
}

/** Below `/agents/`: the mark of a channel would end a URL's path. */
export const placeOf = (name: string): string => name.replace(/^#/, 'channels/')

function interfaceOf(way: FrontInterface, name: string, publicUrl: string): AgentInterface {
  const { binding: protocolBinding, version: protocolVersion, path, byTenant } = way
  const url = way.url?.replace('{agent}', name) ?? `${publicUrl}/agents/${placeOf(name)}/${path}`
  return { url, protocolBinding, protocolVersion, ...(byTenant && { tenant: placeOf(name) }) }
}

const securityOf = ({ schemes, requirements }: SecurityWays = NO_WAYS) => ({
  securitySchemes: { ...SCHEMES, ...schemes },
  securityRequirements: [...REQUIREMENTS, ...requirements],
})
const NO_WAYS: SecurityWays = { schemes: {}, requirements: [] }

const SCHEMES: Record<string, SecurityScheme> = {
  bearer: { httpAuthSecurityScheme: { scheme: 'Bearer', description: 'A key of this gateway: wp_<id>_<secret>' } },
  apiKey: {
    apiKeySecurityScheme: {
      location: 'header',
      name: 'X-API-Key',
      description: 'The same key, in a header of its own',
    },
  },
}
const REQUIREMENTS: SecurityRequirement[] = [
  { schemes: { bearer: { list: [] } } },
  { schemes: { apiKey: { list: [] } } },
]

/** What the agent itself says, or until it has spoken its registration for it. */
export const ownExtensions = ({ card, registration }: Pick<Agent, 'card' | 'registration'>): AgentExtension[] =>
  ((card ? card.capabilities.extensions : registration.extensions) ?? []).filter(
    ({ uri }) => uri !== STORE_AND_FORWARD,
  ) as AgentExtension[]

function extensionsOf(agent: Agent, limits: FrontTools['limits']): AgentExtension[] {
  const own: AgentExtension = {
    uri: STORE_AND_FORWARD,
    description: 'Messages are kept until the agent takes them; task.metadata tells how far each one is',
    required: false,
    ...(agent.connector.kind === 'mailbox' && limits && { params: paramsOf(agent, limits) }),
  }
  return [own, ...ownExtensions(agent)]
}

/** What a sender to an agent without a server can count on. */
const paramsOf = ({ policy, registration }: Agent, { ttlSecondsMax, bodyBytesMax, blockSeconds }: FrontLimits) => ({
  mode: 'store-and-forward',
  ...(registration.cadence !== undefined && { cadence: registration.cadence }),
  ttlSeconds: policy.ttlSeconds,
  maxTtlSeconds: ttlSecondsMax,
  maxBodyBytes: bodyBytesMax,
  priorities: ['low', 'normal', 'high', 'urgent'],
  ordering: policy.ordering,
  blockSeconds,
})

/** As long as the agent has not told its own card, the registration speaks for it. */
function cardOf({ name, registration }: Agent): AgentCard {
  const { description = '', version = '', provider, documentationUrl, iconUrl } = registration
  const { defaultInputModes = MODES, defaultOutputModes = MODES } = registration
  const skills = (registration.skills ?? []).map(
    ({ id, name: title = id, description: text = title, tags = [], ...more }) =>
      ({ ...more, id, name: title, description: text, tags }) as AgentSkill,
  )
  return {
    name,
    description,
    supportedInterfaces: [],
    version,
    capabilities: {},
    defaultInputModes,
    defaultOutputModes,
    skills,
    ...(provider && { provider }),
    ...(documentationUrl && { documentationUrl }),
    ...(iconUrl && { iconUrl }),
  }
}
