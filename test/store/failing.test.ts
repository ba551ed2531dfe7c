import { afterEach, expect, test } from 'vitest'
import { armFailpoints } from '../../src/platform/failpoints.ts'
import type { Db, Statement } from '../../src/store/db.ts'
import { withFailpoints } from '../../src/store/failing.ts'

afterEach(() => armFailpoints(undefined))

/** A database that notes what it was asked for. */
function noting() {
  const asked: string[] = []
  const db = {
    query: async ({ name }: Statement) => {
      asked.push(name)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return [{ name }]
    },
  } as unknown as Db
  return { asked, db: withFailpoints(db) }
}
const WRITE: Statement = { name: 'tasks.open', write: true, text: '' }
const READ: Statement = { name: 'tasks.find', write: false, text: '' }

test.each([
  ['before', 'not done', 0],
  ['sent', 'unknown', 1],
  ['after', 'unknown', 1],
])('a write that fails %s it: outcome %s', async (place, outcome, sent) => {
  const { asked, db } = noting()
  armFailpoints(`tasks.open.${place}=throwOnce`)
  await expect(db.query(WRITE, [])).rejects.toMatchObject({ code: 'WAYPOST_ERR_STORE', outcome })
  expect(asked).toHaveLength(sent)
  expect(await db.query(WRITE, [])).toEqual([{ name: 'tasks.open' }])
})

test('reads have no failpoints', async () => {
  const { db } = noting()
  armFailpoints('*=throw')
  expect(await db.query(READ, [])).toEqual([{ name: 'tasks.find' }])
})
