import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import type { Db, Value } from '../../src/store/db.ts'
import { replayWebhook } from '../../src/store/deadLetters.ts'
import { claim } from '../../src/store/deliveries.ts'
import { openPostgres } from '../../src/store/drivers/postgres.ts'
import { createAppend } from '../../src/store/events.ts'
import { addMessage } from '../../src/store/messages.ts'
import { existingTasks, isOldestReplica, purgeTasks, tenantsWithTasks, tidy, vacuum } from '../../src/store/purge.ts'
import { joinReplica } from '../../src/store/recovery.ts'
import { createOpen, findTask, type NewTask } from '../../src/store/tasks.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'
import { openServer, type Server } from '../support/databases.ts'
import { aChange, aNewTask } from './suite.ts'

const DAY = 86_400
const daysAgo = (days: number) => new Date(Date.now() - days * DAY * 1_000).toISOString()
const NOBODY = '00000000-0000-0000-0000-000000000000'
const LAST = 'ffffffff-ffff-7fff-bfff-ffffffffffff'

const sql = <Row = Record<string, unknown>>(db: Db, text: string, values: Value[] = []) =>
  db.query<Row>({ name: 'test', write: true, text }, values)

/** Keeps what has ended for thirty days, and what is dead for ninety. */
const purge = (db: Db, tenant: string, more: Partial<Parameters<typeof purgeTasks>[1]> = {}) =>
  purgeTasks(db, {
    tenant,
    ...{
      after: NOBODY,
      upTo: LAST,
      keepSeconds: 30 * DAY,
      keepDeadSeconds: 90 * DAY,
      tasksMax: 1_000,
      rowsMax: 20_000,
    },
    ...more,
  })

const CONFIG = JSON.stringify({
  ...{ id: 'hook', url: 'http://sink/', destination: 'webhook:sink', version: 'v' },
  ...{ token: null, scheme: null, credentials: null, secret: null },
})

interface Finished extends Partial<NewTask> {
  readonly days?: number
  readonly state?: number
}

/** A task that ended so many days ago (forty), the way tasks end: opened, taken, and recorded under its lease. */
async function finished(db: Db, { days = 40, state = 3, ...given }: Finished = {}): Promise<string> {
  const task = aNewTask({ statusAt: daysAgo(days), agent: `a-${uuidv7()}`, ...given })
  await createOpen(db).submit(task)
  const { tenant, destination, id } = task
  const [leased] = await claim(db, { tenant, destination, watermark: 0, count: 1, owner: uuidv7() })
  const append = createAppend(db, { webhookAgeSeconds: 3_600, newId: uuidv7, onOwed: () => {} })
  const end = { state, statusAt: daysAgo(days), settle: [3, 4, 5, 7].includes(state) ? 2 : null }
  expect(await append.submit(aChange({ ...leased!, tenant }, end))).toMatchObject({ kind: 'appended' })
  return id
}

/** Rows that are left of these tasks, wherever. */
async function left(db: Db, ids: readonly string[]): Promise<number> {
  const tables = ['task_events', 'deliveries', 'submissions', 'attempts', 'push_configs', 'parents', 'channel_posts']
  const parts = [
    'select count(*) from tasks where id = any($1::uuid[])',
    ...tables.map((table) => `select count(*) from ${table} where task_id = any($1::uuid[])`),
    'select count(*) from task_children where child_id = any($1::uuid[]) or parent_id = any($1::uuid[])',
  ]
  const [row] = await sql<{ n: number }>(db, `select (${parts.map((part) => `(${part})`).join(' + ')})::int as n`, [
    `{${ids.join()}}`,
  ])
  return row?.n ?? -1
}

const webhook = (db: Db, tenant: string, task: string, text: string) =>
  sql<{ id: string }>(
    db,
    `update deliveries set ${text} where tenant = $1 and task_id = $2::uuid and kind = 'webhook' returning id::text`,
    [tenant, task],
  )

