/** The audit's chain: what is tampered with is found, and who writes at once writes one chain. */
import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { appendAudit, listAudit } from '../../src/store/audit.ts'
import { type ChainPage, type ChainPosition, verifyAudit } from '../../src/store/auditChain.ts'
import { createKey, type NewKey } from '../../src/store/callers.ts'
import type { Db, Value } from '../../src/store/db.ts'
import { openPostgres } from '../../src/store/drivers/postgres.ts'
import { migrateUp, onEmbedded, onPostgres, type PlainConnection, readMigrations } from '../../src/store/migrate.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'
import { openServer, type Server } from '../support/databases.ts'

const aNote = (subject: string, detail?: unknown) => ({
  id: uuidv7(),
  actor: 'operator',
  action: 'task.read',
  subject,
  ...(detail !== undefined && { detail }),
})
const run = (db: Db, text: string, values: readonly Value[] = []) =>
  db.query<Record<string, unknown>>({ name: `test ${text}`, text, write: true }, values)

/** All pages, as the command line walks them. */
async function walk(
  db: Db,
  tenant: string,
  { limit = 1_000, expected }: { limit?: number; expected?: ChainPosition } = {},
) {
  let [after, checked, pages] = [0, 0, 0]
  for (;;) {
    const page: ChainPage = await verifyAudit(db, { tenant, after, limit, ...(expected && { expected }) })
    pages++
    checked += page.checked
    if (page.next === undefined) return { ...page, checked, pages }
    after = page.next
  }
}

async function aChain(db: Db, tenant: string, length: number): Promise<void> {
  for (let row = 1; row <= length; row++)
    await appendAudit(db, tenant, aNote(`row ${row}`, { row, text: 'ü "\\ \n 💡' }))
}
const aKey = (tenant: string): NewKey => ({
  id: uuidv7(),
  tenant,
  caller: 'c',
  kind: 'key',
  label: 'l',
  permits: ['send'],
  agents: null,
  hash: 'h',
  createdBy: 'operator',
  expiresInSeconds: null,
  rate: null,
})

