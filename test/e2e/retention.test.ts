import { afterAll, beforeAll } from 'vitest'
import { openServer, type Server } from '../support/databases.ts'
import { retentionSuite } from './retentionSuite.ts'

let server: Server
beforeAll(async () => {
  server = await openServer()
})
afterAll(() => server?.stop())

retentionSuite('Embedded', async () => ({ close: async () => {} }))
retentionSuite('Postgres', async () => ({ databaseUrl: await server.create(), close: async () => {} }))
