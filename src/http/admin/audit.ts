/** /v1/audit: who did what to what, newest first; /v1/audit/verify: whether that is still what was written. An administrator's. */
import { z } from 'zod'
import { LIMITS } from '../../limits.ts'
import { type AuditEntry, listAudit } from '../../store/audit.ts'
import { type ChainFault, type ChainPage, verifyAudit } from '../../store/auditChain.ts'
import type { Db } from '../../store/db.ts'
import { type Access, checked, type Face, newFace, PAGE, pageOf, present, times } from '../face.ts'

export interface AuditRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
}

const text = z.string().min(1).max(256).optional()
export const LIST = z.strictObject({ actor: text, action: text, subject: text, ...PAGE })
const POSITION = /^([1-9]\d{0,14}):([0-9a-f]{64})$/
export const VERIFY = z.strictObject({
  after: z.coerce.number().int().min(0).max(999_999_999_999_999).default(0),
  limit: z.coerce.number().int().min(1).max(LIMITS.auditPageRowsMax).default(LIMITS.auditPageRowsMax),
  expect: z.string().regex(POSITION, { error: 'a number, a colon, and the hash of that row' }).optional(),
})

export function auditRoutes({ access, db, pageKey }: AuditRoutesTools): Face {
  const face = newFace()
  face.get('/v1/audit', async (context) => {
    const by = await access.require(context, 'admin', 'observe')
    const query = checked(LIST, context.req.query())
    const { actor, action, subject } = query
    const page = pageOf<string>(query, pageKey, ['audit', by.tenant, by.id, actor, action, subject])
    const rows = await listAudit(db, {
      tenant: by.tenant,
      limit: page.fetch,
      ...(actor !== undefined && { actor }),
      ...(action !== undefined && { action }),
      ...(subject !== undefined && { subject }),
      ...(page.after !== undefined && { before: page.after }),
    })
    return context.json(page.answer(rows, show, ({ id }) => id))
  })
  face.get('/v1/audit/verify', async (context) => {
    const { tenant } = await access.require(context, 'admin', 'observe')
    const { after, limit, expect } = checked(VERIFY, context.req.query())
    const [, sequence, hash] = POSITION.exec(expect ?? '') ?? []
    const expected = hash === undefined ? {} : { expected: { sequence: Number(sequence), hash } }
    return context.json(showPage(await verifyAudit(db, { tenant, after, limit, ...expected })))
  })
  return face
}

const FAULTS: Readonly<Record<ChainFault, string>> = {
  changed: 'what it says is not what was written',
  unlinked: 'it does not follow the row before it',
  missing: 'there is no row of this number',
  beyond: 'the head of the chain does not know it',
  head: 'the head of the chain names another row',
  unexpected: 'its hash is not the one that was expected',
}

const showPage = ({ checked, last, next, broken }: ChainPage) => ({
  ok: broken === undefined,
  checked,
  ...present({ last, next }),
  ...(broken && { broken: { ...broken, reason: FAULTS[broken.fault] } }),
})

const show = ({ id, sequence, at, actor, action, subject, detail, hash }: AuditEntry) => ({
  id,
  sequence,
  ...times({ at }),
  actor,
  action,
  subject,
  ...present({ detail }),
  hash,
})
