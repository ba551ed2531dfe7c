/** The tools by which a host gives work to others: find_agents, delegate_task, check_task, reply_to_task, cancel_task. */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest, SendMessageResponse } from '../../a2a/operations.ts'
import type { Part } from '../../a2a/parts.ts'
import { isInterrupted, isTerminal, type Task } from '../../a2a/tasks.ts'
import { EXTENSION_URI } from '../../delivery.ts'
import { addressed } from '../../gateway/agents/address.ts'
import type { Agent } from '../../gateway/agents/agent.ts'
import { presenceOf } from '../../gateway/agents/presence.ts'
import { authorize } from '../../gateway/callers/permits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Call, StreamEntry } from '../../ports.ts'
import type { QueueRow } from '../../store/queues.ts'
import type { TaskHead } from '../../store/tasks.ts'
import { checkParams } from '../../wire/bindings/bounds.ts'
import { type ToolInput, WAIT_SECONDS_DEFAULT } from '../../wire/bridges/mcp/catalogue.ts'
import { search } from '../admin/agents.ts'
import { placesOf } from '../admin/agentView.ts'
import { asTask } from './asTask.ts'
import { answer, callOf, type DeskTools, inboxNote, invalid, ownTask, type Seat, type Tool } from './desk.ts'
import { eventsOf } from './following.ts'
import { contentOf, isFailure, stateWord, taskView } from './view.ts'

const FOUND_DEFAULT = 20
const SKILLS_SHOWN_MAX = 20
const SKILL_CHARS_MAX = 160
const EVENTS_SHOWN_MAX = 50

export const findAgents: Tool<ToolInput<'find_agents'>> = async (input, seat, tools) => {
  const { query, skill, available, limit = FOUND_DEFAULT } = input
  const { caller } = seat
  authorize(caller, 'card')
  const filter = { tenant: caller.tenant, ...(query && { q: query }), ...(skill && { skill }) }
  const names = caller.agents && { names: [...caller.agents] }
  const found = await search(
    tools,
    caller,
    { ...filter, ...names },
    { fetch: limit, after: undefined },
    available || undefined,
  )
  const agents = found.map(({ agent, lane }) => agentView(agent, lane, tools.publicUrl()))
  const none = agents.length === 0 && { next: 'none fits; ask without `query`, `skill` or `available`' }
  return answer({ agents, ...none, ...(await inboxNote(seat, tools)) })
}

export function agentView(agent: Agent, lane: QueueRow | undefined, publicUrl: string): Record<string, unknown> {
  const { connector, card, registration } = agent
  const { state } = presenceOf(agent, lane)
  const description = card?.description ?? registration.description
  const skills = card?.skills ?? registration.skills ?? []
  return {
    address: placesOf(agent, publicUrl).address,
    ...(description && { description }),
    skills: skills.slice(0, SKILLS_SHOWN_MAX).map((skill) => ({
      id: skill.id,
      ...((skill.description ?? skill.name) && { about: (skill.description ?? skill.name)?.slice(0, SKILL_CHARS_MAX) }),
    })),
    ...(skills.length > SKILLS_SHOWN_MAX && { moreSkills: skills.length - SKILLS_SHOWN_MAX }),
    presence: state,
    // Who collects comes by himself; everybody else is called.
    wakeable: connector.kind !== 'mailbox' && state !== 'paused' && state !== 'pending-approval',
    ...(lane && lane.waiting > 0 && { waiting: lane.waiting }),
  }
}

/** `name`, `name@host`, `#channel` or `#channel@host`, at this gateway. */
function addressee(to: string, publicUrl: string): string {
  try {
    return addressed(to.replace(/^@/, ''), { publicHost: new URL(publicUrl).host })
  } catch (error) {
    throw invalid('to', (error as Error).message)
  }
}

function partsOf({ text, data }: { text?: string | undefined; data?: unknown }): Part[] {
  const parts: Part[] = []
  if (text !== undefined) parts.push({ text })
  if (data !== undefined) parts.push({ data, mediaType: 'application/json' })
  if (parts.length === 0) throw invalid('text', 'give `text`, `data` or both')
  return parts
}

/** Whoever can be given a task waits no longer than for a quick answer. */
const TASK_WAIT_SECONDS = 1

const KEY = /^[\x20-\x7e]{1,256}$/

export const delegateTask: Tool<ToolInput<'delegate_task'>> = async (input, seat, tools) => {
  const { contextId, priority, ttlSeconds, deadline, skill, key } = input
  const { wait = seat.takesTask ? TASK_WAIT_SECONDS : WAIT_SECONDS_DEFAULT } = input
  const agent = addressee(input.to, tools.publicUrl())
  if (key !== undefined && !KEY.test(key)) throw invalid('key', 'at most 256 visible ASCII characters')
  const wishes = Object.entries({ priority, ttlSeconds, deadline, skill }).filter(([, wish]) => wish !== undefined)
  const params: SendMessageRequest = {
    message: {
      messageId: uuidv7(),
      role: 'ROLE_USER',
      parts: partsOf(input),
      ...(contextId !== undefined && { contextId }),
      ...(wishes.length > 0 && { metadata: { [EXTENSION_URI]: Object.fromEntries(wishes) } }),
    },
    configuration: { returnImmediately: true },
  }
  const task = await send(params, callOf(agent, seat, key), tools)
  const head = await ownTask(task.id, seat, tools)
  return follow({ head, wait, after: undefined, delegates: true }, seat, tools)
}

