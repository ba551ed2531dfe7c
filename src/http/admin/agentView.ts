/** One agent as the management routes show it. */
import type { Agent } from '../../gateway/agents/agent.ts'
import { mailboxPresence, showPresence } from '../../gateway/agents/mailboxPresence.ts'
import { type Presence, presenceOf } from '../../gateway/agents/presence.ts'
import { placeOf } from '../../gateway/agents/present.ts'
import { mayChange } from '../../gateway/agents/writes.ts'
import type { Caller } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { type QueueRow, readQueues } from '../../store/queues.ts'
import { times } from '../face.ts'

/** `whole`: with its policy and registration, for who may change it. */
export type Look = (agent: Agent, by: Caller, whole?: boolean) => Promise<object>

export function createLook({ db, publicUrl }: { db: Db; publicUrl: () => string }): Look {
  return async (agent, by, whole = false) => {
    const [lane] = await readQueues(db, [agent])
    const shown = show(agent, lane, by, publicUrl())
    if (!whole || !mayChange(agent, by)) return shown
    return {
      ...shown,
      policy: agent.policy,
      registration: agent.registration,
      hasCredentials: agent.credentials !== undefined,
    }
  }
}

export const placesOf = (agent: Pick<Agent, 'name'>, publicUrl: string) => {
  const url = `${publicUrl}/agents/${placeOf(agent.name)}/`
  return { address: `${agent.name}@${new URL(publicUrl).host}`, url, card: `${url}.well-known/agent-card.json` }
}

const presenceMembers = ({ state, reason, since, lastSeenAt, probeAt }: Presence) => ({
  state,
  ...(reason !== undefined && { reason }),
  ...times({ since, lastSeenAt, nextProbeAt: probeAt }),
})

/** One agent as everybody of the tenant sees it; its address and owner are for those who may change it. */
export function show(agent: Agent, lane: QueueRow | undefined, by: Caller, publicUrl: string): object {
  const { connector, card, registration } = agent
  const description = card?.description ?? registration.description
  const skills = (card?.skills ?? registration.skills ?? []).map(({ id, name, tags }) => ({
    id,
    name: name ?? id,
    tags: tags ?? [],
  }))
  const own = mayChange(agent, by)
  return {
    name: agent.name,
    ...presenceMembers(presenceOf(agent, lane)),
    connector: own ? connector : { kind: connector.kind },
    ...(description !== undefined && { description }),
    skills,
    queued: lane?.waiting ?? 0,
    running: lane?.leased ?? 0,
    ...times({ oldestAt: lane?.oldestAt }),
    ...(lane && connector.kind === 'mailbox' && { presence: showPresence(mailboxPresence(agent, lane)) }),
    ...placesOf(agent, publicUrl),
    visibility: agent.policy.visibility,
    access: agent.policy.access,
    provisioned: agent.provisioned,
    ...(own && { tenant: agent.tenant, owner: agent.owner, ...cardFacts(agent) }),
    ...times({
      createdAt: agent.createdAt,
      modifiedAt: agent.modifiedAt,
      cardFetchedAt: agent.cardFetchedAt,
      pausedAt: agent.pausedAt,
    }),
  }
}

/** What is known of its card beyond what it says. */
function cardFacts({ identity, pending, cardProblem }: Agent): object {
  return {
    ...(identity && {
      signature: {
        state: identity.signatures.state,
        keys: identity.signatures.verified.length > 0 ? identity.signatures.verified : identity.signatures.claimed,
      },
      ...(identity.approved.length > 0 && { approvedOrigins: identity.approved }),
    }),
    ...(pending && {
      pending: { change: pending.change, ...times({ since: pending.at }), changes: pending.changes },
    }),
    ...(cardProblem && {
      cardProblem: { code: cardProblem.code, reason: cardProblem.reason, ...times({ at: cardProblem.at }) },
    }),
  }
}
