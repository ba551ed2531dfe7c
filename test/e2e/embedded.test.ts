import { worldSuite } from './suite.ts'

worldSuite('the embedded database', async () => ({ close: async () => {} }))
