/** Channels: opened, found, changed, removed. */

import { arrayLiteral } from './arrays.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'

export interface ChannelRow {
  readonly tenant: string
  readonly name: string
  readonly kind: 'channel' | 'room'
  readonly owner: string
  readonly title: string | null
  readonly description: string | null
  readonly mode: 'all' | 'one'
  readonly rule: 'none' | 'first' | 'quorum' | 'all'
  /** With `quorum`: how many. */
  readonly needed: number
  readonly collectSeconds: number | null
  readonly posting: 'anyone' | 'members' | 'owner'
  readonly joining: 'anyone' | 'owner'
  readonly visibility: 'tenant' | 'members'
  readonly lastSeq: number
  readonly clearedSeq: number
  readonly roster: number
  readonly bytes: number
  readonly bytesMax: number | null
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly modifiedAt: number
  readonly expiresAt: number | null
  readonly members: number
}

const COLUMNS = (
  c: string,
) => `${c}.tenant, ${c}.name, ${c}.kind, ${c}.owner, ${c}.title, ${c}.description, ${c}.mode, ${c}.rule, ${c}.needed,
  ${c}.collect_seconds as "collectSeconds", ${c}.posting, ${c}.joining, ${c}.visibility, ${c}.last_seq as "lastSeq", ${c}.cleared_seq as "clearedSeq",
  ${c}.roster, ${c}.bytes::float8 as bytes, ${c}.bytes_max::float8 as "bytesMax", (extract(epoch from ${c}.created_at) * 1000)::float8 as "createdAt",
  (extract(epoch from ${c}.modified_at) * 1000)::float8 as "modifiedAt", (extract(epoch from ${c}.expires_at) * 1000)::float8 as "expiresAt",
  (select count(*)::int from channel_members x where x.tenant = ${c}.tenant and x.channel = ${c}.name) as members`
/** Of rows of `channels`: their time is not over. */
export const ALIVE = (c: string) => `(${c}.expires_at is null or ${c}.expires_at > now())`

const FIND: Statement = {
  name: 'channels.find',
  write: false,
  text: `select ${COLUMNS('c')} from channels c where c.tenant = $1 and c.name = $2 and ${ALIVE('c')}`,
}
export const findChannel = async (db: Db, tenant: string, name: string): Promise<ChannelRow | undefined> =>
  (await db.query<ChannelRow>(FIND, [tenant, name]))[0]

export type NewChannel = Pick<
  ChannelRow,
  | 'tenant'
  | 'name'
  | 'kind'
  | 'owner'
  | 'title'
  | 'description'
  | 'mode'
  | 'rule'
  | 'needed'
  | 'collectSeconds'
  | 'posting'
  | 'joining'
  | 'visibility'
  | 'bytesMax'
> & {
  readonly ttlSeconds: number | null
  /** Names of agents. */
  readonly members?: readonly string[]
  /** An address; then at most `openedFromMax` are open from there. */
  readonly openedFrom: string | null
}

const CREATE: Statement = {
  name: 'channels.create',
  write: true,
  text: `
with made as (
  insert into channels (tenant, name, kind, owner, title, description, mode, rule, needed, collect_seconds, posting, joining, visibility,
    bytes_max, opened_from, expires_at)
  select $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::int, $10::int, $11::text, $12::text, $13::text,
    $14::bigint, $15::text, now() + make_interval(secs => $16::int)
  where (select count(*) from channels where tenant = $1) < $17::int
    and ($15::text is null or (select count(*) from channels o where o.opened_from = $15::text and o.opened_from is not null and ${ALIVE('o')}) < $18::int)
  on conflict (tenant, name) do nothing
  returning *
), joined as (
  insert into channel_members (tenant, channel, member, agent, joined_seq, by)
  select m.tenant, m.name, x.member, true, 0, m.owner from made m cross join unnest($24::text[]) as x (member)
), ${noting('made', 19)}
select ${COLUMNS('c')} from made c`,
}

/** With its first members, or not at all. undefined: the name is taken, or there is no room for more. */
export async function createChannel(
  db: Db,
  c: NewChannel,
  { channelsMax, openedFromMax, note }: { channelsMax: number; openedFromMax: number; note: AuditNote },
): Promise<ChannelRow | undefined> {
  const [row] = await db.query<ChannelRow>(CREATE, [
    ...[c.tenant, c.name, c.kind, c.owner, c.title, c.description, c.mode, c.rule, c.needed, c.collectSeconds],
    ...[c.posting, c.joining, c.visibility, c.bytesMax, c.openedFrom, c.ttlSeconds, channelsMax, openedFromMax],
    ...auditValues(note),
    arrayLiteral(c.members ?? []),
  ])
  return row
}

