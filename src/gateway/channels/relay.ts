/** All that a parent's only child tells is told by the parent as well, each event once, in the child's order. */
import type { StreamResponse } from '../../a2a/events.ts'
import { isTerminal, type Message } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import { endedChildren, type Parent } from '../../store/children.ts'
import { type LogRow, readEvents } from '../../store/events.ts'
import { stateIn } from '../tasks/entries.ts'
import { type ParentEvent, type Taken, type TakeTools, write } from './take.ts'

export async function relay(parent: Parent, tools: TakeTools): Promise<Taken> {
  const { head } = parent
  const [child] = await endedChildren(tools.db, head, { all: true, limit: 1 })
  if (!child) return 'nothing new'
  const rows = await readEvents(tools.db, head.tenant, child.childId, child.relayedSeq, LIMITS.collectChildren)
  if (rows.length === 0) return 'nothing new'
  const events = rows.map((row) => asOwn(row, head))
  const last = rows.at(-1) as LogRow
  const state = events.findLast((event) => event.state)?.state
  const ends = state !== undefined && isTerminal(state)
  const outcome = !ends ? null : state === 'TASK_STATE_COMPLETED' ? 'answered' : 'failed'
  const children = [{ childId: child.childId, outcome, relayed: last.seq }]
  return write(parent, { events, children, ends, at: tools.now() }, tools)
}

function asOwn({ body, history }: LogRow, { id: taskId, contextId }: Parent['head']): ParentEvent {
  const event = JSON.parse(body) as StreamResponse
  const said = (message: Message): Message => ({ ...message, taskId, contextId })
  const messages = history === null ? null : JSON.stringify((JSON.parse(history) as Message[]).map(said))
  if ('artifactUpdate' in event) {
    const own: StreamResponse = { artifactUpdate: { ...event.artifactUpdate, taskId, contextId } }
    return { kind: 2 as const, body: JSON.stringify(own), history: messages }
  }
  if (!('statusUpdate' in event)) throw new Error('only the first event of a log is a task')
  const { status } = event.statusUpdate
  const own: StreamResponse = {
    statusUpdate: {
      ...event.statusUpdate,
      taskId,
      contextId,
      status: { ...status, ...(status.message && { message: said(status.message) }) },
    },
  }
  const state = stateIn(own)
  return { kind: 1 as const, body: JSON.stringify(own), history: messages, ...(state && { state }) }
}
