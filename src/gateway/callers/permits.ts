/**
 * The one place that says whether a caller may (SR-20), and what the words mean that keys and tokens carry.
 *
 * A word is a permit (`send`, `read`, …) or a scope (SR-13), which is narrower: `agent:billing:send` is `send`, but to that
 * agent only; `read` is `task:read` and `card:read` together.
 */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, isAdmin, type Permit } from '../../ports.ts'

/** What a caller may, as far as words say it. */
export type Grants = Pick<Caller, 'permits' | 'sendTo' | 'mailboxes'>

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
const COLLECTS = new RegExp(`^mailbox:${NAME}$`)

/** Whether a key may be given this word. */
export const isGrant = (word: string): boolean => Object.hasOwn(WORDS, word) || SENDS.test(word) || COLLECTS.test(word)

/** What these words permit together. A word that is not known permits nothing. */
export function grantsOf(words: Iterable<string>): Grants {
  const permits = new Set<Permit>()
  const [sendTo, mailboxes] = [new Set<string>(), new Set<string>()]
  for (const word of words) {
    for (const permit of Object.hasOwn(WORDS, word) ? (WORDS[word] ?? []) : []) permits.add(permit)
    const to = SENDS.exec(word)?.[1]
    if (to !== undefined) sendTo.add(to)
    const mailbox = COLLECTS.exec(word)?.[1]
    if (mailbox !== undefined) mailboxes.add(mailbox)
  }
  const everywhere = permits.has('send')
  if (sendTo.size > 0) permits.add('send')
  return {
    permits,
    ...(sendTo.size > 0 && !everywhere && { sendTo }),
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
 */
export function authorize(caller: Caller, permit: Permit, agent?: string): void {
  if (permit === 'operator' ? isOperator(caller) : isAdmin(caller)) return
  const name = agent?.toLowerCase()
  if (name !== undefined && caller.agents !== undefined && !caller.agents.has(name))
    throw new A2AError('AGENT_NOT_FOUND', `there is no agent "${name.slice(0, LIMITS.echoCharsMax)}"`)
  const beyond = permit === 'send' && name !== undefined && caller.sendTo !== undefined && !caller.sendTo.has(name)
  if (!caller.permits.has(permit) || beyond) throw denied(permit, name)
}

export function denied(permit: Permit, agent?: string): A2AError {
  const scope = scopeFor(permit, agent)
  const words = scope === permit ? `the permit "${permit}"` : `the permit "${permit}" or the scope "${scope}"`
  return new A2AError('PERMISSION_DENIED', `this needs ${words}`, { metadata: { permit, scope } })
}

/** Whose content a caller may read: undefined is everybody's of the tenant. */
export const ownerFilter = (caller: Caller): { readonly caller?: string } =>
  isAdmin(caller) ? {} : { caller: caller.id }

/** Of whose tasks it may see that they are there and how they fare, but not what they say. */
export const overviewFilter = (caller: Caller): { readonly caller?: string } =>
  caller.permits.has('observe') ? {} : ownerFilter(caller)
