/** What a parent's children have answered, into the parent: as many as its rule wants, in the order of their ends. */
import { type Artifact, isTerminal, type Task, type TaskState } from '../../a2a/tasks.ts'
import { EXTENSION_URI } from '../../delivery.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { StreamEntry } from '../../ports.ts'
import { type Child, endedChildren, type Parent, type Taking, takeChildren } from '../../store/children.ts'
import type { Db } from '../../store/db.ts'
import { stateNumber } from '../../store/tasks.ts'
import { toEntry } from '../tasks/entries.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import { readTasks } from '../tasks/view.ts'
import { neededOf } from './post.ts'

export interface TakeTools {
  readonly db: Db
  readonly now: () => Date
  readonly published: (tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) => void
  readonly signals: HappeningSignals
}

export type Taken = 'written' | 'moved' | 'nothing new'

export interface Score {
  readonly answered: number
  readonly failed: number
  /** Have left, and are not asked any more. */
  readonly left: number
  readonly open: number
}

/** What the score means for the parent; undefined: it goes on. */
export function verdictOf(rule: { rule: string; needed: number }, score: Score): 'met' | 'unmet' | undefined {
  const { answered, failed, open } = score
  const needed = neededOf(rule, answered + failed + open)
  if (answered >= needed && needed > 0) return 'met'
  return answered + open < needed || answered + open === 0 ? 'unmet' : undefined
}

export const scoreOf = (counts: Readonly<Record<string, number>>): Score => ({
  answered: counts.answered ?? 0,
  failed: counts.failed ?? 0,
  left: counts.left ?? 0,
  open: counts.open ?? 0,
})

export type ParentEvent = Taking['events'][number] & { readonly state?: TaskState }

export async function take(parent: Parent, tools: TakeTools): Promise<Taken> {
  const { head } = parent
  const ended = await endedChildren(tools.db, head, { all: false, limit: LIMITS.collectChildren })
  const at = tools.now()
  const score = { ...scoreOf(parent.counts) } as { -readonly [K in keyof Score]: number }
  const events: ParentEvent[] = []
  const children: { childId: string; outcome: string; relayed: null }[] = []
  let verdict = verdictOf(parent, score)
  const tasks = verdict
    ? new Map<string, Task>()
    : await readTasks(
        tools.db,
        head.tenant,
        ended.map(({ childId }) => childId),
        true,
      )
  for (const child of ended) {
    if (verdict) break
    const { outcome, event } = outcomeOf(parent, child, tasks.get(child.childId), at)
    score[outcome]++
    score.open--
    children.push({ childId: child.childId, outcome, relayed: null })
    events.push(event)
    verdict = verdictOf(parent, score)
  }
  if (!verdict && children.length === 0) return 'nothing new'
  if (verdict) events.push(endOf(parent, verdict, score, at))
  return write(parent, { events, children, ends: verdict !== undefined, at }, tools)
}

interface Writing {
  readonly events: readonly ParentEvent[]
  readonly children: Taking['children']
  readonly ends: boolean
  readonly at: Date
}

/** One statement; then those who follow the parent are told. */
export async function write(parent: Parent, writing: Writing, tools: TakeTools): Promise<Taken> {
  const { tenant, id: parentId, lastSeq, agent, createdAt } = parent.head
  const { events, children, ends, at } = writing
  const state = events.findLast((event) => event.state)?.state
  const written = await takeChildren(tools.db, {
    ...{ tenant, parentId, expectedSeq: lastSeq, events, children, ends },
    state: state ? stateNumber(state) : null,
    statusAt: at.toISOString(),
    seed: uuidv7(),
    webhookAgeSeconds: LIMITS.webhookAgeMaxMs / 1000,
  })
  if (!written) return 'moved'
  const entries = events.map(({ body, state }, no) =>
    toEntry({ sequence: lastSeq + 1 + no, json: body, ...(state && { state }) }),
  )
  tools.published(tenant, parentId, entries, written.owed)
  if (state && isTerminal(state))
    tools.signals.emit('task.finished', { task: parentId, tenant, agent, state, ms: at.getTime() - createdAt })
  return 'written'
}

