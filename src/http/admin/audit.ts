/** /v1/audit: who did what to what, newest first. An operator's. */
import { z } from 'zod'
import { type AuditEntry, listAudit } from '../../store/audit.ts'
import type { Db } from '../../store/db.ts'
import { type Access, checked, type Face, newFace, PAGE, pageOf, present, times } from '../face.ts'

export interface AuditRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
}

const text = z.string().min(1).max(256).optional()
const LIST = z.strictObject({ actor: text, action: text, subject: text, ...PAGE })

export function auditRoutes({ access, db, pageKey }: AuditRoutesTools): Face {
  const face = newFace()
  face.get('/v1/audit', async (context) => {
    const by = await access.require(context, 'operator')
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
  return face
}

const show = ({ id, at, actor, action, subject, detail }: AuditEntry) => ({
  id,
  ...times({ at }),
  actor,
  action,
  subject,
  ...present({ detail }),
})
