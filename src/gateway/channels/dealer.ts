/**
 * Where any one member takes a post: members that collect ask for it by themselves, to those that have a server it is given
 * when they have a place free. To whom is decided anew whenever something came, somebody has done something or is back;
 * what was given to an agent that turns out to be away is taken back, and waits for the others.
 */
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import { onAbort } from '../../platform/aborts.ts'
import type { Clock } from '../../platform/clock.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import { listMembers } from '../../store/channelMembers.ts'
import type { Db } from '../../store/db.ts'
import { type ChannelName, channelsToDeal, deal, sendOn, takeBackPosts } from '../../store/dealing.ts'
import type { Agent } from '../agents/agent.ts'
import { channelLane } from './channel.ts'

export interface Dealer extends Service {
  /** Something may have come into this lane. */
  wake(tenant: string, destination: string): void
}

export interface DealerTools {
  readonly db: Db
  readonly clock: Clock
  readonly loopTools: LoopTools
  readonly signals: HappeningSignals
  readonly findAgent: (tenant: string, name: string) => Promise<Agent | undefined>
  readonly isClosed: (tenant: string, destination: string) => boolean
  /** These lanes have got something. */
  readonly given: (tenant: string, destination: string) => void
}

/** The safety net under the wake-ups is as wide as this many looks of others. */
const LOOK_EVERY = 5
const LANE = channelLane('')

/** Agents that can be members of a queue. */
export const TAKERS: ReadonlySet<string> = new Set(['mailbox', 'a2a', 'mcp'])

export function createDealer(tools: DealerTools): Dealer {
  const { db, clock, signals } = tools
  const waiting = new Map<string, ChannelName>()
  const lanes = createLanes()
  const stops: (() => void)[] = []
  let wakeUp = () => {}

  function ask(channel: ChannelName): void {
    waiting.set(`${channel.tenant} ${channel.name}`, channel)
    wakeUp()
  }
  const freed = ({ destination }: { destination: string }) => {
    for (const channel of lanes.of(destination)) ask(channel)
  }

  async function work(signal: AbortSignal): Promise<void> {
    for (const [key, channel] of waiting) {
      if (signal.aborted) return
      waiting.delete(key)
      try {
        lanes.learn(channel, await dealOut(channel, tools))
      } catch (error) {
        tools.loopTools.onError('dealer', error)
      }
    }
  }

  let lookedAt = Number.NEGATIVE_INFINITY
  const wheel = loop(
    'dealer',
    async (signal) => {
      const everyMs = LOOK_EVERY * LIMITS.pollMs
      if (waiting.size === 0) {
        const woken = new AbortController()
        wakeUp = () => woken.abort()
        const forget = onAbort(signal, wakeUp)
        await clock.sleep(Math.max(0, lookedAt + everyMs - clock.elapsed()), woken.signal)
        forget()
      }
      if (signal.aborted) return
      if (clock.elapsed() - lookedAt >= everyMs) {
        lookedAt = clock.elapsed()
        for (const channel of await channelsToDeal(db, LIMITS.childrenPage)) ask(channel)
      }
      await work(signal)
    },
    tools.loopTools,
  )

  return {
    name: 'dealer',
    start() {
      stops.push(
        signals.on('delivery.attempted', freed),
        signals.on('lane.open', freed),
        signals.on('lane.closed', freed),
      )
      return wheel.start()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      await wheel.stop()
    },
    wake(tenant, destination) {
      if (destination.startsWith(LANE)) ask({ tenant, name: destination.slice(LANE.length) })
    },
  }
}

/** By lane: the channels that its agent was given something from, or could have been. */
function createLanes() {
  const known = new Map<string, Map<string, ChannelName>>()
  return {
    of: (destination: string): Iterable<ChannelName> => known.get(destination)?.values() ?? [],
    learn(channel: ChannelName, members: readonly Agent[]): void {
      if (members.length === 0) return
      // The channel's own lane as well: what a member that collects gave back is to be given.
      for (const destination of [channelLane(channel.name), ...members.map((one) => one.destination)]) {
        const channels = known.get(destination) ?? new Map<string, ChannelName>()
        channels.set(`${channel.tenant} ${channel.name}`, channel)
        known.set(destination, channels)
        if (known.size > LIMITS.agentCacheMax) known.delete(known.keys().next().value as string)
      }
    },
  }
}

/** Members that have a server, with whatever could be given to them. */
async function dealOut(channel: ChannelName, tools: DealerTools): Promise<Agent[]> {
  const { db, given } = tools
  const { tenant, name } = channel
  const members = await membersOf(channel, tools)
  for (const lane of await sendOn(db, channel)) given(tenant, lane)
  const isAway = ({ pausedAt, pending, destination }: Agent) =>
    pausedAt !== undefined || pending !== undefined || tools.isClosed(tenant, destination)
  const away = members.filter(isAway).map(({ destination }) => destination)
  // Those that collect are woken for it, as for what comes.
  if ((await takeBackPosts(db, channel, away)) > 0) given(tenant, channelLane(name))
  const there = members.filter((one) => !isAway(one))
  const lanes = members.map(({ destination }) => destination)
  for (let dealt = 1; dealt > 0; ) {
    dealt = 0
    // A few to each in turn, so that they share what there is.
    for (const { destination, connector, policy } of there) {
      const width = policy.maxInflight
      const dealing = { ...channel, kind: connector.kind, destination, members: lanes, width }
      const count = await deal(db, { ...dealing, count: Math.ceil(width / 4) })
      if (count > 0) given(tenant, destination)
      dealt += count
    }
  }
  return members
}

async function membersOf({ tenant, name }: ChannelName, { db, findAgent }: DealerTools): Promise<Agent[]> {
  const rows = await listMembers(db, tenant, name, LIMITS.channelMembersMax)
  const agents = await Promise.all(rows.filter(({ agent }) => agent).map(({ member }) => findAgent(tenant, member)))
  return agents.filter((agent) => agent !== undefined && agent.connector.kind !== 'mailbox') as Agent[]
}
