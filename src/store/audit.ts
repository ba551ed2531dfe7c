/** Who did what to what: append-only, chained (`auditChain.ts`), and written by the same statement as the change it tells of (P24). */
import { FIRST_PREV, hashSql } from './auditChain.ts'
import type { Db, Statement, Value } from './db.ts'

export interface AuditNote {
  readonly id: string
  /** The caller's id. */
  readonly actor: string
  /** Noun and verb: `agent.registered`. */
  readonly action: string
  readonly subject: string
  /** Never a secret. */
  readonly detail?: unknown
}

/**
 * A row of the audit for what `changed` tells of (nothing, if it is empty), as CTEs of the changing statement; the note's
 * parameters are from `first` on: `with saved as (…), ${noting('saved', 8)} select …`.
 *
 * The tenant's head is updated first, and its row lock, held to the commit, makes the writers of all replicas stand in
 * line: each sees the head that the one before has left, so that there is no gap and no fork. It is the last lock that a
 * statement takes.
 */
export function noting(changed: string, first: number): string {
  const [id, actor, action, subject] = [`$${first}::uuid`, ...[1, 2, 3].map((offset) => `$${first + offset}::text`)]
  const detail = `$${first + 4}::text::jsonb`
  const note = { id, actor, action, subject, detail } as Record<
    'id' | 'actor' | 'action' | 'subject' | 'detail',
    string
  >
  const at = `date_trunc('milliseconds', now())`
  return `noted as (
  insert into audit_heads as h (tenant, seq, at, prev, hash)
  select c.tenant, 1, ${at}, '${FIRST_PREV}', ${hashSql({ ...note, tenant: 'c.tenant', seq: '1', at, prev: `'${FIRST_PREV}'` })}
  from ${changed} c limit 1
  on conflict (tenant) do update set seq = h.seq + 1, at = excluded.at, prev = h.hash,
    hash = ${hashSql({ ...note, tenant: 'h.tenant', seq: '(h.seq + 1)', at: 'excluded.at', prev: 'h.hash' })}
  returning h.tenant, h.seq, h.at, h.prev, h.hash
), written as (
  insert into audit (tenant, id, at, actor, action, subject, detail, seq, prev, hash)
  select n.tenant, ${id}, n.at, ${actor}, ${action}, ${subject}, ${detail}, n.seq, n.prev, n.hash from noted n
)`
}

export const auditValues = ({ id, actor, action, subject, detail }: AuditNote): Value[] => [
  id,
  actor,
  action,
  subject,
  detail === undefined ? null : JSON.stringify(detail),
]

const APPEND: Statement = {
  name: 'audit.append',
  write: true,
  text: `
with told as (
  select $1::text as tenant where not exists (select 1 from audit where tenant = $1 and id = $2::uuid)
), ${noting('told', 2)}
select 1 from noted`,
}

/** For what changes nothing but must be told: an operator read somebody's content. */
export async function appendAudit(db: Db, tenant: string, note: AuditNote): Promise<void> {
  await db.query(APPEND, [tenant, ...auditValues(note)])
}

export interface AuditEntry {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: unknown
  /** Its number in the tenant's chain, from 1. */
  readonly sequence: number
  /** SHA-256, hexadecimal. */
  readonly hash: string
}

export interface AuditQuery {
  readonly tenant: string
  readonly actor?: string
  readonly action?: string
  readonly subject?: string
  /** Continue below this id. */
  readonly before?: string
  readonly limit: number
}

const LIST: Statement = {
  name: 'audit.list',
  write: false,
  text: `select id::text, (extract(epoch from at) * 1000)::float8 as at, actor, action, subject, detail, seq::float8 as sequence, hash from audit
where tenant = $1 and ($2::text is null or actor = $2) and ($3::text is null or action = $3) and ($4::text is null or subject = $4)
  and ($5::uuid is null or id < $5::uuid)
order by id desc limit $6`,
}

/** Newest first: ids are in the order of time. */
export const listAudit = (db: Db, query: AuditQuery): Promise<AuditEntry[]> =>
  db.query<AuditEntry>(LIST, [
    query.tenant,
    query.actor ?? null,
    query.action ?? null,
    query.subject ?? null,
    query.before ?? null,
    query.limit,
  ])
