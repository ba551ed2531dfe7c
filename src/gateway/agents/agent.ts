/** What the gateway knows of an agent: the registered document, its policy with every default filled in, the upstream's card. */
import type { AgentCard } from '../../a2a/agentCard.ts'
import { LIMITS } from '../../limits.ts'
import { DEFAULT_TENANT, parseRate, type Rate } from '../../ports.ts'
import type { AgentRow, CardProblemRow } from '../../store/agents.ts'
import { changedText, type Identity, type Pending } from './identity.ts'
import type { Connector, Registration } from './registration.ts'

export type { Connector, Registration } from './registration.ts'

export interface AgentPolicy {
  readonly redelivery: 'atMostOnce' | 'atLeastOnce'
  readonly idempotency: 'uuid' | 'always' | 'header'
  readonly whenOffline: 'queue' | 'reject'
  readonly maxInflight: number
  readonly maxAttempts: number
  readonly leaseSeconds: number
  readonly ttlSeconds: number
  readonly backoff: { readonly firstMs: number; readonly longestMs: number }
  readonly visibility: 'public' | 'private'
  readonly access: 'keys' | 'anonymous'
  /** To be sent something takes the scope of the skill that it asks for, `agent:<name>:skill:<id>`. */
  readonly skillScopes: boolean
  /** Messages a second, and how many at once; absent: any number. */
  readonly rate?: Rate
  /** Of a mailbox: `context`, what belongs to one conversation comes one after another; `none`, only what belongs to one task. */
  readonly ordering: 'context' | 'none'
  /** Of a mailbox, when all attempts are spent: the task fails, or stays as it is until somebody replays the delivery or its time is over. */
  readonly deadLetter: 'fail' | 'hold'
  /** Of a mailbox: from whom it takes messages. */
  readonly policy: 'open' | 'contacts' | 'approval' | 'closed'
}

export interface Agent {
  readonly tenant: string
  readonly name: string
  /** The caller that registered it; an operator may change it too. */
  readonly owner: string
  readonly connector: Connector
  readonly policy: AgentPolicy
  readonly registration: Registration
  /** The upstream's own, canonical; absent until it has answered once. */
  readonly card?: AgentCard
  readonly cardFetchedAt?: Date
  /** When the fronted card last changed. */
  readonly modifiedAt: Date
  readonly createdAt: Date
  /** Since when nothing is delivered, by an operator's word or because its card waits for one. */
  readonly pausedAt?: Date
  readonly pausedReason?: string
  /** What has been seen of it and approved. */
  readonly identity?: Identity
  /** Its card has changed in a way that an operator must look at: till then it is held like one that is paused. */
  readonly pending?: Pending
  readonly cardProblem?: CardProblemRow
  /** It comes from a file in the folder of cards, which is the place to change it. */
  readonly provisioned: boolean
  /** Its lane: `agent:<name>`. */
  readonly destination: string
  /** Sealed; `Agents.target` opens it. */
  readonly credentials?: string
}

/** Whether what it says of itself can be asked for: an A2A agent's card, an MCP server's tools. */
export const tellsCard = ({ connector }: Pick<Agent, 'connector'>): boolean =>
  connector.kind === 'a2a' || connector.kind === 'mcp'

/** A channel whose posts any one member takes is an agent like a mailbox; the task may be with a member that has a server. */
export const isChannel = ({ name }: Pick<Agent, 'name'>): boolean => name.startsWith('#')

/** Its lane; and what its own token calls itself as a caller, which no other caller may. */
export const destinationOf = (name: string): string => `agent:${name}`
/** Where the credentials of an agent stand: sealed for this place, they open nowhere else. */
export const credentialsPlace = (tenant: string, name: string): string => `${tenant}/agents/${name}/credentials`

