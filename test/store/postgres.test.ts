import { openPostgres } from '../../src/store/drivers/postgres.ts'
import { openServer } from '../support/databases.ts'
import { storeSuite } from './suite.ts'

storeSuite('PostgreSQL', async () => {
  const server = await openServer()
  const db = openPostgres({ url: await server.create() })
  return {
    db,
    close: async () => {
      await db.close()
      await server.stop()
    },
  }
})
