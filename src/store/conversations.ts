/**
 * Conversations: the tasks of one context, whoever opened them. Who has sent or been sent something in it takes part.
 * Nothing is written for them: they are read from the tasks, by their index of contexts.
 */
import type { Db, Statement } from './db.ts'

/** As whom somebody takes part: a caller's id, which is `agent:<name>` for an agent's own token. */
const MINE = (parameter: string): string => `(caller = ${parameter} or 'agent:' || agent = ${parameter})`

const STANDING: Statement = {
  name: 'conversations.standing',
  write: false,
  text: `select exists (select 1 from tasks where tenant = $1 and context_id = $2) as known,
  exists (select 1 from tasks where tenant = $1 and context_id = $2 and ${MINE('$3')}) as mine`,
}
/** Whether there is such a conversation, and whether this one takes part. */
export const standingIn = async (
  db: Db,
  tenant: string,
  contextId: string,
  participant: string,
): Promise<{ known: boolean; mine: boolean }> =>
  (await db.query<{ known: boolean; mine: boolean }>(STANDING, [tenant, contextId, participant]))[0] ?? {
    known: false,
    mine: false,
  }

export interface ConversationRow {
  readonly contextId: string
  readonly tasks: number
  readonly newest: string
  /** Milliseconds since 1970. */
  readonly firstAt: number
  readonly lastAt: number
}
export interface ConversationPage {
  readonly rows: readonly ConversationRow[]
  /** The oldest task that was looked at; null: there are no older ones. */
  readonly lookedTo: string | null
}

const LIST: Statement = {
  name: 'conversations.list',
  write: false,
  text: `
with page as materialized (
  select id, context_id, caller, agent, created_at, status_at from tasks
  where tenant = $1 and ($3::uuid is null or id < $3::uuid) order by id desc limit $4::int
), found as (
  select context_id, max(id::text) as newest, count(*)::int as tasks, min(created_at) as first_at, max(status_at) as last_at
  from page where $2::text is null or ${MINE('$2::text')} group by context_id
)
select f.context_id as "contextId", f.tasks, f.newest, (extract(epoch from f.first_at) * 1000)::float8 as "firstAt",
  (extract(epoch from f.last_at) * 1000)::float8 as "lastAt",
  (select min(id::text) from page) as oldest, (select count(*)::int from page) as looked
from (select 1) one left join (select * from found f
  where $3::uuid is null or not exists (select 1 from tasks n where n.tenant = $1 and n.context_id = f.context_id and n.id >= $3::uuid
    and ($2::text is null or n.caller = $2::text or 'agent:' || n.agent = $2::text))
  order by newest desc limit $5::int) f on true
order by f.newest desc`,
}

/** Those with the newest tasks first. One look goes back over `scan` tasks of the tenant, so a page may be short or empty and go on. */
export async function listConversations(
  db: Db,
  q: { tenant: string; participant: string | null; before: string | undefined; scan: number; limit: number },
): Promise<ConversationPage> {
  type Row = { [K in keyof ConversationRow]: ConversationRow[K] | null } & { oldest: string | null; looked: number }
  const rows = await db.query<Row>(LIST, [q.tenant, q.participant, q.before ?? null, q.scan, q.limit])
  const full = (rows[0]?.looked ?? 0) >= q.scan
  return {
    rows: rows.filter((row): row is Row & ConversationRow => row.contextId !== null),
    lookedTo: full ? (rows[0]?.oldest ?? null) : null,
  }
}

const PARTICIPANTS: Statement = {
  name: 'conversations.participants',
  write: false,
  text: `select who, sum(sent)::int as sent, sum(got)::int as got from (
  select caller as who, 1 as sent, 0 as got from tasks where tenant = $1 and context_id = $2 and ($3::text is null or ${MINE('$3::text')})
  union all
  select 'agent:' || agent, 0, 1 from tasks where tenant = $1 and context_id = $2 and ($3::text is null or ${MINE('$3::text')})) x
group by who order by who limit $4`,
}
export interface ParticipantRow {
  readonly who: string
  /** Tasks that it has opened, and that were opened for it. */
  readonly sent: number
  readonly got: number
}
/** `participant`: only its own tasks are looked at. */
export const readParticipants = (
  db: Db,
  { tenant, contextId, participant }: ConversationKey,
  limit: number,
): Promise<ParticipantRow[]> => db.query<ParticipantRow>(PARTICIPANTS, [tenant, contextId, participant, limit])

export interface ConversationKey {
  readonly tenant: string
  readonly contextId: string
  /** null: all of it. */
  readonly participant: string | null
}
export interface TimelineCursor {
  readonly at: number
  readonly taskId: string
  readonly seq: number
}
export interface TimelineRow extends TimelineCursor {
  readonly agent: string
  readonly caller: string
  readonly body: string
  readonly history: string | null
}

const TIMELINE: Statement = {
  name: 'conversations.timeline',
  write: false,
  text: `select e.task_id::text as "taskId", e.seq, (extract(epoch from e.at) * 1000)::float8 as at, t.agent, t.caller, e.body, e.history
from (select * from tasks where tenant = $1 and context_id = $2 and ($3::text is null or ${MINE('$3::text')})) t
join task_events e on e.tenant = t.tenant and e.task_id = t.id
where $4::float8 is null or (e.at, e.task_id, e.seq) > (to_timestamp($4::float8 / 1000), $5::uuid, $6::int)
order by e.at, e.task_id, e.seq limit $7`,
}
/** All that was said and done, in the order of time. */
export const readTimeline = (
  db: Db,
  { tenant, contextId, participant }: ConversationKey,
  after: TimelineCursor | undefined,
  limit: number,
): Promise<TimelineRow[]> =>
  db.query<TimelineRow>(TIMELINE, [
    ...[tenant, contextId, participant, after?.at ?? null, after?.taskId ?? null, after?.seq ?? null],
    limit,
  ])
