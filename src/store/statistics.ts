/**
 * What the planner knows of tables that grow fast. A prepared statement keeps the plan that it got while its table was
 * empty until the table is analyzed, and autovacuum comes by once a minute: until then each append read all of `tasks`
 * (7.6 million rows for the first 16,000 tasks), and each look-up walked the wrong index. Analyzing drops such plans.
 */
import type { Db, Statement } from './db.ts'

/**
 * Settings of every session. Of an empty table a plan reads all, and a statement that reads one in another is then
 * quadratic: with 108 deliveries in the queue a call for work took 70 ms. Every statement of ours has an index to go by, so
 * none is ever planned without one where there is one. What is read whole after all must not be compiled for that.
 */
export const PLANNER = { enable_seqscan: 'off', jit: 'off' } as const

// Autovacuum's own measure, for small tables only: looked at every few seconds it is once per doubling.
const STALE: Statement = {
  name: 'statistics.stale',
  write: false,
  text: `select s.relname as "table" from pg_stat_user_tables s join pg_class c on c.oid = s.relid
where s.relname in ('tasks', 'task_events', 'deliveries', 'submissions', 'attempts', 'push_configs')
  and c.reltuples < 200000 and s.n_mod_since_analyze > 100 + greatest(c.reltuples, 0)`,
}

const ANALYZE: Readonly<Record<string, Statement>> = Object.fromEntries(
  ['tasks', 'task_events', 'deliveries', 'submissions', 'attempts', 'push_configs'].map((table) => [
    table,
    { name: `statistics.${table}`, write: false, text: `analyze ${table}` },
  ]),
)

/** Analyzes what has doubled since it was last looked at. The embedded database has no autovacuum: there nobody else does. */
export async function refreshStatistics(db: Db): Promise<void> {
  for (const { table } of await db.query<{ table: string }>(STALE, [])) {
    const statement = ANALYZE[table]
    if (statement) await db.query(statement, [])
  }
}
