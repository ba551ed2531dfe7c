import { openServer } from '../support/databases.ts'
import { mailboxSuite } from './mailboxSuite.ts'

mailboxSuite('PostgreSQL', async () => {
  const server = await openServer()
  return { databaseUrl: await server.create(), close: () => server.stop() }
})
