/** The gateway's own code, as one process of a simulated world: joined as `assembly.ts` joins it, on our clock and store. */
import { setMaxListeners } from 'node:events'
import { buildOperations, buildQueue, type Outward, type Parties } from '../../src/assembly.ts'
import { type Agent, policyOf } from '../../src/gateway/agents/agent.ts'
import { type Contacts, RIGHTS } from '../../src/gateway/agents/contacts.ts'
import type { Agents } from '../../src/gateway/agents/registry.ts'
import type { Mailbox } from '../../src/gateway/mailbox/mailbox.ts'
import type { Others } from '../../src/gateway/operations/tools.ts'
import type { Ground } from '../../src/ground.ts'
import { roomIn } from '../../src/guards.ts'
import type { Happenings } from '../../src/happenings.ts'
import { LIMITS } from '../../src/limits.ts'
import { buildOpening } from '../../src/others.ts'
import { createSeal } from '../../src/platform/seal.ts'
import { createSignals } from '../../src/platform/signals.ts'
import type { Execute } from '../../src/ports.ts'
import { type Arrived, createPeer, createPrepareWebhook, type SimAgent } from './agents.ts'
import { connect, latency, type Sea } from './network.ts'
import type { Owner } from './time.ts'

export interface Process extends Owner {
  readonly name: string
  readonly execute: Execute
  readonly mailbox: Mailbox
  readonly find: (name: string) => Agent
  readonly stop: () => Promise<void>
}

export interface Surroundings {
  readonly sea: Sea
  readonly agents: ReadonlyMap<string, SimAgent>
  readonly arrived: Arrived[]
}

/** Every mailbox here takes everybody's mail, and no agent is a channel. */
const OPEN_TO_ALL: Pick<Contacts, 'standing' | 'mayStill'> = {
  standing: async () => ({ rights: new Set(RIGHTS), held: false, as: 'admin' }),
  mayStill: async () => true,
}
const NO_CHANNELS: Others = { admit: async () => undefined, open: () => undefined }

const KEY = Buffer.alloc(32, 5).toString('base64')
/** Fewer turns of the wheels, so that a second of the world costs less of ours. */
const BOUNDS = { pollTickMs: 500, cancelGraceMs: 2_000 }
const TENANT = 'default'

const registrationOf = (name: string, agent: SimAgent | undefined) => ({
  name,
  connector: agent ? { kind: 'a2a' as const, url: `http://${name}/` } : { kind: 'mailbox' as const },
  redelivery: agent === undefined || agent.dedupes ? ('atLeastOnce' as const) : ('atMostOnce' as const),
  maxAttempts: 1_000,
  maxInflight: 8,
  leaseSeconds: 10,
  backoff: { firstMs: 200, longestMs: 2_000 },
})

function agentOf(name: string, agent: SimAgent | undefined): Agent {
  const registration = registrationOf(name, agent)
  const at = new Date(0)
  return {
    tenant: TENANT,
    name,
    owner: 'operator',
    connector: registration.connector,
    policy: policyOf(registration as never, TENANT),
    registration: registration as never,
    modifiedAt: at,
    createdAt: at,
    provisioned: true,
    destination: `agent:${name}`,
  }
}

function agentsIn({ sea, agents }: Surroundings, owner: Owner): Agents {
  const known = new Map([...agents].map(([name, agent]) => [name, agentOf(name, agent)]))
  known.set('box', agentOf('box', undefined))
  const there = (agent: Agent) => (agents.get(agent.name)?.awayUntil ?? 0) <= sea.time.elapsed()
  return {
    find: async (_: string, name: string) => known.get(name),
    sharedLanes: async () => [],
    target: (agent: Agent) => ({ tenant: TENANT, name: agent.name, url: `http://${agent.name}/`, headers: {} }),
    ensureCard: async (agent: Agent) => ({ kind: 'ready', agent }),
    async probe(agent: Agent) {
      await sea.time.sleep(latency(sea.dice), owner)
      const verdict = { kind: 'refused', code: 'UNREACHABLE', reason: 'nobody there', retry: true }
      return there(agent) ? { kind: 'ready', agent } : { kind: 'failed', verdict }
    },
  } as unknown as Agents
}

/** Starts a process. Rejects when the database cannot be reached; then it is tried again, as a supervisor does. */
export async function startProcess(around: Surroundings, name: string): Promise<Process> {
  const { sea, agents, arrived } = around
  const owner: Owner = { alive: true, pausedUntil: 0 }
  const clock = sea.time.clock(owner)
  const signals = createSignals<Happenings>()
  signals.on('service.failed', ({ service, error }) => {
    // What the weather does is expected; a mistake of the program is not.
    if (/TypeError|ReferenceError|assert|is not a function/i.test(error))
      sea.troubles.push(`${name} ${service}: ${error}`)
  })
  const draining = new AbortController()
  setMaxListeners(0, draining.signal)
  const ground = {
    config: {
      blockSeconds: 5,
      sendRate: 'off',
      requestRate: 'off',
      tenantSendRate: 'off',
      webhookProof: 'off',
      webhookHostRate: 'off',
    },
    overrides: { webhooks: { attemptsMax: 1_000, firstMs: 200, longestMs: 2_000 } },
    limits: { ...LIMITS, ...BOUNDS },
    clock,
    signals,
    secrets: { masterKey: KEY },
    seal: createSeal(KEY),
    db: connect(sea, owner),
    now: () => clock.now(),
    loopTools: {
      clock,
      stopGraceMs: 1_000,
      pauseMs: 500,
      onError: (service: string, error: unknown) =>
        signals.emit('service.failed', { service, error: String((error as Error)?.stack ?? error) }),
    },
    url: () => `http://gateway`,
    bind: () => {},
    draining,
  } as unknown as Ground
  const outward = {
    peer: createPeer(sea, owner, agents),
    prepareWebhook: createPrepareWebhook(sea, owner, arrived),
    egress: { checkUrl: () => undefined },
    mcp: { check: async () => undefined },
  } as unknown as Outward
  const registry = agentsIn(around, owner)
  const parties = {
    agents: registry,
    contacts: OPEN_TO_ALL,
    presentCard: async () => undefined,
    presentExtended: async () => undefined,
    noteDenial: () => {},
  } as unknown as Parties
  const queue = await buildQueue(ground, outward, parties)
  const opening = buildOpening(ground, outward, queue)
  const execute = buildOperations(ground, outward, parties, queue, {
    opening,
    others: NO_CHANNELS,
    room: roomIn(ground),
  })
  const services = [queue.replica, queue.hub, queue.forwarder, queue.mailbox, queue.sweep]
  for (const service of services) await service.start()
  await queue.hints.listen(queue.hub.look, queue.mailbox.woken)
  const known = new Map([...agents.keys(), 'box'].map((one) => [one, agentOf(one, agents.get(one))]))
  return Object.assign(owner, {
    name,
    execute,
    mailbox: queue.mailbox,
    find: (one: string) => known.get(one) as Agent,
    async stop() {
      draining.abort()
      queue.forwarder.drain()
      for (const service of [...services].reverse()) await service.stop()
    },
  })
}
