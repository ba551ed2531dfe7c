/** Who did what to what: append-only, and written by the same statement as the change it tells of (P24). */
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

/** The note's parameters from `first` on, for a CTE that is part of a changing statement: `insertAudit('saved', 8)`. */
export const insertAudit = (changed: string, first: number): string =>
  `insert into audit (tenant, id, actor, action, subject, detail)
  select c.tenant, $${first}::uuid, $${first + 1}::text, $${first + 2}::text, $${first + 3}::text, $${first + 4}::text::jsonb from ${changed} c limit 1`

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
  text: `with noted as (select $1::text as tenant) ${insertAudit('noted', 2)} on conflict (tenant, id) do nothing`,
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
  text: `select id::text, (extract(epoch from at) * 1000)::float8 as at, actor, action, subject, detail from audit
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
