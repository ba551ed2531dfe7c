/** Registering: who may, what follows from a second time, and the one write that it is. */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Seal } from '../../platform/seal.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import * as store from '../../store/agents.ts'
import type { AuditNote } from '../../store/audit.ts'
import type { NewKey } from '../../store/callers.ts'
import type { Db } from '../../store/db.ts'
import { type Agent, credentialsPlace, destinationOf, toAgent } from './agent.ts'
import type { Connector, Credentials, ParsedRegistration } from './registration.ts'

export interface Registered {
  readonly created: boolean
  readonly agent: Agent
  /** A new mailbox's key: shown once, never again. */
  readonly token?: string
}

/** Makes a new key for an agent, and what of it is stored. It is made where keys are made. */
export type NewAgentKey = (agent: { tenant: string; name: string; by: string }) => { token: string; key: NewKey }

export interface WriteTools {
  readonly db: Db
  readonly seal: Seal
  /** Why this URL may not be called, or undefined. */
  readonly checkUrl: (url: string) => string | undefined
  readonly newAgentKey: NewAgentKey
  /** Why the agent may not be registered, if its card can be had now and its signatures are not as they must be. */
  readonly cardRefusal?: (parsed: ParsedRegistration, tenant: string) => Promise<string | undefined>
  readonly limits?: Partial<Pick<Limits, 'agentsPerTenantMax' | 'enrolledAgentsMax'>>
  /** Tells the others, and answers the agent. */
  readonly changed: (agent: Agent, what: string, by: string) => Agent
}

export interface RegisterAs {
  readonly by: Caller
  /** It comes from a file, and the file is right. */
  readonly provisioned: boolean
  /** The sealed credentials that it keeps, where the document itself has none. */
  readonly keep?: string
}
export type Register = (parsed: ParsedRegistration, as: RegisterAs) => Promise<Registered>

/** Its owner, an administrator, or the agent itself by its own token. */
export const mayChange = (agent: Agent, by: Caller): boolean =>
  by.tenant === agent.tenant && (isAdmin(by) || by.id === agent.owner || by.id === agent.destination)

export const noteOf = (by: Caller, action: string, subject: string, detail?: unknown): AuditNote => ({
  id: uuidv7(),
  actor: by.id,
  action,
  subject,
  ...(detail !== undefined && { detail }),
})

export const wrong = (field: string, description: string): A2AError =>
  new A2AError('INVALID_PARAMS', `${field}: ${description}`, { violations: [{ field, description }] })

export function createRegister(tools: WriteTools): Register {
  const { db, seal, changed } = tools
  const agentsMax = tools.limits?.agentsPerTenantMax ?? LIMITS.agentsPerTenantMax
  const enrolledMax = tools.limits?.enrolledAgentsMax ?? LIMITS.enrolledAgentsMax
  /** Of those who registered without a key; they are all one owner. */
  const ownedMax = (by: Caller) => (isEnrolled(by) ? { ownedMax: enrolledMax } : {})

  async function create(parsed: ParsedRegistration, { by, provisioned }: RegisterAs): Promise<Registered | undefined> {
    const { registration, credentials } = parsed
    const { name, connector } = registration
    const made = connector.kind === 'mailbox' ? tools.newAgentKey({ tenant: by.tenant, name, by: by.id }) : undefined
    const sealed = credentials ? seal.seal(JSON.stringify(credentials), credentialsPlace(by.tenant, name)) : null
    const row = await store.createAgent(
      db,
      { tenant: by.tenant, name, owner: by.id, registration, credentials: sealed, provisioned },
      {
        agentsMax,
        ...ownedMax(by),
        note: noteOf(by, 'agent.registered', name, { connector: connector.kind }),
        ...(made && { key: made.key }),
      },
    )
    if (!row) return undefined
    const agent = changed(toAgent(row), 'registered', by.id)
    return { created: true, agent, ...(made && { token: made.token }) }
  }

  async function replace(known: Agent, parsed: ParsedRegistration, as: RegisterAs): Promise<Registered> {
    const { by, provisioned, keep } = as
    const sealed = sealedFor(seal, known, parsed, as)
    if (isSame(known, parsed, sealed) && known.provisioned === provisioned) return { created: false, agent: known }
    if (known.provisioned && !provisioned)
      throw new A2AError('CONFLICT', `${known.name} comes from a file in the folder of cards: change it there`)
    const detail = {
      connector: parsed.registration.connector.kind,
      credentials: sealed === null ? 'none' : keep ? 'kept' : 'given',
    }
    const row = await store.replaceAgent(
      db,
      { ...known, registration: parsed.registration, credentials: sealed, provisioned },
      { anyOwner: true, note: noteOf(by, 'agent.changed', known.name, detail) },
    )
    if (!row) throw new A2AError('CONFLICT', `${known.name} was removed at the same time`)
    return { created: false, agent: changed(toAgent(row), 'changed', by.id) }
  }

  return async (document, as) => {
    const { by, provisioned } = as
    const { name, connector } = document.registration
    assertMayRegister(name, connector, by)
    const refusal = 'url' in connector && connector.url !== undefined ? tools.checkUrl(connector.url) : undefined
    if (refusal) throw wrong('connector.url', refusal)
    const { wake } = document.registration
    const closed = wake && tools.checkUrl(wake.url)
    if (closed) throw wrong('wake.url', closed)
    const find = async () => {
      const row = await store.findAgent(db, by.tenant, name)
      return row && toAgent(row)
    }
    const known = await find()
    const parsed = provisioned ? document : withSignatures(document, known, by)
    if (known && !mayChange(known, by)) throw taken(name)
    // At a start nobody waits for other machines: what is wrong with a card is seen when it is fetched.
    const unsigned = provisioned ? undefined : await tools.cardRefusal?.(parsed, by.tenant)
    if (unsigned) throw new A2AError('CARD_SIGNATURE', unsigned)
    const created = known ? undefined : await create(parsed, as)
    if (created) return created
    const twin = known ?? (await find())
    if (!twin && (await store.tenantOfAgent(db, name)) !== undefined) throw taken(name)
    if (!twin) throw noRoom(isEnrolled(by) ? Math.min(enrolledMax, agentsMax) : agentsMax, by)
    if (!mayChange(twin, by)) throw taken(name)
    return replace(twin, parsed, as)
  }
}