export type ChannelChange = Pick<
  ChannelRow,
  'title' | 'description' | 'rule' | 'needed' | 'collectSeconds' | 'posting' | 'joining' | 'visibility'
>

const CHANGE: Statement = {
  name: 'channels.change',
  write: true,
  text: `
with saved as (
  update channels c set title = $3, description = $4, rule = $5, needed = $6::int, collect_seconds = $7::int, posting = $8, joining = $9,
    visibility = $10, roster = c.roster + 1, modified_at = now()
  where c.tenant = $1 and c.name = $2 and ${ALIVE('c')} returning c.*
), ${noting('saved', 11)}
select ${COLUMNS('c')} from saved c`,
}
export const changeChannel = async (
  db: Db,
  { tenant, name }: Pick<ChannelRow, 'tenant' | 'name'>,
  c: ChannelChange,
  note: AuditNote,
): Promise<ChannelRow | undefined> =>
  (
    await db.query<ChannelRow>(CHANGE, [
      ...[tenant, name, c.title, c.description, c.rule, c.needed, c.collectSeconds, c.posting, c.joining, c.visibility],
      ...auditValues(note),
    ])
  )[0]

const CLEAR: Statement = {
  name: 'channels.clear',
  write: true,
  text: `
with saved as (
  update channels c set cleared_seq = c.last_seq, bytes = 0 where c.tenant = $1 and c.name = $2 and ${ALIVE('c')} returning c.*
), ${noting('saved', 3)}
select ${COLUMNS('c')} from saved c`,
}
/** What was posted so far is no longer shown; the tasks stay with those who have sent and got them. */
export const clearChannel = async (
  db: Db,
  tenant: string,
  name: string,
  note: AuditNote,
): Promise<ChannelRow | undefined> => (await db.query<ChannelRow>(CLEAR, [tenant, name, ...auditValues(note)]))[0]

/** What stands beside channels that are `gone`. */
const WITH_IT = `members as (
  delete from channel_members m using gone g where m.tenant = g.tenant and m.channel = g.name
), posts as (
  delete from channel_posts p using gone g where p.tenant = g.tenant and p.channel = g.name
)`

const REMOVE: Statement = {
  name: 'channels.remove',
  write: true,
  text: `
with gone as (
  delete from channels c where c.tenant = $1 and c.name = $2 and ($3::boolean or not exists (
    select 1 from deliveries d where d.tenant = $1 and d.destination = 'channel:' || $2::text and d.state = 0))
  returning c.tenant, c.name
), ${WITH_IT}, ${noting('gone', 4)}
select name from gone`,
}
/** false: there is none, or somebody is still to take what waits there and not `force`. What was posted lives on as tasks. */
export const removeChannel = async (
  db: Db,
  { tenant, name, force }: { tenant: string; name: string; force: boolean },
  note: AuditNote,
): Promise<boolean> => (await db.query(REMOVE, [tenant, name, force, ...auditValues(note)])).length === 1

const EXPIRE: Statement = {
  name: 'channels.expire',
  write: true,
  text: `
with gone as (
  delete from channels c where (c.tenant, c.name) in (select tenant, name from channels where expires_at < now() limit $1) returning c.tenant, c.name
), ${WITH_IT}
select name from gone`,
}
/** Rooms whose time is over. */
export const expireChannels = (db: Db, limit: number): Promise<{ name: string }[]> =>
  db.query<{ name: string }>(EXPIRE, [limit])

export interface ChannelQuery {
  readonly tenant: string
  /** Those that all may see, those that this agent is a member of, and those of this owner; null: all. */
  readonly seenBy: { readonly owner: string; readonly agent: string | null } | null
  readonly kind: 'channel' | 'room'
  readonly after: string | undefined
  readonly limit: number
}
const LIST: Statement = {
  name: 'channels.list',
  write: false,
  text: `select ${COLUMNS('c')} from channels c
where c.tenant = $1 and c.kind = $2 and ($3::text is null or c.name > $3) and ${ALIVE('c')}
  and ($4::text is null or c.visibility = 'tenant' or c.owner = $4 or exists (select 1 from channel_members m
    where m.tenant = c.tenant and m.channel = c.name and m.member = $5::text and m.agent))
order by c.name limit $6`,
}
export const listChannels = (db: Db, q: ChannelQuery): Promise<ChannelRow[]> =>
  db.query<ChannelRow>(LIST, [
    q.tenant,
    q.kind,
    q.after ?? null,
    q.seenBy?.owner ?? null,
    q.seenBy?.agent ?? null,
    q.limit,
  ])
