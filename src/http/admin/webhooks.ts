/** /v1/webhooks: who wants to be told, and how they took it. Callers see their own tasks' only; nobody sees a secret. */
import { z } from 'zod'
import { overviewFilter } from '../../gateway/callers/permits.ts'
import type { Db } from '../../store/db.ts'
import { listWebhookAttempts, listWebhooks, type WebhookAttempt, type WebhookRow } from '../../store/queues.ts'
import { type Access, checked, type Face, newFace, PAGE, pageOf, present, times, uuid } from '../face.ts'

export interface WebhookRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
}

export const LIST = z.strictObject({ task: uuid.optional(), ...PAGE })
export const ATTEMPTS = LIST.extend({ outcome: z.enum(['delivered', 'retry', 'dead', 'superseded']).optional() })

export function webhookRoutes({ access, db, pageKey }: WebhookRoutesTools): Face {
  const face = newFace()
  face.get('/v1/webhooks', async (context) => {
    const by = await access.require(context, 'read', 'observe')
    const query = checked(LIST, context.req.query())
    const page = pageOf<{ taskId: string; id: string }>(query, pageKey, ['webhooks', by.tenant, by.id, query.task])
    const rows = await listWebhooks(db, {
      tenant: by.tenant,
      ...overviewFilter(by),
      limit: page.fetch,
      ...(query.task !== undefined && { taskId: query.task }),
      ...(page.after && { before: page.after }),
    })
    return context.json(page.answer(rows, showWebhook, ({ taskId, id }) => ({ taskId, id })))
  })
  face.get('/v1/webhooks/attempts', async (context) => {
    const by = await access.require(context, 'read', 'observe')
    const query = checked(ATTEMPTS, context.req.query())
    const { task, outcome } = query
    const page = pageOf<{ deliveryId: string; lease: string }>(query, pageKey, [
      'attempts',
      by.tenant,
      by.id,
      task,
      outcome,
    ])
    const rows = await listWebhookAttempts(db, {
      tenant: by.tenant,
      ...overviewFilter(by),
      limit: page.fetch,
      ...(task !== undefined && { taskId: task }),
      ...(outcome !== undefined && { outcome }),
      ...(page.after && { before: page.after }),
    })
    return context.json(page.answer(rows, showAttempt, ({ deliveryId, lease }) => ({ deliveryId, lease })))
  })
  return face
}

/** A query string may carry a secret. */
export const shownUrl = (url: string): string => url.replace(/[?#].*$/s, '?…').replace(/\/\/[^/@]*@/, '//…@')

const showWebhook = (row: WebhookRow) => ({
  id: row.id,
  task: row.taskId,
  agent: row.agent,
  caller: row.caller,
  url: shownUrl(row.url),
  delivered: row.delivered,
  waiting: row.waiting,
  dead: row.dead,
  ...times({ createdAt: row.createdAt, disabledAt: row.disabledAt, lastAttemptAt: row.lastAt }),
  ...present({ disabledReason: row.disabledReason, lastOutcome: row.lastOutcome, lastStatus: row.lastStatus }),
})

const showAttempt = (row: WebhookAttempt) => ({
  delivery: row.deliveryId,
  task: row.taskId,
  sequence: row.sequence,
  attempt: row.attempt,
  outcome: row.outcome,
  durationMs: row.durationMs,
  ...present({ config: row.configId, status: row.status, code: row.code, reason: row.reason }),
  ...times({ at: row.endedAt }),
})
