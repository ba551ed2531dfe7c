/**
 * Tasks: opened, found, listed. The hot statement is `open`: dedupe row, head, first event, push config and delivery of
 * up to 256 sends, in one statement and one commit (D3, D10, D23).
 */
import { TASK_STATES, type TaskState } from '../a2a/tasks.ts'
import { columns, joinJson, splitJson } from './arrays.ts'
import type { Batch } from './batch.ts'
import { createBatch } from './batch.ts'
import { type Db, type Statement, StoreError } from './db.ts'

/** A send that makes a task. All of it is written, or none. */
export interface NewTask {
  readonly tenant: string
  readonly id: string
  readonly caller: string
  readonly agent: string
  readonly contextId: string
  readonly trace: string | null
  readonly statusAt: string
  readonly deadline: string | null
  /** The idempotency key; null: none. */
  readonly key: string | null
  /** The canonical `{"task":…}`. */
  readonly body: string
  readonly request: string | null
  readonly kind: string
  readonly destination: string
  readonly orderingKey: string
  readonly priority: number
  /** With an owner: handed over in memory, the row is born leased. Only for an ordering key that nobody else knows. */
  readonly lease: string | null
  readonly owner: string | null
  readonly notBefore: string | null
  readonly ttlSeconds: number
  /** One sealed push configuration as JSON; null: none. */
  readonly config: string | null
  /** 1: its caller's mailbox is told how it ends; 2: and woken; null: not told. */
  readonly home: number | null
  /** What is particular of a message in a mailbox (`Mail` as JSON); null: nothing. */
  readonly mail: string | null
}

/** `kind` is an index in MAIL_KINDS; `ackBy` ISO 8601. */
export interface Mail {
  readonly kind?: number
  readonly labels?: readonly string[]
  readonly dedupeKey?: string
  readonly ackBy?: string
}

const NEW_TASK = [
  'tenant',
  'id',
  'caller',
  'agent',
  'contextId',
  'trace',
  'statusAt',
  'deadline',
  'key',
  'kind',
  'destination',
  'orderingKey',
  'priority',
  'lease',
  'owner',
  'notBefore',
  'ttlSeconds',
  'home',
] as const satisfies readonly (keyof NewTask)[]

const OPEN: Statement = {
  name: 'tasks.open',
  write: true,
  text: `
with input as materialized (
  select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::smallint[], $14::uuid[], $15::uuid[], $16::timestamptz[], $17::int[], $18::smallint[],
    ${splitJson(19)}, ${splitJson(20)}, ${splitJson(21)}, ${splitJson(22)})
    as i (tenant, id, caller, agent, context_id, trace, status_at, deadline, key, kind, destination, ordering_key,
      priority, lease, owner, not_before, ttl_seconds, home, body, request, config, mail)
), claimed as (
  insert into submissions (tenant, caller, agent, key, task_id, seq)
  select tenant, caller, agent, key, id, 1 from input where key is not null
  on conflict (tenant, caller, agent, key) do nothing
  returning task_id
), fresh as materialized (
  select * from input where key is null or id in (select task_id from claimed)
), head as (
  insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at, deadline, trace, home)
  select tenant, id, agent, caller, context_id, 1, 1, config is not null, status_at, deadline, trace, home from fresh
  on conflict (tenant, id) do nothing
), log as (
  insert into task_events (tenant, task_id, seq, kind, body, request)
  select tenant, id, 1, 0, body, request from fresh
  on conflict (tenant, task_id, seq) do nothing
), config as (
  insert into push_configs (tenant, task_id, id, url, destination, version, token, scheme, credentials, secret)
  select tenant, fresh.id, c.id, c.url, c.destination, c.version, c.token, c.scheme, c.credentials, c.secret
  from fresh, json_to_record(fresh.config::json)
    as c (id text, url text, destination text, version text, token text, scheme text, credentials text, secret text)
  where config is not null
  on conflict (tenant, task_id, id) do nothing
), delivery as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, priority, task_id, seq, state, due_at, expires_at, attempt, lease, owner,
    mail_kind, labels, dedupe_key, ack_by)
  select tenant, id, kind, destination, ordering_key, (extract(epoch from now()) * 1000000)::bigint, priority, id, 1,
    case when lease is null then 0 else 1 end, coalesce(not_before, now()), now() + make_interval(secs => ttl_seconds),
    case when lease is null then 0 else 1 end, lease, owner, (mail::json ->> 'kind')::smallint,
    case when mail is not null then (select array_agg(l) from json_array_elements_text(mail::json -> 'labels') as l) end,
    mail::json ->> 'dedupeKey', (mail::json ->> 'ackBy')::timestamptz
  from fresh
  on conflict (tenant, id) do nothing
)
select id::text from fresh`,
}

/** Was the task opened by this call, or had its key been used before? */
export type Opened = { kind: 'opened' } | { kind: 'repeated'; taskId: string; seq: number }

export interface Submission {
  readonly tenant: string
  readonly caller: string
  readonly agent: string
  readonly key: string
}

const FIND_SUBMISSION: Statement = {
  name: 'submissions.find',
  write: false,
  text: 'select task_id::text as "taskId", seq from submissions where tenant = $1 and caller = $2 and agent = $3 and key = $4',
}

export async function findSubmission(
  db: Db,
  { tenant, caller, agent, key }: Submission,
): Promise<{ taskId: string; seq: number } | undefined> {
  const [row] = await db.query<{ taskId: string; seq: number }>(FIND_SUBMISSION, [tenant, caller, agent, key])
  return row
}

