/** The agents of a gateway with all that can be addressed like one: channels, and the directory. */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { DEFAULT_TENANT, type PresentCard } from '../../ports.ts'
import { sharedChannels } from '../../store/channelMembers.ts'
import { findChannel } from '../../store/channels.ts'
import type { Db } from '../../store/db.ts'
import type { Agent } from '../agents/agent.ts'
import type { Agents } from '../agents/registry.ts'
import { asAgent, channelIn, channelLane } from './channel.ts'
import { sees } from './channels.ts'

export interface Addressable extends Agents {
  /** What is remembered of a channel is old. */
  channelChanged(tenant: string, name: string): void
  /** Lanes beside its own from which this agent may take: channels whose posts any one member takes. */
  sharedLanes(agent: Pick<Agent, 'tenant' | 'name'>): Promise<readonly string[]>
}

export interface AddressableTools {
  readonly db: Db
  readonly clock: Clock
  /** The gateway's own agent. */
  readonly directory: (tenant: string) => Agent
}

/** From memory for a moment, like agents; a failure is not remembered. */
function remembering<T>(clock: Clock, load: (tenant: string, name: string) => Promise<T>) {
  const entries = new Map<string, { until: number; value: Promise<T> }>()
  return {
    forget: (tenant: string, name: string) => void entries.delete(`${tenant} ${name}`),
    forgetAll: () => entries.clear(),
    get(tenant: string, name: string): Promise<T> {
      const key = `${tenant} ${name}`
      const known = entries.get(key)
      if (known && known.until > clock.elapsed()) return known.value
      const entry = { until: clock.elapsed() + LIMITS.agentCacheMs, value: load(tenant, name) }
      entries.delete(key)
      entries.set(key, entry)
      if (entries.size > LIMITS.agentCacheMax) entries.delete(entries.keys().next().value as string)
      entry.value.catch(() => entries.get(key) === entry && entries.delete(key))
      return entry.value
    },
  }
}

export function withChannels(agents: Agents, { db, clock, directory }: AddressableTools): Addressable {
  const channels = remembering(clock, async (tenant, name) => {
    const row = await findChannel(db, tenant, name)
    return row && asAgent(row)
  })
  const shared = remembering(clock, async (tenant, name) =>
    (await sharedChannels(db, tenant, [name])).map((row) => channelLane(row.name)),
  )
  return {
    ...agents,
    async find(tenant, name) {
      const folded = name.toLowerCase()
      const channel = channelIn(folded)
      if (channel !== undefined) return channels.get(tenant, channel)
      const own = directory(tenant)
      return folded === own.name ? own : agents.find(tenant, folded)
    },
    async findOpen(name) {
      const own = directory(DEFAULT_TENANT)
      return name.toLowerCase() === own.name ? own : agents.findOpen(name)
    },
    channelChanged(tenant, name) {
      channels.forget(tenant, name)
      shared.forgetAll()
    },
    sharedLanes: ({ tenant, name }) => shared.get(tenant, name),
  }
}

/** The card of a channel is for those who may see it. */
export const cardsOf =
  (present: PresentCard, db: Db): PresentCard =>
  async (name, caller) => {
    const channel = channelIn(name)
    if (channel === undefined) return present(name, caller)
    const row = caller && (await findChannel(db, caller.tenant, channel))
    return row && (await sees(db, row, caller)) ? present(name, caller) : undefined
  }
