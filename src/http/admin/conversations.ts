/** /v1/conversations: what was said in a context, for those who take part in it. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from 'zod'
import { isShared, noConversation } from '../../gateway/operations/participants.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import {
  type ConversationKey,
  listConversations,
  readParticipants,
  readTimeline,
  standingIn,
  type TimelineCursor,
  type TimelineRow,
} from '../../store/conversations.ts'
import type { Db } from '../../store/db.ts'
import { type Access, checked, type Face, type FaceContext, iso, newFace, PAGE, pageOf, times, UUID } from '../face.ts'
import { streamTail, type TailTools } from '../rooms/tail.ts'

export interface ConversationRoutesTools extends TailTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
}

export const LIST = z.strictObject({ ...PAGE })
export const ONE = z.strictObject({ ...PAGE })
const PARTICIPANTS_MAX = 1_000
/** A stream looks back so far: what a statement began writing then may have come only now. */
const LOOK_BACK_MS = LIMITS.statementMs

export function conversationRoutes(tools: ConversationRoutesTools): Face {
  const { access, db, pageKey } = tools
  const face = newFace()

  face.get('/v1/conversations', async (context) => {
    const by = await access.require(context, 'read')
    const query = checked(LIST, context.req.query())
    const page = pageOf<string>(query, pageKey, ['conversations', by.tenant, by.id])
    const { rows, lookedTo } = await listConversations(db, {
      ...{ tenant: by.tenant, participant: isAdmin(by) ? null : by.id, before: page.after },
      ...{ scan: LIMITS.conversationScanMax, limit: page.fetch },
    })
    const shown = page.answer(
      rows,
      ({ contextId, tasks, firstAt, lastAt }) => ({ contextId, tasks, ...times({ firstAt, lastAt }) }),
      ({ newest }) => newest,
    )
    // Nothing more in this stretch of time, but there is an older one.
    return context.json({ ...(lookedTo !== null && { next: page.write(lookedTo) }), ...shown })
  })

  face.get('/v1/conversations/:id', async (context) => {
    const { by, key } = await own(context, tools)
    const query = checked(ONE, context.req.query())
    const page = pageOf<TimelineCursor>(query, pageKey, ['timeline', by.tenant, by.id, key.contextId])
    const [participants, rows] = await Promise.all([
      readParticipants(db, key, PARTICIPANTS_MAX),
      readTimeline(db, key, page.after, page.fetch),
    ])
    return context.json({
      contextId: key.contextId,
      participants: participants.map(({ who, sent, got }) => ({ id: who, sent, received: got })),
      ...page.answer(rows, show, ({ at, taskId, seq }) => ({ at, taskId, seq })),
    })
  })

  face.get('/v1/conversations/:id/events', async (context) => {
    const { key } = await own(context, tools)
    const given = context.req.header('last-event-id') ?? context.req.query('lastEventId') ?? context.req.query('after')
    streamTail(context.env.outgoing, tailOf(key, given ?? '', db), tools)
    return RESPONSE_ALREADY_SENT
  })
  return face
}

/** Throws TASK_NOT_FOUND for what is not there as for what is others'. */
async function own(
  context: FaceContext,
  { access, db }: ConversationRoutesTools,
): Promise<{ by: Caller; key: ConversationKey }> {
  const by = await access.require(context, 'read')
  const contextId = (context.req.param('id') ?? '').slice(0, LIMITS.contextIdCharsMax)
  const standing = await standingIn(db, by.tenant, contextId, by.id)
  if (!(standing.mine || (isAdmin(by) && standing.known))) throw noConversation()
  const whole = isAdmin(by) || isShared(contextId)
  return { by, key: { tenant: by.tenant, contextId, participant: whole ? null : by.id } }
}

const show = ({ at, taskId, seq, agent, caller, body, history }: TimelineRow) => ({
  at: iso(at),
  task: taskId,
  sequence: seq,
  caller,
  agent,
  event: JSON.parse(body) as unknown,
  ...(history !== null && { messages: JSON.parse(history) as unknown }),
})

const POSITION = /^(\d{1,15})\.([0-9a-f-]{36})\.(\d{1,10})$/
const positionOf = ({ at, taskId, seq }: TimelineCursor): string => `${at}.${taskId}.${seq}`
function cursorIn(text: string): TimelineCursor | undefined {
  const [, at, taskId = '', seq] = POSITION.exec(text) ?? []
  return UUID.test(taskId) ? { at: Number(at), taskId, seq: Number(seq) } : undefined
}

/**
 * From a position on. Events of several tasks have no common number, so a look goes back a little over what was seen, and
 * what was told in this stream is not told again; who comes back may hear the last few seconds twice (task and sequence
 * tell), and misses nothing.
 */
function tailOf(key: ConversationKey, from: string, db: Db) {
  const told = new Map<string, number>()
  return {
    place: { tenant: key.tenant, place: key.contextId },
    after: from,
    read: async (after: string) => {
      const cursor = cursorIn(after)
      const back = cursor && { at: cursor.at - LOOK_BACK_MS, taskId: '00000000-0000-0000-0000-000000000000', seq: 0 }
      const fresh: TimelineRow[] = []
      for (let at = back; ; ) {
        const rows = await readTimeline(db, key, at, LIMITS.followPageEvents)
        fresh.push(...rows.filter((row) => !told.has(positionOf(row))))
        if (rows.length < LIMITS.followPageEvents || fresh.length > 0) break
        at = rows.at(-1)
      }
      for (const row of fresh) told.set(positionOf(row), row.at)
      const newest = Math.max(cursor?.at ?? 0, ...fresh.map(({ at }) => at))
      for (const [position, at] of told) if (at < newest - 2 * LOOK_BACK_MS) told.delete(position)
      // The position never goes back: the next look starts from the newest that was told.
      let at = cursor
      return fresh.map((row) => {
        if (!at || row.at >= at.at) at = row
        return { id: positionOf(at), data: show(row) }
      })
    },
  }
}