/** What the store could not tell is asked once more: the same messageId makes no second task. */
async function send(params: SendMessageRequest, call: Call, { execute, limits }: DeskTools): Promise<Task> {
  checkParams('SendMessage', params, limits)
  let sent: SendMessageResponse
  try {
    sent = await execute('SendMessage', params, call)
  } catch (error) {
    if (!(error instanceof A2AError) || error.reason !== 'OUTCOME_UNKNOWN') throw error
    sent = await execute('SendMessage', params, call)
  }
  if ('task' in sent) return sent.task
  throw new A2AError('INVALID_AGENT_RESPONSE', 'the agent answered without a task')
}

export const checkTask: Tool<ToolInput<'check_task'>> = async ({ taskId, wait = 0, after }, seat, tools) => {
  authorize(seat.caller, 'read')
  return follow({ head: await ownTask(taskId, seat, tools), wait, after }, seat, tools)
}

interface Following {
  readonly head: TaskHead
  /** Seconds. */
  readonly wait: number
  /** The events since then are wanted. */
  readonly after: number | undefined
  /** The call has made the task: a host that takes tasks is given it. */
  readonly delegates?: boolean
}

const settled = (state: TaskHead['state']): boolean => isTerminal(state) || isInterrupted(state)

/** The task as it is when it has ended, asks something, or the time is over. */
async function follow({ head, wait, after, delegates = false }: Following, seat: Seat, tools: DeskTools) {
  const { tenant, id: taskId, lastSeq, agent } = head
  // Whoever has only just read the question waits for what comes after it.
  const waits = !settled(head.state) || (after !== undefined && after >= lastSeq && !isTerminal(head.state))
  const from = after === undefined ? lastSeq : Math.min(after, lastSeq)
  const ms = waits ? wait * 1_000 : 0
  const missed = from < lastSeq ? await missedEvents({ tenant, taskId, from, lastSeq }, seat, tools) : []
  const fresh = await eventsOf({ tenant, taskId, after: missed.at(-1)?.sequence ?? lastSeq, ms }, seat, tools)
  const task = await tools.execute('GetTask', { id: taskId, historyLength: 0 }, callOf(agent, seat))
  const entries = [...missed, ...fresh]
  const cursor = entries.at(-1)?.sequence ?? lastSeq
  const told = answer(
    {
      ...taskView(task, agent, cursor),
      ...(after !== undefined && { events: entries.slice(-EVENTS_SHOWN_MAX).map(eventView) }),
      ...waitingFacts(task),
      ...(await inboxNote(seat, tools)),
    },
    isFailure(task),
  )
  const goesOn = delegates && seat.takesTask && !isTerminal(task.status.state)
  return goesOn ? { ...told, task: asTask(head, task, tools.clock.now().getTime()) } : told
}

/** What is in the log already is read at once, however little time is left. */
const READ_MS = 5_000

const missedEvents = (
  { tenant, taskId, from, lastSeq }: { tenant: string; taskId: string; from: number; lastSeq: number },
  { signal }: Seat,
  tools: DeskTools,
): Promise<StreamEntry[]> =>
  eventsOf({ tenant, taskId, after: from, ms: READ_MS }, { signal }, { ...tools, follow: upTo(lastSeq, tools.follow) })

/** Follows until this sequence, as if the task ended there. */
const upTo =
  (lastSeq: number, follow: DeskTools['follow']): DeskTools['follow'] =>
  (request, follower) =>
    follow(request, {
      ...follower,
      push: (entry) =>
        follower.push(
          entry.sequence < lastSeq ? { ...entry, last: false, interrupted: false } : { ...entry, last: true },
        ),
    })

function eventView(entry: StreamEntry): Record<string, unknown> {
  const event = entry.event()
  const { sequence } = entry
  if ('artifactUpdate' in event) {
    const { artifact, append } = event.artifactUpdate
    return { sequence, artifact: artifact.artifactId, ...(append && { append }), ...contentOf(artifact.parts) }
  }
  if ('statusUpdate' in event) {
    const { status } = event.statusUpdate
    return { sequence, state: stateWord({ status }), ...(status.message && contentOf(status.message.parts)) }
  }
  return { sequence, state: 'task' in event ? stateWord(event.task) : 'MESSAGE' }
}

/** Why it waits, as the gateway knows it. */
function waitingFacts({ metadata, status }: Task): Record<string, unknown> {
  const facts = metadata?.[EXTENSION_URI] as Record<string, unknown> | undefined
  if (!facts || settled(status.state)) return {}
  const { delivery, recipient, position, expiresAt, reason } = facts
  const known = Object.entries({ delivery, recipient, position, expiresAt, reason }).filter(
    ([, fact]) => fact !== undefined,
  )
  return { delivery: Object.fromEntries(known) }
}

export const replyToTask: Tool<ToolInput<'reply_to_task'>> = async (input, seat, tools) => {
  const { agent, id, contextId } = await ownTask(input.taskId, seat, tools)
  const message = { messageId: uuidv7(), role: 'ROLE_USER' as const, taskId: id, contextId, parts: partsOf(input) }
  const task = await send({ message, configuration: { returnImmediately: true } }, callOf(agent, seat), tools)
  const next = isTerminal(task.status.state) ? {} : { next: 'check_task with `wait` for what follows' }
  return answer({ taskId: id, state: stateWord(task), ...next, ...(await inboxNote(seat, tools)) })
}

export const cancelTask: Tool<ToolInput<'cancel_task'>> = async ({ taskId }, seat, tools) => {
  const { agent, id } = await ownTask(taskId, seat, tools)
  const task = await tools.execute('CancelTask', { id }, callOf(agent, seat))
  const next = isTerminal(task.status.state) ? {} : { next: 'the agent has been told; check_task shows what it does' }
  return answer({ taskId: id, state: stateWord(task), ...next, ...(await inboxNote(seat, tools)) })
}