onBothDrivers('retention', (db) => {
  test('what ended long ago goes, with every row that is its own; what is beside it stays', async () => {
    const tenant = 'p-all'
    const id = await finished(db(), { tenant, key: 'm:1', config: CONFIG })
    const other = await finished(db(), { tenant, days: 1, key: 'm:2', config: CONFIG })
    await webhook(db(), tenant, id, 'state = 2, settled_at = now()')
    await sql(
      db(),
      `insert into attempts (tenant, delivery_id, attempt, task_id, destination, duration_ms, outcome, lease)
       values ($1, $2::uuid, 1, $2::uuid, 'd', 1, 'retry', $2::uuid)`,
      [tenant, id],
    )
    await sql(db(), `insert into parents (tenant, task_id, rule, needed) values ($1, $2::uuid, 'all', 1)`, [tenant, id])
    await sql(
      db(),
      `insert into task_children (tenant, parent_id, child_id, member, outcome) values ($1, $2::uuid, $3::uuid, 'm', 'answered')`,
      [tenant, id, uuidv7()],
    )
    await sql(
      db(),
      `insert into channel_posts (tenant, channel, seq, task_id, caller, sender, verified, recipients) values ($1, 'c', 1, $2::uuid, 'a', 'a', true, 1)`,
      [tenant, id],
    )
    expect(await left(db(), [id])).toBe(11)
    expect(await purge(db(), tenant)).toEqual({ looked: 2, last: other, gone: [id], kept: other })
    expect([await left(db(), [id]), await left(db(), [other])]).toEqual([0, 7])
    expect(await purge(db(), 'p-none')).toEqual({ looked: 0, last: null, gone: [], kept: null })
  })

  test('of another tenant nothing goes', async () => {
    const id = await finished(db(), { tenant: 'p-mine' })
    await purge(db(), 'p-theirs')
    expect(await findTask(db(), { tenant: 'p-mine', id })).toBeDefined()
    expect(await tenantsWithTasks(db())).toEqual(expect.arrayContaining(['p-all', 'p-mine']))
  })

  test.each([1, 2, 6, 8])('in state %i it has not ended, however old it is', async (state) => {
    const tenant = `p-state-${state}`
    const id = await finished(db(), { tenant, state })
    // Even if nothing of it is on its way.
    await sql(db(), 'update deliveries set state = 2 where tenant = $1', [tenant])
    expect(await purge(db(), tenant)).toMatchObject({ gone: [], kept: id })
  })

  test.each([3, 4, 5, 7])('in state %i it has ended', async (state) => {
    const id = await finished(db(), { tenant: `p-end-${state}`, state })
    expect((await purge(db(), `p-end-${state}`)).gone).toEqual([id])
  })

  test('its time counts from its end, not from its beginning', async () => {
    const id = await finished(db(), { tenant: 'p-end', statusAt: daysAgo(400), days: 29 })
    expect((await purge(db(), 'p-end')).gone).toEqual([])
    expect((await purge(db(), 'p-end', { keepSeconds: 28 * DAY })).gone).toEqual([id])
  })

  test.each([
    ['waits', 'state = 0', false],
    ['is on its way', 'state = 1, lease = gen_random_uuid()', false],
    ['was delivered', 'state = 2', true],
    ['is a dead letter of yesterday', "state = 3, settled_at = now() - interval '1 day'", false],
    ['has expired yesterday', "state = 5, settled_at = now() - interval '1 day'", false],
    ['is a dead letter as old as those are kept', "state = 3, settled_at = now() - interval '91 days'", true],
    ['has expired as long ago', "state = 5, settled_at = now() - interval '91 days'", true],
    ['was withdrawn', 'state = 4', true],
  ])('a webhook that %s', async (_, text, goes) => {
    const tenant = `p-hook-${uuidv7()}`
    const id = await finished(db(), { tenant, config: CONFIG })
    expect(await webhook(db(), tenant, id, text)).toHaveLength(1)
    expect((await purge(db(), tenant)).gone).toEqual(goes ? [id] : [])
    expect(await left(db(), [id])).toBe(goes ? 0 : 6)
  })

  test('its own message as a dead letter keeps it, too', async () => {
    const tenant = 'p-dead'
    const id = await finished(db(), { tenant, state: 4 })
    const dead = (days: number) =>
      sql(
        db(),
        'update deliveries set state = 3, settled_at = now() - make_interval(days => $3::int) where tenant = $1 and id = $2::uuid',
        [tenant, id, days],
      )
    await dead(89)
    expect((await purge(db(), tenant)).gone).toEqual([])
    await dead(91)
    expect((await purge(db(), tenant)).gone).toEqual([id])
  })

  test('what its sender has not read keeps it, until that has expired', async () => {
    const tenant = 'p-home'
    const id = await finished(db(), { tenant, home: 1, caller: 'agent:me' })
    expect((await purge(db(), tenant)).gone).toEqual([])
    const result = (text: string) =>
      sql(db(), `update deliveries set ${text} where tenant = $1 and kind = 'result'`, [tenant])
    await result("expires_at = now() - interval '1 second', state = 1, lease = gen_random_uuid()")
    expect((await purge(db(), tenant)).gone).toEqual([])
    await result('state = 0, lease = null')
    expect((await purge(db(), tenant)).gone).toEqual([id])
    expect(await left(db(), [id])).toBe(0)
  })

  describe('parents and children', () => {
    const linked = async (tenant: string, outcome: string | null, parent: Finished, child: Finished = {}) => {
      const ids = [await finished(db(), { tenant, ...parent }), await finished(db(), { tenant, ...child })] as const
      await sql(
        db(),
        `insert into task_children (tenant, parent_id, child_id, member, outcome) values ($1, $2::uuid, $3::uuid, 'm', $4)`,
        [tenant, ...ids, outcome],
      )
      await sql(db(), 'update deliveries set state = 2 where tenant = $1 and state = 1', [tenant])
      return ids
    }
    test('go together', async () => {
      const ids = await linked('p-kin', 'answered', {})
      expect((await purge(db(), 'p-kin')).gone.toSorted()).toEqual([...ids].toSorted())
      expect(await left(db(), ids)).toBe(0)
    })
    test('a child whose parent waits for it stays, and so does the parent', async () => {
      await linked('p-wait', null, {})
      expect((await purge(db(), 'p-wait')).gone).toEqual([])
    })
    test('a parent that goes on keeps the child that it has counted', async () => {
      await linked('p-on', 'answered', { state: 2 })
      expect((await purge(db(), 'p-on')).gone).toEqual([])
    })
    test('a parent that is not old enough keeps what it tells of', async () => {
      await linked('p-young', 'answered', { days: 1 })
      expect((await purge(db(), 'p-young')).gone).toEqual([])
    })
    test('a parent that has ended does not wait for who was set aside', async () => {
      const [parent] = await linked('p-aside', 'aside', {}, { state: 2 })
      expect((await purge(db(), 'p-aside')).gone).toEqual([parent])
    })
  })

  test('a page has its bounds, in tasks and in rows, and the walk goes on behind it', async () => {
    const tenant = 'p-page'
    const ids = []
    for (let n = 0; n < 5; n++) ids.push(await finished(db(), { tenant }))
    const first = await purge(db(), tenant, { tasksMax: 2 })
    expect(first).toEqual({ looked: 2, last: ids[1], gone: ids.slice(0, 2), kept: null })
    // Each weighs two rows: one more than fits is taken, never less than one.
    const second = await purge(db(), tenant, { after: ids[1]!, rowsMax: 1 })
    expect(second.gone).toEqual([ids[2]])
    const third = await purge(db(), tenant, { after: ids[2]!, upTo: ids[3]! })
    expect(third.gone).toEqual([ids[3]])
    expect(
      await existingTasks(
        db(),
        ids.map((taskId) => ({ tenant, taskId })),
      ),
    ).toEqual([ids[4]])
  })

  test('two that purge at once share it: each task goes once', async () => {
    const tenant = 'p-two'
    const ids = await Promise.all(Array.from({ length: 20 }, () => finished(db(), { tenant })))
    const both = await Promise.all([purge(db(), tenant), purge(db(), tenant)])
    const more = await purge(db(), tenant)
    expect([...both, more].flatMap(({ gone }) => gone).toSorted()).toEqual(ids.toSorted())
    expect(await left(db(), ids)).toBe(0)
  })

  test('its key is free again, and the same message makes a new task', async () => {
    const tenant = 'p-key'
    const given = { tenant, agent: 'keyed', key: 'm:again' }
    const id = await finished(db(), given)
    const again = aNewTask(given)
    expect(await createOpen(db()).submit(again)).toEqual({ kind: 'repeated', taskId: id, seq: 1 })
    await purge(db(), tenant)
    expect(await createOpen(db()).submit(again)).toEqual({ kind: 'opened' })
    expect(await findTask(db(), { tenant, id: again.id })).toBeDefined()
  })

  test('a key whose task goes between the look and the second look: the message is written, not forgotten', async () => {
    const tenant = 'p-between'
    const given = { tenant, agent: 'keyed', key: 'm:between' }
    await finished(db(), given)
    const between: Db = {
      ...db(),
      async query(statement, values) {
        if (statement.name === 'submissions.find') await purge(db(), tenant)
        return db().query(statement, values)
      },
    }
    const again = aNewTask(given)
    expect(await createOpen(between).submit(again)).toEqual({ kind: 'opened' })
    expect(await findTask(db(), { tenant, id: again.id })).toBeDefined()
  })

  test('the oldest of the replicas that live is the one', async () => {
    await sql(db(), 'delete from replicas')
    const [dead, old, young] = [uuidv7(), uuidv7(), uuidv7()]
    await joinReplica(db(), young, 'young', 60_000)
    await joinReplica(db(), old, 'old', 60_000)
    await joinReplica(db(), dead, 'dead', -1_000)
    expect(await Promise.all([dead, old, young].map((id) => isOldestReplica(db(), id)))).toEqual([false, true, false])
  })

  test('what is tidied says nothing any more; what does stays', async () => {
    await sql(
      db(),
      `insert into lanes (tenant, destination, seen_at, closed_at) values
        ('p', 'webhook:old', now() - interval '2 days', null), ('p', 'webhook:new', now(), null),
        ('p', 'webhook:owed', null, now() - interval '2 days'), ('p', 'agent:old', now() - interval '2 days', null)`,
    )
    await createOpen(db()).submit(aNewTask({ tenant: 'p', kind: 'webhook', destination: 'webhook:owed' }))
    await sql(
      db(),
      `insert into webhook_proofs (tenant, place, host, challenged_at, proved_until) values
        ('p', 'old', 'h', now() - interval '90 days', now() - interval '60 days'), ('p', 'asked', 'h', now(), null),
        ('p', 'good', 'h', now() - interval '90 days', now() + interval '1 day')`,
    )
    await sql(
      db(),
      `insert into webhook_hosts (host, challenged_at) values ('old', now() - interval '2 days'), ('new', now())`,
    )
    await sql(
      db(),
      `insert into api_keys (id, tenant, caller, label, permits, hash, created_by, revoked_at, expires_at) values
        ('k-revoked', 'p', 'c', 'l', '{}', 'h', 'o', now() - interval '2 days', null), ('k-expired', 'p', 'c', 'l', '{}', 'h', 'o', null, now() - interval '2 days'),
        ('k-just', 'p', 'c', 'l', '{}', 'h', 'o', now(), null), ('k-good', 'p', 'c', 'l', '{}', 'h', 'o', null, null)`,
    )
    await tidy(db(), DAY)
    const names = async (column: string, table: string, where = `tenant = 'p'`) =>
      (await sql<{ n: string }>(db(), `select ${column} as n from ${table} where ${where} order by 1`)).map(
        ({ n }) => n,
      )
    expect(await names('destination', 'lanes')).toEqual(['agent:old', 'webhook:new', 'webhook:owed'])
    expect(await names('place', 'webhook_proofs')).toEqual(['asked', 'good'])
    expect(await names('host', 'webhook_hosts', 'true')).toEqual(['new'])
    expect(await names('id', 'api_keys')).toEqual(['k-good', 'k-just'])
  })

  test('what is gone leaves room', async () => {
    // Postgres does so by itself, whenever it likes.
    if (db().kind !== 'embedded') return
    await sql(
      db(),
      `insert into attempts (tenant, delivery_id, attempt, task_id, destination, duration_ms, outcome, lease)
       select 'p', gen_random_uuid(), 1, gen_random_uuid(), 'd', 1, 'retry', gen_random_uuid() from generate_series(1, 2000)`,
    )
    await sql(db(), 'delete from attempts')
    const size = async () =>
      (await sql<{ bytes: number }>(db(), `select pg_relation_size('attempts')::int as bytes`))[0]?.bytes
    expect(await size()).toBeGreaterThan(0)
    await vacuum(db())
    expect(await size()).toBe(0)
  })
})

