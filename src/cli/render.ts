/** Tasks, messages and events as text: the labels here are a contract, scripts cut them out. */
import type { StreamResponse } from '../a2a/events.ts'
import type { Part } from '../a2a/parts.ts'
import { type Artifact, isInterrupted, isTerminal, type Message, type Task, type TaskState } from '../a2a/tasks.ts'
import { deliveryFacts } from './deliveryFacts.ts'
import { moment } from './durations.ts'
import type { Invocation } from './invocation.ts'
import type { Output } from './output.ts'

export const stateName = (state: TaskState | string): string => state.replace(/^TASK_STATE_/, '')

export type Told = Pick<Invocation, 'out' | 'program' | 'clock' | 'timeFormat' | 'has' | 'option'>

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
  if (call.has('verbose') || call.option('history') !== undefined) renderHistory(task, out)
  out.fields(nextCommands(task, ref, call.program).map((command) => ['Resume', command]))
}

function renderHistory(task: Task, out: Output): void {
  for (const { role, parts } of task.history ?? []) {
    out.fields([['History', role.replace(/^ROLE_/, '')]])
    renderParts('Text', parts, out)
  }
}

/** a2a-cli §8.2: the exact commands that go on. */
function nextCommands(task: Task, ref: string, program: string): readonly string[] {
  const { state } = task.status
  const reply = `${program} send -a ${ref} --task-id ${task.id} --text "…"`
  const wait = `${program} task get --wait -a ${ref} ${task.id}`
  if (isTerminal(state)) return []
  // The agent may be given what it wants elsewhere and then goes on by itself, or by a message (A2A §7.6).
  if (state === 'TASK_STATE_AUTH_REQUIRED') return [`${wait} --wait-auth`, reply]
  return [isInterrupted(state) ? reply : wait]
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

/** An agent's direct answer has no task, but may have a context to go on in. */
export function renderAnswer(message: Message, out: Output): void {
  out.fields([['Context', message.contextId]])
  renderMessage('Message', message, out)
}

export function renderMessage(label: string, message: Message, out: Output): void {
  renderParts(label, message.parts, out)
}

export function renderArtifact({ name, artifactId, parts }: Artifact, out: Output, append = false): void {
  out.fields([[append ? 'Artifact (continued)' : 'Artifact', name ?? artifactId]])
  renderParts('Text', parts, out)
}

/** No part is discarded silently: text as text, data as JSON, a file by name, media type and size (a2a-cli §10.2). */
function renderParts(label: string, parts: readonly Part[], out: Output): void {
  for (const part of parts) {
    if (part.text !== undefined) out.block(label, part.text)
    else if ('data' in part) out.block('Data', partText(part))
    else out.fields([['File', partText(part)]])
  }
}

export function partText(part: Part): string {
  if (part.text !== undefined) return part.text
  if ('data' in part) return JSON.stringify(part.data, null, 2)
  const what = [part.filename ?? 'file', part.mediaType ?? 'application/octet-stream'].join(', ')
  if (part.raw !== undefined) return `${what}, ${Buffer.from(part.raw, 'base64').length} bytes`
  return `${what}, size unknown, ${part.url}`
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
  else if ('message' in event) renderAnswer(event.message, out)
  else if ('artifactUpdate' in event) {
    const { artifact, append } = event.artifactUpdate
    renderArtifact(artifact, out, append)
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

/** The outcome of a task is not the command's; it is named on stderr when it is not the hoped for (§11.6). */
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
