/** /v1/tasks: what happened to a task and why it waits. Callers see their own, operators all; reading others' content is noted. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import { isTerminal, TASK_STATES, type TaskState } from '../../a2a/tasks.ts'
import { DELIVERY_STATES } from '../../delivery.ts'
import { overviewFilter, ownerFilter } from '../../gateway/callers/permits.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Caller } from '../../ports.ts'
import { appendAudit } from '../../store/audit.ts'
import { type Recipient, readRecipients } from '../../store/children.ts'
import type { Db } from '../../store/db.ts'
import { readEvents } from '../../store/events.ts'
import {
  type AttemptRow,
  type DeliveryRow,
  inspectTask,
  readDeliveries,
  type TaskFacts,
  taskTimeline,
} from '../../store/inspect.ts'
import { findTask, type ListCursor, listTasks, type TaskHead } from '../../store/tasks.ts'
import {
  type Access,
  checked,
  type Face,
  type FaceContext,
  newFace,
  PAGE,
  pageOf,
  present,
  times,
  UUID,
} from '../face.ts'
import { showDelivery } from './deliveries.ts'
import { type Follow, streamEvents } from './events.ts'
import { explainTask } from './explain.ts'
import { receiptsOf, summaryOf } from './receipts.ts'

export interface TaskRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
  readonly follow: Follow
  readonly draining: AbortSignal
}

const STATES: Readonly<Record<string, TaskState>> = Object.fromEntries(
  TASK_STATES.flatMap((state) => [
    [state, state],
    [state.replace('TASK_STATE_', ''), state],
  ]),
)
const state = z
  .string()
  .transform((text) => STATES[text.toUpperCase().replaceAll('-', '_')])
  .refine((found): found is TaskState => found !== undefined, { error: 'a task state' })
export const LIST = z.strictObject({
  agent: z.string().max(64).toLowerCase().optional(),
  caller: z.string().max(128).optional(),
  contextId: z.string().max(LIMITS.contextIdCharsMax).optional(),
  state: state.optional(),
  status: state.optional(),
  ...PAGE,
})
const sequence = z.coerce.number().int().min(0).max(2_147_483_647).optional()
export const EVENTS = z.strictObject({
  cursor: sequence,
  after: sequence,
  lastEventId: sequence,
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

export function taskRoutes(tools: TaskRoutesTools): Face {
  const { access, db, pageKey } = tools
  const face = newFace()

  face.get('/v1/tasks', async (context) => {
    const by = await access.require(context, 'read', 'observe')
    const query = checked(LIST, context.req.query())
    const { agent, contextId } = query
    const wanted = query.state ?? query.status
    const caller = overviewFilter(by).caller ?? query.caller
    const page = pageOf<ListCursor>(query, pageKey, ['tasks', by.tenant, by.id, agent, caller, contextId, wanted])
    const { heads, total } = await listTasks(db, {
      tenant: by.tenant,
      limit: page.fetch,
      ...(caller !== undefined && { caller }),
      ...(agent !== undefined && { agent }),
      ...(contextId !== undefined && { contextId }),
      ...(wanted !== undefined && { state: wanted }),
      ...(page.after && { after: page.after }),
    })
    const opening = new Map(
      (
        await readDeliveries(
          db,
          by.tenant,
          heads.map(({ id }) => id),
        )
      ).map((row) => [row.id, row]),
    )
    const answer = page.answer(
      heads,
      (head) => showHead(head, opening.get(head.id)),
      ({ statusAt, id }) => ({ statusAt, id }),
    )
    return context.json({ ...answer, total })
  })

  face.get('/v1/tasks/:id', async (context) => {
    const facts = await factsFor(context, tools)
    return context.json(showFacts(facts))
  })
  face.get('/v1/tasks/:id/explain', async (context) => context.json(explainTask(await factsFor(context, tools))))
  face.get('/v1/tasks/:id/receipts', async (context) => {
    const facts = await factsFor(context, tools)
    const { tenant, id } = facts.head
    const [timeline, recipients] = await Promise.all([
      taskTimeline(db, tenant, id),
      readRecipients(db, tenant, id, LIMITS.channelMembersMax + LIMITS.channelReplayMax),
    ])
    const items = receiptsOf(facts, timeline)
    const told = recipients.length > 0 && { recipients: recipients.map(showRecipient) }
    return context.json({ receipt: summaryOf(facts, timeline), items, ...told, truncated: facts.truncated })
  })
  face.get('/v1/tasks/:id/events', (context) => events(context, tools))
  return face
}

const unknownTask = (): A2AError => new A2AError('TASK_NOT_FOUND', 'there is no such task')

/** Throws TASK_NOT_FOUND for what is not there as for what is another's. */
async function factsFor(context: FaceContext, { access, db }: TaskRoutesTools): Promise<TaskFacts> {
  const by = await access.require(context, 'read', 'observe')
  const facts = await inspectTask(db, {
    tenant: by.tenant,
    id: (context.req.param('id') ?? '').toLowerCase(),
    ...overviewFilter(by),
  })
  if (!facts) throw unknownTask()
  return facts
}

