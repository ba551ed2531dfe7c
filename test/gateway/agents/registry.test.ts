import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import type { AgentCard } from '../../../src/a2a/agentCard.ts'
import { createAgents } from '../../../src/gateway/agents/registry.ts'
import { newAgentKey } from '../../../src/gateway/callers/apiKeys.ts'
import { OPERATOR } from '../../../src/gateway/callers/authenticate.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { createSeal } from '../../../src/platform/seal.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { Caller, FetchedCard, Permit } from '../../../src/ports.ts'
import { listAudit } from '../../../src/store/audit.ts'
import type { Db } from '../../../src/store/db.ts'
import { createOpen } from '../../../src/store/tasks.ts'
import { aNewTask } from '../../store/suite.ts'
import { onBothDrivers } from '../../support/bothDrivers.ts'
import { heldClock } from '../../support/heldClock.ts'

const url = 'http://127.0.0.1:9100/'
const card = (name = 'Echo'): AgentCard => ({
  name,
  description: 'echoes',
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  version: '1',
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
})
const down: FetchedCard = {
  kind: 'failed',
  verdict: { kind: 'refused', reason: 'connection refused', code: 'UNREACHABLE', retry: true },
}

function setUp(db: Db, tenant: string) {
  const clock = heldClock(Date.now())
  const signals = createSignals<Happenings>()
  const upstream = {
    answer: { kind: 'fetched', card: card(), url } as FetchedCard,
    fetches: 0,
    gate: Promise.resolve(),
  }
  const changes: string[] = []
  signals.on('agent.changed', ({ agent, what }) => void changes.push(`${agent} ${what}`))
  const agents = createAgents({
    db,
    seal: createSeal(randomBytes(32).toString('base64')),
    fetchCard: async () => {
      upstream.fetches++
      await upstream.gate
      return upstream.answer
    },
    checkUrl: (checked) => (checked.includes('169.254') ? 'link-local address' : undefined),
    newAgentKey,
    clock,
    signals,
  })
  const operator: Caller = { ...OPERATOR, tenant }
  const caller = (id: string, permits: Permit[] = ['agent', 'send'], kind: Caller['kind'] = 'key'): Caller => ({
    tenant,
    id,
    kind,
    permits: new Set(permits),
  })
  return { agents, clock, upstream, changes, operator, caller, tenant }
}
const never = new AbortController().signal