/** The shared writer of new tasks: submissions of one turn of the loop share a statement. */
export function createOpen(db: Db, options: { lanes?: number } = {}): Batch<NewTask, Opened> {
  return createBatch<NewTask, Opened>({
    name: OPEN.name,
    repeatable: true,
    ...options,
    weigh: (task) => task.body.length + 200,
    run: (rows) => write(db, rows),
  })
}

/** How often a key may be found taken by a task that is purged before it is looked at. */
const PURGED_MAX = 3

async function write(db: Db, rows: readonly NewTask[], again = 0): Promise<Opened[]> {
  const json = [
    rows.map(({ body }) => body),
    rows.map(({ request }) => request),
    rows.map(({ config }) => config),
    rows.map(({ mail }) => mail),
  ]
  const written = await db.query<{ id: string }>(OPEN, [...columns(rows, NEW_TASK), ...json.map(joinJson)])
  const opened = new Set(written.map(({ id }) => id))
  return Promise.all(rows.map((row) => (opened.has(row.id) ? ({ kind: 'opened' } as const) : repeated(db, row, again))))
}

/** The key was taken: by an earlier send, by a twin in the same batch, or by this very row, sent again after a lost connection. */
async function repeated(db: Db, row: NewTask, again: number): Promise<Opened> {
  const found = row.key === null ? undefined : await findSubmission(db, { ...row, key: row.key })
  if (found) return found.taskId === row.id ? { kind: 'opened' } : { kind: 'repeated', ...found }
  // Without a key nothing can have been in its way. With one, that task has just been purged, and this one was not written.
  if (row.key === null) return { kind: 'opened' }
  if (again === PURGED_MAX)
    throw new StoreError(OPEN.name, 'not done', undefined, new Error('the task of this key is being purged'))
  return (await write(db, [row], again + 1))[0] as Opened
}

/** What is known of a task without its log. */
export interface TaskHead {
  readonly tenant: string
  readonly id: string
  readonly agent: string
  readonly caller: string
  readonly contextId: string
  readonly state: TaskState
  readonly lastSeq: number
  readonly hasPush: boolean
  /** Milliseconds since 1970. */
  readonly statusAt: number
  readonly createdAt: number
  readonly deadline: number | null
  readonly upstreamTask: string | null
  readonly upstreamContext: string | null
  readonly trace: string | null
}

export const HEAD_COLUMNS = `tenant, id::text, agent, caller, context_id as "contextId", state, last_seq as "lastSeq", has_push as "hasPush",
  (extract(epoch from status_at) * 1000)::float8 as "statusAt", (extract(epoch from created_at) * 1000)::float8 as "createdAt",
  (extract(epoch from deadline) * 1000)::float8 as "deadline", upstream_task as "upstreamTask", upstream_context as "upstreamContext", trace`

export type HeadRow = Omit<TaskHead, 'state'> & { state: number }

export const stateOf = (number: number): TaskState => TASK_STATES[number] ?? 'TASK_STATE_UNSPECIFIED'
export const stateNumber = (state: TaskState): number => TASK_STATES.indexOf(state)
export const toHead = (row: HeadRow): TaskHead => ({ ...row, state: stateOf(row.state) })

/** Whose task it must be. `caller` undefined: an operator's look, any owner of the tenant. */
export interface TaskKey {
  readonly tenant: string
  readonly id: string
  readonly caller?: string
  readonly agent?: string
}

const FIND: Statement = {
  name: 'tasks.find',
  write: false,
  text: `select ${HEAD_COLUMNS} from tasks
where tenant = $1 and id = $2 and ($3::text is null or caller = $3) and ($4::text is null or agent = $4)`,
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** undefined: unknown or somebody else's, and nobody can tell which. */
export async function findTask(db: Db, { tenant, id, caller, agent }: TaskKey): Promise<TaskHead | undefined> {
  if (!UUID.test(id)) return undefined
  const [row] = await db.query<HeadRow>(FIND, [tenant, id, caller ?? null, agent ?? null])
  return row && toHead(row)
}

export interface ListQuery {
  readonly tenant: string
  readonly caller?: string
  readonly agent?: string
  readonly contextId?: string
  readonly state?: TaskState
  /** Inclusive, milliseconds since 1970. */
  readonly statusAfter?: number
  /** Continue after this task. */
  readonly after?: ListCursor
  readonly limit: number
}
export interface ListCursor {
  readonly statusAt: number
  readonly id: string
}

const FILTER = `tenant = $1 and ($2::text is null or caller = $2) and ($3::text is null or agent = $3) and ($4::text is null or context_id = $4)
  and ($5::smallint is null or state = $5) and ($6::float8 is null or status_at >= to_timestamp($6::float8 / 1000))`

const LIST: Statement = {
  name: 'tasks.list',
  write: false,
  text: `select ${HEAD_COLUMNS} from tasks where ${FILTER}
  and ($7::float8 is null or (status_at, id) < (to_timestamp($7::float8 / 1000), $8::uuid))
order by status_at desc, id desc limit $9`,
}
const COUNT: Statement = {
  name: 'tasks.count',
  write: false,
  text: `select count(*)::int as count from tasks where ${FILTER}`,
}

/** Newest status first (spec §3.1.4), and how many there are in all. */
export async function listTasks(db: Db, query: ListQuery): Promise<{ heads: TaskHead[]; total: number }> {
  const state = query.state === undefined ? null : stateNumber(query.state)
  const filter = [
    query.tenant,
    query.caller ?? null,
    query.agent ?? null,
    query.contextId ?? null,
    state,
    query.statusAfter ?? null,
  ]
  const [rows, [counted]] = await Promise.all([
    db.query<HeadRow>(LIST, [...filter, query.after?.statusAt ?? null, query.after?.id ?? null, query.limit]),
    db.query<{ count: number }>(COUNT, filter),
  ])
  return { heads: rows.map(toHead), total: counted?.count ?? 0 }
}
