/** What is kept of a caller or a tenant, page by page, in the order of ids; never a secret, whether sealed or hashed. */
import { arrayLiteral } from './arrays.ts'
import type { Db, Statement } from './db.ts'
import type { Principal } from './erase.ts'

export type Row = Readonly<Record<string, unknown>>

/** A time as ISO 8601 in UTC, as all routes say it. */
const at = (column: string, name: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "${name}"`

const TASKS = (who: string): Statement => ({
  name: 'export.tasks',
  write: false,
  text: `select id::text, agent, caller, context_id as "contextId", state, last_seq as "lastSequence", ${at('created_at', 'createdAt')},
  ${at('status_at', 'updatedAt')}, ${at('deadline', 'deadline')}, upstream_task as "upstreamTaskId", upstream_context as "upstreamContextId", trace
from tasks where tenant = $1 and ${who} and id > $3::uuid order by id limit $4`,
})
const [ONE, ALL] = [TASKS('caller = $2'), TASKS('$2::text is null')]

export interface TaskRow extends Row {
  readonly id: string
  /** The number of its state. */
  readonly state: number
}
/** Tasks after this one. */
export const exportTasks = (db: Db, { tenant, caller }: Principal, after: string, limit: number): Promise<TaskRow[]> =>
  db.query<TaskRow>(caller === undefined ? ALL : ONE, [tenant, caller ?? null, after, limit])

// As many as are not too long together: the length of a text is known without reading it from where long ones are kept.
const EVENTS: Statement = {
  name: 'export.events',
  write: false,
  text: `select task, sequence, at, event, history, request from (
  select e.*, sum(size) over (order by task, sequence rows unbounded preceding) - size as before from (
    select task_id::text as task, seq as sequence, ${at('at', 'at')}, body as event, history, request,
      octet_length(body) + coalesce(octet_length(history), 0) + coalesce(octet_length(request), 0) as size
    from task_events where tenant = $1 and task_id = any($2::uuid[]) and (task_id, seq) > ($3::uuid, $4::int)
    order by task_id, seq limit 500) e) x
where before < 4000000 order by task, sequence`,
}
export interface EventRow extends Row {
  readonly task: string
  readonly sequence: number
  /** JSON texts. */
  readonly event: string
  readonly history: string | null
  readonly request: string | null
}
export const exportEvents = (
  db: Db,
  tenant: string,
  taskIds: readonly string[],
  after: { readonly task: string; readonly sequence: number },
): Promise<EventRow[]> => db.query<EventRow>(EVENTS, [tenant, arrayLiteral(taskIds), after.task, after.sequence])

/** `$2`: tasks; `$3`, `$4`: behind this one; in pages of 500. */
const ofTasks = (name: string, text: string): Statement => ({ name: `export.${name}`, write: false, text })
const DELIVERIES = ofTasks(
  'deliveries',
  `select task_id::text as task, id::text, kind as "deliveryKind", destination, seq as sequence, config_id as "configId", state, attempt, ${at('created_at', 'createdAt')},
  ${at('settled_at', 'settledAt')}, code, reason, labels, checkpoint, id::text as a, '' as b from deliveries
where tenant = $1 and (id = any($2::uuid[]) or (task_id = any($2::uuid[]) and id <> task_id)) and id > $3::uuid and $4::text is not null order by id limit 500`,
)
const ATTEMPTS = ofTasks(
  'attempts',
  `select task_id::text as task, delivery_id::text as delivery, attempt, destination, ${at('ended_at', 'at')}, duration_ms as "durationMs", outcome, status, code,
  reason, delivery_id::text as a, lease::text as b from attempts
where tenant = $1 and task_id = any($2::uuid[]) and (delivery_id::text, lease::text) > ($3::text, $4::text) order by delivery_id::text, lease::text limit 500`,
)
const CONFIGS = ofTasks(
  'configs',
  `select task_id::text as task, id, url, version, scheme, ${at('created_at', 'createdAt')}, ${at('disabled_at', 'disabledAt')}, disabled_reason as "disabledReason",
  task_id::text as a, id as b from push_configs
where tenant = $1 and task_id = any($2::uuid[]) and (task_id::text, id) > ($3::text, $4::text) order by task_id::text, id limit 500`,
)
const OF_TASKS = { pushConfig: CONFIGS, delivery: DELIVERIES, attempt: ATTEMPTS } as const
export const OF_TASKS_KINDS = ['pushConfig', 'delivery', 'attempt'] as const

/** What belongs to these tasks beside their events, all of it, a page at a time. */
export async function* exportOfTasks(db: Db, tenant: string, kind: keyof typeof OF_TASKS, taskIds: readonly string[]) {
  type Paged = Row & { a: string; b: string }
  let [a, b] = ['00000000-0000-0000-0000-000000000000', '']
  for (;;) {
    const rows = await db.query<Paged>(OF_TASKS[kind], [tenant, arrayLiteral(taskIds), a, b])
    for (const { a: _, b: __, ...row } of rows) yield row as Row
    const last = rows.at(-1)
    if (!last || rows.length < 500) return
    ;({ a, b } = last)
  }
}

const listed = (kind: string, columns: string, table: string, who: string, order: string) => ({
  kind,
  statement: {
    name: `export.${kind}`,
    write: false,
    text: `select ${columns}, ${order} as a from ${table} where tenant = $1 and ${who} and ${order} > $3 order by ${order} limit 500`,
  } satisfies Statement,
})
const OWN = '($2::text is null or owner = $2)'
const LISTS = [
  listed(
    'key',
    `id, caller, kind as "keyKind", label, array_to_json(permits) as permits, array_to_json(agents) as agents, rate, ${at('created_at', 'createdAt')},
  ${at('expires_at', 'expiresAt')}, ${at('revoked_at', 'revokedAt')}`,
    'api_keys',
    '($2::text is null or caller = $2)',
    'id',
  ),
  listed('agent', `name, owner, registration, ${at('created_at', 'createdAt')}`, 'agents', OWN, 'name'),
  listed(
    'channel',
    `name, kind as "channelKind", owner, title, description, mode, ${at('created_at', 'createdAt')},
  (select coalesce(json_agg(m.member order by m.member), '[]') from channel_members m where m.tenant = channels.tenant and m.channel = channels.name) as members`,
    'channels',
    OWN,
    'name',
  ),
  listed(
    'contact',
    `agent, contact, case state when 0 then 'asked' when 1 then 'accepted' else 'refused' end as state, ${at('asked_at', 'askedAt')}, ${at('decided_at', 'decidedAt')}`,
    'contacts',
    '($2::text is null or contact = $2)',
    `agent || ' ' || contact`,
  ),
] as const

/** What is theirs and no task: keys, agents, channels, contacts. */
export async function* exportOwned(db: Db, { tenant, caller }: Principal) {
  for (const { kind, statement } of LISTS)
    for (let after = ''; ; ) {
      const rows = await db.query<Row & { a: string }>(statement, [tenant, caller ?? null, after])
      for (const { a: _, ...row } of rows) yield { kind, ...row } as Row
      const last = rows.at(-1)
      if (!last || rows.length < 500) break
      after = last.a
    }
}
