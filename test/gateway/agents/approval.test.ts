/** A card that says that the agent is somewhere or somebody else: put aside, looked at, approved; and cards that are refused. */
import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import type { AgentCard } from '../../../src/a2a/agentCard.ts'
import { createAgents } from '../../../src/gateway/agents/registry.ts'
import { newAgentKey } from '../../../src/gateway/callers/apiKeys.ts'
import { OPERATOR } from '../../../src/gateway/callers/authenticate.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { createSeal } from '../../../src/platform/seal.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { Caller, CardSignatures, FetchedCard, SignatureRules } from '../../../src/ports.ts'
import { listAudit } from '../../../src/store/audit.ts'
import type { Db } from '../../../src/store/db.ts'
import { onBothDrivers } from '../../support/bothDrivers.ts'
import { heldClock } from '../../support/heldClock.ts'

const HOME = 'http://127.0.0.1:9100/'
const ELSEWHERE = 'http://127.0.0.1:9999/'
const cardAt = (url: string, more: Partial<AgentCard> = {}): AgentCard => ({
  name: 'Echo',
  description: 'echoes',
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  version: '1',
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
  ...more,
})
const fetched = (url: string, more: Partial<AgentCard> = {}, signatures?: CardSignatures): FetchedCard => ({
  kind: 'fetched',
  card: cardAt(url, more),
  url: HOME,
  ...(signatures && { signatures }),
})
const refused: FetchedCard = {
  kind: 'failed',
  verdict: { kind: 'refused', code: 'CARD_SIGNATURE', retry: true, reason: 'the card is not signed, and must be' },
}
const key = { kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ' }
const never = new AbortController().signal

interface Upstream {
  answer: FetchedCard
  fetches: number
  rules: (SignatureRules | undefined)[]
}

/** One replica; several on one database see each other's changes. */
function aReplica(db: Db, tenant: string, upstream: Upstream, signatures?: SignatureRules) {
  const clock = heldClock(Date.now())
  const signals = createSignals<Happenings>()
  const told: string[] = []
  signals.on('agent.pending', ({ agent, changes }) => void told.push(`pending ${agent}: ${changes}`))
  signals.on('agent.cardRefused', ({ agent, code }) => void told.push(`refused ${agent}: ${code}`))
  const agents = createAgents({
    db,
    seal: createSeal(randomBytes(32).toString('base64')),
    fetchCard: async (target) => {
      upstream.fetches++
      upstream.rules.push(target.signatures)
      return upstream.answer
    },
    checkUrl: () => undefined,
    newAgentKey,
    clock,
    signals,
    ...(signatures && { signatures }),
    limits: { agentCacheMs: 0 },
  })
  const look = async () => (await agents.find(tenant, 'echo'))!
  return {
    agents,
    clock,
    told,
    look,
    /** What a delivery does before it sends. */
    ensure: async () => agents.ensureCard(await look(), never),
    /** Time enough that the card is asked for again. */
    age: () => clock.advance(10 * 60_000),
  }
}

onBothDrivers('approval', (db) => {
  // Each test is a tenant of its own, and a name is taken for all of them.
  beforeEach(() => db().query({ name: 'clear', write: true, text: 'delete from agents' }, []))
  let tenants = 0
  async function aWorld(more: Record<string, unknown> = {}, answer = fetched(HOME)) {
    const tenant = `approval-${++tenants}`
    const upstream: Upstream = { answer, fetches: 0, rules: [] }
    const operator: Caller = { ...OPERATOR, tenant }
    const one = aReplica(db(), tenant, upstream)
    await one.agents.register({ name: 'echo', connector: { kind: 'a2a', url: HOME }, ...more }, operator)
    expect(await one.ensure()).toMatchObject({ kind: 'ready' })
    return { ...one, tenant, upstream, operator, replica: () => aReplica(db(), tenant, upstream) }
  }

  test('K-19 a changed origin holds the agent, on every replica and after a restart, with the old card', async () => {
    const { ensure, age, look, upstream, told, replica, tenant } = await aWorld()
    upstream.answer = fetched(ELSEWHERE)
    age()
    expect(await ensure()).toMatchObject({
      kind: 'failed',
      verdict: { code: 'STOPPED', retry: true, reason: expect.stringMatching(/card has changed \(where it is\)/) },
    })
    expect(told).toEqual(['pending echo: where it is'])
    for (const agent of [await look(), await replica().look()]) {
      expect(agent).toMatchObject({
        pending: { changes: [{ what: 'origin', from: ['http://localhost:9100'], to: ['http://localhost:9999'] }] },
        pausedReason: expect.stringMatching(/waits for an operator/),
        card: { supportedInterfaces: [{ url: HOME }] },
      })
      expect(agent.pausedAt).toBeInstanceOf(Date)
    }
    // Asked again it is still one change, and nothing is fetched only to hear it again.
    const before = upstream.fetches
    expect(await replica().ensure()).toMatchObject({ kind: 'failed', verdict: { code: 'STOPPED' } })
    expect(upstream.fetches).toBe(before)
    const notes = await listAudit(db(), { tenant, limit: 10 })
    expect(notes.filter(({ action }) => action === 'agent.cardChanged')).toHaveLength(1)
  })

  test('approving is for operators, for the change that was looked at, and then it is spoken to there', async () => {
    const { ensure, age, look, upstream, agents, operator, tenant } = await aWorld({
      credentials: { scheme: 'Bearer', token: 'canary-token' },
    })
    upstream.answer = fetched(ELSEWHERE)
    age()
    await ensure()
    const seen = (await look()).pending?.change as string
    upstream.answer = fetched('http://127.0.0.1:9998/')
    await agents.probe(await look(), never)
    const owner: Caller = { tenant, id: 'someone', kind: 'key', permits: new Set(['agent', 'send']) }
    await expect(agents.approve('echo', undefined, owner)).rejects.toMatchObject({ reason: 'PERMISSION_DENIED' })
    await expect(agents.approve('echo', seen, operator)).rejects.toMatchObject({ reason: 'CONFLICT' })
    await expect(agents.approve('other', undefined, operator)).rejects.toMatchObject({ reason: 'AGENT_NOT_FOUND' })
    const approved = await agents.approve('echo', (await look()).pending?.change, operator)
    expect(approved.pending).toBeUndefined()
    expect(approved.pausedAt).toBeUndefined()
    expect(agents.target(await look())).toMatchObject({
      url: HOME,
      origins: ['http://localhost:9998'],
      card: { supportedInterfaces: [{ url: 'http://127.0.0.1:9998/' }] },
    })
    age()
    expect(await ensure()).toMatchObject({ kind: 'ready' })
    await expect(agents.approve('echo', undefined, operator)).rejects.toMatchObject({ reason: 'CONFLICT' })
    const [note] = await listAudit(db(), { tenant, limit: 1 })
    expect(note).toMatchObject({ action: 'agent.approved', detail: { changes: [{ what: 'origin' }] } })
    expect(JSON.stringify(note)).not.toContain('canary')
  })

  test('of two operators at the same moment one approves', async () => {
    const { ensure, age, look, upstream, agents, operator, replica } = await aWorld()
    upstream.answer = fetched(ELSEWHERE)
    age()
    await ensure()
    const change = (await look()).pending?.change
    const both = [agents, replica().agents].map((one) => one.approve('echo', change, operator))
    const settled = await Promise.allSettled(both)
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test.each<[string, FetchedCard, FetchedCard, string]>([
    [
      'another authentication',
      fetched(HOME, { securitySchemes: { b: { httpAuthSecurityScheme: { scheme: 'Bearer' } } } }),
      fetched(HOME),
      'auth',
    ],
    [
      'another signing key',
      fetched(HOME, {}, { state: 'verified', verified: ['a'], claimed: ['k'] }),
      fetched(HOME, {}, { state: 'verified', verified: ['b'], claimed: ['l'] }),
      'key',
    ],
  ])('%s holds it too', async (_, before, after, what) => {
    const { ensure, age, look, upstream } = await aWorld({}, before)
    upstream.answer = after
    age()
    await ensure()
    expect((await look()).pending?.changes.map((change) => change.what)).toEqual([what])
  })

  test('a card that is again as approved sets it free only by an operator’s probe', async () => {
    const { ensure, age, look, upstream, agents } = await aWorld()
    upstream.answer = fetched(ELSEWHERE)
    age()
    await ensure()
    upstream.answer = fetched(HOME)
    expect(await agents.probe(await look(), never)).toMatchObject({ kind: 'failed' })
    expect((await look()).pending).toBeDefined()
    expect(await agents.probe(await look(), never, { settles: true })).toMatchObject({ kind: 'ready' })
    expect((await look()).pending).toBeUndefined()
  })

  test('resuming is not approving; another address in the registration is', async () => {
    const { ensure, age, look, upstream, agents, operator } = await aWorld()
    upstream.answer = fetched(ELSEWHERE)
    age()
    await ensure()
    await agents.pause('echo', 'lunch', operator)
    expect(await agents.resume('echo', operator)).toMatchObject({ pausedReason: expect.stringMatching(/card/) })
    await agents.patch('echo', { connector: { kind: 'a2a', url: ELSEWHERE } }, operator)
    expect((await look()).pending).toBeUndefined()
    expect(await ensure()).toMatchObject({ kind: 'ready' })
  })

  test('K-15 the first card may not lead away from where the agent was registered', async () => {
    const { upstream, agents, operator, look, ensure } = await aWorld()
    await agents.remove('echo', operator)
    upstream.answer = fetched(ELSEWHERE)
    await agents.register({ name: 'echo', connector: { kind: 'a2a', url: HOME } }, operator)
    expect(await ensure()).toMatchObject({ kind: 'failed', verdict: { code: 'STOPPED' } })
    const { pending, card } = await look()
    expect([pending?.changes[0]?.to, card]).toEqual([['http://localhost:9999'], undefined])
  })
})

onBothDrivers('refused cards', (db) => {
  // Each test is a tenant of its own, and a name is taken for all of them.
  beforeEach(() => db().query({ name: 'clear', write: true, text: 'delete from agents' }, []))
  let tenants = 0
  const setUp = (signatures?: SignatureRules) => {
    const tenant = `refused-${++tenants}`
    const upstream: Upstream = { answer: fetched(HOME), fetches: 0, rules: [] }
    return {
      tenant,
      upstream,
      operator: { ...OPERATOR, tenant } as Caller,
      ...aReplica(db(), tenant, upstream, signatures),
      replica: (other: SignatureRules) => aReplica(db(), tenant, upstream, other),
    }
  }
  const a2a = { name: 'echo', connector: { kind: 'a2a', url: HOME } }
  const required: SignatureRules = { policy: 'required', keys: [key], keyOrigins: [] }
  const verified: CardSignatures = { state: 'verified', verified: ['t'], claimed: ['k'] }

  test('an agent whose card is there and not signed as it must be is not registered; one that is away is', async () => {
    const { agents, upstream, operator, tenant } = setUp(required)
    upstream.answer = refused
    await expect(agents.register(a2a, operator)).rejects.toMatchObject({ reason: 'CARD_SIGNATURE' })
    expect(await agents.find(tenant, 'echo')).toBeUndefined()
    upstream.answer = { kind: 'failed', verdict: { kind: 'refused', code: 'UNREACHABLE', retry: true, reason: 'away' } }
    expect((await agents.register(a2a, operator)).created).toBe(true)
  })

  test('who may not register it makes nobody fetch anything', async () => {
    const { agents, upstream, tenant } = setUp(required)
    const nobody: Caller = { tenant, id: 'x', kind: 'key', permits: new Set(['send']) }
    await expect(agents.register(a2a, nobody)).rejects.toMatchObject({ reason: 'PERMISSION_DENIED' })
    expect(upstream.fetches).toBe(0)
  })

  test('the last good card stays, and why the new one was not taken can be seen until one is', async () => {
    const { agents, upstream, operator, ensure, age, look, told } = setUp()
    await agents.register(a2a, operator)
    await ensure()
    upstream.answer = refused
    age()
    expect(await ensure()).toMatchObject({ kind: 'ready', agent: { card: { name: 'Echo' } } })
    expect(told).toEqual(['refused echo: CARD_SIGNATURE'])
    expect(await look()).toMatchObject({
      cardProblem: { code: 'CARD_SIGNATURE', reason: expect.stringMatching(/not signed/) },
    })
    upstream.answer = fetched(HOME)
    age()
    await ensure()
    expect((await look()).cardProblem).toBeUndefined()
  })

  test('a card that was taken by other rules is not used where signatures are required', async () => {
    const { agents, upstream, operator, ensure, look, replica } = setUp()
    await agents.register(a2a, operator)
    await ensure()
    const strict = replica(required)
    expect((await strict.look()).card).toBeUndefined()
    upstream.answer = refused
    expect(await strict.ensure()).toMatchObject({ kind: 'failed', verdict: { code: 'CARD_SIGNATURE' } })
    upstream.answer = fetched(HOME, {}, verified)
    expect(await strict.ensure()).toMatchObject({ kind: 'ready' })
    expect((await strict.look()).card).toBeDefined()
    // A key is taken off the list: what it has signed has to be looked at again.
    expect((await replica({ ...required, keys: [{ ...key, x: 'other' }] }).look()).card).toBeUndefined()
    expect((await look()).card).toBeDefined()
  })

  test('an agent’s own keys stand in place of the gateway’s; whose they are is an operator’s to say', async () => {
    const { agents, upstream, operator, tenant, ensure } = setUp(required)
    upstream.answer = fetched(HOME, {}, verified)
    const owner: Caller = { tenant, id: 'owner', kind: 'key', permits: new Set(['agent']) }
    const lax = { ...a2a, signatures: { policy: 'off' } }
    await expect(agents.register(lax, owner)).rejects.toMatchObject({ reason: 'PERMISSION_DENIED' })
    await agents.register(a2a, owner)
    const own = {
      policy: 'if-present',
      keys: { keys: [{ ...key, kid: 'own' }] },
      keyOrigins: ['https://Keys.example/'],
    }
    await agents.patch('echo', { signatures: own }, operator)
    await ensure()
    expect(upstream.rules.at(-1)).toEqual({
      policy: 'if-present',
      keys: [{ ...key, kid: 'own' }],
      keyOrigins: ['https://keys.example'],
    })
    // The owner registers again as at every start: what the operator has said stays.
    const again = await agents.register({ ...a2a, description: 'x' }, owner)
    expect(again.agent.registration.signatures).toMatchObject({ policy: 'if-present' })
  })

  test.each([
    [{ policy: 'maybe' }, /policy/],
    [{ keys: [{ kty: 'oct', k: 'AA' }] }, /kty/],
    [{ keys: [{ ...key, d: 'secret-canary' }] }, /private part/],
    [{ keys: [{ kty: 'EC', crv: 'P-256' }] }, /not whole/],
    [{ keyOrigins: ['https://keys.example/jwks.json'] }, /origin/],
    [{ key: [] }, /did you mean/],
  ])('%o is refused', async (signatures, problem) => {
    const { agents, operator } = setUp()
    const refusal = await agents.register({ ...a2a, signatures }, operator).catch((error: Error) => error)
    expect(refusal).toMatchObject({ reason: 'INVALID_PARAMS', message: expect.stringMatching(problem) })
    expect(JSON.stringify(refusal)).not.toContain('canary')
  })
})
