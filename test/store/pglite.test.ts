import { openEmbedded } from '../../src/store/drivers/pglite.ts'
import { storeSuite } from './suite.ts'

storeSuite('PGlite', async () => {
  const db = await openEmbedded({})
  return { db, close: () => db.close() }
})
