/** Agents' own cards: taken, put aside until an operator approves them, or refused. Each change is one statement. */
import type { AgentCard } from '../a2a/agentCard.ts'
import { type AgentRow, columnsOf } from './agents.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement, Value } from './db.ts'

/** Whose card was fetched: the agent as it was when the fetch began. */
export interface CardOf {
  readonly tenant: string
  readonly name: string
  readonly connector: unknown
  /** What was known of it; if that has changed meanwhile, nothing is written. */
  readonly known: unknown
}

const SAME_AGENT = `a.tenant = $1 and a.name = $2 and a.registration -> 'connector' = $3::text::jsonb
  and a.identity is not distinct from $4::text::jsonb`
const cardOfValues = ({ tenant, name, connector, known }: CardOf): Value[] => [
  tenant,
  name,
  JSON.stringify(connector),
  known === undefined || known === null ? null : JSON.stringify(known),
]

const SAVE_CARD: Statement = {
  name: 'agents.saveCard',
  write: true,
  text: `update agents a set card = $5::text::jsonb, identity = $6::text::jsonb, pending = null, card_problem = null, card_fetched_at = now(),
  modified_at = case when a.card = $5::text::jsonb then a.modified_at else now() end
where ${SAME_AGENT} and (a.pending is null or $7::boolean)
returning ${columnsOf('a')}`,
}

/** undefined: the agent is gone, it has changed meanwhile, or it waits for an operator and this is not (`settles`) his hand. */
export const saveCard = async (
  db: Db,
  of: CardOf,
  { card, identity, settles }: { card: AgentCard; identity: unknown; settles: boolean },
): Promise<AgentRow | undefined> =>
  (
    await db.query<AgentRow>(SAVE_CARD, [...cardOfValues(of), JSON.stringify(card), JSON.stringify(identity), settles])
  )[0]

const SAVE_PENDING: Statement = {
  name: 'agents.savePending',
  write: true,
  text: `
with saved as (
  update agents a set pending = $5::text::jsonb, card_problem = null
  where ${SAME_AGENT} and (a.pending is null or a.pending ->> 'change' <> $5::text::jsonb ->> 'change')
  returning a.*
), ${noting('saved', 6)}
select ${columnsOf('a')} from saved a`,
}

/** Puts a card aside until somebody approves it. undefined: it is there already, or the agent has changed meanwhile. */
export const savePending = async (
  db: Db,
  of: CardOf,
  pending: unknown,
  note: AuditNote,
): Promise<AgentRow | undefined> =>
  (await db.query<AgentRow>(SAVE_PENDING, [...cardOfValues(of), JSON.stringify(pending), ...auditValues(note)]))[0]

const APPROVE: Statement = {
  name: 'agents.approve',
  write: true,
  text: `
with saved as (
  update agents a set card = a.pending -> 'card', identity = $4::text::jsonb, pending = null, card_problem = null,
    card_fetched_at = now(), modified_at = now()
  where a.tenant = $1 and a.name = $2 and a.pending ->> 'change' = $3
  returning a.*
), ${noting('saved', 5)}
select ${columnsOf('a')} from saved a`,
}

/** The card that waits takes the place of the other. undefined: this very change no longer waits. */
export const approveCard = async (
  db: Db,
  { tenant, name, change, identity }: { tenant: string; name: string; change: string; identity: unknown },
  note: AuditNote,
): Promise<AgentRow | undefined> =>
  (await db.query<AgentRow>(APPROVE, [tenant, name, change, JSON.stringify(identity), ...auditValues(note)]))[0]

const SAVE_PROBLEM: Statement = {
  name: 'agents.saveCardProblem',
  write: true,
  text: `update agents a set card_problem = jsonb_build_object('code', $4::text, 'reason', $5::text, 'at', (extract(epoch from now()) * 1000)::bigint)
where a.tenant = $1 and a.name = $2 and a.registration -> 'connector' = $3::text::jsonb
  and (a.card_problem ->> 'code' is distinct from $4 or a.card_problem ->> 'reason' is distinct from $5)
returning a.name`,
}

/** Remembers why a card was not taken; false: it is known already. */
export const saveCardProblem = async (
  db: Db,
  { tenant, name, connector }: Pick<CardOf, 'tenant' | 'name' | 'connector'>,
  { code, reason }: { code: string; reason: string },
): Promise<boolean> =>
  (await db.query(SAVE_PROBLEM, [tenant, name, JSON.stringify(connector), code, reason])).length === 1
