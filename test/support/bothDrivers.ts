/** One suite on both drivers: PGlite in memory, and a PostgreSQL server of the file's own. */
import { afterAll, beforeAll, describe } from 'vitest'
import type { Db } from '../../src/store/db.ts'
import { openEmbedded } from '../../src/store/drivers/pglite.ts'
import { openPostgres } from '../../src/store/drivers/postgres.ts'
import { openServer, type Server } from './databases.ts'

/** `db()` is the database once the suite runs. */
export function onBothDrivers(name: string, suite: (db: () => Db) => void): void {
  describe(`${name}, embedded`, () => {
    let db: Db
    beforeAll(async () => {
      db = await openEmbedded({})
    })
    afterAll(() => db.close())
    suite(() => db)
  })
  describe(`${name}, PostgreSQL`, () => {
    let server: Server
    let db: Db
    beforeAll(async () => {
      server = await openServer()
      db = openPostgres({ url: await server.create(), connections: 4 })
    })
    afterAll(async () => {
      await db?.close()
      await server?.stop()
    })
    suite(() => db)
  })
}
