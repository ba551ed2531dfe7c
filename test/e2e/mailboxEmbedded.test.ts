import { mailboxSuite } from './mailboxSuite.ts'
import { mailboxTalkSuite } from './mailboxTalkSuite.ts'

for (const suite of [mailboxSuite, mailboxTalkSuite])
  suite('the embedded database', async () => ({ close: async () => {} }))
