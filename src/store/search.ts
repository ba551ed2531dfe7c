/**
 * Full text over what was said in tasks: messages, statuses and artifacts, as the log has them. Nothing is kept for it, so
 * that the statements which every task walks through stay as they are: a look goes back over so many tasks of the tenant,
 * and tells how far it has come.
 */
import { arrayLiteral } from './arrays.ts'
import type { Db, Statement } from './db.ts'

export interface FoundRow {
  readonly id: string
  readonly agent: string
  readonly caller: string
  readonly contextId: string
  readonly state: number
  /** The first event that has the words. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly body: string
  readonly history: string | null
}
export interface SearchQuery {
  readonly tenant: string
  /** Only what this one has sent or been sent; null: all. */
  readonly participant: string | null
  /** The same, as it was asked for. */
  readonly withWhom: string | null
  readonly words: string
  /** Indexes in MAIL_KINDS; null: any. */
  readonly kinds: readonly number[] | null
  readonly contextId: string | null
  /** When the task was opened, milliseconds since 1970. */
  readonly since: number | null
  readonly until: number | null
  /** The last task that was looked at. */
  readonly before: string | undefined
  readonly scan: number
  readonly limit: number
}
export interface SearchPage {
  readonly rows: readonly FoundRow[]
  /** Where the next look begins; null: there is nothing older. */
  readonly lookedTo: string | null
}

const MINE = (parameter: string): string =>
  `(${parameter} is null or caller = ${parameter} or 'agent:' || agent = ${parameter})`
/** What is larger, or has what no text can hold, is not looked into. */
const TEXT_MAX = 500_000
const words = (column: string): string =>
  `json_to_tsvector('simple', (case when ${column} is null or length(${column}) > ${TEXT_MAX} or strpos(${column}, '\\u0000') > 0 then '{}' else ${column} end)::json, '["string"]')`

const SEARCH: Statement = {
  name: 'search.find',
  write: false,
  text: `
with page as materialized (
  select id, agent, caller, context_id, state, created_at from tasks
  where tenant = $1 and ($8::uuid is null or id < $8::uuid) order by id desc limit $9::int
), mine as materialized (
  select * from page p where ${MINE('$2::text')} and ${MINE('$3::text')} and ($5::text is null or context_id = $5)
    and ($6::float8 is null or created_at >= to_timestamp($6::float8 / 1000)) and ($7::float8 is null or created_at < to_timestamp($7::float8 / 1000))
    and ($11::smallint[] is null or exists (select 1 from deliveries d where d.tenant = $1 and d.id = p.id and coalesce(d.mail_kind, 0) = any($11::smallint[])))
), found as (
  select m.*, hit.seq, hit.at, hit.body, hit.history from mine m cross join lateral (
    select e.seq, e.at, e.body, e.history from task_events e where e.tenant = $1 and e.task_id = m.id
      and (${words('e.body')} || ${words('e.history')}) @@ websearch_to_tsquery('simple', $4)
    order by e.seq limit 1) hit
  order by m.id desc limit $10::int
)
select f.id::text, f.agent, f.caller, f.context_id as "contextId", f.state, f.seq, (extract(epoch from f.at) * 1000)::float8 as at, f.body, f.history,
  (select min(id::text) from page) as oldest, (select count(*)::int from page) as looked, (select count(*)::int from found) as hits
from (select 1) one left join found f on true order by f.id desc`,
}

/** The newest tasks first. A page may be short or empty and go on. */
export async function searchTasks(db: Db, q: SearchQuery): Promise<SearchPage> {
  type Row = { [K in keyof FoundRow]: FoundRow[K] | null } & { oldest: string | null; looked: number; hits: number }
  const rows = await db.query<Row>(SEARCH, [
    ...[q.tenant, q.participant, q.withWhom, q.words, q.contextId, q.since, q.until, q.before ?? null, q.scan, q.limit],
    q.kinds === null ? null : arrayLiteral(q.kinds),
  ])
  const [first] = rows
  const found = rows.filter((row): row is Row & FoundRow => row.id !== null)
  // As many as were asked for: there may be more between the last of them and the end of the look.
  if ((first?.hits ?? 0) >= q.limit) return { rows: found, lookedTo: found.at(-1)?.id ?? null }
  return { rows: found, lookedTo: (first?.looked ?? 0) >= q.scan ? (first?.oldest ?? null) : null }
}
