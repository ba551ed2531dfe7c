import { expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { createAgent } from '../../src/store/agents.ts'
import { appendAudit, listAudit } from '../../src/store/audit.ts'
import {
  createKey,
  findKey,
  listKeys,
  type NewKey,
  revokeKey,
  rotateAgentKey,
  touchKey,
} from '../../src/store/callers.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'

const note = (action: string) => ({
  id: uuidv7(),
  actor: 'operator',
  action,
  subject: 'k',
  detail: { some: ['thing'] },
})
let made = 0
const key = (tenant: string, given: Partial<NewKey> = {}): NewKey => ({
  id: `k${++made}${process.pid}`,
  tenant,
  caller: 'alice',
  kind: 'key',
  label: 'laptop',
  permits: ['send', 'read'],
  agents: ['echo', 'it"s'],
  hash: 'hash',
  createdBy: 'operator',
  expiresInSeconds: null,
  rate: null,
  ...given,
})

onBothDrivers('keys', (db) => {
  test('a key is found by its id, with all that it may', async () => {
    const row = key('keys-1')
    await createKey(db(), row, { keysMax: 10, note: note('key.created') })
    const found = await findKey(db(), row.id)
    expect(found).toMatchObject({
      live: true,
      hash: 'hash',
      permits: ['send', 'read'],
      agents: ['echo', 'it"s'],
      expiresInMs: null,
      unseen: true,
    })
    expect(await findKey(db(), 'nobody')).toBeUndefined()
  })

  test('the database says when it has expired', async () => {
    const row = key('keys-2', { expiresInSeconds: 0.05, agents: null })
    await createKey(db(), row, { keysMax: 10, note: note('key.created') })
    const found = await findKey(db(), row.id)
    expect(found?.agents).toBeNull()
    await expect.poll(async () => (await findKey(db(), row.id))?.live).toBe(false)
  })

  test('revoking works once and is noted', async () => {
    const row = key('keys-3')
    await createKey(db(), row, { keysMax: 10, note: note('key.created') })
    expect(await revokeKey(db(), 'other', row.id, note('key.revoked'))).toBeUndefined()
    expect((await revokeKey(db(), 'keys-3', row.id, note('key.revoked')))?.revokedAt).toBeGreaterThan(0)
    expect(await revokeKey(db(), 'keys-3', row.id, note('key.revoked'))).toBeUndefined()
    expect((await findKey(db(), row.id))?.live).toBe(false)
    expect((await listAudit(db(), { tenant: 'keys-3', limit: 10 })).map(({ action }) => action)).toEqual([
      'key.revoked',
      'key.created',
    ])
  })

  test('the last use is noted once a minute', async () => {
    const row = key('keys-4')
    await createKey(db(), row, { keysMax: 10, note: note('key.created') })
    await touchKey(db(), row.id)
    const first = await findKey(db(), row.id)
    await touchKey(db(), row.id)
    expect(first?.unseen).toBe(false)
    expect((await findKey(db(), row.id))?.lastUsedAt).toBe(first?.lastUsedAt)
  })

  test('the list is newest first, by page, and never has a hash', async () => {
    for (const label of ['a', 'b', 'c'])
      await createKey(db(), key('keys-5', { label }), { keysMax: 3, note: note('key.created') })
    expect(await createKey(db(), key('keys-5'), { keysMax: 3, note: note('key.created') })).toBeUndefined()
    const [newest, middle] = await listKeys(db(), { tenant: 'keys-5', all: false, limit: 2 })
    expect([newest?.label, middle?.label]).toEqual(['c', 'b'])
    expect(JSON.stringify(newest)).not.toContain('hash')
    const rest = await listKeys(db(), {
      tenant: 'keys-5',
      all: true,
      limit: 2,
      before: { createdAt: middle!.createdAt, id: middle!.id },
    })
    expect(rest.map(({ label }) => label)).toEqual(['a'])
  })

  test('an agent’s new token takes the place of its older ones', async () => {
    const agent = {
      tenant: 'keys-6',
      name: 'shout',
      owner: 'a',
      registration: {},
      credentials: null,
      provisioned: false,
    }
    const [older, newer] = [
      key('keys-6', { caller: 'agent:shout', kind: 'agent' }),
      key('keys-6', { caller: 'agent:shout', kind: 'agent' }),
    ]
    await createAgent(db(), agent, { agentsMax: 10, note: note('agent.registered'), key: older })
    expect(await rotateAgentKey(db(), newer, 0, note('agent.tokenRotated'))).toBe(true)
    expect((await findKey(db(), older.id))?.live).toBe(false)
    expect((await findKey(db(), newer.id))?.live).toBe(true)
    expect(await rotateAgentKey(db(), key('keys-6', { caller: 'agent:nobody', kind: 'agent' }), 0, note('x'))).toBe(
      false,
    )
  })

  test('a note alone is kept as it was given', async () => {
    await appendAudit(db(), 'keys-7', { id: uuidv7(), actor: 'o', action: 'task.read', subject: 't1' })
    await appendAudit(db(), 'keys-7', note('x'))
    const entries = await listAudit(db(), { tenant: 'keys-7', limit: 10 })
    expect(entries[0]).toMatchObject({ action: 'x', detail: { some: ['thing'] } })
    expect(entries[1]).toMatchObject({ actor: 'o', action: 'task.read', subject: 't1', detail: null })
    expect(await listAudit(db(), { tenant: 'keys-7', limit: 10, before: entries[0]!.id })).toHaveLength(1)
  })
})
