/** Builds the parts and introduces them to each other. With `main.ts`, which starts and stops them, the only file that knows them all. What they stand on is laid in `ground.ts`. */
import { hostname } from 'node:os'
import { type Config, ConfigError, grpcAddress } from './config.ts'
import { buildFollowing } from './following.ts'
import { createContacts } from './gateway/agents/contacts.ts'
import { createPresentCard, createPresentExtended, waysIn } from './gateway/agents/present.ts'
import { type Agents, createAgents } from './gateway/agents/registry.ts'
import { createApiKeys, newAgentKey } from './gateway/callers/apiKeys.ts'
import { cardsOf, withChannels } from './gateway/channels/addressable.ts'
import { createLookAtBox } from './gateway/deliveries/boxes.ts'
import { createDepths } from './gateway/deliveries/depth.ts'
import { createRoom } from './gateway/deliveries/room.ts'
import { createDirectoryAgent } from './gateway/directory/directory.ts'
import { createForwarder, type Forwarder } from './gateway/forwarder/forwarder.ts'
import { replay } from './gateway/forwarder/replay.ts'
import { joinAsReplica } from './gateway/forwarder/replica.ts'
import { createSweep } from './gateway/forwarder/sweep.ts'
import type { ForwarderTools } from './gateway/forwarder/tools.ts'
import { createUpstreamPush } from './gateway/forwarder/upstreamPush.ts'
import { createMailbox, type Mailbox } from './gateway/mailbox/mailbox.ts'
import { createSharedLanes } from './gateway/mailbox/shared.ts'
import { createExecute } from './gateway/operations/execute.ts'
import { createParticipants } from './gateway/operations/participants.ts'
import type { Others } from './gateway/operations/tools.ts'
import { createHints, type Hints } from './gateway/tasks/hints.ts'
import type { OpenTools } from './gateway/tasks/open.ts'
import { createRecord } from './gateway/tasks/record.ts'
import { TTL_SECONDS_MAX } from './gateway/tasks/wishes.ts'
import type { Ground } from './ground.ts'
import { buildGuards, consentIn, type Room } from './guards.ts'
import { issuersIn, waysBy } from './issuers.ts'
import type { Limits } from './limits.ts'
import { buildMcpAgents } from './mcpAgents.ts'
import { createEgress, type EgressOptions } from './platform/egress.ts'
import { uuidv7 } from './platform/ids.ts'
import { derivedKey } from './secrets.ts'
import { buildSigner, trustIn } from './signatures.ts'
import { createAppend } from './store/events.ts'
import { createOpen } from './store/tasks.ts'
import { USER_AGENT } from './version.ts'
import { createFetchCard } from './wire/bindings/card.ts'
import { createPeer } from './wire/bindings/peer.ts'
import { createPostWake } from './wire/bindings/wake.ts'
import { createPrepareWebhook } from './wire/bindings/webhook.ts'
import { createChallengeWebhook } from './wire/bindings/webhookChallenge.ts'
import { ALL_VERSIONS } from './wire/versions/table.ts'

const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** Throws a ConfigError for lists that are of no use. */
function egressIn(config: Config, more: Omit<EgressOptions, 'allow'>) {
  const { egressProxy: url, egressProxyHosts: hosts } = config
  try {
    return createEgress({
      allow: config.egressAllow ?? (config.databaseUrl ? [] : LOOPBACK),
      httpsOnly: (config.egressHttps ?? (config.databaseUrl ? 'required' : 'optional')) === 'required',
      ...(url !== undefined && { proxy: { url, ...(hosts && { hosts }) } }),
      ...more,
    })
  } catch (error) {
    const setting = 'WAYPOST_EGRESS_ALLOW, WAYPOST_EGRESS_PROXY, WAYPOST_EGRESS_PROXY_HOSTS'
    throw new ConfigError([{ setting, problem: (error as Error).message }])
  }
}

