/** Builds what gives its tasks to others: channels, the directory, and the collector that takes their answers home. */
import { A2AError } from './a2a/errors.ts'
import { buildOperations, type Outward, type Parties, type Queue } from './assembly.ts'
import { daysOf } from './config.ts'
import type { Quotas } from './gateway/callers/quotas.ts'
import { quotaOf, type TenantQuotas } from './gateway/callers/usage.ts'
import { channelIn } from './gateway/channels/channel.ts'
import { type Channels, createChannels } from './gateway/channels/channels.ts'
import { type ChildCancel, type Collector, createCollector } from './gateway/channels/collect.ts'
import { createDealer } from './gateway/channels/dealer.ts'
import { type PostTools, post } from './gateway/channels/post.ts'
import { askDirectory, type DirectoryTools } from './gateway/directory/directory.ts'
import { createRings } from './gateway/mailbox/ring.ts'
import { createErase } from './gateway/operations/erase.ts'
import type { Others } from './gateway/operations/tools.ts'
import type { OpenTools } from './gateway/tasks/open.ts'
import { createRetention } from './gateway/tasks/retention.ts'
import type { Tails } from './gateway/tasks/tails.ts'
import type { Ground } from './ground.ts'
import { roomIn } from './guards.ts'
import { channelRoutes } from './http/admin/channels.ts'
import { conversationRoutes } from './http/admin/conversations.ts'
import { dataRoutes } from './http/admin/data.ts'
import { searchRoutes } from './http/admin/search.ts'
import { createAccess, type Face } from './http/face.ts'
import { leadsHere } from './http/hosts.ts'
import { roomRoutes } from './http/rooms/rooms.ts'
import { quotasIn } from './issuers.ts'
import { LIMITS } from './limits.ts'
import type { Execute, StreamEntry } from './ports.ts'
import { derivedKey } from './secrets.ts'
import { LATEST } from './wire/versions/table.ts'

interface OthersParts {
  readonly others: Others
  readonly collector: Collector
  /** The routes of channels. */
  readonly faces: readonly Face[]
  /** They are operations' tools and use the operations: they meet when both are there. */
  readonly bind: (execute: Execute) => void
}

function buildOthers(
  ground: Ground,
  parties: Parties,
  queue: Queue,
  { opening, quotas }: { opening: OpenTools; quotas: Quotas },
): OthersParts {
  const { agents } = parties
  const { db, clock, now, loopTools, signals, limits } = ground
  let run: Execute | undefined
  const execute: Execute = (name, params, call) => {
    if (!run) throw new Error('the operations are not there yet')
    return run(name, params, call)
  }
  const { published } = opening
  const collector = createCollector({
    ...{ db, clock, now, loopTools, signals, published },
    cancel: (child) => cancelChild(child, execute, ground.draining.signal),
  })
  const posting: PostTools = {
    ...opening,
    agentsNamed: (tenant, names) => agents.list({ tenant, names, limit: LIMITS.channelMembersMax }),
    opened: collector.opened,
    takesPost: parties.contacts.takesPost,
  }
  const directory: DirectoryTools = { ...opening, agents, publicUrl: ground.url, execute, opened: collector.opened }
  const channels = createChannels({
    ...{ db, now, signals, limits, published, open: queue.open, wake: opening.wake },
    findAgent: agents.find,
    changed: agents.channelChanged,
  })
  return {
    collector,
    faces: buildFaces(ground, parties, { channels, posting, execute, quotas, tails: queue.tails }),
    bind(given) {
      run = given
    },
    others: {
      async admit(operation, call) {
        const name = channelIn(call.agent) ?? ''
        const sends = operation === 'SendMessage' || operation === 'SendStreamingMessage'
        return sends ? channels.admit(name, call.caller) : channels.look(name, call.caller)
      },
      open(params, call) {
        const { kind } = call.known.connector
        if (kind === 'channel') return post(params, call, posting)
        return kind === 'directory' ? askDirectory(params, call, directory) : undefined
      },
    },
  }
}

