import { openServer } from '../support/databases.ts'
import { worldSuite } from './suite.ts'

worldSuite('PostgreSQL', async () => {
  const server = await openServer()
  return { databaseUrl: await server.create(), close: () => server.stop() }
})
