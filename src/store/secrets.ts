/** Secrets that all replicas share: the first to need one makes it. */
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'

const OFFER: Statement = {
  name: 'secrets.offer',
  write: true,
  text: 'insert into secrets (name, sealed) values ($1, $2) on conflict (name) do nothing',
}
const READ: Statement = { name: 'secrets.read', write: false, text: 'select sealed from secrets where name = $1' }

/** undefined: there is none. */
export async function readSecret(db: Db, name: string): Promise<string | undefined> {
  return (await db.query<{ sealed: string }>(READ, [name]))[0]?.sealed
}

/** The stored secret, sealed; `make` is asked for one only when there is none, and the first offer wins. */
export async function sharedSecret(db: Db, name: string, make: () => Promise<string>): Promise<string> {
  const known = await readSecret(db, name)
  if (known !== undefined) return known
  await db.query(OFFER, [name, await make()])
  const sealed = await readSecret(db, name)
  if (sealed === undefined) throw new Error(`secret ${name} was offered and is not there`)
  return sealed
}

const REPLACE: Statement = {
  name: 'secrets.replace',
  write: true,
  text: `
with saved as (
  update secrets set sealed = $3 where name = $1 and sealed = $2 returning $4::text as tenant
), ${noting('saved', 5)}
select tenant from saved`,
}

/** false: what is stored is no longer `known`, and nothing was changed. */
export const replaceSecret = async (
  db: Db,
  { name, known, sealed, tenant }: { name: string; known: string; sealed: string; tenant: string },
  note: AuditNote,
): Promise<boolean> => (await db.query(REPLACE, [name, known, sealed, tenant, ...auditValues(note)])).length === 1

const ALIVE: Statement = {
  name: 'replicas.count',
  write: false,
  text: 'select count(*)::int as alive from replicas where until > now()',
}

/** Replicas on this database that have said within their lease that they live, this one included. */
export const countReplicas = async (db: Db): Promise<number> =>
  (await db.query<{ alive: number }>(ALIVE, []))[0]?.alive ?? 0