/** What opening a task takes. */
export function buildOpening(ground: Ground, { egress }: Outward, queue: Queue): OpenTools {
  const { db, seal, now } = ground
  const { forwarder, hub, depths, open } = queue
  return {
    db,
    seal,
    // A webhook at the gateway would make events of events.
    checkUrl: (address) =>
      egress.checkUrl(address) ?? (leadsHere(address, ground.url()) ? 'the gateway itself' : undefined),
    open,
    handOver: forwarder.handOver,
    release: forwarder.release,
    now,
    wake(tenant, destination, orderingKey) {
      depths.added(tenant, destination)
      queue.wake(tenant, destination, orderingKey)
    },
    announce: queue.hints.announceBox,
    published(tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) {
      hub.publish(tenant, taskId, entries)
      queue.wakeLanes(owed)
    },
  }
}

/** How long a tenant's tasks are kept, where it has a word of its own. */
const ownDaysOf = (quotas: TenantQuotas) => (tenant: string) => {
  const days = quotaOf(quotas, tenant)?.retentionDays
  return days === undefined ? undefined : daysOf(String(days))
}

/** The operations, and what they give to others: each uses the other, so they are introduced here. */
export function buildDoors(ground: Ground, outward: Outward, parties: Parties, queue: Queue) {
  const opening = buildOpening(ground, outward, queue)
  const room = roomIn(ground)
  const { others, collector, faces, bind } = buildOthers(ground, parties, queue, { opening, quotas: room.quotas })
  const execute = buildOperations(ground, outward, parties, queue, { opening, others, room })
  bind(execute)
  const { db, clock, now, loopTools, signals } = ground
  const rings = createRings({
    ...{ db, clock, now, loopTools, signals, published: opening.published, wake: queue.wake },
    findAgent: parties.agents.find,
  })
  const dealer = createDealer({
    ...{ db, clock, loopTools, signals, isClosed: queue.forwarder.isClosed },
    findAgent: parties.agents.find,
    given(tenant, destination) {
      queue.wake(tenant, destination)
      if (destination.startsWith('channel:')) queue.hints.announceBox(tenant, destination)
    },
  })
  queue.onWake(dealer.wake)
  const retention = createRetention({
    ...{ db, clock, now, loopTools, signals },
    owner: queue.replica.id,
    gone: queue.hub.gone,
    days: daysOf(ground.config.retentionDays),
    daysOf: ownDaysOf(quotasIn(ground.config)),
    deadDays: daysOf(ground.config.deadLetterDays),
    everyMs: ground.limits.purgeEveryMs,
  })
  const erase = createErase({
    ...{ db, clock, now, record: queue.record, gone: queue.hub.gone },
    cancel: ({ id, ...task }) => cancelChild({ ...task, taskId: id }, execute, ground.draining.signal),
    removeAgent: (name, by) => parties.agents.remove(name, by, { force: true }),
    forgetKey: parties.authenticate.forget,
  })
  const access = createAccess(parties.authenticate, parties.noteDenial)
  const data = dataRoutes({ access, db, erase, draining: ground.draining.signal })
  return { execute, services: [collector, rings, dealer, retention], faces: [...faces, data] }
}

function buildFaces(
  { db, url, secrets, clock, draining, signals, limits, config }: Ground,
  { authenticate, noteDenial }: Parties,
  parts: { channels: Channels; posting: PostTools; execute: Execute; quotas: Quotas; tails: Tails },
): Face[] {
  const shared = {
    ...{ db, channels: parts.channels, access: createAccess(authenticate, noteDenial), publicUrl: url },
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
  }
  const tailing = { clock, limits, draining: draining.signal, tails: parts.tails }
  const rooms = { ...shared, ...parts, ...tailing, signals, demo: config.demoRooms === 'on' }
  return [searchRoutes(shared), channelRoutes(shared), conversationRoutes({ ...shared, ...tailing }), roomRoutes(rooms)]
}

/** In the name of whose task it is. false: not now. */
async function cancelChild({ tenant, caller, agent, taskId }: ChildCancel, execute: Execute, signal: AbortSignal) {
  try {
    await execute(
      'CancelTask',
      { id: taskId },
      {
        agent,
        caller: { tenant, id: caller, kind: 'local', permits: new Set(['cancel']) },
        version: LATEST.version,
        binding: 'JSONRPC',
        extensions: [],
        signal,
      },
    )
    return true
  } catch (error) {
    // It has ended, or its agent will not hear of it, or is gone: that is its own affair.
    const later = !(error instanceof A2AError) || LATER.has(error.reason)
    return !later
  }
}
const LATER: ReadonlySet<string> = new Set(['UNAVAILABLE', 'RATE_LIMITED', 'OUTCOME_UNKNOWN', 'AGENT_UNAVAILABLE'])
