/**
 * SendMessage and SendStreamingMessage (A2A 1.0 §3.1.1, §3.1.2): the task is committed, then carried; the answer waits
 * for the agent at most `blockMs` and is then the task as it is, in a true, non-terminal state (D11).
 */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest, SendMessageResponse } from '../../a2a/operations.ts'
import { isInterrupted, isTerminal, type Message, type Task } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import type { EventStream, StreamEntry } from '../../ports.ts'
import { holderOf } from '../../store/dealing.ts'
import { readQueues } from '../../store/queues.ts'
import { findTask, type TaskHead } from '../../store/tasks.ts'
import { type Agent, isChannel, waitsText } from '../agents/agent.ts'
import { presenceOf } from '../agents/presence.ts'
import { continueTask } from '../tasks/continue.ts'
import { answerMessage, loneMessage, withFacts } from '../tasks/facts.ts'
import { type OpenedTask, openTask, type Recipient } from '../tasks/open.ts'
import { createStream } from '../tasks/subscribe.ts'
import { cut, fold, readTask } from '../tasks/view.ts'
import { waitFor } from '../tasks/wait.ts'
import { wishesOf } from '../tasks/wishes.ts'
import { checkMessage } from './checkMessage.ts'
import { deliveryFacts, freshFacts } from './deliveryFacts.ts'
import { admitLate, admitToMailbox } from './intoMailbox.ts'
import { supersede } from './supersede.ts'
import type { AgentCall, OperationTools } from './tools.ts'

