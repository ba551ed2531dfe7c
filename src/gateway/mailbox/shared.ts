/** Lanes that several agents take from: channels whose posts any one member takes. Who has looked there is woken for what comes. */
import { laneKey } from '../../delivery.ts'
import type { Mailbox } from '../../store/inbox.ts'
import type { Agent } from '../agents/agent.ts'

export const CHANNEL_LANE = 'channel:'
/** The agent that a lane belongs to, by its name: a channel's is its own. */
export const laneAgent = (destination: string): string =>
  destination.startsWith(CHANNEL_LANE)
    ? `#${destination.slice(CHANNEL_LANE.length)}`
    : destination.slice('agent:'.length)

export interface SharedLanes {
  /** Where this agent may take from beside its own mailbox. */
  of(agent: Agent): Promise<readonly string[]>
  /** Mailboxes whose agents have looked at this lane. */
  lookersAt(lane: Mailbox): Mailbox[]
  /** Lanes that somebody who waits now has looked at. */
  watched(waiting: readonly Mailbox[]): Mailbox[]
}

export function createSharedLanes(
  lanesOf: (agent: Pick<Agent, 'tenant' | 'name'>) => Promise<readonly string[]>,
): SharedLanes {
  /** By tenant and lane: destinations. What is no longer waited at is forgotten at the next look. */
  const lookers = new Map<string, { lane: Mailbox; boxes: Set<string> }>()
  return {
    async of(agent) {
      const lanes = await lanesOf(agent)
      for (const destination of lanes) {
        const lane = { tenant: agent.tenant, destination }
        const known = lookers.get(laneKey(lane))
        if (known) known.boxes.add(agent.destination)
        else lookers.set(laneKey(lane), { lane, boxes: new Set([agent.destination]) })
      }
      return lanes
    },
    lookersAt(lane) {
      const boxes = lookers.get(laneKey(lane))?.boxes ?? []
      return [...boxes].map((destination) => ({ tenant: lane.tenant, destination }))
    },
    watched(waiting) {
      const there = new Set(waiting.map(laneKey))
      for (const [key, { lane, boxes }] of lookers) {
        for (const destination of boxes)
          if (!there.has(laneKey({ tenant: lane.tenant, destination }))) boxes.delete(destination)
        if (boxes.size === 0) lookers.delete(key)
      }
      return [...lookers.values()].map(({ lane }) => lane)
    },
  }
}
