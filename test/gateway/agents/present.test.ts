import { describe, expect, test } from 'vitest'
import { AgentCard } from '../../../src/a2a/agentCard.ts'
import { type Agent, policyOf } from '../../../src/gateway/agents/agent.ts'
import { presenceOf } from '../../../src/gateway/agents/presence.ts'
import {
  createPresentCard,
  frontedCard,
  type GrpcFront,
  STORE_AND_FORWARD,
  waysIn,
} from '../../../src/gateway/agents/present.ts'
import { parseRegistration } from '../../../src/gateway/agents/registration.ts'
import { OPERATOR } from '../../../src/gateway/callers/authenticate.ts'
import type { Caller } from '../../../src/ports.ts'
import type { QueueRow } from '../../../src/store/queues.ts'

const at = new Date('2026-01-01T00:00:00Z')
function anAgent(document: object, given: Partial<Agent> = {}): Agent {
  const { registration } = parseRegistration({ name: 'echo', ...document })
  return {
    tenant: 'default',
    name: registration.name,
    owner: 'alice',
    connector: registration.connector,
    policy: policyOf(registration),
    registration,
    modifiedAt: at,
    createdAt: at,
    provisioned: false,
    destination: `agent:${registration.name}`,
    ...given,
  }
}
const interfaces = [
  { binding: 'JSONRPC', version: '1.0', path: '' },
  { binding: 'HTTP+JSON', version: '1.0', path: '' },
  { binding: 'GRPC', version: '1.0', path: '', url: 'localhost:4281', byTenant: true },
]
const presenting = (agent: Agent, more = {}) =>
  createPresentCard({
    find: async (tenant, name) => (tenant === agent.tenant && name === agent.name ? agent : undefined),
    findOpen: async (name) => (name === agent.name ? agent : undefined),
    publicUrl: () => 'https://gw.test',
    interfaces,
    ...more,
  })
