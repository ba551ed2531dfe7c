/** Tasks, messages and events as text: the labels here are a contract, scripts cut them out. */
import type { StreamResponse } from '../a2a/events.ts'
import type { Part } from '../a2a/parts.ts'
import { type Artifact, isInterrupted, isTerminal, type Message, type Task, type TaskState } from '../a2a/tasks.ts'
import { moment } from './durations.ts'
import type { Invocation } from './invocation.ts'
import type { Output } from './output.ts'

/** Where the gateway tells how a task's delivery stands. */
const STORE_AND_FORWARD = 'urn:x-waypost:store-and-forward:1'

export interface DeliveryFacts {
  readonly delivery?: string
  readonly attempt?: number
  readonly nextAttemptAt?: string
  readonly position?: number
  readonly recipient?: string
  readonly expiresAt?: string
  readonly reason?: string
}

export const deliveryFacts = (task: Task): DeliveryFacts | undefined =>
  task.metadata?.[STORE_AND_FORWARD] as DeliveryFacts | undefined

export const stateName = (state: TaskState | string): string => state.replace(/^TASK_STATE_/, '')

type Told = Pick<Invocation, 'out' | 'program' | 'clock' | 'timeFormat' | 'has'>

/** `ref` is what -a was given, for the command that goes on. */
export function renderTask(task: Task, ref: string, call: Told): void {
  const { out } = call
  const { state, message } = task.status
  out.fields([
    ['Task', task.id],
    ['Context', task.contextId ?? ''],
    ['State', stateName(state)],
    ['Delivery', deliveryText(task, call)],
  ])
  if (message) renderMessage('Message', message, out)
  for (const artifact of task.artifacts ?? []) renderArtifact(artifact, out)
  if (call.has('verbose')) for (const said of task.history ?? []) renderMessage(`History ${said.role}`, said, out)
  const next = nextCommand(task, ref, call.program)
  if (next) out.fields([next])
}

/** Spec a2a-cli §6.3: the exact command that goes on. */
function nextCommand(task: Task, ref: string, program: string): readonly [string, string] | undefined {
  const { state } = task.status
  if (isTerminal(state)) return undefined
  if (isInterrupted(state)) return ['Resume', `${program} send -a ${ref} --task-id ${task.id} --text "…"`]
  return ['Resume', `${program} task get --wait -a ${ref} ${task.id}`]
}

/** Where the message is. Said while it is on its way, and when it will not arrive. */
export function deliveryText(
  task: Task,
  { clock, timeFormat }: Pick<Told, 'clock' | 'timeFormat'>,
): string | undefined {
  const facts = deliveryFacts(task)
  if (!facts?.delivery) return undefined
  const given = facts.delivery === 'dead' || facts.delivery === 'expired'
  if (!given && (facts.delivery === 'done' || isTerminal(task.status.state))) return undefined
  const now = clock.now()
  const at = (iso: string) => moment(iso, now, timeFormat)
  return [
    facts.delivery === 'waiting' ? 'queued' : facts.delivery,
    facts.position !== undefined && `position ${facts.position}`,
    facts.recipient && `agent ${facts.recipient}`,
    facts.attempt ? `attempt ${facts.attempt}` : undefined,
    facts.nextAttemptAt && `next attempt ${at(facts.nextAttemptAt)}`,
    facts.expiresAt && `expires ${at(facts.expiresAt)}`,
    facts.reason && `reason: ${facts.reason}`,
  ]
    .filter(Boolean)
    .join(', ')
}

export function renderMessage(label: string, message: Message, out: Output): void {
  renderParts(`${label}:`, message.parts, out)
}

export function renderArtifact(artifact: Artifact, out: Output): void {
  renderParts(`Artifact: ${artifact.name ?? artifact.artifactId}`, artifact.parts, out)
}

/** No part is discarded silently: text as text, data as JSON, a file by name, media type and size (§8.2). */
function renderParts(label: string, parts: readonly Part[], out: Output): void {
  out.block(label, parts.map(partText).join('\n'))
}

export function partText(part: Part): string {
  if (part.text !== undefined) return part.text
  if ('data' in part) return JSON.stringify(part.data, null, 2)
  const what = [part.filename ?? 'file', part.mediaType ?? 'application/octet-stream'].join(', ')
  if (part.raw !== undefined) return `[${what}, ${Buffer.from(part.raw, 'base64').length} bytes]`
  return `[${what}, ${part.url}]`
}

/** What a stream has told so far: enough to say at its end where the task stands. */
export interface StreamView {
  readonly taskId?: string
  readonly contextId?: string
  readonly state?: TaskState
  readonly message?: Message
}

export function follow(view: StreamView, event: StreamResponse): StreamView {
  if ('task' in event) return fromTask(event.task)
  if ('message' in event) return { ...view, message: event.message }
  const change = 'statusUpdate' in event ? event.statusUpdate : event.artifactUpdate
  const known = { ...view, taskId: change.taskId, contextId: change.contextId }
  return 'statusUpdate' in event ? { ...known, state: event.statusUpdate.status.state } : known
}

const fromTask = ({ id, contextId, status }: Task): StreamView => ({
  taskId: id,
  ...(contextId !== undefined && { contextId }),
  state: status.state,
})

/** An event in text; ids and state stand with every status, so that a reader of the tail alone knows them. */
export function renderEvent(event: StreamResponse, ref: string, call: Told): void {
  const { out } = call
  if ('task' in event) renderTask(event.task, ref, call)
  else if ('message' in event) renderMessage('Message', event.message, out)
  else if ('artifactUpdate' in event) {
    const { artifact, append } = event.artifactUpdate
    renderParts(`Artifact${append ? ' (continued)' : ''}: ${artifact.name ?? artifact.artifactId}`, artifact.parts, out)
  } else {
    const { taskId, contextId, status } = event.statusUpdate
    renderView({ taskId, contextId, state: status.state }, out)
    if (status.message) renderMessage('Message', status.message, out)
  }
}

export function renderView({ taskId, contextId, state }: StreamView, out: Output): void {
  out.fields([
    ['Task', taskId],
    ['Context', contextId],
    ['State', state && stateName(state)],
  ])
}

/** The outcome of a task is not the command's; it is named on stderr when it is not the hoped for (§9.6). */
export function noteOutcome(state: TaskState, out: Output): void {
  if (state === 'TASK_STATE_COMPLETED' || !(isTerminal(state) || isInterrupted(state))) return
  out.note(`note: the task is ${stateName(state)}${isInterrupted(state) ? ' and waits for you' : ''}`)
}

/** For scripts that ask for it with --exit-status; outside the reserved range. */
export function outcomeExitCode(state: TaskState): number {
  if (isInterrupted(state)) return 11
  if (state === 'TASK_STATE_FAILED') return 10
  return state === 'TASK_STATE_REJECTED' || state === 'TASK_STATE_CANCELED' ? 12 : 0
}
