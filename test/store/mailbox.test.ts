import { openEmbedded } from '../../src/store/drivers/pglite.ts'
import { openPostgres } from '../../src/store/drivers/postgres.ts'
import { openServer } from '../support/databases.ts'
import { mailboxStoreSuite } from './mailboxSuite.ts'

mailboxStoreSuite('PGlite', async () => {
  const db = await openEmbedded({})
  return { db, close: () => db.close() }
})

mailboxStoreSuite('PostgreSQL', async () => {
  const server = await openServer()
  const db = openPostgres({ url: await server.create() })
  return {
    db,
    async close() {
      await db.close()
      await server.stop()
    },
  }
})