const idsOf = ({ head }: Parent) => ({ taskId: head.id, contextId: head.contextId })

function outcomeOf(
  parent: Parent,
  child: Child,
  task: Task | undefined,
  at: Date,
): { outcome: 'answered' | 'failed' | 'left'; event: ParentEvent } {
  const ids = idsOf(parent)
  if (child.state === 'TASK_STATE_COMPLETED') {
    const artifact = answerOf(child, task, parent)
    const body = JSON.stringify({ artifactUpdate: { ...ids, artifact, append: false, lastChunk: true } })
    return { outcome: 'answered', event: { kind: 2, body, history: null } }
  }
  const reason = reasonOf(task)
  const left = reason === LEFT
  const text = left ? `${child.member} has left the channel` : `${child.member}: ${wordsOf(task) ?? child.state}`
  const status = gatewayStatus(
    'TASK_STATE_WORKING',
    { code: left ? LEFT : 'MEMBER_FAILED', text: text.slice(0, 500) },
    at,
    ids,
  )
  const metadata = { [EXTENSION_URI]: { member: child.member, task: child.childId, state: child.state } }
  const body = JSON.stringify({ statusUpdate: { ...ids, status, metadata } })
  return { outcome: left ? 'left' : 'failed', event: { kind: 1, body, history: null, state: 'TASK_STATE_WORKING' } }
}

/** Why a task ended whose member went away before it took it. */
export const LEFT = 'MEMBER_LEFT'

const reasonOf = (task: Task | undefined): string | undefined => {
  const info = task?.status.message?.parts.find(({ data }) => data !== undefined)?.data
  return typeof info === 'object' && info !== null ? (info as { reason?: string }).reason : undefined
}
const wordsOf = (task: Task | undefined): string | undefined =>
  task?.status.message?.parts.find(({ text }) => text !== undefined)?.text

/** All that a member answered as one artifact, named after it; what is too large for one of so many is only named. */
function answerOf({ member, childId }: Child, task: Task | undefined, { counts }: Parent): Artifact {
  const asked = Math.max(
    1,
    Object.values(counts).reduce((sum, count) => sum + count, 0),
  )
  const most = Math.max(LIMITS.answerBytesMin, Math.floor(LIMITS.bytesPerTaskMax / asked))
  const parts = (task?.artifacts ?? []).flatMap((artifact) => artifact.parts)
  const said = parts.length > 0 ? parts : (task?.status.message?.parts ?? [])
  const bytes = Buffer.byteLength(JSON.stringify(said))
  const metadata = { [EXTENSION_URI]: { member, task: childId, ...(bytes > most && { bytes }) } }
  const shown = bytes > most ? [{ text: `the answer of ${member} has ${bytes} bytes: see its task ${childId}` }] : said
  return { artifactId: member, name: member, parts: [...shown], metadata }
}

function endOf(parent: Parent, verdict: 'met' | 'unmet', score: Score, at: Date): ParentEvent {
  const ids = idsOf(parent)
  if (verdict === 'met') {
    const state = 'TASK_STATE_COMPLETED' as const
    const status = { state, timestamp: at.toISOString() }
    return { kind: 1, state, history: null, body: JSON.stringify({ statusUpdate: { ...ids, status } }) }
  }
  const { answered, failed, left, open } = score
  const state = 'TASK_STATE_FAILED' as const
  const needed = neededOf(parent, answered + failed + open)
  const text = `${answered} have answered, ${failed} have failed, ${left} have left, ${open} are open: ${needed} answers can no longer be had`
  const status = gatewayStatus(state, { code: 'RULE_UNMET', text }, at, ids)
  return { kind: 1, state, history: null, body: JSON.stringify({ statusUpdate: { ...ids, status } }) }
}