async function events(context: FaceContext, { access, db, follow, draining }: TaskRoutesTools): Promise<Response> {
  const by = await access.require(context, 'read')
  const { after: asked, cursor, lastEventId, limit } = checked(EVENTS, context.req.query())
  const id = (context.req.param('id') ?? '').toLowerCase()
  const head = UUID.test(id) ? await findTask(db, { tenant: by.tenant, id, ...ownerFilter(by) }) : undefined
  if (!head) throw unknownTask()
  await noteReading(db, head, by)
  const wantsStream = context.req.header('accept')?.includes('text/event-stream') ?? false
  const given = Number(context.req.header('last-event-id') ?? lastEventId ?? asked ?? cursor ?? 0)
  // A position that the log does not have begins anew, and never loops.
  const after = Number.isInteger(given) && given >= 0 && given <= head.lastSeq ? given : 0
  if (!wantsStream) {
    const rows = await readEvents(db, head.tenant, id, after, limit + 1)
    const items = rows.slice(0, limit).map(({ seq, body }) => ({ sequence: seq, event: JSON.parse(body) as unknown }))
    return context.json({ items, ...(rows.length > limit && { next: String(items.at(-1)?.sequence) }) })
  }
  if (isTerminal(head.state) && after >= head.lastSeq) return context.body(null, 204)
  streamEvents(context.env.outgoing, { tenant: head.tenant, taskId: id, after }, follow, draining)
  return RESPONSE_ALREADY_SENT
}

/** What callers and agents wrote is theirs: an operator may read it, and it is written down (SR-82). */
async function noteReading(db: Db, head: TaskHead, by: Caller): Promise<void> {
  if (head.caller === by.id) return
  await appendAudit(db, head.tenant, { id: uuidv7(), actor: by.id, action: 'task.read', subject: head.id })
}

const showHead = (head: TaskHead, delivery: DeliveryRow | undefined) => ({
  id: head.id,
  agent: head.agent,
  caller: head.caller,
  contextId: head.contextId,
  state: head.state,
  lastSequence: head.lastSeq,
  ...times({ createdAt: head.createdAt, updatedAt: head.statusAt, deadline: head.deadline }),
  ...(delivery && { delivery: shortDelivery(delivery) }),
})

/** One of those that a post or a delegated task went to; its own task tells the rest. */
const showRecipient = (row: Recipient) => ({
  agent: row.member,
  task: row.childId,
  state: row.state,
  ...(row.delivery !== null && { delivery: DELIVERY_STATES[row.delivery] }),
  attempt: row.attempt,
  ...present({ outcome: row.outcome, reason: row.reason }),
  ...times({ at: row.createdAt, updatedAt: row.statusAt }),
})

const shortDelivery = (row: DeliveryRow) => ({
  state: row.state,
  attempt: row.attempt,
  ...present({ code: row.code, reason: row.reason }),
  ...times({ nextAttemptAt: row.state === 'waiting' ? row.dueAt : undefined, expiresAt: row.expiresAt }),
})

const showAttempt = (row: AttemptRow) => ({
  delivery: row.deliveryId,
  attempt: row.attempt,
  outcome: row.outcome,
  durationMs: row.durationMs,
  ...present({ status: row.status, code: row.code, reason: row.reason }),
  ...times({ at: row.endedAt }),
})

function showFacts({ head, deliveries, attempts, truncated }: TaskFacts) {
  const opening = deliveries.find(({ id }) => id === head.id)
  return {
    id: head.id,
    agent: head.agent,
    caller: head.caller,
    contextId: head.contextId,
    state: head.state,
    lastSequence: head.lastSeq,
    ...times({
      createdAt: head.createdAt,
      updatedAt: head.statusAt,
      deadline: head.deadline,
      cancelAskedAt: head.cancelAt,
    }),
    ...present({ upstreamTaskId: head.upstreamTask, upstreamContextId: head.upstreamContext }),
    ...(opening && { delivery: shortDelivery(opening) }),
    deliveries: deliveries.map(showDelivery),
    attempts: attempts.map(showAttempt),
    truncated,
  }
}
