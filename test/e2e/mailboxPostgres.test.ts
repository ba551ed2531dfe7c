import { openServer } from '../support/databases.ts'
import { mailboxSuite } from './mailboxSuite.ts'
import { mailboxTalkSuite } from './mailboxTalkSuite.ts'

for (const suite of [mailboxSuite, mailboxTalkSuite])
  suite('PostgreSQL', async () => {
    const server = await openServer()
    return { databaseUrl: await server.create(), close: () => server.stop() }
  })
