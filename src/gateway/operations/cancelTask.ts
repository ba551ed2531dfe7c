/**
 * CancelTask (A2A 1.0 §3.1.5). What is still here is withdrawn and never sent; what the agent has is the agent's to
 * cancel, and its answer is the true state (P10).
 */
import { A2AError } from '../../a2a/errors.ts'
import type { CancelTaskRequest } from '../../a2a/operations.ts'
import { isInterrupted, isTerminal, type Task } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { holderOf } from '../../store/dealing.ts'
import { cancelQueued, requestCancel } from '../../store/messages.ts'
import { findTask, type TaskHead } from '../../store/tasks.ts'
import { isChannel } from '../agents/agent.ts'
import { toEntry } from '../tasks/entries.ts'
import { readTask } from '../tasks/view.ts'
import { waitFor } from '../tasks/wait.ts'
import { ownTask } from './getTask.ts'
import type { AgentCall, OperationTools } from './tools.ts'

export async function cancelTask({ id }: CancelTaskRequest, call: AgentCall, tools: OperationTools): Promise<Task> {
  const head = await ownTask(id, call, tools)
  if (head.state === 'TASK_STATE_CANCELED') return read(head, tools)
  if (isTerminal(head.state)) throw notCancelable(head)
  // A question waits at the agent: it should hear that there will be no answer. Otherwise what waits here is simply withdrawn.
  const atAgent = isInterrupted(head.state) && head.upstreamTask !== null
  if (!atAgent && (await withdraw(head, tools))) return read(head, tools)
  await askAgent(head, call, tools)
  const now = await findTask(tools.db, { tenant: head.tenant, id: head.id })
  if (now && isTerminal(now.state) && now.state !== 'TASK_STATE_CANCELED') throw notCancelable(now)
  return read(head, tools)
}

/** The mailbox looks once a second whose grace is over; a busy one a little later. */
const GRACE_LOOK_MS = 3_000

const notCancelable = ({ state }: TaskHead) => new A2AError('TASK_NOT_CANCELABLE', `the task has ended: ${state}`)

async function read(head: TaskHead, { db }: OperationTools): Promise<Task> {
  const found = await readTask(db, head.tenant, head.id)
  if (!found) throw new A2AError('TASK_NOT_FOUND', 'task not found')
  return found.task
}

const canceledStatus = (head: TaskHead, at: Date) => ({
  taskId: head.id,
  contextId: head.contextId,
  status: { state: 'TASK_STATE_CANCELED' as const, timestamp: at.toISOString() },
})

/** Nothing is on its way to the agent: canceled here and now. */
async function withdraw(head: TaskHead, tools: OperationTools): Promise<boolean> {
  const at = tools.now()
  const event = { statusUpdate: canceledStatus(head, at) }
  const json = JSON.stringify(event)
  const done = await cancelQueued(tools.db, {
    tenant: head.tenant,
    taskId: head.id,
    statusAt: at.toISOString(),
    body: json,
    eventId: uuidv7(),
  })
  if (!done) return false
  tools.published(
    head.tenant,
    head.id,
    [toEntry({ sequence: done.lastSeq, json, event, state: 'TASK_STATE_CANCELED' })],
    done.owed,
  )
  const { tenant, id: task, agent, createdAt } = head
  tools.signals.emit('task.finished', {
    task,
    tenant,
    agent,
    state: 'TASK_STATE_CANCELED',
    ms: at.getTime() - createdAt,
  })
  return true
}

async function askAgent(head: TaskHead, call: AgentCall, tools: OperationTools): Promise<void> {
  const noted = await requestCancel(tools.db, head.tenant, head.id)
  if (!noted) return
  const holder = isChannel(call.known) ? await holderOf(tools.db, head.tenant, head.id) : undefined
  if (call.known.connector.kind === 'mailbox' && !holder) return awaitHolder(head, call, tools)
  if (!noted.upstreamTask) return awaitCarrier(head, call, tools)
  const agent = holder ? await tools.agents.find(head.tenant, holder.destination.slice('agent:'.length)) : call.known
  if (!agent) return awaitCarrier(head, call, tools)
  const answer = await tools.peer.cancel(tools.agents.target(agent), noted.upstreamTask, tools.draining)
  if (answer.kind === 'canceled') await recordCanceled(head, tools)
  if (answer.kind === 'other') await awaitEnd(head, call, tools, LIMITS.cancelWaitMs)
  if (answer.kind === 'refused')
    throw new A2AError('TASK_NOT_CANCELABLE', `the agent will not cancel it: ${answer.reason.slice(0, 200)}`)
  // Nobody there to hear it: a question needs no answer any more, and what runs is asked when its attempt goes on.
  if (answer.kind === 'unreachable' && isInterrupted(head.state)) await withdraw(head, tools)
}

/** Whoever holds the lease hears of it, and agrees or ends; after the grace the mailbox takes the lease away. */
async function awaitHolder(head: TaskHead, call: AgentCall, tools: OperationTools): Promise<void> {
  await awaitEnd(head, call, tools, tools.cancelGraceMs + GRACE_LOOK_MS)
  // It may have lost the lease meanwhile: then nobody has it.
  const now = await findTask(tools.db, { tenant: head.tenant, id: head.id })
  if (now && !isTerminal(now.state)) await withdraw(now, tools)
}

/** How often it is looked whether a message that was on its way is here again. */
const CARRIER_LOOK_MS = 250

/**
 * The message is on its way: whoever carries it asks the agent as soon as it has the agent's id. If nobody was there to
 * take it, it is here again and is withdrawn, before it is sent once more.
 */
async function awaitCarrier(head: TaskHead, call: AgentCall, tools: OperationTools): Promise<void> {
  const until = tools.clock.elapsed() + LIMITS.cancelWaitMs
  while (tools.clock.elapsed() < until && !(call.gone ?? call.signal).aborted && !tools.draining.aborted) {
    await awaitEnd(head, call, tools, CARRIER_LOOK_MS)
    const now = await findTask(tools.db, { tenant: head.tenant, id: head.id })
    if (!now || isTerminal(now.state)) return
    // The agent has it and has been asked: its answer is awaited.
    if (now.upstreamTask === null && (await withdraw(now, tools))) return
  }
}

async function awaitEnd(
  head: TaskHead,
  call: AgentCall,
  { hub, clock, draining }: OperationTools,
  ms: number,
): Promise<void> {
  await waitFor(hub, clock, {
    tenant: head.tenant,
    taskId: head.id,
    after: head.lastSeq,
    fresh: false,
    ms,
    gone: call.gone ?? call.signal,
    draining,
  })
}

async function recordCanceled(head: TaskHead, tools: OperationTools): Promise<void> {
  await tools.record({
    tenant: head.tenant,
    taskId: head.id,
    agent: head.agent,
    acceptedAt: head.createdAt,
    events: [{ event: { statusUpdate: canceledStatus(head, tools.now()) } }],
  })
}
