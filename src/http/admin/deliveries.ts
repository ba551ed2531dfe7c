/** /v1/deliveries: what is owed, what was given up, and trying it anew. An administrator's. */

import { z } from 'zod'
import { DELIVERY_STATES } from '../../delivery.ts'
import { destinationOf } from '../../gateway/agents/agent.ts'
import type { Caller } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { type DeliveryQuery, type DeliveryRow, listDeliveries, readDeliveries } from '../../store/inspect.ts'
import { type Access, checked, type Face, jsonBody, newFace, PAGE, pageOf, present, times, uuid } from '../face.ts'
import { Refusal } from '../refusal.ts'

export type Replayed = { kind: 'replayed'; taskId: string } | { kind: 'not found' } | { kind: 'not dead' }
export type Replay = (tenant: string, id: string, by: string) => Promise<Replayed>

export interface DeliveryRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
  readonly replay: Replay
}

const KINDS = ['a2a', 'mailbox', 'webhook', 'mcp'] as const
const state = z.enum(DELIVERY_STATES)
const FILTER = {
  agent: z.string().max(64).toLowerCase().optional(),
  task: uuid.optional(),
  kind: z.enum(KINDS).optional(),
  code: z.string().max(64).optional(),
}
export const LIST = z.strictObject({
  /** Several by commas. */
  state: z
    .string()
    .transform((text) => text.split(',').filter(Boolean))
    .pipe(z.array(state).max(DELIVERY_STATES.length))
    .optional(),
  id: uuid.optional(),
  ...FILTER,
  ...PAGE,
})
/** One call replays this many at most; the answer says whether there are more. */
const REPLAY_MAX = 1_000
const REPLAY_SIDE_BY_SIDE = 8
export const REPLAY_FILTER = z.strictObject({
  state: z.enum(['dead', 'expired']).optional(),
  ...FILTER,
  dryRun: z.boolean().default(false),
  limit: z.int().min(1).max(REPLAY_MAX).default(REPLAY_MAX),
})

type Filter = z.infer<z.ZodObject<typeof FILTER>>
const queryOf = (by: Caller, { agent, task, kind, code }: Filter): Omit<DeliveryQuery, 'states' | 'limit'> => ({
  tenant: by.tenant,
  ...(agent !== undefined && { destination: destinationOf(agent) }),
  ...(task !== undefined && { taskId: task }),
  ...(kind !== undefined && { kind }),
  ...(code !== undefined && { code }),
})

export function deliveryRoutes({ access, db, pageKey, replay }: DeliveryRoutesTools): Face {
  const face = newFace()

  face.get('/v1/deliveries', async (context) => {
    const by = await access.require(context, 'admin', 'observe')
    const query = checked(LIST, context.req.query())
    if (query.id !== undefined)
      return context.json({ items: (await readDeliveries(db, by.tenant, [query.id])).map(showDelivery) })
    const states = query.state ?? []
    const scope = ['deliveries', by.tenant, by.id, states.join(), query.agent, query.task, query.kind, query.code]
    const page = pageOf<string>(query, pageKey, scope)
    const rows = await listDeliveries(db, {
      ...queryOf(by, query),
      states,
      limit: page.fetch,
      ...(page.after !== undefined && { before: page.after }),
    })
    return context.json(page.answer(rows, showDelivery, ({ id }) => id))
  })

  face.post('/v1/deliveries/replay', async (context) => {
    const by = await access.require(context, 'admin')
    const filter = checked(REPLAY_FILTER, await jsonBody(context))
    const states = filter.state ? [filter.state] : (['dead', 'expired'] as const)
    const rows = await listDeliveries(db, { ...queryOf(by, filter), states, limit: filter.limit + 1 })
    const chosen = rows.slice(0, filter.limit)
    const more = rows.length > filter.limit
    if (filter.dryRun)
      return context.json({ dryRun: true, matched: chosen.length, more, items: chosen.map(showDelivery) })
    const done = await replayAll(chosen, (id) => replay(by.tenant, id, by.id))
    return context.json({ dryRun: false, matched: chosen.length, more, replayed: done.length, items: done })
  })

  face.post('/v1/deliveries/:id/replay', async (context) => {
    const by = await access.require(context, 'admin')
    const id = context.req.param('id')
    const answer = uuid.safeParse(id).success ? await replay(by.tenant, id, by.id) : ({ kind: 'not found' } as const)
    if (answer.kind === 'replayed') return context.json({ id, taskId: answer.taskId, replayed: true })
    if (answer.kind === 'not found')
      throw new Refusal(404, 'DELIVERY_NOT_FOUND', 'there is no such delivery', 'list them: waypost dlq list')
    throw new Refusal(
      409,
      'DELIVERY_NOT_DEAD',
      'only a dead or expired delivery can be replayed',
      'list them: waypost dlq list',
    )
  })
  return face
}

/** In the order of the list, a few at a time. What is no longer dead meanwhile is left out. */
async function replayAll(rows: readonly DeliveryRow[], one: (id: string) => Promise<Replayed>) {
  const done: { id: string; taskId: string }[] = []
  for (let at = 0; at < rows.length; at += REPLAY_SIDE_BY_SIDE) {
    const batch = rows.slice(at, at + REPLAY_SIDE_BY_SIDE)
    const answers = await Promise.all(batch.map(({ id }) => one(id)))
    answers.forEach((answer, index) => {
      if (answer.kind === 'replayed') done.push({ id: (batch[index] as DeliveryRow).id, taskId: answer.taskId })
    })
  }
  return done
}

const agentOf = (destination: string): string | undefined =>
  destination.startsWith('agent:') ? destination.slice('agent:'.length) : undefined

export const showDelivery = (row: DeliveryRow) => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  task: row.taskId,
  sequence: row.sequence,
  destination: row.destination,
  ...present({ agent: agentOf(row.destination), config: row.configId, code: row.code, reason: row.reason }),
  attempt: row.attempt,
  priority: row.priority,
  ...times({
    createdAt: row.createdAt,
    nextAttemptAt: row.state === 'waiting' ? row.dueAt : undefined,
    expiresAt: row.expiresAt,
    settledAt: row.settledAt,
    updatedAt: row.settledAt ?? row.createdAt,
    leasedUntil: row.leasedUntil,
  }),
})
