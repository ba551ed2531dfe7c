/**
 * Each statement that writes is a commit point, and so has three failpoints of its name: `before` it is sent, `sent` and
 * not yet acknowledged (it may commit or not), `after` it is acknowledged. Because a change is one statement, these are all
 * the moments between which a crash can tell one state of the database from another.
 */
import { FailpointError, failpoint } from '../platform/failpoints.ts'
import { type Db, StoreError, type WriteOutcome } from './db.ts'

/** The same database, for a process that was started with failpoints. */
export const withFailpoints = (db: Db): Db => ({
  ...db,
  query: (statement, values) =>
    statement.write ? failing(statement.name, () => db.query(statement, values)) : db.query(statement, values),
  cold: (name, write, run) => (write ? failing(name, () => db.cold(name, write, run)) : db.cold(name, write, run)),
})

async function failing<T>(name: string, send: () => Promise<T>): Promise<T> {
  reach(name, 'before', 'not done')
  const answer = send()
  let settled = false
  const done = () => {
    settled = true
  }
  answer.then(done, done)
  const flown = new Promise<never>((_, reject) => {
    // The driver writes to its socket at the end of a turn of the loop.
    setImmediate(() =>
      setImmediate(() => {
        try {
          if (!settled) reach(name, 'sent', 'unknown')
        } catch (error) {
          reject(error)
        }
      }),
    )
  })
  const rows = await Promise.race([answer, flown])
  reach(name, 'after', 'unknown')
  return rows
}

/** What fails here is the store, as its users know it. */
function reach(name: string, place: string, outcome: WriteOutcome): void {
  try {
    failpoint(`${name}.${place}`)
  } catch (error) {
    throw error instanceof FailpointError ? new StoreError(name, outcome, undefined, error) : error
  }
}
