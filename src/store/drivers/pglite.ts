/**
 * The embedded database: PostgreSQL compiled to WebAssembly, on disk, in this process, one connection.
 *
 * Two things are ours. It starts with fsync off, and Node's file system layer has no fsync at all: the hook below gives
 * each commit one real fsync (checked by counting them). And it takes no lock: see lock.ts.
 */
import { existsSync, fsyncSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PGlite, type PGliteOptions } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import { drizzle } from 'drizzle-orm/pglite'
import { LIMITS } from '../../limits.ts'
import { type Db, type Orm, type Statement, StoreError, storeError, type Value } from '../db.ts'
import { migrateUp, onEmbedded, readMigrations } from '../migrate.ts'
import * as schema from '../schema.ts'
import { PLANNER } from '../statistics.ts'
import { lockDirectory } from './lock.ts'

/** Counted, so that a test can see that a commit reaches the disk. */
export const fsyncs = { count: 0 }

type StreamOps = { fsync?: (stream: { nfd?: number }) => number }
type Emscripten = { NODEFS?: { stream_ops: StreamOps } }

class DurableNodeFS extends NodeFS {
  override async init(...args: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const made = await super.init(...args)
    const hook = (module: Emscripten) => {
      if (!module.NODEFS)
        throw new Error('the embedded database has changed its file system layer: fsync cannot be promised')
      module.NODEFS.stream_ops.fsync = (stream) => {
        if (stream.nfd !== undefined) {
          fsyncSync(stream.nfd)
          fsyncs.count++
        }
        return 0
      }
    }
    const opts = made.emscriptenOpts as unknown as { preRun?: unknown[] }
    opts.preRun = [...(opts.preRun ?? []), hook]
    return made
  }
}

const PG_MAJOR = '18'

/** The directory was written by another PostgreSQL major version. */
export class DataMajorError extends Error {
  readonly code = 'WAYPOST_ERR_PG_DATADIR_MAJOR'
  readonly hint = 'start the version that wrote it once more and move the tasks out, or begin with another WAYPOST_DATA'
}

export interface EmbeddedOptions {
  /** The data directory; undefined: in memory, for tests. */
  readonly directory?: string
}

const PLANNER_PARAMS = Object.entries(PLANNER).flatMap(([name, value]) => ['-c', `${name}=${value}`])

function pgOptions({ directory }: EmbeddedOptions): PGliteOptions {
  if (directory === undefined) return { startParams: [...PGlite.defaultStartParams, ...PLANNER_PARAMS] }
  const path = join(directory, 'pg')
  const version = join(path, 'PG_VERSION')
  if (existsSync(version) && readFileSync(version, 'utf8').trim() !== PG_MAJOR) {
    throw new DataMajorError(
      `${path} was written by PostgreSQL ${readFileSync(version, 'utf8').trim()}, this is ${PG_MAJOR}`,
    )
  }
  mkdirSync(path, { recursive: true, mode: 0o700 })
  return {
    fs: new DurableNodeFS(path),
    // fdatasync is a no-op in the WASM layer, and open_sync hangs.
    startParams: [
      ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
      '-c',
      'fsync=on',
      '-c',
      'wal_sync_method=fsync',
      ...PLANNER_PARAMS,
    ],
  }
}

/** Opens, locks and migrates. Throws DataLockedError, DataMajorError, SchemaNewerError. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Db> {
  const lock = options.directory === undefined ? undefined : await lockDirectory(options.directory)
  let pg: PGlite
  try {
    pg = await PGlite.create(pgOptions(options))
    await onEmbedded(pg, (connection) => migrateUp(connection, readMigrations()))
  } catch (error) {
    await lock?.release()
    throw error
  }
  const orm = drizzle(pg, { schema }) as unknown as Orm

  async function within<T>(statement: Statement, run: () => PromiseLike<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new StoreError(
              statement.name,
              statement.write ? 'unknown' : 'not done',
              undefined,
              new Error(`no answer in ${LIMITS.statementMs} ms`),
            ),
          ),
        LIMITS.statementMs,
      )
    })
    try {
      return await Promise.race([run(), deadline])
    } catch (error) {
      throw error instanceof StoreError ? error : storeError(statement, error)
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    kind: 'embedded',
    query: <Row>(statement: Statement, values: readonly Value[]) =>
      within(statement, async () => (await pg.query(statement.text, values as Value[])).rows as Row[]),
    cold: (name, write, run) => within({ name, write, text: '' }, () => run(orm)),
    // One process, one connection: there is nobody else to hear or tell.
    listen: async () => {},
    hint: () => {},
    offsetMs: () => 0,
    async ping() {
      await within({ name: 'ping', write: false, text: '' }, () => pg.query('select 1'))
    },
    async close() {
      await pg.close()
      await lock?.release()
    },
  }
}
