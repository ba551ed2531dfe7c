import { beforeEach, expect, test } from 'vitest'
import type { AgentCard } from '../../src/a2a/agentCard.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import {
  createAgent,
  findAgent,
  listAgents,
  type NewAgent,
  pauseAgent,
  releaseProvisioned,
  removeAgent,
  replaceAgent,
} from '../../src/store/agents.ts'
import { listAudit } from '../../src/store/audit.ts'
import { findKey, type NewKey } from '../../src/store/callers.ts'
import { saveCard } from '../../src/store/cards.ts'
import type { Db } from '../../src/store/db.ts'
import { createOpen } from '../../src/store/tasks.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'
import { aNewTask } from './suite.ts'

const note = (action = 'test') => ({ id: uuidv7(), actor: 'alice', action, subject: 's' })
const agent = (tenant: string, name: string, given: Partial<NewAgent> = {}): NewAgent => ({
  tenant,
  name,
  owner: 'alice',
  registration: { name, connector: { kind: 'a2a', url: 'http://a.test/' } },
  credentials: null,
  provisioned: false,
  ...given,
})
const create = (db: Db, made: NewAgent, agentsMax = 100, key?: NewKey) =>
  createAgent(db, made, { agentsMax, note: note('agent.registered'), ...(key && { key }) })
const keyFor = (tenant: string, name: string): NewKey => ({
  id: uuidv7().replaceAll('-', ''),
  tenant,
  caller: `agent:${name}`,
  kind: 'agent',
  label: 'x',
  permits: ['agent', 'send'],
  agents: null,
  hash: 'h',
  createdBy: 'alice',
  expiresInSeconds: null,
  rate: null,
})
const card = (name: string, skills: AgentCard['skills'] = []): AgentCard => ({
  name,
  description: `${name} does it`,
  supportedInterfaces: [],
  version: '1',
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills,
})

