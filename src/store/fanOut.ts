/**
 * A task that others' tasks work on, opened with all of them: dedupe row, the parent's head and events, its push config,
 * the number of the post, and for each recipient a task with its first event and its delivery. One statement, one commit:
 * whoever is told that it was accepted finds all of it after a crash, or none.
 *
 * A channel's row is locked first and must have the roster that the recipients were read from, so that who has joined
 * before a post gets it, and who has left before does not.
 */
import { arrayLiteral, columns, joinJson, splitJson } from './arrays.ts'
import type { Db, Statement } from './db.ts'

export interface NewChild {
  readonly id: string
  /** The recipient's name. */
  readonly member: string
  readonly kind: string
  readonly destination: string
  readonly ttlSeconds: number
  /** null: it is waited for. */
  readonly outcome: string | null
}

export interface NewEvent {
  /** 0 the opening Task, 1 a status update, 2 an artifact update. */
  readonly kind: 0 | 1 | 2
  readonly body: string
}

export interface FanOut {
  readonly tenant: string
  /** undefined: the parent is no post. */
  readonly post?: {
    readonly channel: string
    readonly roster: number
    readonly sender: string
    readonly verified: boolean
    /** Of the content, for channels that are bounded. */
    readonly bytes: number
  }
  readonly id: string
  readonly caller: string
  readonly agent: string
  readonly contextId: string
  readonly trace: string | null
  readonly key: string | null
  readonly statusAt: string
  /** The parent's own: it ends then, whoever has answered. */
  readonly deadline: string | null
  /** The number of the state after the last of `events`, which are numbered from 1. */
  readonly state: number
  readonly events: readonly NewEvent[]
  readonly request: string | null
  /** One sealed push configuration as JSON; null: none. */
  readonly config: string | null
  readonly rule: string
  readonly needed: number
  readonly children: readonly NewChild[]
  /** The first event of a child, in which its id stands as `placeholder`: sent once, whatever the number of children. */
  readonly childBody: string
  readonly placeholder: string
  readonly childDeadline: string | null
  readonly priority: number
  readonly notBefore: string | null
  readonly orderingKey: string
  /** What is particular of it in a mailbox: an index in MAIL_KINDS, and labels; null: nothing. */
  readonly mailKind: number | null
  readonly labels: readonly string[] | null
  /** As in NewTask, for the parent: what ends at once has been told with the answer. */
  readonly home: number | null
  readonly webhookAgeSeconds: number
}

const CHILDREN = ['id', 'member', 'kind', 'destination', 'ttlSeconds', 'outcome'] as const