/** Came without a key. */
const isEnrolled = (by: Caller): boolean => by.kind === 'local' && !isAdmin(by)

const noRoom = (max: number, by: Caller): A2AError =>
  isEnrolled(by)
    ? new A2AError('CONFIG_LIMIT', `there is room for ${max} agents that are registered without a key`, {
        metadata: { hint: 'remove some, or register with a key that may' },
      })
    : new A2AError('CONFIG_LIMIT', `there is room for ${max} agents, and they are all there`)

const taken = (name: string): A2AError => new A2AError('CONFLICT', `the name "${name}" is taken by another owner`)

/** Whose signatures count is an operator's to say; what he has said stays when the owner registers again. */
function withSignatures(parsed: ParsedRegistration, known: Agent | undefined, by: Caller): ParsedRegistration {
  if (isAdmin(by)) return parsed
  const [before, given] = [known?.registration.signatures, parsed.registration.signatures]
  if (given !== undefined && canonicalJson(given) !== canonicalJson(before ?? null))
    throw new A2AError('PERMISSION_DENIED', 'signatures: only an administrator says whose signatures count', {
      metadata: { permit: 'admin' },
    })
  return before === undefined ? parsed : { ...parsed, registration: { ...parsed.registration, signatures: before } }
}

/** A new seal only for new credentials, so that registering the same again changes nothing. */
function sealedFor(seal: Seal, known: Agent, { credentials }: ParsedRegistration, { keep }: RegisterAs): string | null {
  if (!credentials) return keep ?? null
  const place = credentialsPlace(known.tenant, known.name)
  const text = JSON.stringify(credentials)
  return known.credentials && opened(seal, known.credentials, place) === text
    ? known.credentials
    : seal.seal(text, place)
}

/** undefined: it does not open, so it is not what was given. */
function opened(seal: Seal, sealed: string, place: string): string | undefined {
  try {
    return seal.open(sealed, place)
  } catch {
    return undefined
  }
}

/** An administrator any; a key with the permit `agent` its own; an agent's token and who enrols without a key only mailboxes. */
function assertMayRegister(name: string, connector: Connector, by: Caller): void {
  if (isAdmin(by)) return
  if (by.kind === 'local' && connector.kind === 'mailbox') return
  if (by.kind === 'agent' && by.id === destinationOf(name) && connector.kind === 'mailbox') return
  if (by.kind !== 'agent' && by.kind !== 'local' && by.permits.has('agent')) return
  throw new A2AError('PERMISSION_DENIED', `registering this agent needs the permit "admin" or "agent"`, {
    metadata: { permit: 'agent' },
  })
}

const isSame = (known: Agent, { registration }: ParsedRegistration, sealed: string | null): boolean =>
  canonicalJson(known.registration) === canonicalJson(registration) && (known.credentials ?? null) === sealed

/** The header that the credentials are. */
export const headerOf = (credentials: Credentials): Record<string, string> =>
  'header' in credentials
    ? { [credentials.header]: credentials.value }
    : { Authorization: `${credentials.scheme} ${credentials.token}` }
