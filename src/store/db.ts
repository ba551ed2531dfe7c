/**
 * The seam between the statements and the two drivers. A statement is one change or one read; there are no
 * transactions (D3). Every statement has a deadline (D5), and a write has three outcomes: done, not done, unknown.
 */
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type * as schema from './schema.ts'

export interface Statement {
  /** For logs and metrics. */
  readonly name: string
  readonly text: string
  readonly write: boolean
}

export type Orm = PgDatabase<PgQueryResultHKT, typeof schema>
export type Value = string | number | boolean | null

export interface Db {
  readonly kind: 'postgres' | 'embedded'
  /** Runs one prepared statement. Rejects with a StoreError. */
  query<Row>(statement: Statement, values: readonly Value[]): Promise<Row[]>
  /** For what a caller reads of this tenant: sees no other's rows, whatever is asked. Absent: there is no such second line. */
  forTenant?(tenant: string): Db
  /** A statement of the query builder, for the cold paths; same deadline, same errors. */
  cold<T>(name: string, write: boolean, run: (orm: Orm) => PromiseLike<T>): Promise<T>
  /** Hints from other replicas (D7): may be lost, so whoever listens also looks by itself. `onReset`: some were lost. */
  listen(onHint: (payload: string) => void, onReset: () => void): Promise<void>
  /** Sends a hint; at most 7,900 bytes; failures are dropped. */
  hint(payload: string): void
  /** Milliseconds to add to the local clock to have the database's (D9); measured at `ping`. */
  readonly offsetMs: () => number
  /** Asks the database for its time; rejects with a StoreError when it cannot answer. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Where a caller's own reads go. */
export const readsOf = (db: Db, tenant: string): Db => db.forTenant?.(tenant) ?? db

export type WriteOutcome = 'not done' | 'unknown'

/** The store could not do it. `unknown`: it may have been done; make sure by asking again with the same key. */
export class StoreError extends Error {
  readonly code = 'WAYPOST_ERR_STORE'
  readonly outcome: WriteOutcome
  readonly statement: string
  readonly sqlState: string | undefined
  constructor(statement: string, outcome: WriteOutcome, sqlState: string | undefined, cause: unknown) {
    super(`${statement}: ${(cause as Error)?.message ?? String(cause)}`, { cause })
    this.name = 'StoreError'
    this.statement = statement
    this.outcome = outcome
    this.sqlState = sqlState
  }
}

/** Serialization failure, deadlock, lock time-out: nothing was done, and doing it again is likely to help. */
const RETRYABLE = new Set(['40001', '40P01', '55P03'])
export const isRetryable = (error: unknown): boolean =>
  error instanceof StoreError && error.sqlState !== undefined && RETRYABLE.has(error.sqlState)

/** The statement itself was refused because of what one row holds: others of its batch are not to blame. */
export const isRowsFault = (error: unknown): boolean =>
  error instanceof StoreError && error.sqlState !== undefined && /^(22|23)/.test(error.sqlState)

/** What was given has a form that the database does not keep (a NUL in a text): nothing was done, and never will be. */
export const isUnstorable = (error: unknown): boolean =>
  error instanceof StoreError && error.outcome !== 'unknown' && error.sqlState?.startsWith('22') === true

/** 57Pxx, 08xxx, 25006, 53xxx: the server is going, gone, full or read-only. */
const SERVER_GONE = /^(08|57P|25006)/

/** Nobody there, nobody who answers, or one who cannot now: full, starting, going, read-only, locked. */
const AWAY_STATES = /^(08|53|57|25006|40|55P03)/
const AWAY_CODES =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND|CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED))$/

/** What a driver threw, under what is around it. */
function rootOf(error: unknown): { readonly code?: unknown } {
  const inner = (error as { cause?: unknown } | undefined)?.cause
  return inner instanceof Error ? rootOf(inner) : ((error ?? {}) as { code?: unknown })
}

/** The database cannot be used now, and waiting may help. */
export function isAway(error: unknown): boolean {
  // Others may be away as well.
  if (!(error instanceof StoreError)) return false
  const { code } = rootOf(error)
  // A deadline of ours was missed.
  if (typeof code !== 'string') return true
  return AWAY_CODES.test(code) || (code.length === 5 && AWAY_STATES.test(code))
}

/** It is there and will not have us: a wrong user, password or database name, or a role that may not do what is needed. */
export const isRefusedThere = (error: unknown): boolean => {
  const { code } = rootOf(error)
  return error instanceof StoreError && typeof code === 'string' && /^(28...|3D000|42501)$/.test(code)
}

/** The database will not have this gateway. The driver's text names the user or the database, never a password. */
export class DatabaseRefusedError extends Error {
  readonly code = 'WAYPOST_ERR_DATABASE_REFUSED'
  readonly hint = 'correct DATABASE_URL, or what its user may do, and start again'
  constructor(cause: unknown) {
    super(`the database refuses: ${(rootOf(cause) as Error).message}`, { cause })
  }
}

/** Sorts what a driver threw. A server's own error means that the statement was rolled back; a lost connection does not. */
export function storeError(statement: Statement, cause: unknown): StoreError {
  const root = (cause as { cause?: unknown })?.cause ?? cause
  const code = (root as { code?: unknown })?.code
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
  const neverSent = code === 'ECONNREFUSED' || code === 'CONNECT_TIMEOUT' || code === 'ENOTFOUND' || code === 'ENOENT'
  const known = neverSent || (sqlState !== undefined && !SERVER_GONE.test(sqlState))
  const outcome = known || !statement.write ? 'not done' : 'unknown'
  return new StoreError(statement.name, outcome, sqlState, root)
}
