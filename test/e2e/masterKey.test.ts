/** The master key is rotated while the gateway works; what is sealed stands in its place and nowhere else (SR-80). */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { startAgent } from '../support/agent.ts'
import { aWorld, type World } from '../support/world.ts'

const directory = mkdtempSync(join(tmpdir(), 'waypost-'))
const [old, fresh] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const start = (key: string, others?: string) =>
  aWorld({ directory, env: { WAYPOST_MASTER_KEY: key, ...(others && { WAYPOST_MASTER_KEY_OTHERS: others }) } })
const query = <Row>(world: World, text: string) => world.gateway.db.query<Row>({ name: 'test', write: true, text }, [])
const sealed = async (world: World) =>
  (
    await query<{ text: string }>(
      world,
      `select sealed as text from secrets union all select credentials from agents where credentials is not null
       union all select token from push_configs where token is not null union all select credentials from push_configs where credentials is not null`,
    )
  ).map(({ text }) => text.split('.')[1])
const reseal = async (world: World) => {
  const response = await fetch(`${world.gateway.url}/v1/master-key/reseal`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.gateway.adminKey}` },
  })
  return (await response.json()) as { resealed: number; changed: number; lost: string[] }
}

test('everything is sealed anew under load, and the old key can be forgotten', async () => {
  const agent = await startAgent()
  const before = await start(old)
  const credentials = { scheme: 'Bearer', token: 'the upstream secret' }
  await before.register({ name: 'guarded', connector: { kind: 'a2a', url: agent.url }, credentials })
  await before.register({ name: 'other', connector: { kind: 'a2a', url: agent.url }, credentials })
  await before.register({ name: 'box' })
  const hook = {
    url: 'http://127.0.0.1:8123/',
    token: 'the push secret',
    authentication: { scheme: 'Basic', credentials: 'dTpw' },
  }
  const configuration = { returnImmediately: true, taskPushNotificationConfig: hook }
  for (let at = 0; at < 20; at++) await before.client('box').send('x', { configuration })
  await before.stop({ keep: true })

  // Where the key is missing, nothing starts: neither in the clear nor with what cannot be opened.
  await expect(start(fresh)).rejects.toMatchObject({ code: 'WAYPOST_ERR_SEAL' })

  const during = await start(fresh, old)
  const [, ...ids] = [...new Set(await sealed(during))]
  expect(ids).toEqual([])
  const sending = Promise.all(
    Array.from({ length: 20 }, () => during.client('box').send('while it is done', { configuration })),
  )
  const answer = await reseal(during)
  expect(answer).toMatchObject({ lost: [] })
  expect(answer.resealed).toBeGreaterThanOrEqual(43)
  await sending
  expect(await reseal(during)).toEqual({ resealed: 0, changed: 0, lost: [] })
  await during.stop({ keep: true })

  const after = await start(fresh)
  expect([...new Set(await sealed(after))]).toHaveLength(1)
  const { status } = await after.client('guarded').send('complete')
  expect(status.state).toBe('TASK_STATE_COMPLETED')
  const [note] = await query<{ detail: object }>(
    after,
    `select detail from audit where action = 'masterKey.resealed' order by seq limit 1`,
  )
  expect(note?.detail).toMatchObject({ lost: 0 })

  // What is moved to another row does not open there.
  await query(
    after,
    `update agents set credentials = (select credentials from agents where name = 'guarded') where name = 'other'`,
  )
  const { items } = (await (
    await fetch(`${after.gateway.url}/v1/agents`, { headers: { authorization: `Bearer ${after.gateway.adminKey}` } })
  ).json()) as { items: unknown[] }
  expect(JSON.stringify(items)).not.toContain('the upstream secret')
  const moved = (await after.client('other').send('complete', { configuration: { returnImmediately: true } })).id
  expect((await after.client('other').get(moved)).status.state).not.toBe('TASK_STATE_COMPLETED')
  await after.stop({ keep: true })

  // Under another key altogether: what cannot be opened is told, and left as it is.
  await expect(start(old)).rejects.toMatchObject({ code: 'WAYPOST_ERR_SEAL' })
  await agent.stop()
  // Five gateways after each other, each on a database that is opened and closed.
}, 120_000)

test('the whole dump holds no secret in the clear, and a key that is none is refused', async () => {
  const world = await start(fresh)
  const tables = await query<{ name: string }>(
    world,
    `select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  for (const { name } of tables) {
    const [row] = await query<{ text: string | null }>(
      world,
      `select string_agg(t::text, ' ') as text from "${name}" t`,
    )
    for (const secret of ['the upstream secret', 'the push secret', 'dTpw', world.gateway.adminKey])
      expect([name, row?.text?.includes(secret) ?? false]).toEqual([name, false])
  }
  await world.stop({ keep: true })
  await expect(start(fresh, 'short')).rejects.toMatchObject({ code: 'WAYPOST_ERR_CONFIG' })
})
