import { afterAll, beforeAll } from 'vitest'
import { openServer, type Server } from '../support/databases.ts'
import { channelsSuite } from './channelsSuite.ts'

let server: Server
beforeAll(async () => {
  server = await openServer()
})
afterAll(() => server?.stop())

channelsSuite('Embedded', async () => ({ close: async () => {} }))
channelsSuite('Postgres', async () => ({ databaseUrl: await server.create(), close: async () => {} }))