const OPEN: Statement = {
  name: 'fanOut.open',
  write: true,
  text: `
with place as materialized (
  select name from channels
  where tenant = $1 and name = $2::text and roster = $3::int and (expires_at is null or expires_at > now())
    and (bytes_max is null or bytes + $6::bigint <= bytes_max)
  for update
), claimed as (
  insert into submissions (tenant, caller, agent, key, task_id, seq)
  select $1::text, $8::text, $9::text, $12::text, $7::uuid, 1
  where $12::text is not null and ($2::text is null or exists (select 1 from place))
  on conflict (tenant, caller, agent, key) do nothing
  returning task_id
), going as materialized (
  select 1 as yes where ($2::text is null or exists (select 1 from place)) and ($12::text is null or exists (select 1 from claimed))
), numbered as (
  update channels c set last_seq = c.last_seq + 1, bytes = c.bytes + $6::bigint
  from going where c.tenant = $1 and c.name = $2::text
  returning c.last_seq
), posted as (
  insert into channel_posts (tenant, channel, seq, task_id, caller, sender, verified, recipients)
  select $1::text, $2::text, last_seq, $7::uuid, $8::text, $4::text, $5::boolean, $30::int from numbered
), ruled as (
  insert into parents (tenant, task_id, rule, needed, channel) select $1::text, $7::uuid, $20::text, $21::int, $2::text from going
), texts as materialized (
  select ${splitJson(17)} as bodies
), said as materialized (
  select k.no::int as no, k.kind, bodies[k.no::int] as body from texts cross join unnest($16::smallint[]) with ordinality as k (kind, no)
), child as materialized (
  select c.* from unnest($22::uuid[], $23::text[], $24::text[], $25::text[], $26::int[], $27::text[])
    as c (id, member, kind, destination, ttl_seconds, outcome) cross join going
), head as (
  insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at, deadline, trace, home)
  select $1::text, $7::uuid, $9::text, $8::text, $10::text, $15::smallint, (select count(*)::int from said), $19::text is not null,
    $13::timestamptz, $14::timestamptz, $11::text, $38::smallint from going
  union all
  select $1::text, id, member, $8::text, $10::text, 1::smallint, 1, false, $13::timestamptz, $31::timestamptz, $11::text, null from child
), log as (
  insert into task_events (tenant, task_id, seq, kind, body, request)
  select $1::text, $7::uuid, no, kind, body, case when no = 1 then $18::text end from said cross join going
  union all
  select $1::text, id, 1, 0::smallint, replace($28::text, $29::text, id::text), $18::text from child
), linked as (
  insert into task_children (tenant, parent_id, child_id, member, outcome, settled_at)
  select $1::text, $7::uuid, id, member, outcome, case when outcome is not null then now() end from child
), hook as materialized (
  select c.* from going, json_to_record($19::json)
    as c (id text, url text, destination text, version text, token text, scheme text, credentials text, secret text)
  where $19::text is not null
), config as (
  insert into push_configs (tenant, task_id, id, url, destination, version, token, scheme, credentials, secret)
  select $1::text, $7::uuid, id, url, destination, version, token, scheme, credentials, secret from hook
), owed as (
  insert into deliveries (tenant, id, kind, destination, ordering_key, position, priority, task_id, seq, config_id, state, due_at, expires_at,
    mail_kind, labels)
  select $1::text, id, kind, destination, $35::text, (extract(epoch from now()) * 1000000)::bigint, $32::smallint, id, 1, null, 0,
    coalesce($33::timestamptz, now()), now() + make_interval(secs => ttl_seconds),
    $36::smallint, $37::text[] from child
  union all
  select $1::text, (substr($7::text, 1, 24) || substr(md5(h.id || ' ' || s.no || $7::text), 1, 12))::uuid, 'webhook', h.destination,
    $7::text || '/' || h.id, s.no, 2::smallint, $7::uuid, s.no, h.id, 0, now(), now() + make_interval(secs => $34::int),
    null, null from hook h cross join said s where s.no > 1
)
select ($2::text is null or exists (select 1 from place)) as current, exists (select 1 from going) as opened,
  (select last_seq from numbered) as seq`,
}

/**
 * `stale`: the roster has changed, the channel is gone, or it is full; nothing was written. `repeated`: the key was used.
 */
export type FannedOut = { kind: 'opened'; seq: number | null } | { kind: 'stale' } | { kind: 'repeated' }

export async function openFanOut(db: Db, f: FanOut): Promise<FannedOut> {
  const { post } = f
  const children = columns(f.children, CHILDREN)
  const [row] = await db.query<{ current: boolean; opened: boolean; seq: number | null }>(OPEN, [
    ...[f.tenant, post?.channel ?? null, post?.roster ?? null, post?.sender ?? null, post?.verified ?? null],
    ...[post?.bytes ?? 0, f.id, f.caller, f.agent, f.contextId, f.trace, f.key, f.statusAt, f.deadline, f.state],
    arrayLiteral(f.events.map(({ kind }) => kind)),
    joinJson(f.events.map(({ body }) => body)),
    ...[f.request, f.config, f.rule, f.needed],
    ...children,
    ...[f.childBody, f.placeholder, f.children.length, f.childDeadline, f.priority, f.notBefore],
    ...[f.webhookAgeSeconds, f.orderingKey, f.mailKind, f.labels && arrayLiteral(f.labels), f.home],
  ])
  if (!row?.current) return { kind: 'stale' }
  return row.opened ? { kind: 'opened', seq: row.seq } : { kind: 'repeated' }
}
