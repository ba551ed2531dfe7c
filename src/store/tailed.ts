/** Where tasks belong, for those who follow a conversation or a room: read only while somebody does. */
import { arrayLiteral } from './arrays.ts'
import type { Db, Statement } from './db.ts'

export interface PlaceRow {
  readonly tenant: string
  readonly id: string
  readonly agent: string
  readonly contextId: string
}

const PLACES: Statement = {
  name: 'tailed.places',
  write: false,
  text: `select tenant, id::text, agent, context_id as "contextId" from tasks where tenant = any($1::text[]) and id = any($2::uuid[])`,
}

/** Of these tasks, in these tenants. */
export const readPlaces = (db: Db, tenants: readonly string[], ids: readonly string[]): Promise<PlaceRow[]> =>
  db.query<PlaceRow>(PLACES, [arrayLiteral(tenants), arrayLiteral(ids)])
