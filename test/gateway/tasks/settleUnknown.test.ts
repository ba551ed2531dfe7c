import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeSurely } from '../../../src/gateway/tasks/settleUnknown.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { type Db, StoreError } from '../../../src/store/db.ts'
import { openEmbedded } from '../../../src/store/drivers/pglite.ts'
import { createAppend, readEvents } from '../../../src/store/events.ts'
import { createOpen } from '../../../src/store/tasks.ts'
import { aChange, aNewTask } from '../../store/suite.ts'

let db: Db
beforeAll(async () => {
  db = await openEmbedded({})
})
afterAll(() => db.close())

const clock = { ...systemClock, sleep: async () => {} }
const unknown = () => new StoreError('events.append', 'unknown', undefined, new Error('connection lost'))

async function aWrite(fails: (tries: number, write: () => Promise<unknown>) => Promise<void>) {
  const task = aNewTask()
  await createOpen(db).submit(task)
  const change = { ...aChange({ taskId: task.id, id: '', lease: '' }), deliveryId: null, lease: null }
  const append = createAppend(db, { webhookAgeSeconds: 60, newId: uuidv7, onOwed: () => {} })
  let tries = 0
  const write = async () => {
    await fails(++tries, () => append.submit(change))
    return append.submit(change)
  }
  const written = await writeSurely(
    { db, clock },
    { tenant: 't', taskId: task.id, after: 1, bodies: change.events.map(({ body }) => body), write },
  )
  return { written, log: await readEvents(db, 't', task.id, 0, 10), tries }
}

test('it was written and the answer lost: found in the log, not written again', async () => {
  const { written, log, tries } = await aWrite(async (_tries, write) => {
    await write()
    throw unknown()
  })
  expect([written.kind, log.length, tries]).toEqual(['appended', 2, 1])
})

test('it was not written: written by the next try', async () => {
  const { written, log, tries } = await aWrite(async (tries) => {
    if (tries < 3) throw unknown()
  })
  expect([written.kind, log.length, tries]).toEqual(['appended', 2, 3])
})

test('what a row is refused for is not tried again', async () => {
  const fault = new StoreError('events.append', 'not done', '22021', new Error('invalid byte'))
  await expect(
    aWrite(async () => {
      throw fault
    }),
  ).rejects.toBe(fault)
})