onBothDrivers('the registry', (db) => {
  // Each test is a tenant of its own, and a name is taken for all of them.
  beforeEach(() => db().query({ name: 'clear', write: true, text: 'delete from agents' }, []))
  let tenants = 0
  const world = () => setUp(db(), `registry-${++tenants}`)

  test('registering again is the same agent; the token comes once', async () => {
    const { agents, caller, changes } = world()
    const first = await agents.register({ name: 'Shout' }, caller('alice'))
    expect(first).toMatchObject({ created: true, agent: { name: 'shout', owner: 'alice', destination: 'agent:shout' } })
    expect(first.token).toMatch(/^wp_/)
    const second = await agents.register({ name: 'shout' }, caller('alice'))
    expect(second).toMatchObject({ created: false, agent: { name: 'shout' } })
    expect(second.token).toBeUndefined()
    expect(changes).toEqual(['shout registered'])
    const third = await agents.register({ name: 'shout', maxInflight: 2 }, caller('alice'))
    expect(third.agent.policy.maxInflight).toBe(2)
    expect(changes).toEqual(['shout registered', 'shout changed'])
  })

  test('a taken name is a conflict for another owner, not for an operator nor for the agent itself', async () => {
    const { agents, caller, operator } = world()
    await agents.register({ name: 'shout' }, caller('alice'))
    await expect(agents.register({ name: 'shout' }, caller('bob'))).rejects.toMatchObject({ reason: 'CONFLICT' })
    await expect(agents.patch('shout', { maxInflight: 3 }, caller('bob'))).rejects.toMatchObject({
      reason: 'PERMISSION_DENIED',
    })
    expect((await agents.register({ name: 'shout', maxInflight: 3 }, operator)).agent).toMatchObject({ owner: 'alice' })
    const itself = caller('agent:shout', ['agent'], 'agent')
    expect((await agents.register({ name: 'shout', maxInflight: 4 }, itself)).created).toBe(false)
  })

  test('who may register what', async () => {
    const { agents, caller } = world()
    const denied = { reason: 'PERMISSION_DENIED' }
    const a2a = { name: 'x', connector: { kind: 'a2a', url } }
    await expect(agents.register({ name: 'x' }, caller('alice', ['send', 'read']))).rejects.toMatchObject(denied)
    await expect(agents.register(a2a, caller('local', [], 'local'))).rejects.toMatchObject(denied)
    await expect(agents.register({ name: 'x' }, caller('agent:y', ['agent'], 'agent'))).rejects.toMatchObject(denied)
    await expect(agents.register({ name: 'x' }, caller('anonymous', ['send'], 'anonymous'))).rejects.toMatchObject(
      denied,
    )
    expect((await agents.register({ name: 'x' }, caller('local', [], 'local'))).created).toBe(true)
    expect((await agents.register({ ...a2a, name: 'z' }, caller('alice'))).token).toBeUndefined()
  })

  test('an address that may not be called, and a command from afar, are refused', async () => {
    const { agents, operator } = world()
    const invalid = { reason: 'INVALID_PARAMS' }
    const meta = { name: 'm', connector: { kind: 'a2a', url: 'http://169.254.169.254/' } }
    await expect(agents.register(meta, operator)).rejects.toMatchObject({
      ...invalid,
      message: 'connector.url: link-local address',
    })
    const program = { name: 'm', connector: { kind: 'mcp', command: ['sh'] } }
    await expect(agents.register(program, operator)).rejects.toMatchObject(invalid)
  })

  test('credentials are kept sealed, opened for the wire only, and kept by a patch that does not speak of them', async () => {
    const { agents, operator, tenant } = world()
    const document = { name: 'x', connector: { kind: 'a2a', url }, credentials: { scheme: 'Bearer', token: 's3cret' } }
    const { agent } = await agents.register(document, operator)
    expect(JSON.stringify(agent)).not.toContain('s3cret')
    expect(agents.target(agent)).toMatchObject({ name: 'x', url, headers: { Authorization: 'Bearer s3cret' } })
    expect((await agents.register(document, operator)).agent.credentials).toBe(agent.credentials)
    const patched = await agents.patch('x', { maxInflight: 1, redelivery: 'atLeastOnce' }, operator)
    expect(agents.target(patched).headers).toEqual({ Authorization: 'Bearer s3cret' })
    const elsewhere = { connector: { kind: 'a2a', url: 'http://other.test/' } }
    await expect(agents.patch('x', elsewhere, operator)).rejects.toMatchObject({ reason: 'INVALID_PARAMS' })
    const moved = await agents.patch(
      'x',
      { ...elsewhere, credentials: { header: 'X-Key', value: 'k' }, maxInflight: null },
      operator,
    )
    expect(agents.target(moved).headers).toEqual({ 'X-Key': 'k' })
    expect(moved.policy).toMatchObject({ maxInflight: 16, redelivery: 'atLeastOnce' })
    const bare = await agents.patch('x', { credentials: null }, operator)
    expect(agents.target(bare).headers).toEqual({})
    expect(JSON.stringify(await listAudit(db(), { tenant, limit: 50 }))).not.toContain('s3cret')
  })

  test('a patch keeps the name and may not say what the document may not', async () => {
    const { agents, operator } = world()
    await agents.register({ name: 'x' }, operator)
    await expect(agents.patch('x', { name: 'y' }, operator)).rejects.toMatchObject({ reason: 'INVALID_PARAMS' })
    await expect(agents.patch('x', { maxInfligt: 1 }, operator)).rejects.toThrow('did you mean "maxInflight"?')
    await expect(agents.patch('nobody', {}, operator)).rejects.toMatchObject({ reason: 'AGENT_NOT_FOUND' })
  })

  test('lookups are from memory, here seen at once, elsewhere within a second', async () => {
    const tenant = `registry-${++tenants}`
    const [here, elsewhere] = [setUp(db(), tenant), setUp(db(), tenant)]
    expect(await elsewhere.agents.find(tenant, 'x')).toBeUndefined()
    await here.agents.register({ name: 'x' }, here.operator)
    expect(await here.agents.find(tenant, 'X')).toBeDefined()
    expect(await elsewhere.agents.find(tenant, 'x')).toBeUndefined()
    elsewhere.clock.advance(1_000)
    const found = await elsewhere.agents.find(tenant, 'x')
    expect(found).toBeDefined()
    expect(await elsewhere.agents.find(tenant, 'x')).toBe(found)
    expect(await here.agents.find('other', 'x')).toBeUndefined()
    expect(await here.agents.find(tenant, '../x')).toBeUndefined()
  })

  test('the card is fetched once for all who need it, kept, and refreshed when it is old', async () => {
    const { agents, operator, upstream, clock, tenant, changes } = world()
    const { agent } = await agents.register({ name: 'x', connector: { kind: 'a2a', url } }, operator)
    const answers = await Promise.all(Array.from({ length: 5 }, () => agents.ensureCard(agent, never)))
    expect(upstream.fetches).toBe(1)
    expect(answers[0]).toMatchObject({ kind: 'ready', agent: { card: { name: 'Echo' } } })
    const found = (await agents.find(tenant, 'x'))!
    expect(found.card?.name).toBe('Echo')
    await agents.ensureCard(found, never)
    expect(upstream.fetches).toBe(1)
    clock.advance(6 * 60_000)
    upstream.answer = { kind: 'fetched', card: card('New\u202e'), url }
    expect(await agents.ensureCard(found, never)).toMatchObject({ kind: 'ready', agent: { card: { name: 'New' } } })
    expect(changes).toEqual(['x registered', 'x card', 'x card'])
  })

  test('no card and no answer is a verdict; an old card is used while there is no answer', async () => {
    const { agents, operator, upstream, clock, tenant } = world()
    const { agent } = await agents.register({ name: 'x', connector: { kind: 'a2a', url } }, operator)
    upstream.answer = down
    expect(await agents.ensureCard(agent, never)).toEqual(down)
    upstream.answer = { kind: 'fetched', card: card(), url }
    await agents.ensureCard(agent, never)
    clock.advance(6 * 60_000)
    upstream.answer = down
    const old = (await agents.find(tenant, 'x'))!
    const before = upstream.fetches
    expect((await agents.ensureCard(old, never)).kind).toBe('ready')
    expect((await agents.ensureCard(old, never)).kind).toBe('ready')
    expect(upstream.fetches).toBe(before + 1)
    expect(await agents.probe(old, never)).toEqual(down)
  })

  test('one who leaves does not cost the others their card', async () => {
    const { agents, operator, upstream } = world()
    const { agent } = await agents.register({ name: 'x', connector: { kind: 'a2a', url } }, operator)
    let release = () => {}
    upstream.gate = new Promise((resolve) => {
      release = resolve
    })
    const leaving = new AbortController()
    const [left, stays] = [agents.ensureCard(agent, leaving.signal), agents.ensureCard(agent, never)]
    leaving.abort()
    expect(await left).toMatchObject({ kind: 'failed', verdict: { code: 'STOPPED' } })
    release()
    expect((await stays).kind).toBe('ready')
  })

  test('a mailbox needs no card', async () => {
    const { agents, operator, upstream } = world()
    const { agent } = await agents.register({ name: 'x' }, operator)
    expect(await agents.ensureCard(agent, never)).toEqual({ kind: 'ready', agent })
    expect(upstream.fetches).toBe(0)
  })

  test('pause, resume, a new token, removal', async () => {
    const { agents, operator, caller, tenant } = world()
    await agents.register({ name: 'x' }, caller('alice'))
    expect(await agents.pause('X', 'lunch', caller('alice'))).toMatchObject({ pausedReason: 'lunch' })
    expect((await agents.resume('x', operator)).pausedAt).toBeUndefined()
    expect(await agents.rotateToken('x', caller('alice'))).toMatch(/^wp_/)
    await createOpen(db()).submit(aNewTask({ tenant, agent: 'x' }))
    await expect(agents.remove('x', operator)).rejects.toMatchObject({ reason: 'CONFLICT' })
    await agents.remove('x', operator, { force: true })
    expect(await agents.find(tenant, 'x')).toBeUndefined()
    await expect(agents.remove('x', operator)).rejects.toMatchObject({ reason: 'AGENT_NOT_FOUND' })
  })

  test('a folder’s files are agents; what is wrong with one does not keep the others out', async () => {
    const { agents, operator, tenant } = world()
    const folder = mkdtempSync(join(tmpdir(), 'waypost-cards-'))
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
    write('echo.json', JSON.stringify({ connector: { kind: 'a2a', url } }))
    write('tool.json', JSON.stringify({ name: 'tool', connector: { kind: 'mcp', command: ['node', 'x.js'] } }))
    write('other.json', JSON.stringify({ name: 'another' }))
    write('broken.json', '{')
    write('README.md', '# no agent')
    const first = await agents.provision(folder, operator)
    expect(first.agents.map(({ name }) => name)).toEqual(['echo', 'tool'])
    expect(first.problems.map(({ file }) => file)).toEqual(['broken.json', 'other.json'])
    expect(first.agents.every(({ provisioned }) => provisioned)).toBe(true)
    await expect(agents.patch('echo', { maxInflight: 1 }, operator)).rejects.toMatchObject({ reason: 'CONFLICT' })
    await expect(agents.remove('echo', operator)).rejects.toMatchObject({ reason: 'CONFLICT' })
    rmSync(join(folder, 'tool.json'))
    await agents.provision(folder, operator)
    expect((await agents.list({ tenant, limit: 9 })).map(({ name, provisioned }) => [name, provisioned])).toEqual([
      ['echo', true],
      ['tool', false],
    ])
    rmSync(folder, { recursive: true })
    expect(await agents.provision(join(folder, uuidv7()), operator)).toEqual({ agents: [], problems: [] })
  })
})
