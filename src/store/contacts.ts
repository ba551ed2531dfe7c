/** Whom a mailbox takes messages from: asked, accepted, refused. Each change is one statement, its audit note in it. */
import { HELD } from '../delivery.ts'
import { arrayLiteral } from './arrays.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import { COLLECTED, type Collected } from './collect.ts'
import type { Db, Statement } from './db.ts'
import { FREE } from './deliveries.ts'

export const CONTACT_STATES = ['asked', 'accepted', 'refused'] as const
export type ContactState = (typeof CONTACT_STATES)[number]

export interface ContactRow {
  readonly contact: string
  /** Index in CONTACT_STATES. */
  readonly state: number
  readonly rights: readonly string[]
  readonly askedAt: number
  readonly decidedAt: number | null
  readonly decidedBy: string | null
}
export interface MailboxName {
  readonly tenant: string
  /** The agent's name. */
  readonly name: string
}

const COLUMNS = `c.contact, c.state, to_jsonb(c.rights) as rights, (extract(epoch from c.asked_at) * 1000)::float8 as "askedAt",
  (extract(epoch from c.decided_at) * 1000)::float8 as "decidedAt", c.decided_by as "decidedBy"`

const LIST: Statement = {
  name: 'contacts.list',
  write: false,
  text: `select ${COLUMNS} from contacts c where c.tenant = $1 and c.agent = $2 order by c.contact limit $3`,
}
export const listContacts = (db: Db, { tenant, name }: MailboxName, limit: number): Promise<ContactRow[]> =>
  db.query<ContactRow>(LIST, [tenant, name, limit])

const KNOWN_TO: Statement = {
  name: 'contacts.knownTo',
  write: false,
  text: `select c.agent, ${COLUMNS} from contacts c where c.tenant = $1 and c.agent = any($2::text[]) and c.contact = $3`,
}
/** What each of these mailboxes has decided of one contact; those that have not are left out. */
export const knownTo = (
  db: Db,
  { tenant, agents, contact }: { tenant: string; agents: readonly string[]; contact: string },
): Promise<(ContactRow & { agent: string })[]> =>
  agents.length === 0 ? Promise.resolve([]) : db.query(KNOWN_TO, [tenant, arrayLiteral(agents), contact])

const ASK: Statement = {
  name: 'contacts.ask',
  write: true,
  text: `insert into contacts (tenant, agent, contact, state, rights)
select $1, $2, $3, 0, '{}' where (select count(*) from contacts where tenant = $1 and agent = $2) < $4::int
on conflict (tenant, agent, contact) do update set state = contacts.state
returning state`,
}
/** Somebody unknown has sent something. The state that the contact is in; undefined: there is no room for another. */
export async function askContact(
  db: Db,
  { tenant, name }: MailboxName,
  contact: string,
  contactsMax: number,
): Promise<number | undefined> {
  const [row] = await db.query<{ state: number }>(ASK, [tenant, name, contact, contactsMax])
  return row?.state
}

// What was held for it is let go by the same statement.
const DECIDE: Statement = {
  name: 'contacts.decide',
  write: true,
  text: `
with decided as (
  insert into contacts as c (tenant, agent, contact, state, rights, decided_at, decided_by)
  select $1::text, $2::text, $3::text, $4::smallint, $5::text[], now(), $6::text
  where (select count(*) from contacts where tenant = $1 and agent = $2) < $7::int
    or exists (select 1 from contacts where tenant = $1 and agent = $2 and contact = $3)
  on conflict (tenant, agent, contact) do update set state = excluded.state, rights = excluded.rights,
    decided_at = excluded.decided_at, decided_by = excluded.decided_by
  returning c.*
), released as (
  update deliveries d set priority = d.priority - ${HELD}
  from decided c join tasks t on t.tenant = c.tenant and t.caller = c.contact
  where c.state = 1 and d.tenant = c.tenant and d.destination = 'agent:' || c.agent and d.state = 0 and d.priority >= ${HELD}
    and t.id = d.task_id
), ${noting('decided', 8)}
select ${COLUMNS} from decided c`,
}
export interface Decision extends MailboxName {
  readonly contact: string
  readonly state: ContactState
  readonly rights: readonly string[]
  readonly by: string
}
/** undefined: there is no room for another. */
export async function decideContact(
  db: Db,
  { tenant, name, contact, state, rights, by }: Decision,
  contactsMax: number,
  note: AuditNote,
): Promise<ContactRow | undefined> {
  const values = [tenant, name, contact, CONTACT_STATES.indexOf(state), arrayLiteral(rights), by, contactsMax]
  return (await db.query<ContactRow>(DECIDE, [...values, ...auditValues(note)]))[0]
}

