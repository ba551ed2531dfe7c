/** Members of channels. Each change of them changes the roster by the same statement, under the channel's row. */
import { columns } from './arrays.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import { ALIVE } from './channels.ts'
import type { Db, Statement } from './db.ts'

export interface MemberRow {
  readonly member: string
  readonly agent: boolean
  readonly filter: string | null
  readonly joinedAt: number
  readonly joinedSeq: number
  readonly by: string
}
const MEMBERS: Statement = {
  name: 'channels.members',
  write: false,
  text: `select member, agent, filter, (extract(epoch from joined_at) * 1000)::float8 as "joinedAt", joined_seq as "joinedSeq", by
from channel_members where tenant = $1 and channel = $2 order by member limit $3`,
}
export const listMembers = (db: Db, tenant: string, channel: string, limit: number): Promise<MemberRow[]> =>
  db.query<MemberRow>(MEMBERS, [tenant, channel, limit])

const IS_MEMBER: Statement = {
  name: 'channels.isMember',
  write: false,
  text: 'select 1 from channel_members where tenant = $1 and channel = $2 and ((member = $3 and agent) or (member = $4 and not agent and by = $4))',
}
/** `caller`: somebody with a key, who has entered a room in his own name. */
export const isMember = async (
  db: Db,
  { tenant, name }: { tenant: string; name: string },
  who: { agent: string | undefined; caller: string },
): Promise<boolean> => (await db.query(IS_MEMBER, [tenant, name, who.agent ?? null, who.caller])).length > 0

const SHARED: Statement = {
  name: 'channels.shared',
  write: false,
  text: `select w.member, c.name from unnest($2::text[]) as w (member)
join channel_members m on m.tenant = $1 and m.member = w.member and m.agent
join channels c on c.tenant = m.tenant and c.name = m.channel and c.mode = 'one' and ${ALIVE('c')}
order by w.member, c.name`,
}
/** The channels whose posts any one of their members takes, by member. */
export const sharedChannels = (
  db: Db,
  tenant: string,
  members: readonly string[],
): Promise<{ member: string; name: string }[]> =>
  db.query<{ member: string; name: string }>(SHARED, [
    tenant,
    ...columns(
      members.map((member) => ({ member })),
      ['member'],
    ),
  ])

const JOIN: Statement = {
  name: 'channels.join',
  write: true,
  text: `
with place as materialized (
  select tenant, name, last_seq from channels c where c.tenant = $1 and c.name = $2 and ${ALIVE('c')} for update
), added as (
  insert into channel_members (tenant, channel, member, agent, filter, joined_seq, by)
  select tenant, name, $3::text, $4::boolean, $5::text, last_seq, $6::text from place
  where (select count(*) from channel_members where tenant = $1 and channel = $2) < $7::int
    or exists (select 1 from channel_members where tenant = $1 and channel = $2 and member = $3::text)
  on conflict (tenant, channel, member) do update set filter = excluded.filter where channel_members.agent = excluded.agent
  returning tenant, joined_seq, (xmax = 0) as fresh
), counted as (
  update channels c set roster = c.roster + 1, modified_at = now() from added where c.tenant = $1 and c.name = $2
), ${noting('added', 8)}
select exists (select 1 from place) as found, (select fresh from added) as fresh, (select joined_seq from added) as "joinedSeq"`,
}

export interface Joining {
  readonly tenant: string
  readonly channel: string
  readonly member: string
  readonly agent: boolean
  readonly filter: string | null
  readonly by: string
}
/** `full`: it has as many members as it may, or the name is another kind of member's. `joinedSeq`: the last post before it joined. */
export type Joined = { kind: 'joined'; fresh: boolean; joinedSeq: number } | { kind: 'not found' } | { kind: 'full' }

/** Again with another filter changes the filter. */
export async function joinChannel(
  db: Db,
  j: Joining,
  { membersMax, note }: { membersMax: number; note: AuditNote },
): Promise<Joined> {
  const [row] = await db.query<{ found: boolean; fresh: boolean | null; joinedSeq: number | null }>(JOIN, [
    ...[j.tenant, j.channel, j.member, j.agent, j.filter, j.by, membersMax],
    ...auditValues(note),
  ])
  if (!row?.found) return { kind: 'not found' }
  if (row.fresh === null || row.joinedSeq === null) return { kind: 'full' }
  return { kind: 'joined', fresh: row.fresh, joinedSeq: row.joinedSeq }
}

const LEAVE: Statement = {
  name: 'channels.leave',
  write: true,
  text: `
with place as materialized (
  select tenant, name from channels c where c.tenant = $1 and c.name = $2 for update
), gone as (
  delete from channel_members m using place p where m.tenant = p.tenant and m.channel = p.name and m.member = $3 returning m.tenant, m.member
), counted as (
  update channels c set roster = c.roster + 1, modified_at = now() from gone where c.tenant = $1 and c.name = $2
), ${noting('gone', 4)}
select member from gone`,
}
/** false: it was no member. */
export const leaveChannel = async (
  db: Db,
  { tenant, channel, member }: { tenant: string; channel: string; member: string },
  note: AuditNote,
): Promise<boolean> => (await db.query(LEAVE, [tenant, channel, member, ...auditValues(note)])).length > 0