onBothDrivers('agents', (db) => {
  // Each test is a tenant of its own, and a name is taken for all of them.
  beforeEach(() => db().query({ name: 'clear', write: true, text: 'delete from agents' }, []))
  let tenants = 0
  const tenant = () => `t${++tenants}`

  test('of many who register one name at once exactly one creates it, with one key and one note', async () => {
    const t = tenant()
    const made = await Promise.all(
      Array.from({ length: 8 }, () => create(db(), agent(t, 'echo'), 100, keyFor(t, 'echo'))),
    )
    expect(made.filter(Boolean)).toHaveLength(1)
    const found = await findAgent(db(), t, 'echo')
    expect(found).toMatchObject({ name: 'echo', owner: 'alice', card: null, pausedAt: null, provisioned: false })
    expect(found?.modifiedAt).toBeGreaterThan(1_700_000_000_000)
    expect(await listAudit(db(), { tenant: t, limit: 10 })).toHaveLength(1)
  })

  test('there is room for as many as there is room for', async () => {
    const t = tenant()
    expect(await create(db(), agent(t, 'a'), 1)).toBeDefined()
    expect(await create(db(), agent(t, 'b'), 1)).toBeUndefined()
  })

  test('an owner has no more than are his, and others still have room', async () => {
    const t = tenant()
    const owned = (name: string, owner: string) =>
      createAgent(db(), { ...agent(t, name), owner }, { agentsMax: 10, ownedMax: 1, note: note('agent.registered') })
    expect(await owned('a', 'local')).toBeDefined()
    expect(await owned('b', 'local')).toBeUndefined()
    expect(await owned('b', 'alice')).toBeDefined()
  })

  test('another registration moves modified_at, the same does not; another address forgets the card', async () => {
    const t = tenant()
    const first = await create(db(), agent(t, 'echo'))
    await saveCard(
      db(),
      { tenant: t, name: 'echo', connector: { kind: 'a2a', url: 'http://a.test/' }, known: null },
      { card: card('Echo'), identity: null, settles: false },
    )
    const carded = await findAgent(db(), t, 'echo')
    expect(carded?.card?.name).toBe('Echo')
    const same = await replaceAgent(db(), agent(t, 'echo'), { anyOwner: false, note: note() })
    expect(same?.modifiedAt).toBe(carded?.modifiedAt)
    expect(same?.card).not.toBeNull()
    const policy = { name: 'echo', connector: { url: 'http://a.test/', kind: 'a2a' }, maxInflight: 3 }
    const changed = await replaceAgent(db(), agent(t, 'echo', { registration: policy }), {
      anyOwner: false,
      note: note(),
    })
    expect(changed?.modifiedAt).toBeGreaterThanOrEqual(first?.modifiedAt ?? 0)
    expect(changed?.card).not.toBeNull()
    const moved = { name: 'echo', connector: { kind: 'a2a', url: 'http://b.test/' } }
    const away = await replaceAgent(db(), agent(t, 'echo', { registration: moved }), { anyOwner: false, note: note() })
    expect(away).toMatchObject({ card: null, cardFetchedAt: null })
    const late = await saveCard(
      db(),
      { tenant: t, name: 'echo', connector: { kind: 'a2a', url: 'http://a.test/' }, known: null },
      { card: card('Old'), identity: null, settles: false },
    )
    expect(late).toBeUndefined()
  })

  test('another owner changes nothing and leaves no note', async () => {
    const t = tenant()
    await create(db(), agent(t, 'echo'))
    const mallory = agent(t, 'echo', { owner: 'mallory', registration: { name: 'echo' } })
    expect(await replaceAgent(db(), mallory, { anyOwner: false, note: note('agent.changed') })).toBeUndefined()
    expect(await listAudit(db(), { tenant: t, action: 'agent.changed', limit: 10 })).toEqual([])
  })

  test('pausing keeps when it began; resuming clears it', async () => {
    const t = tenant()
    await create(db(), agent(t, 'echo'))
    const paused = await pauseAgent(db(), { tenant: t, name: 'echo', paused: true, reason: 'lunch' }, note())
    const again = await pauseAgent(db(), { tenant: t, name: 'echo', paused: true, reason: 'still' }, note())
    expect(again).toMatchObject({ pausedAt: paused?.pausedAt, pausedReason: 'still' })
    const resumed = await pauseAgent(db(), { tenant: t, name: 'echo', paused: false, reason: null }, note())
    expect(resumed).toMatchObject({ pausedAt: null, pausedReason: null })
    expect(await pauseAgent(db(), { tenant: t, name: 'nobody', paused: true, reason: null }, note())).toBeUndefined()
  })

  test('what is owed something is not removed unless forced; its token ends with it', async () => {
    const t = tenant()
    const key = keyFor(t, 'shout')
    await create(db(), agent(t, 'shout'), 100, key)
    await createOpen(db()).submit(aNewTask({ tenant: t, agent: 'shout' }))
    expect(await removeAgent(db(), { tenant: t, name: 'shout', force: false }, note())).toBe(false)
    expect((await findKey(db(), key.id))?.live).toBe(true)
    expect(await removeAgent(db(), { tenant: t, name: 'shout', force: true }, note())).toBe(true)
    expect((await findKey(db(), key.id))?.live).toBe(false)
    expect(await findAgent(db(), t, 'shout')).toBeUndefined()
  })

  test('the list is by name, by page, and finds by text, skill and tag in card or registration', async () => {
    const t = tenant()
    const skills = [{ id: 'sum', name: 'Sums', description: 'adds 100% of it', tags: ['math'] }]
    await create(db(), agent(t, 'adder', { registration: { name: 'adder', connector: { kind: 'mailbox' }, skills } }))
    await create(
      db(),
      agent(t, 'b-1', { registration: { name: 'b-1', connector: { kind: 'mailbox' }, visibility: 'private' } }),
    )
    await create(db(), agent(t, 'c'))
    await saveCard(
      db(),
      { tenant: t, name: 'c', connector: { kind: 'a2a', url: 'http://a.test/' }, known: null },
      { card: card('See', [{ ...skills[0]!, id: 'sub' }]), identity: null, settles: false },
    )
    const names = async (query: object) =>
      (await listAgents(db(), { tenant: t, limit: 10, ...query })).map(({ name }) => name)
    expect(await names({})).toEqual(['adder', 'b-1', 'c'])
    expect(await names({ after: 'adder', limit: 1 })).toEqual(['b-1'])
    expect(await names({ q: 'SEE' })).toEqual(['c'])
    expect(await names({ q: '100%' })).toEqual(['adder', 'c'])
    expect(await names({ q: '%' })).toEqual(['adder', 'c'])
    expect(await names({ skill: 'sums' })).toEqual(['adder', 'c'])
    expect(await names({ skill: 'sub' })).toEqual(['c'])
    expect(await names({ tag: 'math' })).toEqual(['adder', 'c'])
    // In a tenant of its own an agent shows itself to strangers only if it says so.
    expect(await names({ visibility: 'public' })).toEqual([])
    await create(db(), agent(t, 'd', { registration: { name: 'd', visibility: 'public' } }))
    await create(db(), agent('default', 'e', { registration: { name: 'e' } }))
    expect(await names({ visibility: 'public' })).toEqual(['d'])
    expect((await listAgents(db(), { visibility: 'public', limit: 10 })).map(({ name }) => name)).toEqual(['d', 'e'])
    expect(await names({ names: ['c', 'zz'] })).toEqual(['c'])
  })

  test('what left the folder is released, what stays is not', async () => {
    const t = tenant()
    await create(db(), agent(t, 'stays', { provisioned: true }))
    await create(db(), agent(t, 'left', { provisioned: true }))
    expect(await releaseProvisioned(db(), t, ['stays'], note())).toEqual(['left'])
    expect((await findAgent(db(), t, 'left'))?.provisioned).toBe(false)
    expect(await releaseProvisioned(db(), t, [], note())).toEqual(['stays'])
  })
})
