import { openServer } from '../support/databases.ts'
import { clientSuite } from './suite.ts'

clientSuite('PostgreSQL', async () => {
  const server = await openServer()
  return { databaseUrl: await server.create(), close: () => server.stop() }
})
