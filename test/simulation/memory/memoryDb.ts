/**
 * The store in memory: the same interface as the drivers (`Db`), the same answers (it passes the suites of both), no SQL.
 * What it knows is what carries messages: tasks, the queue, mailboxes, webhooks, replicas. Of everything else (channels,
 * contacts, keys, the audit) there is nothing here, so reading it gives no rows; writing it is an error. Replicas share it
 * by each having a connection to it.
 */
import type { Db, Statement, Value } from '../../../src/store/db.ts'
import { MAILBOX } from './mailbox.ts'
import { QUEUE } from './queue.ts'
import { refused, type Tables } from './rows.ts'
import { TASKS } from './tasks.ts'

const STATEMENTS = { ...TASKS, ...QUEUE, ...MAILBOX }

/** Runs a statement by name now. Throws a StoreError for what a database would refuse. */
export function perform(
  tables: Tables,
  { name, text, write }: Statement,
  values: readonly Value[],
  nowMs: number,
): object[] {
  const run = STATEMENTS[name]
  if (!run && !write) return []
  if (!run) throw new Error(`the store in memory does not know how to write ${name}`)
  if (values.some((value) => typeof value === 'string' && value.includes('\u0000'))) throw refused(name, '22021')
  // Two statements never have one time: the database counts microseconds.
  tables.now = Math.max(nowMs, tables.now + 0.001)
  return run(tables, values, text)
}

/** A connection that answers within the turn. */
export function memoryDb(tables: Tables, now: () => number): Db {
  return {
    kind: 'embedded',
    query: async <Row>(statement: Statement, values: readonly Value[]) =>
      perform(tables, statement, values, now()) as Row[],
    cold: () => Promise.reject(new Error('the store in memory has no query builder')),
    listen: async () => {},
    hint: () => {},
    offsetMs: () => 0,
    ping: async () => {},
    close: async () => {},
  }
}