onBothDrivers('the chain of the audit', (db) => {
  test('an empty one is in order, and so is one of any length, page by page', async () => {
    expect(await walk(db(), 'empty')).toEqual({ checked: 0, pages: 1 })
    await aChain(db(), 'long', 25)
    const [newest] = await listAudit(db(), { tenant: 'long', limit: 1 })
    const last = { sequence: 25, hash: newest?.hash }
    expect(newest?.sequence).toBe(25)
    for (const [limit, pages] of [
      [1, 25],
      [7, 4],
      [24, 2],
      [25, 1],
      [26, 1],
    ] as const)
      expect(await walk(db(), 'long', { limit })).toEqual({ checked: 25, last, pages })
  })

  test('every form of a note has the hash that we compute: no detail, null, numbers, texts of any kind', async () => {
    const details = [undefined, null, 0.1, 1e21, -0, [], {}, { b: 1, a: [1.0, '\u2028', 'ÿ'] }, '', '1:a,']
    for (const detail of details) await appendAudit(db(), 'forms', aNote('1:a,"\\\t💡', detail))
    expect(await walk(db(), 'forms')).toMatchObject({ checked: details.length, last: { sequence: details.length } })
    expect((await walk(db(), 'forms')).broken).toBeUndefined()
  })

  test('what changes a key is told by the same statement, and what changes nothing has no row', async () => {
    const made = await createKey(db(), aKey('keys'), { keysMax: 1, note: aNote('first') })
    expect(made).toBeDefined()
    expect(await createKey(db(), aKey('keys'), { keysMax: 1, note: aNote('second') })).toBeUndefined()
    expect(await walk(db(), 'keys')).toMatchObject({ checked: 1, last: { sequence: 1 } })
  })

  test('the same note again is no second row', async () => {
    const note = aNote('twice')
    await appendAudit(db(), 'twice', note)
    await appendAudit(db(), 'twice', note)
    await appendAudit(db(), 'twice', aNote('later'))
    expect(await walk(db(), 'twice')).toMatchObject({ checked: 2, last: { sequence: 2 } })
  })

  test('a write that fails leaves no gap', async () => {
    await aChain(db(), 'failed', 2)
    const key = aKey('failed')
    await createKey(db(), key, { keysMax: 10, note: aNote('made') })
    await expect(createKey(db(), key, { keysMax: 10, note: aNote('again') })).rejects.toThrow()
    await aChain(db(), 'failed', 1)
    expect(await walk(db(), 'failed')).toMatchObject({ checked: 4, last: { sequence: 4 } })
  })

  const TAMPERINGS: readonly [what: string, sql: readonly string[], sequence: number, fault: string][] = [
    ['an actor', [`update audit set actor = 'nobody' where seq = 4`], 4, 'changed'],
    ['an action', [`update audit set action = action || ' ' where seq = 4`], 4, 'changed'],
    ['a subject', [`update audit set subject = 'x' where seq = 1`], 1, 'changed'],
    ['a detail', [`update audit set detail = '{}' where seq = 9`], 9, 'changed'],
    ['a detail taken away', [`update audit set detail = null where seq = 4`], 4, 'changed'],
    ['a time', [`update audit set at = at - interval '1 millisecond' where seq = 4`], 4, 'changed'],
    ['an id', [`update audit set id = gen_random_uuid() where seq = 4`], 4, 'changed'],
    ['a link', [`update audit set prev = hash where seq = 4`], 4, 'changed'],
    ['a hash', [`update audit set hash = prev where seq = 4`], 4, 'changed'],
    ['a row removed', ['delete from audit where seq = 4'], 4, 'missing'],
    ['the first row removed', ['delete from audit where seq = 1'], 1, 'missing'],
    ['the last row removed', ['delete from audit where seq = 9'], 9, 'missing'],
    ['all rows removed', ['delete from audit'], 1, 'missing'],
    [
      'a row removed and the gap closed',
      [
        'delete from audit where seq = 4',
        'update audit set seq = -seq where seq > 4',
        'update audit set seq = -seq - 1 where seq < 0',
      ],
      4,
      'changed',
    ],
    [
      'two rows in each other’s place',
      [
        'update audit set seq = -1 where seq = 4',
        'update audit set seq = 4 where seq = 5',
        'update audit set seq = 5 where seq = -1',
      ],
      4,
      'changed',
    ],
    [
      'two rows with their contents exchanged',
      [
        `update audit a set subject = b.subject, detail = b.detail from audit b where a.tenant = b.tenant and a.seq in (4, 5) and b.seq = 9 - a.seq`,
      ],
      4,
      'changed',
    ],
    [
      'a row before the first',
      [
        `insert into audit (tenant, id, actor, action, subject, seq, prev, hash) select tenant, gen_random_uuid(), 'x', 'x', 'x', 0, prev, hash from audit where seq = 1`,
      ],
      0,
      'unlinked',
    ],
    [
      'a row behind the last',
      [
        `insert into audit (tenant, id, actor, action, subject, seq, prev, hash) select tenant, gen_random_uuid(), 'x', 'x', 'x', 10, hash, hash from audit where seq = 9`,
      ],
      10,
      'changed',
    ],
    ['the head taken away', ['delete from audit_heads'], 1, 'beyond'],
    [
      'the head set back',
      [`update audit_heads set seq = 8, hash = (select a.hash from audit a where seq = 8 and SAME)`],
      9,
      'beyond',
    ],
    ['the head’s hash', ['update audit_heads set hash = prev'], 9, 'head'],
  ]
  test('nothing in it is changed or removed by a statement, whoever makes it', async () => {
    await aChain(db(), 'kept', 2)
    for (const text of [
      `update audit set actor = 'x' where tenant = $1`,
      'delete from audit where tenant = $1',
      `update audit set actor = 'x' where tenant = $1 and false`,
    ])
      await expect(run(db(), text, ['kept'])).rejects.toMatchObject({ sqlState: 'GW002' })
    await expect(run(db(), 'truncate audit')).rejects.toMatchObject({ sqlState: 'GW002' })
    expect(await walk(db(), 'kept')).toMatchObject({ checked: 2 })
    // From here on this is about those who own the table, and take the guard away.
    await run(db(), 'alter table audit disable trigger audit_append_only')
  })

  test.each(TAMPERINGS)('found: %s', async (what, statements, sequence, fault) => {
    const tenant = `tampered ${what}`
    await aChain(db(), tenant, 9)
    for (const statement of statements) {
      const text = statement.replace('SAME', `a.tenant = '${tenant}'`)
      const own = /insert into/.test(text) ? `${text} and tenant = $1` : text
      const alias = /update audit a /.test(text) ? 'a.' : ''
      const bound = /insert into/.test(text)
        ? own
        : / where (?!seq = 8 and)/.test(text)
          ? `${own} and ${alias}tenant = $1`
          : `${own} where tenant = $1`
      await run(db(), bound, [tenant])
    }
    for (const limit of [1_000, 3, 1]) {
      const { broken, checked } = await walk(db(), tenant, { limit })
      expect(broken, `pages of ${limit}`).toMatchObject({ sequence, fault })
      expect(checked).toBe(Math.max(0, sequence - 1))
    }
  })

  test('found: a fork, a row written anew with a hash of its own; what follows no longer does', async () => {
    await aChain(db(), 'fork', 6)
    await aChain(db(), 'fork, the other', 4)
    // As good a row as any, by its own hash; only that it is another.
    await run(db(), `delete from audit where tenant = 'fork' and seq = 4`)
    const [third] = await run(db(), `select hash from audit where tenant = 'fork' and seq = 3`)
    await run(db(), `update audit_heads set seq = 3, hash = $1 where tenant = 'fork'`, [third?.hash as string])
    await run(db(), `update audit set seq = seq + 100 where tenant = 'fork' and seq > 4`)
    await appendAudit(db(), 'fork', aNote('other'))
    await run(db(), `update audit set seq = seq - 100 where tenant = 'fork' and seq > 100`)
    expect((await walk(db(), 'fork')).broken).toMatchObject({ sequence: 5, fault: 'unlinked' })
  })

  test('a chain written anew from its root is found by whoever has noted a hash', async () => {
    await aChain(db(), 'anew', 5)
    const noted = (await walk(db(), 'anew')).last as ChainPosition
    await aChain(db(), 'anew', 2)
    expect((await walk(db(), 'anew', { expected: noted, limit: 3 })).broken).toBeUndefined()
    await run(db(), `delete from audit where tenant = 'anew'`)
    await run(db(), `delete from audit_heads where tenant = 'anew'`)
    await aChain(db(), 'anew', 4)
    expect((await walk(db(), 'anew')).broken).toBeUndefined()
    expect((await walk(db(), 'anew', { expected: noted })).broken).toEqual({ sequence: 5, fault: 'missing' })
    await aChain(db(), 'anew', 3)
    expect((await walk(db(), 'anew', { expected: noted })).broken).toMatchObject({ sequence: 5, fault: 'unexpected' })
  })
})

