/** /v1/search: what was said, by its words. Everybody finds in what he has sent or been sent; administrators in all, and that is noted. */
import { z } from 'zod'
import { MAIL_KINDS, mailKind } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { isAdmin } from '../../ports.ts'
import { appendAudit } from '../../store/audit.ts'
import type { Db } from '../../store/db.ts'
import { type FoundRow, searchTasks } from '../../store/search.ts'
import { stateOf } from '../../store/tasks.ts'
import { type Access, checked, type Face, newFace, PAGE, pageOf, times } from '../face.ts'

export interface SearchRoutesTools {
  readonly access: Access
  readonly db: Db
  readonly pageKey: Buffer
}

const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .optional()
export const SEARCH = z.strictObject({
  /** As people search: words, "a phrase", or, -not. */
  q: z.string().min(1).max(512),
  participant: z.string().min(1).max(128).optional(),
  contextId: z.string().min(1).max(LIMITS.contextIdCharsMax).optional(),
  kind: z
    .string()
    .max(64)
    .transform((words) => words.split(','))
    .pipe(z.array(z.enum(MAIL_KINDS)))
    .optional(),
  since: moment,
  until: moment,
  ...PAGE,
})

export function searchRoutes({ access, db, pageKey }: SearchRoutesTools): Face {
  const face = newFace()
  face.get('/v1/search', async (context) => {
    const by = await access.require(context, 'read')
    const query = checked(SEARCH, context.req.query())
    const { q, participant, contextId, kind, since, until } = query
    const about = [q, participant, contextId, kind?.join(), since, until].map(String)
    const page = pageOf<string>(query, pageKey, ['search', by.tenant, by.id, ...about])
    const limit = page.fetch - 1
    const { rows, lookedTo } = await searchTasks(db, {
      ...{ tenant: by.tenant, participant: isAdmin(by) ? null : by.id, withWhom: participant ?? null, words: q },
      ...{ contextId: contextId ?? null, since: since ?? null, until: until ?? null },
      kinds: kind ? kind.map(mailKind) : null,
      ...{ before: page.after, scan: LIMITS.conversationScanMax / 5, limit },
    })
    const others = isAdmin(by) && rows.some(({ caller }) => caller !== by.id)
    if (others)
      await appendAudit(db, by.tenant, {
        id: uuidv7(),
        actor: by.id,
        action: 'tasks.searched',
        subject: q.slice(0, 128),
      })
    const next = lookedTo === null ? undefined : page.write(lookedTo)
    return context.json({ items: rows.map((row) => show(row, q)), ...(next !== undefined && { next }) })
  })
  return face
}

const show = (row: FoundRow, q: string) => ({
  task: row.id,
  contextId: row.contextId,
  caller: row.caller,
  agent: row.agent,
  state: stateOf(row.state),
  sequence: row.seq,
  ...times({ at: row.at }),
  text: excerptOf([row.history, row.body], q),
})

const EXCERPT_CHARS = 200

/** All that is text in an event: what people wrote, not names of members. */
function textsIn(value: unknown, found: string[] = []): string[] {
  if (Array.isArray(value)) for (const one of value) textsIn(one, found)
  else if (typeof value === 'object' && value !== null)
    for (const [name, one] of Object.entries(value)) {
      if (name === 'text' && typeof one === 'string') found.push(one)
      else textsIn(one, found)
    }
  return found
}

/** The surroundings of the first of the words. */
function excerptOf(sources: readonly (string | null)[], q: string): string {
  const text = sources.flatMap((source) => (source === null ? [] : textsIn(JSON.parse(source)))).join('\n')
  const words = q.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  const places = words.map((word) => text.toLowerCase().indexOf(word)).filter((at) => at >= 0)
  const from = Math.max(0, Math.min(...(places.length > 0 ? places : [0])) - EXCERPT_CHARS / 4)
  return text.slice(from, from + EXCERPT_CHARS)
}
