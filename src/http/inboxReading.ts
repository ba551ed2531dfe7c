/** /v1/inbox as a list, as a watch, and its read marks. Nothing of this takes anything. */
import { z } from 'zod'
import { QUIET } from '../delivery.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import { LIMITS, type Limits } from '../limits.ts'
import type { InboxCursor } from '../store/inbox.ts'
import type { ArrivedRow, WatchCursor } from '../store/reading.ts'
import { checked, type Face, type FaceContext, jsonBody, newFace, pageOf, UUID } from './face.ts'
import { filterOf, LIST } from './inboxForms.ts'
import type { WhoCollects } from './leases.ts'
import { showMail } from './mail.ts'

export interface ReadingTools {
  readonly mailbox: Mailbox
  readonly limits: Limits
  readonly pageKey: Buffer
  readonly who: WhoCollects
  readonly draining: AbortSignal
}

type Query = z.infer<typeof LIST>
export const READ = z.strictObject({
  deliveries: z
    .array(z.string().regex(UUID, { error: 'a delivery' }))
    .min(1)
    .max(500),
  read: z.boolean().default(true),
})

export function readingRoutes(tools: ReadingTools): Face {
  const face = newFace()
  face.get('/v1/inbox', async (context) => {
    const agent = await tools.who(context)
    const query = checked(LIST, context.req.query())
    return context.json(
      query.wait === undefined ? await list(agent, query, tools) : await watch(context, agent, query, tools),
    )
  })
  face.post('/v1/inbox/read', async (context) => {
    const agent = await tools.who(context)
    const { deliveries, read } = checked(READ, await jsonBody(context))
    return context.json({ deliveries: await tools.mailbox.read(agent, deliveries, read), read })
  })
  return face
}

async function list(agent: Agent, query: Query, { mailbox, pageKey }: ReadingTools) {
  const { state = 'waiting', after, unread = false } = query
  const filter = filterOf(query, QUIET)
  const scope = ['inbox', agent.tenant, agent.name, state, unread, JSON.stringify(filter)]
  const page = pageOf<InboxCursor>({ ...query, cursor: query.cursor ?? after }, pageKey, scope)
  const { tenant, destination } = agent
  const rows = await mailbox.list({
    tenant,
    destination,
    ...filter,
    state: state === 'leased' ? 1 : 0,
    held: state === 'held',
    unread,
    after: page.after,
    limit: page.fetch,
  })
  return page.answer(rows, showMail, ({ priority, dueAt, id }) => ({ priority, dueAt, id }))
}

/** What was shown of the last seconds is remembered in the cursor; with more than this, something may be shown twice. */
const SEEN_MAX = 40
const FROM_THE_START: WatchCursor = { position: 0, seen: [] }

/** By arrival: what has come since `after`, at once or when something comes; nothing when the wait is over. */
async function watch(context: FaceContext, agent: Agent, query: Query, tools: ReadingTools) {
  const { mailbox, limits, pageKey, draining } = tools
  const filter = filterOf(query, QUIET)
  const scope = ['watch', agent.tenant, agent.name, JSON.stringify(filter)]
  const page = pageOf<WatchCursor>({ ...query, cursor: query.cursor ?? query.after }, pageKey, scope)
  const after = page.after ?? FROM_THE_START
  const { tenant, destination } = agent
  const { level, kinds, label } = filter
  const look = () => mailbox.arrived({ tenant, destination, level, kinds, label, after, limit: page.fetch - 1 })
  const waitMs = Math.min((query.wait ?? 0) * 1_000, limits.pollWaitMaxMs)
  const rows = await untilSome(look, { context, agent, mailbox, waitMs, draining })
  return { items: rows.map(showMail), next: page.write(cursorAfter(after, rows)) }
}

interface Waiting {
  readonly context: FaceContext
  readonly agent: Agent
  readonly mailbox: Mailbox
  readonly waitMs: number
  readonly draining: AbortSignal
}

async function untilSome(look: () => Promise<ArrivedRow[]>, waiting: Waiting): Promise<ArrivedRow[]> {
  const { context, agent, mailbox, waitMs, draining } = waiting
  const first = await look()
  if (first.length > 0 || waitMs === 0) return first
  let wake = () => {}
  let over = false
  const end = () => {
    over = true
    wake()
  }
  const stop = mailbox.listen(agent, {
    push: () => {
      wake()
      return true
    },
    end,
  })
  const timer = setTimeout(end, waitMs)
  context.env.outgoing.once('close', end)
  draining.addEventListener('abort', end, { once: true })
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const rows = await look()
      if (rows.length > 0 || over) return rows
      await woken
    }
  } finally {
    stop()
    clearTimeout(timer)
    context.env.outgoing.off('close', end)
    draining.removeEventListener('abort', end)
  }
}

function cursorAfter(before: WatchCursor, rows: readonly ArrivedRow[]): WatchCursor {
  const last = rows.at(-1)
  if (!last) return before
  const settled = Math.min(last.position, last.now - LIMITS.serverStatementMs * 1_000)
  const position = Math.max(before.position, settled)
  const shown = [...before.seen, ...rows.map((row) => ({ id: row.id, position: row.position }))]
  return { position, seen: shown.filter((one) => one.position > position).slice(-SEEN_MAX) }
}
