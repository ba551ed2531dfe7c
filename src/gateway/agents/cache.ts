/** Agents by name, from memory for a moment: a lookup stands in the path of every request. Unknown names are remembered too. */
import { LIMITS, type Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type AgentRow, findAgent, findAgentByName } from '../../store/agents.ts'
import type { Db } from '../../store/db.ts'
import { type Agent, toAgent } from './agent.ts'
import { AGENT_NAME } from './registration.ts'

export interface AgentCache {
  find(tenant: string, name: string): Promise<Agent | undefined>
  /** By name alone: no two tenants have agents of one name. undefined as well: it is neither public nor open to anybody. */
  findOpen(name: string): Promise<Agent | undefined>
  forget(tenant: string, name: string): void
}

export interface CacheTools {
  readonly db: Db
  readonly clock: Clock
  /** What is remembered of an agent; default: all that is stored. */
  readonly admit?: (agent: Agent) => Agent
  readonly limits?: Partial<Pick<Limits, 'agentCacheMs' | 'agentCacheMax'>>
}

interface Entry {
  readonly until: number
  /** Shared by all who ask meanwhile. */
  readonly agent: Promise<Agent | undefined>
}

export function createAgentCache({ db, clock, admit = (agent) => agent, limits }: CacheTools): AgentCache {
  const { agentCacheMs, agentCacheMax } = { ...LIMITS, ...limits }
  const entries = new Map<string, Entry>()

  function load(key: string, read: () => Promise<AgentRow | undefined>): Promise<Agent | undefined> {
    const agent = read().then((row) => row && admit(toAgent(row)))
    const entry = { until: clock.elapsed() + agentCacheMs, agent }
    entries.delete(key)
    entries.set(key, entry)
    for (const oldest of entries.keys()) {
      if (entries.size <= agentCacheMax) break
      entries.delete(oldest)
    }
    // A failure is not remembered: the next one asks again.
    agent.catch(() => entries.get(key) === entry && entries.delete(key))
    return agent
  }

  function known(key: string): Promise<Agent | undefined> | undefined {
    const entry = entries.get(key)
    return entry && entry.until > clock.elapsed() ? entry.agent : undefined
  }

  return {
    async find(tenant, name) {
      const folded = name.toLowerCase()
      if (!AGENT_NAME.test(folded)) return undefined
      return known(`${tenant} ${folded}`) ?? load(`${tenant} ${folded}`, () => findAgent(db, tenant, folded))
    },
    async findOpen(name) {
      const folded = name.toLowerCase()
      if (!AGENT_NAME.test(folded)) return undefined
      const agent = await (known(folded) ?? load(folded, () => findAgentByName(db, folded)))
      return agent && (agent.policy.visibility === 'public' || agent.policy.access === 'anonymous') ? agent : undefined
    },
    forget(tenant, name) {
      entries.delete(`${tenant} ${name}`)
      entries.delete(name)
    },
  }
}
