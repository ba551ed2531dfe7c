/**
 * Who may send to a mailbox, and what: its policy and its contacts. Looked at when a message is accepted and again when it
 * is taken, so that a right that was lost meanwhile is lost for what waits too.
 *
 *     policy       a contact that was accepted   a stranger
 *     open         its rights                    everything
 *     contacts     its rights                    nothing
 *     approval     its rights                    waits until the mailbox has said yes
 *     closed       nothing                       nothing
 *
 * An administrator, the agent's owner and the agent itself may always; a contact that was refused never.
 */
import { A2AError } from '../../a2a/errors.ts'
import type { MailKind } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import * as store from '../../store/contacts.ts'
import type { Db } from '../../store/db.ts'
import type { Agent } from './agent.ts'
import { noteOf } from './writes.ts'

export const RIGHTS = ['send', 'urgent', 'call', 'post'] as const
export type Right = (typeof RIGHTS)[number]
/** What a contact gets if nothing else is said: to disturb is a right of its own. */
export const USUAL_RIGHTS: readonly Right[] = ['send', 'call', 'post']

/** What a kind of message needs. */
export const rightFor = (kind: MailKind): Right => (kind === 'call' || kind === 'post' ? kind : 'send')

export interface Standing {
  readonly rights: ReadonlySet<Right>
  /** It may send, and what it sends waits for a consent. */
  readonly held: boolean
  /** Why, where that does not stand in the contacts. */
  readonly as?: 'admin' | 'owner'
}

export interface Contacts {
  standing(agent: Agent, caller: Caller): Promise<Standing>
  /** Whether a message that waits may still be handed out. `as`: of its standing when it was accepted. */
  mayStill(agent: Agent, caller: string, kind: MailKind, as: () => unknown): Promise<boolean>
  /** Of these members of a channel, those that take a post of this caller: all that have not decided otherwise of it. */
  takesPost(members: readonly Agent[], caller: string): Promise<readonly Agent[]>
  /** A stranger knocks. Throws NOT_ALLOWED if it was refused meanwhile, or too many have. true: it was accepted meanwhile. */
  ask(agent: Agent, contact: string): Promise<boolean>
  list(agent: Agent): Promise<readonly store.ContactRow[]>
  decide(agent: Agent, decision: Omit<store.Decision, 'tenant' | 'name' | 'by'>, by: Caller): Promise<store.ContactRow>
  /** false: there was none. */
  remove(agent: Agent, contact: string, by: Caller): Promise<boolean>
  /** What waits for a consent goes on: of one contact, or of all. */
  release(agent: Agent, contact: string | null): Promise<number>
}

const ALL: ReadonlySet<Right> = new Set(RIGHTS)
const NONE: ReadonlySet<Right> = new Set()
const ACCEPTED = store.CONTACT_STATES.indexOf('accepted')
const REFUSED = store.CONTACT_STATES.indexOf('refused')

export const notAllowed = (name: string): A2AError =>
  new A2AError('NOT_ALLOWED', `${name} does not take this from you`, { metadata: { agent: name } })

type Book = ReadonlyMap<string, store.ContactRow>

/** The contacts of mailboxes from memory for a moment: what another replica changed is seen within it. */
function createBooks({ db, clock }: { db: Db; clock: Clock }) {
  const books = new Map<string, { until: number; book: Promise<Book> }>()
  const keyOf = ({ tenant, name }: Agent) => `${tenant} ${name}`

  function bookOf(agent: Agent): Promise<Book> {
    const key = keyOf(agent)
    const known = books.get(key)
    if (known && known.until > clock.elapsed()) return known.book
    if (books.size >= LIMITS.agentCacheMax) books.delete(books.keys().next().value as string)
    const book = store
      .listContacts(db, agent, LIMITS.contactsMax)
      .then((rows) => new Map(rows.map((row) => [row.contact, row])))
    books.set(key, { until: clock.elapsed() + LIMITS.agentCacheMs, book })
    book.catch(() => books.delete(key))
    return book
  }
  return { bookOf, forget: (agent: Agent) => books.delete(keyOf(agent)) }
}

export function createContacts({ db, clock }: { db: Db; clock: Clock }): Contacts {
  const { bookOf, forget } = createBooks({ db, clock })

  const ofContact = async (agent: Agent, contact: string): Promise<Standing> =>
    standingBy(agent, agent.policy.policy === 'closed' ? undefined : (await bookOf(agent)).get(contact))

  /** What follows from what the mailbox has decided of somebody, if it has. */
  function standingBy({ policy: { policy } }: Agent, row: store.ContactRow | undefined): Standing {
    if (policy === 'closed') return { rights: NONE, held: false }
    if (row?.state === REFUSED) return { rights: NONE, held: false }
    if (row?.state === ACCEPTED) return { rights: new Set(row.rights as readonly Right[]), held: false }
    if (policy === 'open') return { rights: ALL, held: false }
    return policy === 'approval' ? { rights: new Set(USUAL_RIGHTS), held: true } : { rights: NONE, held: false }
  }

  return {
    async standing(agent, caller) {
      if (isAdmin(caller)) return { rights: ALL, held: false, as: 'admin' }
      if (isOwn(agent, caller.id)) return { rights: ALL, held: false, as: 'owner' }
      return ofContact(agent, caller.id)
    },
    async mayStill(agent, caller, kind, as) {
      if (isOwn(agent, caller)) return true
      // Who has joined a channel has agreed to what is said there, but for a contact of whom it says otherwise.
      if (kind === 'post' && (await bookOf(agent)).get(caller)?.state === undefined) return true
      const { rights, held } = await ofContact(agent, caller)
      return (!held && rights.has(rightFor(kind))) || ['admin', 'owner'].includes(as() as string)
    },
    async takesPost(members, caller) {
      const own = members.filter(({ connector }) => connector.kind === 'mailbox')
      const agents = own.map(({ name }) => name)
      const rows = await store.knownTo(db, { tenant: members[0]?.tenant ?? '', agents, contact: caller })
      const decided = new Map(rows.map((row) => [row.agent, row]))
      return members.filter((member) => {
        const row = decided.get(member.name)
        if (!row || isOwn(member, caller)) return true
        const { rights, held } = standingBy(member, row)
        return !held && rights.has('post')
      })
    },
    async ask(agent, contact) {
      const state = await store.askContact(db, agent, contact, LIMITS.contactsMax)
      forget(agent)
      if (state === undefined || state === REFUSED) throw notAllowed(agent.name)
      return state === ACCEPTED
    },
    list: (agent) => store.listContacts(db, agent, LIMITS.contactsMax),
    async decide(agent, decision, by) {
      const note = noteOf(by, `contact.${decision.state}`, `${agent.name}/${decision.contact}`, {
        rights: decision.rights,
      })
      const { tenant, name } = agent
      const row = await store.decideContact(db, { ...decision, tenant, name, by: by.id }, LIMITS.contactsMax, note)
      forget(agent)
      if (!row) throw new A2AError('CONFIG_LIMIT', `a mailbox has at most ${LIMITS.contactsMax} contacts`)
      return row
    },
    async remove(agent, contact, by) {
      const gone = await store.removeContact(
        db,
        agent,
        contact,
        noteOf(by, 'contact.removed', `${agent.name}/${contact}`),
      )
      forget(agent)
      return gone
    },
    release: (agent, contact) => store.releaseHeld(db, agent, contact),
  }
}

/** The key that comes with the gateway, who registered the agent, and the agent itself. */
const isOwn = ({ owner, destination }: Agent, caller: string): boolean =>
  caller === owner || caller === destination || caller === 'operator'