const upstream: AgentCard = {
  name: 'Echo of theirs',
  description: 'echoes',
  supportedInterfaces: [{ url: 'http://10.0.0.1/secret', protocolBinding: 'JSONRPC', protocolVersion: '0.3' }],
  version: '7',
  capabilities: {
    streaming: false,
    pushNotifications: false,
    extendedAgentCard: true,
    extensions: [{ uri: 'urn:theirs', required: true }],
  },
  securitySchemes: { theirs: { httpAuthSecurityScheme: { scheme: 'Basic' } } },
  securityRequirements: [{ schemes: { theirs: { list: [] } } }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['image/png'],
  skills: [
    {
      id: 's',
      name: 'S',
      description: 'd',
      tags: ['t'],
      securityRequirements: [{ schemes: { theirs: { list: [] } } }],
    },
  ],
  signatures: [{ protected: 'p', signature: 's' }],
}

test('the upstream’s card at our addresses, with what we can do and how to prove who one is', async () => {
  const present = presenting(anAgent({ connector: { kind: 'a2a', url: 'http://10.0.0.1/' } }, { card: upstream }))
  const { card, modifiedAt } = (await present('echo', undefined))!
  expect(modifiedAt).toEqual(at)
  expect(card.supportedInterfaces).toEqual([
    { url: 'https://gw.test/agents/echo/', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    { url: 'https://gw.test/agents/echo/', protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
    { url: 'localhost:4281', protocolBinding: 'GRPC', protocolVersion: '1.0', tenant: 'echo' },
  ])
  expect(card.capabilities).toMatchObject({ streaming: true, pushNotifications: true, extendedAgentCard: true })
  expect(card.capabilities.extensions?.map(({ uri }) => uri)).toEqual([STORE_AND_FORWARD, 'urn:theirs'])
  expect(card).toMatchObject({ name: 'Echo of theirs', version: '7', defaultOutputModes: ['image/png'] })
  expect(Object.keys(card.securitySchemes ?? {})).toEqual(['bearer', 'apiKey'])
  expect(card.skills).toEqual([{ id: 's', name: 'S', description: 'd', tags: ['t'] }])
  expect(card.signatures).toBeUndefined()
  expect(JSON.stringify(card)).not.toMatch(/10\.0\.0\.1|theirs"?:/)
  expect(AgentCard.parse(card)).toEqual(card)
})

test('before the agent has answered its registration speaks for it', async () => {
  const document = { description: 'shouts', skills: [{ id: 'shout', tags: ['text'] }] }
  const { card } = (await presenting(anAgent(document))('echo', undefined))!
  expect(card).toMatchObject({
    name: 'echo',
    description: 'shouts',
    skills: [{ id: 'shout', name: 'shout', description: 'shout', tags: ['text'] }],
  })
  const bare = (await presenting(anAgent({}))('echo', undefined))!
  expect(bare.card.skills).toEqual([{ id: 'echo', name: 'echo', description: 'The agent echo', tags: ['agent'] }])
  expect(AgentCard.parse(bare.card)).toEqual(bare.card)
})

test('an open agent asks for no key', async () => {
  const { card } = (await presenting(anAgent({ access: 'anonymous' }))('echo', undefined))!
  expect(card.securitySchemes).toBeUndefined()
  expect(card.securityRequirements).toBeUndefined()
})

test('a private agent is there for callers of its tenant', async () => {
  const present = presenting(anAgent({ visibility: 'private' }))
  const alice: Caller = { tenant: 'default', id: 'alice', kind: 'key', permits: new Set(['send']) }
  expect(await present('echo', undefined)).toBeUndefined()
  expect(await present('echo', { ...alice, kind: 'anonymous' })).toBeUndefined()
  expect(await present('echo', { ...alice, tenant: 'other' })).toBeUndefined()
  expect(await present('echo', { ...alice, agents: new Set(['b']) })).toBeUndefined()
  expect(await present('echo', alice)).toBeDefined()
  expect(await present('echo', OPERATOR)).toBeDefined()
})

test('one object as long as the agent is the same; signed when there is a signer', async () => {
  const agent = anAgent({})
  const present = presenting(agent, { sign: async (card: AgentCard) => [{ protected: card.name, signature: 'x' }] })
  const first = await present('echo', undefined)
  expect(first?.card.signatures).toEqual([{ protected: 'echo', signature: 'x' }])
  expect(await present('echo', OPERATOR)).toBe(first)
})

test('presence follows from what was seen', () => {
  const now = at.getTime()
  const lane = (given: Partial<QueueRow>): QueueRow => ({
    destination: 'agent:echo',
    waiting: 0,
    leased: 0,
    oldestAt: null,
    now,
    closedAt: null,
    reason: null,
    failures: 0,
    probeAt: null,
    seenAt: null,
    workedAt: null,
    ...given,
  })
  const a2a = anAgent({ connector: { kind: 'a2a', url: 'http://a.test' } })
  const mailbox = anAgent({})
  expect(presenceOf(a2a, undefined)).toEqual({ state: 'unknown' })
  expect(presenceOf(a2a, lane({ seenAt: now - 3_600_000 })).state).toBe('online')
  expect(presenceOf(a2a, lane({ closedAt: now, reason: 'refused', probeAt: now + 5, seenAt: 1 }))).toEqual({
    state: 'offline',
    since: new Date(now),
    reason: 'refused',
    probeAt: new Date(now + 5),
    lastSeenAt: new Date(1),
  })
  expect(presenceOf({ ...a2a, pausedAt: at, pausedReason: 'lunch' }, lane({ closedAt: now }))).toMatchObject({
    state: 'paused',
    reason: 'lunch',
  })
  expect(presenceOf(mailbox, lane({ seenAt: now - 60_000 })).state).toBe('online')
  expect(presenceOf(mailbox, lane({ seenAt: now - 600_000 })).state).toBe('offline')
  expect(presenceOf(mailbox, lane({ seenAt: now - 600_000, leased: 1 })).state).toBe('online')
})

describe('the gRPC port', () => {
  const urlsOf = (grpc: GrpcFront | undefined, name = 'echo') =>
    frontedCard(anAgent({}, { name }), {
      publicUrl: () => 'https://gw.test',
      interfaces: waysIn(['1.0', '0.3'], grpc),
    }).supportedInterfaces.flatMap((way) =>
      way.protocolBinding === 'GRPC' ? [`${way.protocolVersion} ${way.url} ${way.tenant ?? ''}`.trim()] : [],
    )

  test('is one address for all agents: the newest version names them by tenant, others reach the root agent', () => {
    const address = 'grpc.test:443'
    expect(urlsOf({ address, rootAgent: undefined })).toEqual(['1.0 grpc.test:443 echo'])
    expect(urlsOf({ address, rootAgent: 'Echo' })).toEqual(['1.0 grpc.test:443 echo', '0.3 grpc.test:443'])
    expect(urlsOf({ address, rootAgent: 'other' })).toEqual(['1.0 grpc.test:443 echo'])
    expect(urlsOf(undefined)).toEqual([])
  })

  test('or a name for each agent', () => {
    expect(urlsOf({ address: '{agent}.grpc.test:443', rootAgent: undefined })).toEqual([
      '1.0 echo.grpc.test:443 echo',
      '0.3 echo.grpc.test:443',
    ])
  })
})
