/** `migrate status|up`. The gateway migrates at its start; these are for those who want to see or do it before. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, readConfig } from '../../config.ts'
import type { Invocation, Run } from '../invocation.ts'

interface Told {
  readonly database: string
  readonly known: readonly string[]
  readonly applied: readonly string[] | null
  readonly pending: readonly string[] | null
}

/** The store is imported when it is needed: it loads two database drivers. */
const store = () => import('../../store/migrate.ts')

export const status: Run = async (call) => told(await look(readConfig()), call)

async function look(config: Config): Promise<Told> {
  const { migrationStatus, onPostgres, readMigrations } = await store()
  const files = readMigrations()
  const known = files.map(({ name }) => name)
  if (config.databaseUrl) {
    const found = await onPostgres(config.databaseUrl, (connection) => migrationStatus(connection, files))
    return { database: 'postgres', known, ...found }
  }
  const directory = join(config.dataDir, 'pg')
  if (!existsSync(directory))
    return { database: `${directory} (made at the first start)`, known, applied: [], pending: known }
  // Opening the embedded database is migrating it, and while a gateway runs it is the gateway's alone.
  return { database: `${directory} (migrated at every start)`, known, applied: null, pending: null }
}

export const up: Run = async (call) => {
  const config = readConfig()
  if (config.databaseUrl) {
    const { migrateUp, onPostgres, readMigrations } = await store()
    const files = readMigrations()
    const found = await onPostgres(config.databaseUrl, (connection) => migrateUp(connection, files))
    return told({ database: 'postgres', known: files.map(({ name }) => name), ...found }, call)
  }
  const { openEmbedded } = await import('../../store/drivers/pglite.ts')
  const db = await openEmbedded({ directory: config.dataDir })
  await db.close()
  const { readMigrations } = await store()
  const known = readMigrations().map(({ name }) => name)
  return told({ database: join(config.dataDir, 'pg'), known, applied: known, pending: [] }, call)
}

function told({ database, known, applied, pending }: Told, { out }: Invocation): number {
  if (out.json) out.document({ database, known, applied, pending })
  else {
    out.fields([
      ['Database', database],
      ['Known', known.length],
      ['Applied', applied?.length ?? 'by the gateway, at its start'],
      ['Pending', pending ? pending.join(', ') || 'none' : undefined],
    ])
  }
  return 0
}