/** What comes between is held open here: another connection's transaction, as a client program has one. */
describe('retention against others, PostgreSQL', () => {
  let server: Server
  let db: Db
  let other: postgres.Sql
  beforeAll(async () => {
    server = await openServer()
    const url = await server.create()
    db = openPostgres({ url, connections: 4 })
    other = postgres(url, { max: 1, onnotice: () => {} })
  })
  afterAll(async () => {
    await other?.end()
    await db?.close()
    await server?.stop()
  })

  const deadWebhook = async (tenant: string) => {
    const id = await finished(db, { tenant, config: CONFIG })
    const [row] = await webhook(db, tenant, id, "state = 3, settled_at = now() - interval '91 days'")
    return { id, delivery: row!.id }
  }

  test('a webhook that is being replayed keeps its task, and is not lost', async () => {
    const tenant = 'r-replay'
    const { id, delivery } = await deadWebhook(tenant)
    await other.begin(async (tx) => {
      await tx`update deliveries set state = 0, due_at = now() where id = ${delivery}`
      // Not committed, so that the purge still sees the dead letter: it finds it locked.
      expect((await purge(db, tenant)).gone).toEqual([])
    })
    expect((await purge(db, tenant)).gone).toEqual([])
    expect(await left(db, [id])).toBe(6)
  })

  test('a replay that comes while the purge runs finds nothing, and says so', async () => {
    const tenant = 'r-late'
    const { id, delivery } = await deadWebhook(tenant)
    let replaying: Promise<boolean> | undefined
    await other.begin(async (tx) => {
      await tx`delete from deliveries where task_id = ${id}`
      await tx`delete from tasks where id = ${id}`
      replaying = replayWebhook(db, { tenant, id: delivery, by: 'op', auditId: uuidv7() })
      await waitingForLock(db)
    })
    expect(await replaying).toBe(false)
    expect(await sql(db, 'select 1 from audit where tenant = $1', [tenant])).toEqual([])
  })

  test('a further message that comes while the purge runs finds no task, and leaves nothing', async () => {
    const tenant = 'r-follow'
    const given = { tenant, agent: 'followed', contextId: 'ctx' }
    const id = await finished(db, given)
    let adding: Promise<unknown> | undefined
    await other.begin(async (tx) => {
      for (const table of ['task_events', 'deliveries']) await tx`delete from ${tx(table)} where task_id = ${id}`
      await tx`delete from tasks where id = ${id}`
      const delivery = {
        deliveryId: uuidv7(),
        kind: 'a2a',
        destination: 'agent:followed',
        orderingKey: 'ctx',
        priority: 2,
      }
      adding = addMessage(db, {
        ...{ tenant, taskId: id, caller: 'alice', agent: 'followed', key: 'm:follow', request: null, mail: null },
        // As if it had not been looked at whether the task has ended.
        ...{ expectedState: 3, state: 1, statusAt: daysAgo(0), body: '{}', history: '[]', ttlSeconds: 60 },
        ...delivery,
      })
      await waitingForLock(db)
    })
    expect(await adding).toBeUndefined()
    expect(await left(db, [id])).toBe(0)
  })

  test('a task that somebody holds is passed over, and nobody waits', async () => {
    const tenant = 'r-held'
    const [held, free] = [await finished(db, { tenant }), await finished(db, { tenant })]
    await other.begin(async (tx) => {
      await tx`select 1 from tasks where id = ${held} for update`
      expect((await purge(db, tenant)).gone).toEqual([free])
    })
    expect((await purge(db, tenant)).gone).toEqual([held])
  })

  test('a message with the key of a task that is being purged waits for the purge, and is written', async () => {
    const tenant = 'r-key'
    const given = { tenant, agent: 'keyed', key: 'm:raced' }
    const id = await finished(db, given)
    const again = aNewTask(given)
    let sending: Promise<unknown> | undefined
    await other.begin(async (tx) => {
      await tx`delete from submissions where task_id = ${id}`
      sending = createOpen(db).submit(again)
      await waitingForLock(db)
    })
    expect(await sending).toEqual({ kind: 'opened' })
    expect(await findTask(db, { tenant, id: again.id })).toBeDefined()
  })
})

/** Somebody stands in line for a lock. */
async function waitingForLock(db: Db): Promise<void> {
  for (;;) {
    const rows = await sql(db, `select 1 from pg_stat_activity where wait_event_type = 'Lock'`)
    if (rows.length > 0) return
  }
}
