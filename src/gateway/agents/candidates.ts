/** The agents that a caller may see, with whether they are there and how much waits for them. */
import { type Caller, isAdmin } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { readQueues } from '../../store/queues.ts'
import type { Agent } from './agent.ts'
import type { Candidate } from './match.ts'
import { presenceOf } from './presence.ts'
import { isVisible } from './present.ts'
import type { Agents } from './registry.ts'

/** Agents that are looked at; who has more, narrows them by a tag or a skill. */
const CANDIDATES_MAX = 500

export interface Seen extends Candidate {
  readonly agent: Agent
}

export async function candidatesFor(
  by: Caller,
  filter: { readonly q?: string | undefined; readonly skill?: string | undefined; readonly tag?: string | undefined },
  { agents, db }: { agents: Pick<Agents, 'list'>; db: Db },
): Promise<Seen[]> {
  const { q, skill, tag } = filter
  const restricted = by.agents && !isAdmin(by) ? { names: [...by.agents] } : {}
  const listed = await agents.list({
    ...{ tenant: by.tenant, limit: CANDIDATES_MAX },
    ...restricted,
    ...(q !== undefined && { q }),
    ...(skill !== undefined && { skill }),
    ...(tag !== undefined && { tag }),
  })
  const visible = listed.filter((agent) => isVisible(agent, by))
  const lanes = await readQueues(db, visible)
  return visible.map((agent, at) => {
    const lane = lanes[at]
    return { agent, state: presenceOf(agent, lane).state, waiting: lane?.waiting ?? 0 }
  })
}
