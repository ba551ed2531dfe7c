/**
 * /v1/export and /v1/erase: everything of one caller or of the tenant, to be taken along or to be no more. An
 * administrator's; both are noted in the audit.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from 'zod'
import { TASK_STATES } from '../../a2a/tasks.ts'
import { DELIVERY_STATES } from '../../delivery.ts'
import { COUNT_MAX, type Erase } from '../../gateway/operations/erase.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { appendAudit } from '../../store/audit.ts'
import type { Db } from '../../store/db.ts'
import { countTasks, type Principal } from '../../store/erase.ts'
import {
  exportEvents,
  exportOfTasks,
  exportOwned,
  exportTasks,
  OF_TASKS_KINDS,
  type Row,
  type TaskRow,
} from '../../store/exports.ts'
import { type Access, checked, type Face, jsonBody, newFace, present, uuid } from '../face.ts'

export interface DataRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly erase: Erase
  readonly draining: AbortSignal
}

const caller = z.string().min(1).max(256)
export const EXPORT = z.strictObject({ caller: caller.optional(), after: uuid.optional() })
export const ERASE = z
  .strictObject({
    caller: caller.optional(),
    all: z.literal(true).optional(),
    force: z.boolean().default(false),
    dryRun: z.boolean().default(false),
    resumed: z.boolean().default(false),
  })
  .refine(({ caller, all }) => (caller === undefined) !== (all === undefined), {
    path: ['caller'],
    error: 'whose? one caller, or all: true for everybody’s',
  })

export function dataRoutes({ access, db, erase, draining }: DataRoutesTools): Face {
  const face = newFace()
  face.get('/v1/export', async (context) => {
    const by = await access.require(context, 'admin')
    const { caller, after } = checked(EXPORT, context.req.query())
    const who = { tenant: by.tenant, caller }
    const note = { id: uuidv7(), actor: by.id, action: 'data.exported', subject: caller ?? '*' }
    await appendAudit(db, by.tenant, note)
    await stream(context.env.outgoing, linesOf(db, who, after), draining)
    return RESPONSE_ALREADY_SENT
  })
  face.post('/v1/erase', async (context) => {
    const by = await access.require(context, 'admin')
    const { caller, force, resumed, dryRun } = checked(ERASE, await jsonBody(context))
    if (!dryRun) return context.json(await erase({ caller, force, resumed, by }))
    return context.json({ dryRun, ...(await countTasks(db, { tenant: by.tenant, caller }, COUNT_MAX)) })
  })
  return face
}

const NOTHING = '00000000-0000-0000-0000-000000000000'
const TASKS_PAGE = 50

/** One JSON document a line. After each `cursor` it can be gone on with; `end` says that nothing is missing. */
async function* linesOf(db: Db, who: Principal, begin: string | undefined): AsyncGenerator<Row> {
  yield { kind: 'export', form: 1, ...present({ tenant: who.tenant, caller: who.caller, after: begin }) }
  if (begin === undefined) for await (const row of exportOwned(db, who)) yield present(row)
  let tasks = 0
  for (let after = begin ?? NOTHING; ; ) {
    const page = await exportTasks(db, who, after, TASKS_PAGE)
    const last = page.at(-1)
    if (!last) break
    yield* linesOfTasks(db, who.tenant, page)
    tasks += page.length
    after = last.id
    yield { kind: 'cursor', after }
  }
  yield { kind: 'end', tasks }
}

async function* linesOfTasks(db: Db, tenant: string, page: readonly TaskRow[]): AsyncGenerator<Row> {
  const ids = page.map(({ id }) => id)
  for (const { state, ...row } of page) yield { kind: 'task', ...present(row), state: TASK_STATES[state] }
  for (let after = { task: NOTHING, sequence: 0 }; ; ) {
    const events = await exportEvents(db, tenant, ids, after)
    for (const { event, history, request, ...row } of events)
      yield {
        kind: 'event',
        ...row,
        event: parsed(event),
        ...present({ history: parsed(history), request: parsed(request) }),
      }
    const last = events.at(-1)
    if (!last) break
    after = last
  }
  for (const kind of OF_TASKS_KINDS)
    for await (const { state, ...row } of exportOfTasks(db, tenant, kind, ids))
      yield { kind, ...present(row), ...(typeof state === 'number' && { state: DELIVERY_STATES[state] }) }
}

const parsed = (json: string | null): unknown => (json === null ? null : JSON.parse(json))

/** No faster than it is read; ends without `end` when the reader goes, the gateway stops, or the store fails. */
async function stream(response: ServerResponse, lines: AsyncGenerator<Row>, draining: AbortSignal): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson; charset=utf-8', 'Cache-Control': 'no-store' })
  const over = new AbortController()
  const stop = () => over.abort()
  response.once('close', stop)
  draining.addEventListener('abort', stop, { once: true })
  try {
    for await (const line of lines) {
      if (over.signal.aborted) break
      if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, 'drain', { signal: over.signal })
    }
    response.end()
  } catch {
    // What has been sent has no `end`: whoever reads it sees that, and goes on behind its last cursor.
    response.destroy()
  } finally {
    draining.removeEventListener('abort', stop)
  }
}
