/**
 * Postgres through postgres.js. The driver never settles a query on a half-open socket (measured), so each statement
 * has a deadline of ours, and a pool in which one was missed is replaced as a whole (D5).
 */
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { LIMITS } from '../../limits.ts'
import { wallMs } from '../../platform/clock.ts'
import { type Db, type Orm, type Statement, StoreError, storeError, type Value } from '../db.ts'
import * as schema from '../schema.ts'
import { PLANNER } from '../statistics.ts'

export interface PostgresOptions {
  readonly url: string
  readonly connections?: number
  readonly statementMs?: number
  /** What the policies of the tables look at (schemas/db/…_second_line.sql); default: this is the gateway itself. */
  readonly session?: Readonly<Record<string, string>>
  /** A pool was given up, and why. */
  readonly onReplaced?: (reason: string) => void
}

const CHANNEL = 'waypost'
const PING: Statement = {
  name: 'ping',
  text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now',
  write: false,
}

const LISTEN: Statement = { name: 'listen', text: '', write: false }

type Pool = { sql: postgres.Sql; orm: Orm }

function openPool({
  url,
  connections = LIMITS.poolConnections,
  statementMs = LIMITS.statementMs,
  session = { 'app.role': 'gateway' },
}: PostgresOptions): Pool {
  const sql = postgres(url, {
    max: connections,
    prepare: true,
    fetch_types: false,
    connect_timeout: 5,
    idle_timeout: 0,
    max_lifetime: null,
    // The driver's own back-off grows to minutes: longest wait seen 19 s. A second is long enough for a herd of one.
    backoff: (tries: number) => Math.min(0.05 * 2 ** tries, LIMITS.reconnectMaxMs / 1000),
    onnotice: () => {},
    connection: {
      ...session,
      ...PLANNER,
      application_name: 'waypost',
      statement_timeout: Math.min(LIMITS.serverStatementMs, statementMs),
      lock_timeout: 2_000,
      idle_in_transaction_session_timeout: 10_000,
      TimeZone: 'UTC',
    },
  })
  return { sql, orm: drizzle(sql, { schema }) as unknown as Orm }
}

export function openPostgres(options: PostgresOptions): Db {
  const statementMs = options.statementMs ?? LIMITS.statementMs
  let pool = openPool(options)
  let listener: postgres.Sql | undefined
  let offset = 0
  let closed = false

  function replace(missed: Pool, reason: string): void {
    if (missed !== pool || closed) return
    pool = openPool(options)
    options.onReplaced?.(reason)
    // What still waits in the old pool is settled by this; its sockets are gone within a second.
    void missed.sql.end({ timeout: 1 }).catch(() => {})
  }

  async function within<T>(statement: Statement, run: (pool: Pool) => PromiseLike<T>): Promise<T> {
    const mine = pool
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        replace(mine, `${statement.name} was not answered in ${statementMs} ms`)
        reject(
          new StoreError(
            statement.name,
            statement.write ? 'unknown' : 'not done',
            undefined,
            new Error(`no answer in ${statementMs} ms`),
          ),
        )
      }, statementMs)
    })
    try {
      return await Promise.race([run(mine), deadline])
    } catch (error) {
      throw error instanceof StoreError ? error : storeError(statement, error)
    } finally {
      clearTimeout(timer)
    }
  }

  const query = <Row>(statement: Statement, values: readonly Value[]): Promise<Row[]> =>
    within(
      statement,
      ({ sql }) => sql.unsafe(statement.text, values as never[], { prepare: true }) as unknown as PromiseLike<Row[]>,
    )

  return {
    kind: 'postgres',
    query,
    cold: (name, write, run) => within({ name, write, text: '' }, ({ orm }) => run(orm)),
    async listen(onHint, onReset) {
      listener = postgres(options.url, {
        max: 1,
        fetch_types: false,
        onnotice: () => {},
        backoff: () => 0.5 + Math.min(LIMITS.reconnectMaxMs / 1000, 0.5),
      })
      try {
        await listener.listen(CHANNEL, onHint, onReset)
      } catch (error) {
        throw storeError(LISTEN, error)
      }
    },
    hint(payload) {
      void pool.sql.unsafe('select pg_notify($1, $2)', [CHANNEL, payload], { prepare: true }).catch(() => {})
    },
    offsetMs: () => offset,
    async ping() {
      const before = wallMs()
      const [row] = await query<{ now: number }>(PING, [])
      const after = wallMs()
      if (row) offset = Number(row.now) - (before + after) / 2
    },
    async close() {
      closed = true
      await Promise.allSettled([pool.sql.end({ timeout: 2 }), listener?.end({ timeout: 1 })])
    },
  }
}
