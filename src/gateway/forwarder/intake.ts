/**
 * What an agent says about a task, made into events of ours: ids translated (here and nowhere else), duplicates left
 * out, a Task snapshot turned into what is new in it. Pure but for its memory of what was recorded.
 */
import type { StreamResponse } from '../../a2a/events.ts'
import {
  type Artifact,
  isInterrupted,
  isTerminal,
  type Message,
  type Task,
  type TaskState,
  type TaskStatus,
} from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import { ANSWERED_WITH_MESSAGE, answerId, EXTENSION_URI } from '../tasks/facts.ts'
import type { TaskEvent } from '../tasks/record.ts'

export interface IntakeStart {
  readonly taskId: string
  readonly contextId: string
  /** The task as it is recorded; undefined: just opened, nothing but its first message. */
  readonly known?: Task
  /**
   * A further message was sent: the Task with which the agent begins may still say INPUT_REQUIRED from before it, and
   * that is no answer.
   */
  readonly followUp?: boolean
  readonly now: () => Date
}

export interface Intake {
  /** The events to record for one thing that the agent said, in so many bytes; none for what is known. */
  take(event: StreamResponse, bytes: number): TaskEvent[]
  /** After it the agent has no more to say: terminal or interrupted. */
  ended(): boolean
  upstreamTask(): string | undefined
  upstreamContext(): string | undefined
  /** The task has grown beyond its bounds; why. */
  overLimit(): string | undefined
}

export function createIntake({ taskId, contextId, known, followUp = false, now }: IntakeStart): Intake {
  // By id, with parts of our own: a chunk is pushed to them, because copying them for each would be quadratic.
  const artifacts = new Map((known?.artifacts ?? []).map((one) => [one.artifactId, { ...one, parts: [...one.parts] }]))
  let state: TaskState = known?.status.state ?? 'TASK_STATE_SUBMITTED'
  let spoken = known !== undefined
  let ended = false
  let opening = followUp
  let upstreamTask: string | undefined
  let upstreamContext: string | undefined
  let events = 0
  let bytes = 0
  const messages = new Set(
    [...(known?.history ?? []), ...(known?.status.message ? [known.status.message] : [])].map((m) => m.messageId),
  )

  const ours = (message: Message): Message => ({ ...message, role: 'ROLE_AGENT', taskId, contextId })

  function learn(task: string | undefined, context: string | undefined): void {
    if (task) upstreamTask ??= task
    if (context) upstreamContext ??= context
  }

  function status(next: TaskStatus, metadata: Task['metadata'], history: readonly Message[] = []): TaskEvent[] {
    const fresh = next.message && !messages.has(next.message.messageId) ? ours(next.message) : undefined
    const backwards =
      next.state === 'TASK_STATE_UNSPECIFIED' ||
      (next.state === 'TASK_STATE_SUBMITTED' && state !== 'TASK_STATE_SUBMITTED')
    const to = backwards ? state : next.state
    if (to === state && !fresh && !metadata && history.length === 0) return []
    if (fresh) messages.add(fresh.messageId)
    state = to
    ended = isTerminal(to) || isInterrupted(to)
    const event = {
      statusUpdate: {
        taskId,
        contextId,
        status: { state: to, timestamp: now().toISOString(), ...(fresh && { message: fresh }) },
        ...(metadata && { metadata }),
      },
    }
    return [{ event, ...(history.length > 0 && { history }) }]
  }

  function keep(next: Artifact, append: boolean): void {
    const mine = append ? artifacts.get(next.artifactId) : undefined
    if (!mine) {
      artifacts.set(next.artifactId, { ...next, parts: [...next.parts] })
      return
    }
    const { parts } = mine
    parts.push(...next.parts)
    artifacts.set(next.artifactId, { ...mine, ...next, parts })
  }

  function artifact(update: {
    artifact: Artifact
    append?: boolean | undefined
    lastChunk?: boolean | undefined
    metadata?: Task['metadata']
  }): TaskEvent {
    const { append, lastChunk, metadata } = update
    const event = {
      artifactUpdate: {
        taskId,
        contextId,
        artifact: update.artifact,
        ...(append && { append }),
        ...(lastChunk && { lastChunk }),
        ...(metadata && { metadata }),
      },
    }
    keep(update.artifact, append === true)
    return { event }
  }

  /** A snapshot says again what is known: only what differs is an event. The status comes last, so that nothing follows it. */
  function snapshot(task: Task): TaskEvent[] {
    learn(task.id, task.contextId)
    const changed = (task.artifacts ?? []).filter((candidate) => {
      const mine = artifacts.get(candidate.artifactId)
      return !mine || JSON.stringify(mine) !== JSON.stringify(candidate)
    })
    // The message of the status may stand in the history as well: there it is not yet told.
    const last = task.status.message?.messageId
    const said = (task.history ?? []).filter(
      ({ role, messageId }) => role === 'ROLE_AGENT' && messageId !== last && !messages.has(messageId),
    )
    for (const { messageId } of said) messages.add(messageId)
    const history = said.map(ours)
    const news = changed.map((one) => artifact({ artifact: one, lastChunk: true }))
    const repeats = last === undefined || messages.has(last)
    return opening && isInterrupted(task.status.state) && repeats
      ? news
      : [...news, ...status(task.status, undefined, history)]
  }

  /** An answer that is no task: its parts are the result, the message itself the last word (D15). */
  function answer(message: Message): TaskEvent[] {
    const alone = !spoken
    learn(message.taskId, message.contextId)
    messages.delete(message.messageId)
    return [
      artifact({ artifact: { artifactId: answerId(message), parts: message.parts }, lastChunk: true }),
      ...status(
        { state: 'TASK_STATE_COMPLETED', message },
        alone ? { [EXTENSION_URI]: ANSWERED_WITH_MESSAGE } : undefined,
      ),
    ]
  }

  function translate(event: StreamResponse): TaskEvent[] {
    if ('task' in event) return snapshot(event.task)
    if ('message' in event) return answer(event.message)
    if ('statusUpdate' in event) {
      learn(event.statusUpdate.taskId, event.statusUpdate.contextId)
      return status(event.statusUpdate.status, event.statusUpdate.metadata)
    }
    learn(event.artifactUpdate.taskId, event.artifactUpdate.contextId)
    return [artifact(event.artifactUpdate)]
  }

  return {
    take(event, size) {
      if (isTerminal(state)) return []
      const made = translate(event)
      spoken = true
      opening = false
      events += made.length
      if ('artifactUpdate' in event) bytes += size
      return made
    },
    ended: () => ended,
    upstreamTask: () => upstreamTask,
    upstreamContext: () => upstreamContext,
    overLimit() {
      if (events > LIMITS.eventsPerTaskMax) return `more than ${LIMITS.eventsPerTaskMax} events`
      if (bytes > LIMITS.bytesPerTaskMax) return `more than ${LIMITS.bytesPerTaskMax} bytes of artifacts`
      if (artifacts.size > LIMITS.artifactsPerTaskMax) return `more than ${LIMITS.artifactsPerTaskMax} artifacts`
      return undefined
    },
  }
}
