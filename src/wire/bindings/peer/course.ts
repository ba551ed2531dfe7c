/** How a conversation with an agent has gone so far: whose task it is, what was given on, and whether it is over. */
import type { StreamResponse } from '../../../a2a/events.ts'
import { isInterrupted, isTerminal, type Message, type TaskState, type TaskStatus } from '../../../a2a/tasks.ts'
import type { Verdict } from '../../../delivery.ts'
import type { Limits } from '../../../limits.ts'
import type { EventSink } from '../../../ports.ts'
import type { Sized } from '../agentClient.ts'
import type { Redactor } from './redact.ts'

type Said = { readonly event: StreamResponse } & Sized

export interface Course {
  readonly sink: EventSink
  /** Something the agent said that belongs to nobody; it is not given on. */
  readonly quarantine: (reason: string) => void
  readonly limits: Limits
  /** Takes our credentials out of a text, should the agent repeat them. */
  readonly redact: Redactor
  /** The agent's id of the task, once it has told it. */
  taskId?: string
  contextId?: string | undefined
  status?: TaskStatus
  /** Set: this conversation has ended, and how. */
  over?: Verdict
  /** Given on. */
  events: number
  bytes: number
  /** The last whole task that was given on, so that a poll without news stays quiet. */
  snapshot?: StreamResponse
}

export const beginCourse = (
  tools: Pick<Course, 'sink' | 'quarantine' | 'limits' | 'redact'>,
  taskId?: string,
): Course => ({ ...tools, events: 0, bytes: 0, ...(taskId !== undefined && { taskId }) })

const ACCEPTED: Verdict = { kind: 'accepted' }

const ends = (state: TaskState): boolean => isTerminal(state) || isInterrupted(state)

/** The state that this event brings; undefined: none. */
export const stateIn = (event: StreamResponse): TaskState | undefined =>
  'task' in event ? event.task.status.state : 'statusUpdate' in event ? event.statusUpdate.status.state : undefined

export const endsCourse = (event: StreamResponse): boolean => {
  const state = stateIn(event)
  return state !== undefined && ends(state)
}

/**
 * Gives an event on. `opening`: this is the snapshot with which the stream of a follow-up message begins; it may still say
 * INPUT_REQUIRED from before the message. False: it was not this conversation's.
 */
export async function take(course: Course, { event, bytes }: Said, opening = false): Promise<boolean> {
  if (course.over) course.quarantine('an event after the end')
  const owned = course.over ? undefined : own(course, event)
  if (!owned) return false
  await giveOn(course, { event: owned, bytes }, opening)
  return true
}

async function giveOn(course: Course, { event, bytes }: Said, opening: boolean): Promise<void> {
  if ('task' in event && isKnown(course, event)) return finish(course, event, opening)
  course.events += 1
  course.bytes += bytes
  if (course.events > course.limits.eventsPerTaskMax || course.bytes > course.limits.bytesPerTaskMax) {
    course.over = refusedFor('INVALID_AGENT_RESPONSE', 'the agent said more than one task may hold', false)
    return
  }
  try {
    await course.sink(course.redact.event(event), bytes)
  } catch {
    // The lease is lost: somebody else holds the delivery, and our writing would be fenced off.
    course.over = refusedFor('STOPPED', 'nobody takes the events any more', true)
    return
  }
  if ('task' in event) course.snapshot = event
  else delete course.snapshot
  finish(course, event, opening)
}

const isKnown = ({ snapshot }: Course, event: StreamResponse): boolean =>
  snapshot !== undefined && JSON.stringify(snapshot) === JSON.stringify(event)

function finish(course: Course, event: StreamResponse, opening: boolean) {
  if ('message' in event) course.over = ACCEPTED
  if ('task' in event) course.status = event.task.status
  if ('statusUpdate' in event) course.status = event.statusUpdate.status
  const state = stateIn(event)
  if (state !== undefined && (opening ? isTerminal(state) : ends(state))) course.over = ACCEPTED
}

/** The event in terms of this conversation's task; undefined: it is another's, and was quarantined. */
function own(course: Course, event: StreamResponse): StreamResponse | undefined {
  if ('message' in event) return ownMessage(course, event.message)
  const said = 'task' in event ? event.task : 'statusUpdate' in event ? event.statusUpdate : event.artifactUpdate
  const id = 'id' in said ? said.id : said.taskId
  if (course.taskId === undefined && id !== '') course.taskId = id
  if (course.taskId === undefined) return void course.quarantine('an event of no task')
  if (id !== '' && id !== course.taskId) return void course.quarantine('an event of another task')
  course.contextId ??= said.contextId || undefined
  const { taskId, contextId = '' } = course
  if ('task' in event) return { task: { ...event.task, ...(contextId !== '' && { contextId }) } }
  if ('statusUpdate' in event) return { statusUpdate: { ...event.statusUpdate, taskId, contextId } }
  return { artifactUpdate: { ...event.artifactUpdate, taskId, contextId } }
}

/**
 * A Message is a whole answer, unless a task is under way: old agents say Messages in the midst of a task's stream, where
 * 1.0 has no place for them. They become a status update that leaves the state as it is.
 */
function ownMessage(course: Course, message: Message): StreamResponse {
  const { taskId, contextId = '', status } = course
  if (taskId === undefined || course.events === 0) return { message }
  const state = status?.state ?? 'TASK_STATE_WORKING'
  return { statusUpdate: { taskId, contextId, status: { state, message } } }
}

export const refusedFor = (
  code: Extract<Verdict, { kind: 'refused' }>['code'],
  reason: string,
  retry: boolean,
): Verdict => ({ kind: 'refused', code, reason, retry })
