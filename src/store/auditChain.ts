/**
 * The chain of a tenant's audit: rows numbered from 1, each with the hash of the one before and its own, so that a row
 * that was changed, removed, moved or put in between is found by whoever walks it (SR-82).
 *
 * A row's hash is the SHA-256, in lower-case hexadecimal, of these ten texts in UTF-8, each as a netstring (its length in
 * bytes, a colon, the text, a comma), so that no two rows have the same form: the word `waypost audit 1`, the hash of the
 * row before (64 zeros for the first), tenant, number, id, time in milliseconds since 1970, actor, action, subject, and the
 * detail as PostgreSQL writes its jsonb (nothing for none). The database computes it when it writes, we when we verify.
 */
import { createHash } from 'node:crypto'
import type { Db, Statement } from './db.ts'

export const FIRST_PREV = '0'.repeat(64)
const FORM = 'waypost audit 1'

type Part = 'prev' | 'tenant' | 'seq' | 'id' | 'at' | 'actor' | 'action' | 'subject' | 'detail'

/** The hash as SQL, from expressions: `seq` a number, `id` a uuid, `at` an instant, `detail` jsonb, the others text. */
export function hashSql({ prev, tenant, seq, id, at, actor, action, subject, detail }: Record<Part, string>): string {
  const millis = `round(extract(epoch from ${at}) * 1000)::bigint::text`
  const texts = [`'${FORM}'`, prev, tenant, `${seq}::text`, `${id}::text`, millis, actor, action, subject]
  const form = [...texts, `coalesce(${detail}::text, '')`].map(
    (text) => `octet_length(${text}) || ':' || ${text} || ','`,
  )
  return `encode(sha256(convert_to(${form.join(' || ')}, 'UTF8')), 'hex')`
}

interface ChainRow {
  readonly seq: number
  readonly id: string
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  /** As PostgreSQL writes it. */
  readonly detail: string | null
  readonly prev: string
  readonly hash: string
}

/** What the row's hash must be. */
function hashOf(tenant: string, { prev, seq, id, at, actor, action, subject, detail }: ChainRow): string {
  const texts = [FORM, prev, tenant, String(seq), id, String(at), actor, action, subject, detail ?? '']
  const form = texts.map((text) => `${Buffer.byteLength(text)}:${text},`).join('')
  return createHash('sha256').update(form).digest('hex')
}

/**
 * `changed`: what it says is not what was hashed. `unlinked`: it does not follow the row before it, which was changed or
 * replaced. `missing`: there is no row of this number. `beyond`: the chain's head does not know it. `head`: the head names
 * another. `unexpected`: its hash is not the one that was noted elsewhere.
 */
export type ChainFault = 'changed' | 'unlinked' | 'missing' | 'beyond' | 'head' | 'unexpected'

export interface ChainPosition {
  readonly sequence: number
  readonly hash: string
}

export interface ChainPage {
  /** Rows that were found in order. */
  readonly checked: number
  /** The last of them; undefined: there is none. */
  readonly last?: ChainPosition
  /** The walk goes on after this number; absent: all was seen, or something is broken. */
  readonly next?: number
  /** The first row that is not as it was written. */
  readonly broken?: { readonly sequence: number; readonly id?: string; readonly fault: ChainFault }
}

export interface ChainWalk {
  readonly tenant: string
  /** Begin behind the row of this number, which has been checked; 0: at the first. */
  readonly after: number
  /** Rows to check now. */
  readonly limit: number
  /** What a row is known to be, from a copy that nobody could change: finds also a chain that was written anew. */
  readonly expected?: ChainPosition
}

// In one statement, so that an honest chain's last row is always its head's.
const HEAD: Statement = {
  name: 'audit.head',
  write: false,
  text: `select h.seq::float8 as seq, h.hash, (select max(a.seq)::float8 from audit a where a.tenant = $1) as last
from (select 1) one left join audit_heads h on h.tenant = $1`,
}

const PAGE: Statement = {
  name: 'audit.chain',
  write: false,
  text: `select seq::float8 as seq, id::text, round(extract(epoch from at) * 1000)::float8 as at, actor, action, subject, detail::text, prev, hash
from audit where tenant = $1 and seq >= $2::float8::bigint order by seq limit $3`,
}

interface Head {
  readonly seq: number | null
  readonly hash: string | null
  /** The highest number there is. */
  readonly last: number | null
}

/** Checks the next rows of the chain. Rows that are written meanwhile are left to the next walk. */
export async function verifyAudit(db: Db, walk: ChainWalk): Promise<ChainPage> {
  const { tenant, after, limit } = walk
  const [head = { seq: null, hash: null, last: null }] = await db.query<Head>(HEAD, [tenant])
  const end = Math.max(head.seq ?? 0, head.last ?? 0)
  // From the row before on, whose hash is needed; before the first there must not be any, whatever its number.
  const from = after === 0 ? Number.MIN_SAFE_INTEGER : after
  const found = await db.query<ChainRow>(PAGE, [tenant, from, after === 0 ? limit : limit + 1])
  const rows = found.filter(({ seq }) => seq <= end)
  return judge(walk, rows, head, end)
}

function judge(
  { tenant, after, limit, expected }: ChainWalk,
  rows: readonly ChainRow[],
  head: Head,
  end: number,
): ChainPage {
  const before = after === 0 ? undefined : rows[0]
  if (after > 0 && before?.seq !== after) return { checked: 0, broken: { sequence: after, fault: 'missing' } }
  let last: ChainPosition = { sequence: after, hash: before?.hash ?? FIRST_PREV }
  const page = () => ({ checked: last.sequence - after, ...(last.sequence > 0 && { last }) })
  for (const row of before ? rows.slice(1) : rows) {
    const fault = faultOf(row, { tenant, last, head, expected })
    if (fault === 'missing') return { ...page(), broken: { sequence: last.sequence + 1, fault } }
    if (fault) return { ...page(), broken: { sequence: row.seq, id: row.id, fault } }
    last = { sequence: row.seq, hash: row.hash }
  }
  const goal = Math.max(end, expected?.sequence ?? 0)
  if (last.sequence >= goal) return page()
  if (last.sequence - after === limit) return { ...page(), next: last.sequence }
  return { ...page(), broken: { sequence: last.sequence + 1, fault: 'missing' } }
}

function faultOf(
  row: ChainRow,
  {
    tenant,
    last,
    head,
    expected,
  }: { tenant: string; last: ChainPosition; head: Head; expected: ChainPosition | undefined },
): ChainFault | undefined {
  if (row.seq > last.sequence + 1) return 'missing'
  if (row.seq <= last.sequence) return 'unlinked'
  if (hashOf(tenant, row) !== row.hash) return 'changed'
  if (row.prev !== last.hash) return 'unlinked'
  if (row.seq === expected?.sequence && row.hash !== expected.hash) return 'unexpected'
  if (row.seq > (head.seq ?? 0)) return 'beyond'
  return row.seq === head.seq && row.hash !== head.hash ? 'head' : undefined
}
