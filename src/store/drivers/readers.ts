/**
 * Callers' reads as a role that owns nothing (SR-25): each tenant's go over connections of its own, opened for that tenant,
 * and the policies of the tables let them see no other tenant's rows, whatever a statement asks for. No statement carries
 * the tenant a second time, so that there is nothing to forget, and nothing that a broken connection could leave behind.
 */
import type { Db } from '../db.ts'
import { openPostgres } from './postgres.ts'

export interface ReadersOptions {
  readonly url: string
  /** Tenants with open connections; that of which nothing was read for longest is closed. */
  readonly tenantsMax?: number
  readonly connectionsPerTenant?: number
}

export function withReaders(db: Db, { url, tenantsMax = 32, connectionsPerTenant = 3 }: ReadersOptions): Db {
  const open = new Map<string, Db>()

  function forTenant(tenant: string): Db {
    const known = open.get(tenant)
    // Which one was used last matters only where one may soon have to go.
    if (known && open.size <= tenantsMax / 2) return known
    const reader = known ?? openPostgres({ url, connections: connectionsPerTenant, session: { 'app.tenant': tenant } })
    open.delete(tenant)
    open.set(tenant, reader)
    for (const [other, oldest] of open) {
      if (open.size <= tenantsMax) break
      open.delete(other)
      // What is running is let finish.
      void oldest.close()
    }
    return reader
  }

  return {
    ...db,
    forTenant,
    async close() {
      await Promise.allSettled([...open.values()].map((reader) => reader.close()))
      await db.close()
    },
  }
}
