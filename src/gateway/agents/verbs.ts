/** What owners and operators do with an agent that is registered; each is one write, with its note in the audit. */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import * as store from '../../store/agents.ts'
import { rotateAgentKey } from '../../store/callers.ts'
import { approveCard } from '../../store/cards.ts'
import { type Agent, toAgent } from './agent.ts'
import { approvedAs } from './identity.ts'
import { isVisible } from './present.ts'
import { type ParsedRegistration, parseRegistration } from './registration.ts'
import { mayChange, noteOf, type Register, type WriteTools, wrong } from './writes.ts'

export interface Verbs {
  /** JSON merge patch (RFC 7396) of the registration: null brings a default back. */
  patch(name: string, changes: Readonly<Record<string, unknown>>, by: Caller): Promise<Agent>
  /** Throws CONFLICT when something is still owed to it, unless `force`. Its token ends with it. */
  remove(name: string, by: Caller, options?: { force?: boolean }): Promise<void>
  /** Deliveries stay in the queue and are not sent until `resume`. */
  pause(name: string, reason: string | undefined, by: Caller): Promise<Agent>
  resume(name: string, by: Caller): Promise<Agent>
  /**
   * Takes the card that waits. `change`: only if it is this one, so that what is approved is what was looked at.
   * Throws PERMISSION_DENIED for anybody but an administrator; CONFLICT when nothing waits, or another change does.
   */
  approve(name: string, change: string | undefined, by: Caller): Promise<Agent>
  /** A new token in place of a mailbox's older ones, which are good for `graceSeconds` (0) more. */
  rotateToken(name: string, by: Caller, graceSeconds?: number): Promise<string>
}

/** Starting a program on this machine is for whoever can write its files, not for whoever has a key. */
export function assertNoCommand({ registration: { connector } }: ParsedRegistration): void {
  if (connector.kind === 'mcp' && connector.command)
    throw wrong('connector.command', 'starts a program: only a file in the folder of cards may say so')
}

const unknownAgent = (name: string): A2AError =>
  new A2AError('AGENT_NOT_FOUND', `there is no agent "${name.slice(0, LIMITS.echoCharsMax)}"`)

export interface VerbTools extends WriteTools {
  readonly register: Register
}

export function createVerbs(tools: VerbTools): Verbs {
  const { db, changed, register } = tools

  /** The agent as it is now, if this caller may change it. */
  async function owned(name: string, by: Caller): Promise<Agent> {
    const row = await store.findAgent(db, by.tenant, name.toLowerCase())
    if (!row) throw unknownAgent(name)
    const agent = toAgent(row)
    if (mayChange(agent, by)) return agent
    // Whom it is not shown to is not told that it is there.
    const shown = isVisible(agent, by) && (by.agents === undefined || by.agents.has(agent.name))
    throw shown ? new A2AError('PERMISSION_DENIED', `${agent.name} is another owner's`) : unknownAgent(name)
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
    approve: async (name, change, by) => approve(await owned(name, by), change, { ...tools, by }),
    async rotateToken(name, by, graceSeconds = 0) {
      const agent = await owned(name, by)
      if (agent.connector.kind !== 'mailbox') throw wrong('connector', 'only a mailbox has a token')
      const { token, key } = tools.newAgentKey({ tenant: agent.tenant, name: agent.name, by: by.id })
      const note = noteOf(by, 'agent.tokenRotated', agent.name, {
        key: key.id,
        ...(graceSeconds > 0 && { graceSeconds }),
      })
      if (!(await rotateAgentKey(db, key, graceSeconds, note))) throw unknownAgent(agent.name)
      changed(agent, 'token', by.id)
      return token
    },
  }
}

interface ApproveTools extends Pick<VerbTools, 'db' | 'changed'> {
  readonly by: Caller
}

async function approve(agent: Agent, change: string | undefined, { db, changed, by }: ApproveTools): Promise<Agent> {
  if (!isAdmin(by))
    throw new A2AError('PERMISSION_DENIED', 'approving a card needs the permit "admin"', {
      metadata: { permit: 'admin' },
    })
  const { pending } = agent
  if (!pending) throw new A2AError('CONFLICT', `${agent.name}: nothing waits for approval`)
  if (change !== undefined && change !== pending.change)
    throw new A2AError('CONFLICT', `${agent.name}: the card has changed again; look at it first`, {
      metadata: { hint: `waypost agent show ${agent.name}` },
    })
  const { changes } = pending
  const note = noteOf(by, 'agent.approved', agent.name, { change: pending.change, changes })
  const identity = approvedAs(pending.identity)
  const row = await approveCard(db, { ...agent, change: pending.change, identity }, note)
  if (!row) throw new A2AError('CONFLICT', `${agent.name}: the card has changed at the same time; look at it first`)
  return changed(toAgent(row), 'approved', by.id)
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
