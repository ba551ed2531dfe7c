/** Secrets that all replicas share: the first to need one makes it. */
import type { Db, Statement } from './db.ts'

const OFFER: Statement = {
  name: 'secrets.offer',
  write: true,
  text: 'insert into secrets (name, sealed) values ($1, $2) on conflict (name) do nothing',
}
const READ: Statement = { name: 'secrets.read', write: false, text: 'select sealed from secrets where name = $1' }

/** The stored secret, sealed; `make` is asked for one only when there is none, and the first offer wins. */
export async function sharedSecret(db: Db, name: string, make: () => Promise<string>): Promise<string> {
  const known = await db.query<{ sealed: string }>(READ, [name])
  if (known[0]) return known[0].sealed
  await db.query(OFFER, [name, await make()])
  const [row] = await db.query<{ sealed: string }>(READ, [name])
  if (!row) throw new Error(`secret ${name} was offered and is not there`)
  return row.sealed
}
