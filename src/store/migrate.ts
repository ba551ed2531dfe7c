/**
 * Migrations: numbered SQL files, written by drizzle-kit, never edited once released. drizzle's own migrator takes no lock
 * (of six replicas starting at once, five crashed) and looks only at the newest timestamp, so this runner holds an
 * advisory lock and refuses a database that knows a migration which this program does not. Each file runs as one simple
 * query, which is one transaction by itself; this is the only place where one spans statements.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import postgres from 'postgres'
import { failpoint } from '../platform/failpoints.ts'

export interface MigrationFile {
  readonly name: string
  readonly sha256: string
  readonly text: string
}

/** The database was migrated by a newer program. */
export class SchemaNewerError extends Error {
  readonly code = 'WAYPOST_ERR_SCHEMA_NEWER'
  readonly hint = 'start the newer version, or restore a backup made before it'
}

/** A file that had been applied was changed afterwards. */
export class SchemaEditedError extends Error {
  readonly code = 'WAYPOST_ERR_MIGRATION_FAILED'
  readonly hint = 'restore the released file'
}

/** Where the files lie, seen from `dist/store` and from `src/store` alike. */
export const MIGRATIONS_DIR = join(import.meta.dirname, '../../schemas/db')

export function readMigrations(directory = MIGRATIONS_DIR): MigrationFile[] {
  return readdirSync(directory)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .map((name) => {
      const text = readFileSync(join(directory, name), 'utf8')
      return { name, text, sha256: createHash('sha256').update(text).digest('hex') }
    })
}

/** What a migration needs of a driver: plain SQL text on one connection. */
export interface PlainConnection {
  run(text: string): Promise<Record<string, unknown>[]>
}

export interface MigrationStatus {
  readonly applied: readonly string[]
  readonly pending: readonly string[]
}

const TABLE =
  'create table if not exists waypost_migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())'
/** Any number that nobody else uses: "waypost" on a telephone. */
const LOCK = 9_297_678

export async function migrationStatus(
  connection: PlainConnection,
  files: readonly MigrationFile[],
): Promise<MigrationStatus> {
  const there = await connection.run("select to_regclass('waypost_migrations') is not null as there")
  const rows =
    there[0]?.there === true || there[0]?.there === 't'
      ? await connection.run('select name, sha256 from waypost_migrations order by name')
      : []
  const applied = rows.map((row) => ({ name: String(row.name), sha256: String(row.sha256) }))
  for (const { name, sha256 } of applied) {
    const file = files.find((candidate) => candidate.name === name)
    if (!file) throw new SchemaNewerError(`the database knows migration ${name}, this program does not`)
    if (file.sha256 !== sha256) throw new SchemaEditedError(`${name} was edited after it had been applied`)
  }
  const names = applied.map(({ name }) => name)
  return { applied: names, pending: files.map(({ name }) => name).filter((name) => !names.includes(name)) }
}

/** Applies what is pending, one file after the other. */
export async function migrateUp(
  connection: PlainConnection,
  files: readonly MigrationFile[],
): Promise<MigrationStatus> {
  await connection.run(`select pg_advisory_lock(${LOCK})`)
  try {
    await connection.run(TABLE)
    const { pending } = await migrationStatus(connection, files)
    for (const file of files.filter(({ name }) => pending.includes(name))) {
      failpoint('migration.before')
      const note = `insert into waypost_migrations (name, sha256) values ('${file.name}', '${file.sha256}')`
      await connection.run(`${file.text.replaceAll('--> statement-breakpoint', '')};\n${note}`)
      failpoint('migration.after')
    }
    // A plan made on a table without statistics is kept by prepared statements, and can be a scan.
    if (pending.length > 0) await connection.run('analyze')
  } finally {
    await connection.run(`select pg_advisory_unlock(${LOCK})`)
  }
  return migrationStatus(connection, files)
}

/** A connection of its own, because an advisory lock belongs to one; ended afterwards. */
export async function onPostgres<T>(url: string, use: (connection: PlainConnection) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, prepare: false, fetch_types: false, connect_timeout: 10, onnotice: () => {} })
  try {
    return await use({ run: async (text) => [...(await sql.unsafe(text))] as Record<string, unknown>[] })
  } finally {
    await sql.end({ timeout: 2 })
  }
}

/** What the policies of the tables mean for whoever is connected: nothing at all, for a superuser and for their owner. */
export interface DatabaseRole {
  readonly superuser: boolean
  /** Row level security does not hold for it. */
  readonly passesBy: boolean
}

export async function roleOf(connection: PlainConnection): Promise<DatabaseRole> {
  const [row] = await connection.run(`select rolsuper as superuser, rolsuper or rolbypassrls or coalesce(
  (select pg_has_role(current_user, relowner, 'usage') from pg_class where oid = to_regclass('tasks')), false) as "passesBy"
from pg_roles where rolname = current_user`)
  return { superuser: row?.superuser === true, passesBy: row?.passesBy === true }
}

export const onEmbedded = <T>(pg: PGlite, use: (connection: PlainConnection) => Promise<T>): Promise<T> =>
  use({ run: async (text) => ((await pg.exec(text)).at(-1)?.rows ?? []) as Record<string, unknown>[] })