/** What each kind does if its registration is silent. */
const DEFAULTS: Record<Connector['kind'], Pick<AgentPolicy, 'redelivery' | 'maxAttempts' | 'maxInflight'>> = {
  a2a: { redelivery: 'atMostOnce', maxAttempts: LIMITS.attemptsMax, maxInflight: LIMITS.maxInflight },
  // Whoever collects is given what he did not settle once more: that is what a lease means.
  mailbox: { redelivery: 'atLeastOnce', maxAttempts: 5, maxInflight: LIMITS.maxInflight },
  webhook: { redelivery: 'atMostOnce', maxAttempts: LIMITS.attemptsMax, maxInflight: LIMITS.maxInflight },
  mcp: { redelivery: 'atMostOnce', maxAttempts: LIMITS.attemptsMax, maxInflight: LIMITS.maxInflight },
  // Nothing is delivered to these: they give it to others.
  channel: { redelivery: 'atLeastOnce', maxAttempts: LIMITS.attemptsMax, maxInflight: LIMITS.maxInflight },
  directory: { redelivery: 'atLeastOnce', maxAttempts: LIMITS.attemptsMax, maxInflight: LIMITS.maxInflight },
}

export function policyOf(registration: Registration, tenant: string = DEFAULT_TENANT): AgentPolicy {
  const {
    connector,
    idempotency = 'uuid',
    whenOffline = 'queue',
    // Who shares a gateway with others shows himself to them only if he says so.
    visibility = tenant === DEFAULT_TENANT ? 'public' : 'private',
    access = 'keys',
    policy = 'open',
    ordering = 'context',
    deadLetter = 'fail',
    skillScopes = false,
  } = registration
  const { leaseSeconds = 60, ttlSeconds = LIMITS.ttlSeconds } = registration
  const rate = registration.rate === undefined ? undefined : parseRate(registration.rate)
  const fallback = DEFAULTS[connector.kind]
  return {
    redelivery: registration.redelivery ?? fallback.redelivery,
    idempotency,
    whenOffline,
    maxInflight: registration.maxInflight ?? fallback.maxInflight,
    maxAttempts: registration.maxAttempts ?? fallback.maxAttempts,
    leaseSeconds,
    ttlSeconds,
    backoff: registration.backoff ?? { firstMs: LIMITS.backoffFirstMs, longestMs: LIMITS.backoffLongestMs },
    visibility,
    access,
    skillScopes,
    ...(rate !== undefined && { rate }),
    policy,
    ordering,
    deadLetter,
  }
}

export function toAgent(row: AgentRow): Agent {
  const registration = row.registration as Registration
  return {
    tenant: row.tenant,
    name: row.name,
    owner: row.owner,
    connector: registration.connector,
    policy: policyOf(registration, row.tenant),
    registration,
    modifiedAt: new Date(row.modifiedAt),
    createdAt: new Date(row.createdAt),
    provisioned: row.provisioned,
    destination: destinationOf(row.name),
    ...(row.card && { card: row.card }),
    ...(row.cardFetchedAt !== null && { cardFetchedAt: new Date(row.cardFetchedAt) }),
    ...heldBack(row),
    ...(row.identity !== null && { identity: row.identity as Identity }),
    ...(row.pending !== null && { pending: row.pending as Pending }),
    ...(row.cardProblem !== null && { cardProblem: row.cardProblem }),
    ...(row.credentials !== null && { credentials: row.credentials }),
  }
}

/** What callers may be told of it as well; what has changed is for who may change the agent. */
export const waitsText = (pending: { readonly changes: Parameters<typeof changedText>[0] }): string =>
  `its card has changed (${changedText(pending.changes)}) and waits for an operator's approval`

function heldBack(row: AgentRow): Pick<Agent, 'pausedAt' | 'pausedReason'> {
  const pending = row.pending as Pending | null
  if (row.pausedAt === null && pending === null) return {}
  const since = row.pausedAt ?? pending?.at ?? 0
  const reason = row.pausedReason ?? (pending ? waitsText(pending) : null)
  return { pausedAt: new Date(since), ...(reason !== null && { pausedReason: reason }) }
}