describe('several at once, PostgreSQL', () => {
  let server: Server
  let dbs: Db[]
  beforeAll(async () => {
    server = await openServer()
    const url = await server.create()
    dbs = [openPostgres({ url, connections: 4 }), openPostgres({ url, connections: 4 })]
  })
  afterAll(async () => {
    for (const db of dbs ?? []) await db.close()
    await server?.stop()
  })

  test('two replicas write one chain, whatever fails between', async () => {
    const [left, right] = dbs as [Db, Db]
    const taken = aKey('crowd')
    await createKey(left, taken, { keysMax: 10_000, note: aNote('taken') })
    const writes = Array.from({ length: 200 }, (_, at) => {
      const db = at % 2 ? left : right
      if (at % 10 === 0) return createKey(db, taken, { keysMax: 10_000, note: aNote('never') }).catch(() => undefined)
      if (at % 3 === 0) return createKey(db, aKey('crowd'), { keysMax: 10_000, note: aNote(`key ${at}`) })
      return appendAudit(db, 'crowd', aNote(`note ${at}`))
    })
    let walks = 0
    const walking = (async () => {
      for (; walks < 20; walks++) expect((await walk(left, 'crowd', { limit: 30 })).broken).toBeUndefined()
    })()
    await Promise.all([...writes, walking])
    expect(await walk(right, 'crowd')).toMatchObject({ checked: 181, last: { sequence: 181 } })
    expect((await walk(right, 'crowd')).broken).toBeUndefined()
  })

  test('the same note from two at once is one row', async () => {
    const note = aNote('same')
    await Promise.allSettled(dbs.map((db) => appendAudit(db, 'same', note)))
    expect(await walk(dbs[0] as Db, 'same')).toMatchObject({ checked: 1 })
  })
})

describe('rows from before there was a chain', () => {
  const OLD = readMigrations().filter(({ name }) => name < '0005')
  const ROWS = `insert into audit (tenant, id, at, actor, action, subject, detail)
    select case when n % 3 = 0 then 'a' else 'b' end, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, now() - n * interval '1 second',
      'operator', 'task.read', 'subject ü ' || n, case when n % 2 = 0 then jsonb_build_object('n', n) end from generate_series(1, 30) n`

  async function upgrade(connection: PlainConnection): Promise<void> {
    await migrateUp(connection, OLD)
    await connection.run(ROWS)
    await migrateUp(connection, readMigrations())
  }
  async function inOrder(db: Db): Promise<void> {
    for (const [tenant, rows] of [
      ['a', 10],
      ['b', 20],
    ] as const) {
      expect(await walk(db, tenant)).toMatchObject({ checked: rows, last: { sequence: rows } })
      await appendAudit(db, tenant, aNote('new'))
      expect(await walk(db, tenant)).toMatchObject({ checked: rows + 1, last: { sequence: rows + 1 } })
      expect((await walk(db, tenant)).broken).toBeUndefined()
    }
  }

  test('are its beginning, on PostgreSQL', async () => {
    const server = await openServer()
    const url = await server.createEmpty()
    await onPostgres(url, upgrade)
    const db = openPostgres({ url, connections: 2 })
    await inOrder(db)
    await db.close()
    await server.stop()
  })

  test('are its beginning, embedded', async () => {
    const pg = await PGlite.create()
    await onEmbedded(pg, upgrade)
    const db = { query: async ({ text }: { text: string }, values: Value[]) => (await pg.query(text, values)).rows }
    await inOrder(db as unknown as Db)
    await pg.close()
  })
})