const REMOVE: Statement = {
  name: 'contacts.remove',
  write: true,
  text: `
with gone as (
  delete from contacts c where c.tenant = $1 and c.agent = $2 and c.contact = $3 returning c.tenant
), ${noting('gone', 4)}
select 1 from gone`,
}
export const removeContact = async (
  db: Db,
  { tenant, name }: MailboxName,
  contact: string,
  note: AuditNote,
): Promise<boolean> => (await db.query(REMOVE, [tenant, name, contact, ...auditValues(note)])).length > 0

const RELEASE: Statement = {
  name: 'contacts.release',
  write: true,
  text: `update deliveries d set priority = d.priority - ${HELD}
where d.tenant = $1 and d.destination = 'agent:' || $2::text and d.state = 0 and d.priority >= ${HELD}
  and ($3::text is null or exists (select 1 from tasks t where t.tenant = d.tenant and t.id = d.task_id and t.caller = $3))
returning d.id::text`,
}
/** Lets go what waits for a consent: of one contact, or (null) of all. */
export const releaseHeld = async (db: Db, { tenant, name }: MailboxName, contact: string | null): Promise<number> =>
  (await db.query(RELEASE, [tenant, name, contact])).length

const TAKE: Statement = {
  name: 'contacts.take',
  write: true,
  text: `update deliveries set state = 1, attempt = attempt + 1, lease = gen_random_uuid(), owner = null,
  leased_until = now() + interval '1 minute', worker = null, touched = null
where tenant = $1 and id = any(array(select d.id from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id
  where d.tenant = $1 and d.destination = 'agent:' || $2::text and d.state = 0 and d.kind = 'mailbox' and t.caller = $3 and ${FREE}
  limit $4::int for update of d skip locked))
returning ${COLLECTED}`,
}
/** What waits from this contact, one per conversation, to be ended. */
export const takeOf = (db: Db, { tenant, name }: MailboxName, contact: string, limit: number): Promise<Collected[]> =>
  db.query<Collected>(TAKE, [tenant, name, contact, limit])

const WAITING: Statement = {
  name: 'contacts.waiting',
  write: false,
  text: `select t.caller as contact, count(*)::int as waiting from (
  select d.tenant, d.task_id from deliveries d where d.tenant = $1 and d.destination = 'agent:' || $2::text and d.state = 0
    and d.priority >= ${HELD} limit 1000) w
join tasks t on t.tenant = w.tenant and t.id = w.task_id group by t.caller`,
}
/** How much is held, by contact. */
export const heldOf = (db: Db, { tenant, name }: MailboxName): Promise<{ contact: string; waiting: number }[]> =>
  db.query<{ contact: string; waiting: number }>(WAITING, [tenant, name])

const ROOM: Statement = {
  name: 'mailbox.room',
  write: false,
  text: `select
  (select count(*)::int from (select 1 from deliveries d join tasks t on t.tenant = d.tenant and t.id = d.task_id
    where d.tenant = $1 and d.destination = $2 and d.state = 0 and d.kind = 'mailbox' and t.caller = $3 limit $4::int) s) as sent,
  (select coalesce(sum(octet_length(e.body) + coalesce(octet_length(e.history), 0)), 0)::float8
    from (select tenant, task_id, seq from deliveries where tenant = $1 and destination = $2 and state = 0 and kind = 'mailbox' limit $5::int) d
    join task_events e on e.tenant = d.tenant and e.task_id = d.task_id and e.seq = d.seq) as bytes`,
}
/** How many of one sender wait in a mailbox, counted up to `sentMax`, and how much all that waits there weighs (the first `rowsMax`). */
export async function mailboxRoom(
  db: Db,
  q: { tenant: string; destination: string; caller: string; sentMax: number; rowsMax: number },
): Promise<{ sent: number; bytes: number }> {
  const [row] = await db.query<{ sent: number; bytes: number }>(ROOM, [
    q.tenant,
    q.destination,
    q.caller,
    q.sentMax,
    q.rowsMax,
  ])
  return row ?? { sent: 0, bytes: 0 }
}
