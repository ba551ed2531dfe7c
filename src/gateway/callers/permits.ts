/**
 * The one place that says whether a caller may (SR-20), and what the words mean that keys and tokens carry.
 *
 * A word is a permit (`send`, `read`, …) or a scope (SR-13), which is narrower: `agent:billing:send` is `send`, but to that
 * agent only, and `agent:billing:skill:refund` only what asks for that skill; `read` is `task:read` and `card:read` together.
 */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, isAdmin, type Permit } from '../../ports.ts'

/** What a caller may, as far as words say it. */
export type Grants = Pick<Caller, 'permits' | 'sendTo' | 'skills' | 'mailboxes'>

const WORDS: Readonly<Record<string, readonly Permit[]>> = {
  operator: ['operator', 'admin'],
  admin: ['admin'],
  send: ['send'],
  read: ['read', 'card'],
  cancel: ['cancel'],
  push: ['push'],
  agent: ['agent'],
  observe: ['observe'],
  'agent:*:send': ['send'],
  'task:read': ['read'],
  'card:read': ['card'],
  'task:cancel': ['cancel'],
  'push:write': ['push'],
}
const NAME = '([a-z0-9][a-z0-9\\-_.]{0,62})'
const SENDS = new RegExp(`^agent:${NAME}:send$`)
const ASKS = new RegExp(`^agent:${NAME}:skill:([A-Za-z0-9._~/-]{1,128})$`)
const COLLECTS = new RegExp(`^mailbox:${NAME}$`)

/** Whether a key may be given this word. */
export const isGrant = (word: string): boolean =>
  Object.hasOwn(WORDS, word) || [SENDS, ASKS, COLLECTS].some((form) => form.test(word))

/** What these words permit together. A word that is not known permits nothing. */
export function grantsOf(words: Iterable<string>): Grants {
  const permits = new Set<Permit>()
  const [sendTo, mailboxes] = [new Set<string>(), new Set<string>()]
  const skills = new Map<string, Set<string>>()
  for (const word of words) {
    for (const permit of Object.hasOwn(WORDS, word) ? (WORDS[word] ?? []) : []) permits.add(permit)
    const to = SENDS.exec(word)?.[1]
    if (to !== undefined) sendTo.add(to)
    const [, asked, skill] = ASKS.exec(word) ?? []
    if (asked !== undefined && skill !== undefined) skills.set(asked, (skills.get(asked) ?? new Set()).add(skill))
    const mailbox = COLLECTS.exec(word)?.[1]
    if (mailbox !== undefined) mailboxes.add(mailbox)
  }
  const everywhere = permits.has('send')
  const narrow = sendTo.size > 0 || skills.size > 0
  if (narrow) permits.add('send')
  return {
    permits,
    ...(narrow && !everywhere && { sendTo }),
    ...(skills.size > 0 && { skills }),
    ...(mailboxes.size > 0 && { mailboxes }),
  }
}

/** The scope that would have been enough. */
export function scopeFor(permit: Permit, agent = '*'): string {
  const name = SENDS.test(`agent:${agent}:send`) ? agent : '*'
  return permit === 'send' ? `agent:${name}:send` : (SCOPES[permit] ?? permit)
}
const SCOPES: { readonly [P in Permit]?: string } = {
  read: 'task:read',
  cancel: 'task:cancel',
  push: 'push:write',
  card: 'card:read',
}

/** Runs the gateway: its keys, its metrics, and any tenant. */
export const isOperator = ({ permits }: Caller): boolean => permits.has('operator')

/**
 * Throws PERMISSION_DENIED, which names the scope, for a permit that the caller lacks, and AGENT_NOT_FOUND for an agent
 * that it may not address: whether that one exists is not told.
 * @param skills that are asked for, when it sends
 */
export function authorize(caller: Caller, permit: Permit, agent?: string, skills: readonly string[] = []): void {
  if (permit === 'operator' ? isOperator(caller) : isAdmin(caller)) return
  const name = agent?.toLowerCase()
  if (name !== undefined && caller.agents !== undefined && !caller.agents.has(name))
    throw new A2AError('AGENT_NOT_FOUND', `there is no agent "${name.slice(0, LIMITS.echoCharsMax)}"`)
  if (!caller.permits.has(permit)) throw denied(permit, name)
  const beyond = permit === 'send' && name !== undefined && caller.sendTo !== undefined && !caller.sendTo.has(name)
  if (beyond && !mayAsk(caller, name, skills))
    throw caller.skills?.has(name) ? deniedSkill(name, skills) : denied(permit, name)
}

/** All that a message asks for must be permitted; one that asks for nothing in particular might mean anything. */
const mayAsk = ({ skills }: Caller, agent: string, said: readonly string[]): boolean =>
  said.length > 0 && said.every((skill) => skills?.get(agent)?.has(skill))

/** For an agent that demands a scope for each of its skills: to be sent to at large is not enough. */
export function authorizeSkill(caller: Caller, agent: string, said: readonly string[]): void {
  if (!isAdmin(caller) && !mayAsk(caller, agent, said)) throw deniedSkill(agent, said)
}

interface Sendable {
  readonly name: string
  readonly policy: { readonly skillScopes: boolean }
}

/** Both, for what is sent on a caller's behalf to an agent that it has not addressed itself. */
export function authorizeSend(caller: Caller, { name, policy }: Sendable, said: readonly string[]): void {
  authorize(caller, 'send', name, said)
  if (policy.skillScopes) authorizeSkill(caller, name, said)
}

export function maySend(caller: Caller, agent: Sendable, said: readonly string[]): boolean {
  try {
    authorizeSend(caller, agent, said)
    return true
  } catch (error) {
    if (error instanceof A2AError) return false
    throw error
  }
}

export function denied(permit: Permit, agent?: string): A2AError {
  const scope = scopeFor(permit, agent)
  const words = scope === permit ? `the permit "${permit}"` : `the permit "${permit}" or the scope "${scope}"`
  return new A2AError('PERMISSION_DENIED', `this needs ${words}`, { metadata: { permit, scope } })
}

function deniedSkill(agent: string, said: readonly string[]): A2AError {
  const scopes = said.map((skill) => `agent:${agent}:skill:${skill}`).filter((word) => ASKS.test(word))
  const scope = scopes[0] ?? `agent:${agent}:skill:<id>`
  const how = said.length > 0 ? '' : ', and the skill that it is named for in the metadata'
  return new A2AError('PERMISSION_DENIED', `this needs the scope "${scope}"${how}`, {
    metadata: { permit: 'send', scope },
  })
}

/** Whose content a caller may read: undefined is everybody's of the tenant. */
export const ownerFilter = (caller: Caller): { readonly caller?: string } =>
  isAdmin(caller) ? {} : { caller: caller.id }

/** Of whose tasks it may see that they are there and how they fare, but not what they say. */
export const overviewFilter = (caller: Caller): { readonly caller?: string } =>
  caller.permits.has('observe') ? {} : ownerFilter(caller)