export async function sendMessage(
  params: SendMessageRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<SendMessageResponse> {
  const opened = await accept(params, call, tools)
  const { historyLength, returnImmediately } = params.configuration ?? {}
  if (returnImmediately) {
    carry(opened, tools)
    const task = opened.task
      ? withFacts(opened.task, freshFacts(opened, call.known, tools))
      : await current(opened, tools)
    return { task: cut(task, { historyLength }) }
  }
  const waiting = opened.repeated ? reattach(opened, call, tools) : answerOf(opened, call, tools)
  carry(opened, tools)
  const answer = await waiting
  return 'message' in answer ? answer : { task: cut(answer.task, { historyLength }) }
}

export async function sendStreamingMessage(
  params: SendMessageRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<EventStream> {
  checkStreams(tools)
  const opened = await accept(params, call, tools)
  const { tenant, id: taskId } = opened
  const streamTools = { hub: tools.hub, clock: tools.clock, draining: tools.draining, loneMessage }
  if (opened.first && opened.task) {
    const handed = opened.handed !== undefined
    const start = {
      tenant,
      taskId,
      first: opened.first,
      after: 1,
      fresh: true,
      ...(handed && { holdMs: LIMITS.firstAnswerMs }),
    }
    const stream = createStream(start, streamTools)
    return carriedFrom(stream, opened, tools)
  }
  // A further message, or the same one again: the stream begins with the task as it is (STR-2).
  const read = await readTask(tools.db, tenant, taskId)
  if (!read) throw new A2AError('TASK_NOT_FOUND', 'task not found')
  const first = snapshotEntry(read.task, read.lastSeq)
  return createStream({ tenant, taskId, first, after: read.lastSeq }, streamTools)
}

/** Carried once somebody listens, or once it is clear that nobody will: who asked may have gone before the answer. */
function carriedFrom(stream: EventStream, opened: OpenedTask, tools: OperationTools): EventStream {
  let carried = false
  const carryOnce = () => {
    if (!carried) carry(opened, tools)
    carried = true
  }
  return {
    ...stream,
    open(sink) {
      stream.open(sink)
      carryOnce()
    },
    close() {
      stream.close()
      carryOnce()
    },
  }
}

export function snapshotEntry(task: Task, sequence: number): StreamEntry {
  const event = { task }
  const { state } = task.status
  return {
    sequence,
    json: JSON.stringify(event),
    event: () => event,
    last: isTerminal(state),
    interrupted: isInterrupted(state),
  }
}

/** Streams that one process keeps open have a bound; so do those of one task. */
export function checkStreams({ hub }: OperationTools, taskId?: string): void {
  const full =
    hub.count() >= LIMITS.streamsMax + LIMITS.blockingWaitersMax ||
    (taskId !== undefined && hub.count(taskId) >= LIMITS.streamsPerTaskMax)
  if (full)
    throw new A2AError('RATE_LIMITED', 'too many open streams; close one, or poll with GetTask', {
      retryAfterSeconds: 5,
    })
}

const recipientOf = (agent: Agent): Recipient => ({
  name: agent.name,
  kind: agent.connector.kind,
  destination: agent.destination,
  ttlSeconds: agent.policy.ttlSeconds,
  maxInflight: agent.policy.maxInflight,
  idempotency: agent.policy.idempotency,
  paused: agent.pausedAt !== undefined,
  ordering: agent.policy.ordering,
})

/** Checks, then commits. After this the task is ours to keep. */
async function accept(params: SendMessageRequest, call: AgentCall, tools: OperationTools): Promise<OpenedTask> {
  const { message } = params
  if (message.contextId) await tools.participants.admit(call.caller, message.contextId)
  const checking = checkMessage(params, call, tools)
  if (checking) await checking
  const given = tools.others.open(params, call)
  if (given) return told(await given, call, tools)
  const head = message.taskId ? await continuable(message, message.taskId, call, tools) : undefined
  checkQueue(call.known, tools)
  const again = async () => await continuable(message, message.taskId as string, call, tools)
  const collects = call.known.connector.kind === 'mailbox'
  const admission = collects ? await admitToMailbox(params, call, tools) : undefined
  const recipient = {
    ...(await ringing(recipientOf(call.known), params, call, tools)),
    ...(admission && { admission }),
    ...(head && isChannel(call.known) && (await holderOf(tools.db, head.tenant, head.id))),
  }
  const opened = head
    ? await continueTask(params, call, head, again, recipient, tools)
    : await openTask(params, call, recipient, tools)
  if (collects && !opened.repeated) tools.room.took(call.known, call.caller.id)
  if (admission?.held) await admitLate(call, tools)
  if (collects && !opened.repeated && !head) await supersede(params, call, opened, tools)
  return told(opened, call, tools)
}

/** Whether a call rings: the recipient is there and has a place free. */
async function ringing(
  recipient: Recipient,
  params: SendMessageRequest,
  { known }: AgentCall,
  { db }: OperationTools,
): Promise<Recipient> {
  if (wishesOf(params).kind !== 'call') return recipient
  const [lane] = await readQueues(db, [known])
  const rings = presenceOf(known, lane).state === 'online' && (lane?.leased ?? 0) < known.policy.maxInflight
  return { ...recipient, rings }
}

function told(opened: OpenedTask, call: AgentCall, tools: OperationTools): OpenedTask {
  const { tenant, id: caller, kind } = call.caller
  if (kind === 'agent') tools.seen(tenant, caller)
  tools.signals.emit('task.accepted', {
    task: opened.id,
    tenant,
    agent: call.known.name,
    caller,
    repeated: opened.repeated,
  })
  return opened
}

async function continuable(message: Message, id: string, call: AgentCall, { db }: OperationTools): Promise<TaskHead> {
  const head = await findTask(db, { tenant: call.caller.tenant, caller: call.caller.id, agent: call.known.name, id })
  if (!head) throw new A2AError('TASK_NOT_FOUND', 'task not found')
  if (message.contextId && message.contextId !== head.contextId) {
    const description = 'is not the context of the task'
    throw new A2AError('INVALID_PARAMS', `contextId ${description}`, {
      violations: [{ field: 'message.contextId', description }],
    })
  }
  if (isTerminal(head.state)) {
    throw new A2AError(
      'UNSUPPORTED_OPERATION',
      'the task has ended and takes no more messages; start a new one in the same context and name this one in referenceTaskIds',
    )
  }
  return head
}

/** Not accepted is better than accepted and dropped (P19). */
function checkQueue(agent: Agent, { delivering, queuePerAgentMax }: OperationTools): void {
  const closed = delivering.isClosed(agent.tenant, agent.destination)
  if (closed && agent.policy.whenOffline === 'reject') {
    throw new A2AError('AGENT_UNAVAILABLE', 'the agent is offline, and does not want messages to wait', {
      retryAfterSeconds: 5,
    })
  }
  if (agent.pending && agent.policy.whenOffline === 'reject')
    throw new A2AError('AGENT_UNAVAILABLE', waitsText(agent.pending), { retryAfterSeconds: 60 })
  if (delivering.depth(agent.tenant, agent.destination) >= queuePerAgentMax) {
    throw new A2AError('QUEUE_FULL', `more than ${queuePerAgentMax} messages are waiting for this agent`, {
      retryAfterSeconds: 30,
    })
  }
}

/** Hands a task over that was opened leased; after whoever waits for it has begun to listen. */
function carry({ handed }: OpenedTask, { delivering }: OperationTools): void {
  if (handed) delivering.take(handed)
}

async function answerOf(opened: OpenedTask, call: AgentCall, tools: OperationTools): Promise<SendMessageResponse> {
  const { tenant, id: taskId, sequence, task } = opened
  const entries = await waitFor(tools.hub, tools.clock, {
    tenant,
    taskId,
    after: sequence,
    fresh: task !== undefined,
    ms: tools.blockMs,
    gone: call.gone ?? call.signal,
    draining: tools.draining,
  })
  const message = answerMessage(entries)
  if (message && task) return { message }
  if (task && entries.at(-1)?.last) return { task: foldEntries(task, entries) }
  return { task: await current(opened, tools) }
}

function foldEntries(task: Task, entries: readonly StreamEntry[]): Task {
  let folded: Task | undefined = task
  for (const entry of entries) folded = fold(folded, entry.event())
  return folded ?? task
}

/** The same message again: its task as it is if that is an answer, else waited for like the first (D11). */
async function reattach(opened: OpenedTask, call: AgentCall, tools: OperationTools): Promise<SendMessageResponse> {
  const task = await current(opened, tools)
  if (isTerminal(task.status.state) || isInterrupted(task.status.state)) return { task }
  return answerOf(opened, call, tools)
}

async function current({ tenant, id }: OpenedTask, tools: OperationTools): Promise<Task> {
  const [read, facts] = await Promise.all([readTask(tools.db, tenant, id), deliveryFacts(tenant, id, tools)])
  if (!read) throw new A2AError('TASK_NOT_FOUND', 'task not found')
  return isTerminal(read.task.status.state) ? read.task : withFacts(read.task, facts)
}
