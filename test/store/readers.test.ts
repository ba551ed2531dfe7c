/** The second line: what a tenant's reads see is its own, whatever they ask for (SR-25). On PostgreSQL, where there are roles. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Db } from '../../src/store/db.ts'
import { openPostgres } from '../../src/store/drivers/postgres.ts'
import { withReaders } from '../../src/store/drivers/readers.ts'
import { onPostgres, roleOf } from '../../src/store/migrate.ts'
import { createOpen, findTask, listTasks } from '../../src/store/tasks.ts'
import { openServer, type Server } from '../support/databases.ts'
import { aWorld } from '../support/world.ts'
import { aNewTask } from './suite.ts'

let server: Server
let url = ''
let readerUrl = ''
let db: Db
const ids: Record<string, string> = {}
const run = <Row>(on: Db, text: string) => on.query<Row>({ name: 'test', write: false, text }, [])

/** As SECURITY.md says it. */
const ROLE = [
  `create role waypost_reader login nosuperuser nobypassrls`,
  'grant select on tasks, task_events, push_configs, deliveries, lanes, agents to waypost_reader',
]

beforeAll(async () => {
  server = await openServer()
  url = await server.create()
  const address = new URL(url)
  address.username = 'waypost_reader'
  readerUrl = address.href
  const owner = openPostgres({ url, connections: 2 })
  for (const text of ROLE) await run(owner, text)
  db = withReaders(owner, { url: readerUrl, tenantsMax: 2 })
  for (const tenant of ['acme', 'globex']) {
    const task = aNewTask({ tenant })
    ids[tenant] = task.id
    await createOpen(db).submit(task)
  }
})
afterAll(async () => {
  await db?.close()
  await server?.stop()
})

test('a tenant’s reads see its rows, and no others, even without saying whose they want', async () => {
  for (const [tenant, other] of [
    ['acme', 'globex'],
    ['globex', 'acme'],
  ] as const) {
    const reads = db.forTenant?.(tenant) as Db
    expect((await findTask(reads, { tenant, id: ids[tenant] as string }))?.id).toBe(ids[tenant])
    expect(await findTask(reads, { tenant: other, id: ids[other] as string })).toBeUndefined()
    expect((await listTasks(reads, { tenant: other, limit: 10 })).total).toBe(0)
    for (const table of ['tasks', 'task_events', 'deliveries'])
      expect(await run(reads, `select distinct tenant from ${table}`)).toEqual([{ tenant }])
  }
})

test('the doctor sees whom row level security does not hold for', async () => {
  expect(await onPostgres(url, roleOf)).toEqual({ superuser: true, passesBy: true })
  expect(await onPostgres(readerUrl, roleOf)).toEqual({ superuser: false, passesBy: false })
})

test('it changes nothing, reads no keys, and cannot call itself somebody else for the next statement’s sake', async () => {
  const reads = db.forTenant?.('acme') as Db
  for (const text of [
    `update tasks set caller = 'x'`,
    `insert into lanes (tenant, destination) values ('acme', 'x')`,
    'select hash from api_keys',
    'select sealed from secrets',
    'set role postgres',
  ])
    await expect(run(reads, text)).rejects.toMatchObject({ sqlState: '42501' })
})

test('connections of a tenant that nobody reads of are closed, and opened again', async () => {
  for (const tenant of ['a', 'b', 'c', 'd'])
    expect(await run(db.forTenant?.(tenant) as Db, 'select 1 as one')).toEqual([{ one: 1 }])
  expect((await findTask(db.forTenant?.('acme') as Db, { tenant: 'acme', id: ids.acme as string }))?.id).toBe(ids.acme)
})

test('a connection of nobody sees nothing; the gateway’s own, of a role that owns nothing, sees all', async () => {
  const nobody = openPostgres({ url: readerUrl, connections: 1, session: {} })
  expect(await run(nobody, 'select * from tasks')).toEqual([])
  await nobody.close()
  const own = openPostgres({ url: readerUrl, connections: 1 })
  expect(await run(own, 'select 1 from tasks')).toHaveLength(2)
  await own.close()
})

test('a gateway with readers answers as one without', async () => {
  const world = await aWorld({
    databaseUrl: url,
    env: { WAYPOST_READER_URL: readerUrl },
    cards: { box: { connector: { kind: 'mailbox' } } },
  })
  const client = world.client('box')
  const { id } = await client.send('hello', { configuration: { returnImmediately: true } })
  expect((await client.get(id)).metadata).toHaveProperty(['urn:x-waypost:store-and-forward:1', 'delivery'], 'waiting')
  expect((await client.rpc('ListTasks', {})).result.totalSize).toBe(1)
  const set = { taskId: id, id: 'mine', url: 'http://127.0.0.1:8123/' }
  await client.rpc('CreateTaskPushNotificationConfig', set)
  expect((await client.rpc('ListTaskPushNotificationConfigs', { taskId: id })).result.configs).toHaveLength(1)
  expect((await client.rpc('GetTaskPushNotificationConfig', { taskId: id, id: 'mine' })).result.id).toBe('mine')
  for await (const { event } of client.stream('SubscribeToTask', { id })) {
    expect('task' in event && event.task.id).toBe(id)
    break
  }
  await world.stop()
})