/** The half that speaks, as a client: everything that goes out. */
export async function buildOutward(ground: Ground) {
  const { config, overrides, clock, signals } = ground
  const egress = egressIn(config, {
    onBlocked: (host, reason) => signals.emit('egress.blocked', { host, reason }),
    userAgent: USER_AGENT,
    ...overrides.egress,
  })
  const tools = { egress, clock }
  const fetchCard = createFetchCard(tools)
  const peer = createPeer({
    ...tools,
    fetchCard,
    quarantine: (reason, { name }) =>
      signals.emit('delivery.quarantined', { task: '', destination: `agent:${name}`, reason }),
  })
  const { signer, signingKeys } = await buildSigner(ground)
  const prepareWebhook = createPrepareWebhook({ ...tools, sign: signer, userAgent: USER_AGENT })
  const postWake = createPostWake({ ...tools, sign: signer, userAgent: USER_AGENT })
  const mcp = buildMcpAgents(ground, { egress, fetchCard, peer })
  const challengeWebhook = createChallengeWebhook(tools)
  return {
    egress,
    mcp,
    postWake,
    challengeWebhook,
    fetchCard: mcp.fetchCard,
    peer: mcp.peer,
    signer,
    signingKeys,
    prepareWebhook,
  }
}

export type Outward = Awaited<ReturnType<typeof buildOutward>>

/** Agents, and who may call them. */
export function buildParties(ground: Ground, { egress, fetchCard, signer }: Outward) {
  const { db, clock, signals, limits, seal, config, url } = ground
  const signatures = trustIn(config)
  const issuers = issuersIn(config)
  const registered = createAgents({
    db,
    seal,
    fetchCard,
    checkUrl: egress.checkUrl,
    newAgentKey,
    clock,
    signals,
    limits,
    signatures,
  })
  const agents = withChannels(registered, { db, clock, directory: createDirectoryAgent() })
  const address = grpcAddress(config, url())
  const grpc = address === undefined ? undefined : { address, rootAgent: config.rootAgent }
  const interfaces = waysIn(ALL_VERSIONS.map(({ version }) => version).reverse(), grpc)
  const presenting = {
    find: agents.find,
    findOpen: agents.findOpen,
    publicUrl: url,
    interfaces,
    sign: signer.signatures,
    signedSince: signer.since,
    limits: { ttlSecondsMax: TTL_SECONDS_MAX, bodyBytesMax: limits.requestBytesMax, blockSeconds: config.blockSeconds },
    ways: waysBy(issuers),
  }
  const presentCard = cardsOf(createPresentCard(presenting), db)
  const presentExtended = createPresentExtended(presenting)
  const guards = buildGuards(ground, egress, { issuers, findOpen: agents.findOpen })
  const keys = createApiKeys({ db, onRevoked: guards.authenticate.forget })
  const contacts = createContacts({ db, clock })
  return { agents, contacts, presentCard, presentExtended, keys, ...guards }
}
export type Parties = ReturnType<typeof buildParties>

const NAME_AT = 'agent:'.length

/** How wide a lane is: an agent that collects is not sent to, and one that is gone has its deliveries ended by an attempt. */
const widthOf =
  (agents: Agents, limits: Limits): ForwarderTools['widthOf'] =>
  async (tenant, destination) => {
    if (destination.startsWith('webhook:')) return { width: limits.webhookInflightPerReceiver, paused: false }
    // Its members collect.
    if (destination.startsWith('channel:')) return { width: 0, paused: false }
    const agent = await agents.find(tenant, destination.slice(NAME_AT))
    if (agent?.connector.kind === 'mailbox') return { width: 0, paused: false }
    return { width: agent?.policy.maxInflight ?? 1, paused: agent?.pausedAt !== undefined }
  }

/** `tenant destination`, one a line: webhooks and mailboxes that have just got something. */
function wakeOwed(
  lanes: string | null,
  { forwarder, mailbox, hints }: { forwarder: Forwarder; mailbox: Mailbox; hints: Hints },
): void {
  for (const lane of lanes?.split('\n') ?? []) {
    const [tenant, destination] = lane.split(' ', 2) as [string, string]
    if (destination.startsWith('webhook:')) {
      forwarder.wake(tenant, destination)
    } else {
      mailbox.wake(tenant, destination)
      hints.announceBox(tenant, destination)
    }
  }
}

type Wake = (tenant: string, destination: string, orderingKey?: string) => void

/** Whoever it is that carries there: the forwarder, or the agent itself; and who deals it out. */
function waking(forwarder: Forwarder, mailbox: Mailbox): { wake: Wake; onWake: (tell: Wake) => void } {
  const tells: Wake[] = [forwarder.wake, mailbox.wake]
  return {
    onWake: (tell) => void tells.push(tell),
    wake(tenant, destination, orderingKey) {
      for (const tell of tells) tell(tenant, destination, orderingKey)
    },
  }
}

