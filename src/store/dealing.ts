/**
 * Posts that any one member of a channel takes, given to members that do not ask for them: a delivery that waits in the
 * channel's lane goes over to the lane of an agent that has a place free, and back if that agent is away. It stays the one
 * delivery that it was: whoever has it has it alone, and what is leased is not moved.
 */
import { HELD } from '../delivery.ts'
import { arrayLiteral } from './arrays.ts'
import { ALIVE } from './channels.ts'
import type { Db, Statement } from './db.ts'
import { FREE } from './deliveries.ts'

export interface ChannelName {
  readonly tenant: string
  /** Without the mark. */
  readonly name: string
}

const DUE: Statement = {
  name: 'dealing.due',
  write: false,
  text: `select c.tenant, c.name from channels c
where c.mode = 'one' and ${ALIVE('c')} and exists (select 1 from channel_members m join agents a on a.tenant = m.tenant and a.name = m.member
    where m.tenant = c.tenant and m.channel = c.name and m.agent and a.registration -> 'connector' ->> 'kind' <> 'mailbox')
order by c.tenant, c.name limit $1`,
}
/** Channels where somebody has to be given what waits. */
export const channelsToDeal = (db: Db, limit: number): Promise<ChannelName[]> => db.query<ChannelName>(DUE, [limit])

export interface Dealing extends ChannelName {
  readonly kind: string
  /** The member's lane. */
  readonly destination: string
  /** Lanes of all members that are given: what one of them has of a conversation, none other gets more of. */
  readonly members: readonly string[]
  readonly count: number
  /** How much may be in that lane, with its own. */
  readonly width: number
}

const DEAL: Statement = {
  name: 'dealing.deal',
  write: true,
  text: `update deliveries set kind = $3::text, destination = $4::text, due_at = now()
where tenant = $1 and id = any(array(select k.id from (select d.id from deliveries d
  where d.tenant = $1 and d.destination = 'channel:' || $2::text and d.state = 0 and d.id = d.task_id and d.priority < ${HELD}
    and d.due_at <= now() and (d.expires_at is null or d.expires_at > now()) and ${FREE}
    and not exists (select 1 from deliveries o where o.tenant = d.tenant and o.destination = any($5::text[])
      and o.ordering_key = d.ordering_key and o.state in (0, 1))
  order by d.priority, d.due_at, d.id for update skip locked
  limit least($6::int, greatest(0, $7::int - (select count(*) from deliveries w where w.tenant = $1 and w.destination = $4 and w.state in (0, 1))))) k))
returning id::text`,
}
/** How many went over. */
export const deal = async (db: Db, d: Dealing): Promise<number> =>
  (await db.query(DEAL, [d.tenant, d.name, d.kind, d.destination, arrayLiteral(d.members), d.count, d.width])).length

const SEND_ON: Statement = {
  name: 'dealing.sendOn',
  write: true,
  text: `update deliveries d set kind = f.kind, destination = f.destination, due_at = now()
from deliveries f
where d.tenant = $1 and d.destination = 'channel:' || $2::text and d.state = 0 and d.id <> d.task_id
  and f.tenant = d.tenant and f.id = d.task_id and f.destination <> d.destination
returning d.destination`,
}
/** What was said further to a task goes where the task went. The lanes that have got something. */
export const sendOn = async (db: Db, { tenant, name }: ChannelName): Promise<string[]> => [
  ...new Set((await db.query<{ destination: string }>(SEND_ON, [tenant, name])).map(({ destination }) => destination)),
]

const TAKE_BACK: Statement = {
  name: 'dealing.takeBack',
  write: true,
  text: `update deliveries d set kind = 'mailbox', destination = 'channel:' || $2::text, due_at = now(), code = 'NOT_TAKEN',
  reason = 'the agent that it was given to is away'
from tasks t
where d.tenant = $1 and d.destination = any($3::text[]) and d.state = 0 and d.id = d.task_id
  and (d.code is null or d.code in ('UNREACHABLE', 'BUSY', 'STOPPED', 'UNSENT', 'NOT_TAKEN'))
  and t.tenant = d.tenant and t.id = d.id and t.agent = '#' || $2::text and t.upstream_task is null
returning d.id::text`,
}
/** From agents that are away, or have left: what they surely have not seen waits for the others again. How many. */
export const takeBackPosts = async (
  db: Db,
  { tenant, name }: ChannelName,
  lanes: readonly string[],
): Promise<number> => (lanes.length === 0 ? 0 : (await db.query(TAKE_BACK, [tenant, name, arrayLiteral(lanes)])).length)

export interface Holder {
  readonly kind: string
  readonly destination: string
}
const HOLDER: Statement = {
  name: 'dealing.holder',
  write: false,
  text: `select kind, destination from deliveries where tenant = $1 and id = $2::uuid and kind <> 'mailbox'`,
}
/** The member that a post was given to; undefined: members ask for it by themselves. */
export const holderOf = async (db: Db, tenant: string, taskId: string): Promise<Holder | undefined> =>
  (await db.query<Holder>(HOLDER, [tenant, taskId]))[0]
