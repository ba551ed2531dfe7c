/** How much a tenant has here, for its quotas. Reads only, each bounded. */
import type { Db, Statement } from './db.ts'

const COUNT: Statement = {
  name: 'usage.count',
  write: false,
  text: `select (select count(*)::int from (select 1 from deliveries where tenant = $1 and state = 0 and kind <> 'webhook' limit $2::int) w) as waiting,
  (select count(*)::int from (select 1 from push_configs where tenant = $1 and disabled_at is null limit $3::int) p) as webhooks`,
}

export interface TenantCount {
  /** Messages that wait for their agents. */
  readonly waiting: number
  readonly webhooks: number
}

/** Each counted up to its bound. */
export async function countTenant(db: Db, tenant: string, max: TenantCount): Promise<TenantCount> {
  const [row] = await db.query<TenantCount>(COUNT, [tenant, max.waiting, max.webhooks])
  return row ?? { waiting: 0, webhooks: 0 }
}

// The length of a text is known without reading it from where long ones are kept.
const BYTES: Statement = {
  name: 'usage.bytes',
  write: false,
  text: `select coalesce(sum(octet_length(body) + coalesce(octet_length(history), 0) + coalesce(octet_length(request), 0)), 0)::float8 as bytes
from task_events where tenant = $1`,
}

/** What the logs of its tasks say, in bytes. Reads all of them: for now and then. */
export const bytesOfTenant = async (db: Db, tenant: string): Promise<number> =>
  (await db.query<{ bytes: number }>(BYTES, [tenant]))[0]?.bytes ?? 0
