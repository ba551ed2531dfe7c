/** The store in memory promises what the real ones do. */
import { mailboxStoreSuite } from '../store/mailboxSuite.ts'
import { storeSuite } from '../store/suite.ts'
import { memoryDb } from './memory/memoryDb.ts'
import { newTables } from './memory/rows.ts'

const open = async () => ({ db: memoryDb(newTables(), Date.now), close: async () => {} })

storeSuite('memory', open)
mailboxStoreSuite('memory', open)
