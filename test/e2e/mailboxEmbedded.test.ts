import { mailboxSuite } from './mailboxSuite.ts'

mailboxSuite('the embedded database', async () => ({ close: async () => {} }))
