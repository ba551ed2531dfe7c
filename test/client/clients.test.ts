import { clientSuite } from './suite.ts'

clientSuite('the embedded database', async () => ({ close: async () => {} }))