/** The half that remembers and decides: tasks, their followers, and what carries them. */
export async function buildQueue(ground: Ground, outward: Outward, { agents, contacts }: Parties) {
  const { db, clock, now, signals, loopTools, limits, seal, overrides } = ground
  const replica = await joinAsReplica({ db, clock, loopTools, name: `${hostname()}:${process.pid}` })
  const hints = createHints({ db, clock, replica: replica.id, hasOthers: replica.hasOthers })
  const { hub, tails, look } = buildFollowing(ground, hints)
  const depths = createDepths(ground)
  const append = createAppend(db, {
    webhookAgeSeconds: limits.webhookAgeMaxMs / 1000,
    newId: uuidv7,
    onOwed: (lanes) => wakeLanes(lanes),
  })
  const wakeLanes = (lanes: string | null) => wakeOwed(lanes, { forwarder, mailbox, hints })
  const open = createOpen(db, overrides.lanes === undefined ? {} : { lanes: overrides.lanes })
  const record = createRecord({ db, clock, append, now, signals, publish: hub.publish })
  const pushes = createUpstreamPush({
    publicUrl: ground.url,
    key: derivedKey(ground.secrets.masterKey, 'upstream push'),
  })
  const forwarder: Forwarder = createForwarder({
    pushes,
    db,
    clock,
    now,
    agents,
    peer: outward.peer,
    prepareWebhook: outward.prepareWebhook,
    consent: consentIn(ground, outward),
    seal,
    record,
    signals,
    loopTools,
    owner: replica.id,
    holdsUntil: replica.holdsUntil,
    webhooks: overrides.webhooks ?? {
      attemptsMax: limits.webhookAttemptsMax,
      firstMs: limits.webhookBackoffFirstMs,
      longestMs: limits.webhookBackoffLongestMs,
    },
    widthOf: widthOf(agents, limits),
    async probe(tenant, destination, signal) {
      const agent = await agents.find(tenant, destination.slice(NAME_AT))
      return agent === undefined || (await agents.probe(agent, signal)).kind === 'ready'
    },
  })
  const mailbox = createMailbox({
    ...{ ...ground, contacts, postWake: outward.postWake },
    findAgent: agents.find,
    record,
    announce: hints.announceBox,
    shared: createSharedLanes(agents.sharedLanes),
  })
  const { wake, onWake } = waking(forwarder, mailbox)
  const sweep = createSweep({
    db,
    clock,
    now,
    loopTools,
    owner: replica.id,
    record,
    signals,
    wake,
    standing: forwarder.standing,
    lost: mailbox.lost,
  })
  const following = { hints, hub, tails, look }
  return { replica, ...following, depths, open, record, forwarder, pushes, mailbox, sweep, wake, onWake, wakeLanes }
}
export type Queue = Awaited<ReturnType<typeof buildQueue>>

/** The operations, for whoever speaks A2A. */
export function buildOperations(
  ground: Ground,
  { peer, mcp }: Outward,
  { agents, contacts, presentCard, presentExtended, noteDenial }: Parties,
  queue: Queue,
  { opening, others, room }: { opening: OpenTools; others: Others; room: Room },
) {
  const { clock, signals, secrets, config, limits, draining } = ground
  const { forwarder, hub, depths, record } = queue
  return createExecute({
    ...opening,
    others,
    contacts,
    room: createRoom({ db: ground.db, clock, limits }),
    lookAtBox: createLookAtBox(ground),
    seen: queue.mailbox.seen,
    participants: createParticipants(ground.db),
    clock,
    agents,
    hub,
    record,
    peer,
    delivering: { take: forwarder.take, isClosed: forwarder.isClosed, depth: depths.depth },
    signals,
    presentCard,
    presentExtended,
    checkBridged: mcp.check,
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
    blockMs: config.blockSeconds * 1000,
    pushConfigsMax: limits.pushConfigsPerTaskMax,
    queuePerAgentMax: limits.queuePerAgentMax,
    cancelGraceMs: limits.cancelGraceMs,
    ...room,
    noteDenial,
    draining: draining.signal,
  })
}

/** Dead letters, tried anew. */
export const buildReplay =
  ({ db, now }: Ground, { agents }: Parties, { open, wake }: Queue) =>
  (tenant: string, id: string, by: string) =>
    replay({ db, now, agents, open, wake }, tenant, id, by)
