/** `task get|list|cancel|subscribe`: a task over A2A. Without -a the gateway is asked whose task it is. */
import type { TaskState } from '../../a2a/tasks.ts'
import { TASK_STATES, type Task } from '../../a2a/tasks.ts'
import type { A2AClient } from '../a2aClient.ts'
import { usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { readPage, type TaskRecord, whoseTask } from '../records.ts'
import {
  follow,
  noteOutcome,
  outcomeExitCode,
  renderEvent,
  renderTask,
  renderView,
  type StreamView,
  stateName,
} from '../render.ts'
import { taskTable } from '../tables.ts'
import { resumingStream, waitForTask } from '../waiting.ts'

export const taskId = ({ args }: Invocation): string => args[0] as string

/** The agent given by -a, else the one that the gateway says the task belongs to. */
export const agentOf = (call: Invocation): Promise<A2AClient> => call.agent(() => whoseTask(taskId(call), call.gateway))

export const taskGet: Run = async (call) => {
  const client = await agentOf(call)
  const history = call.option('history')
  const historyLength = history === undefined ? undefined : Number(history)
  if (historyLength !== undefined && !Number.isInteger(historyLength)) throw usage('--history: a number is needed')
  const asked = { id: taskId(call), ...(historyLength !== undefined && { historyLength }) }
  let task = await client.call('GetTask', asked)
  if (call.has('wait') || call.has('watch')) task = await waitForTask(client, task, call)
  return told(task, client, call)
}

/** One document; on one line if it is the one event of what was to be a stream. */
function told(task: Task, client: A2AClient, call: Invocation): number {
  if (call.out.json && call.has('stream')) call.out.line(task)
  else if (call.out.json) call.out.document(task)
  else renderTask(task, client.agent.ref, call)
  noteOutcome(task.status.state, call.out)
  return call.has('exit-status') ? outcomeExitCode(task.status.state) : 0
}

export const taskCancel: Run = async (call) => {
  const client = await agentOf(call)
  const task = await client.call('CancelTask', { id: taskId(call) })
  if (call.out.json && call.has('stream')) call.out.line(task)
  else if (call.out.json) call.out.document(task)
  else renderTask(task, client.agent.ref, call)
  return 0
}

export const taskList: Run = async (call) => {
  const state = call.option('state') ?? call.option('status')
  const status =
    state &&
    (`TASK_STATE_${state
      .toUpperCase()
      .replaceAll('-', '_')
      .replace(/^TASK_STATE_/, '')}` as TaskState)
  if (status && !TASK_STATES.includes(status)) {
    throw usage(`--state: there is no state ${state}`, TASK_STATES.map(stateName).slice(1).join(', ').toLowerCase())
  }
  const limit = call.option('limit')
  const query = {
    ...(status && { status }),
    ...(call.option('context-id') && { contextId: call.option('context-id') as string }),
    ...(limit && { pageSize: Number(limit) }),
    ...(call.option('page-token') && { pageToken: call.option('page-token') as string }),
  }
  if (!call.option('agent-card')) return listAtGateway(query, call)
  const client = await call.agent()
  const page = await client.call('ListTasks', query)
  const { out } = call
  if (out.json && call.has('stream')) for (const task of page.tasks) out.line(task)
  else if (out.json) out.document(page)
  else {
    for (const task of page.tasks) {
      out.fields([
        ['Task', task.id],
        ['Context', task.contextId ?? ''],
        ['State', stateName(task.status.state)],
        ['Updated', task.status.timestamp],
      ])
      out.text()
    }
    out.fields([['Next page', page.nextPageToken || undefined]])
    if (page.tasks.length === 0) out.note('no tasks')
  }
  return 0
}

async function listAtGateway(query: Record<string, string | number>, call: Invocation): Promise<number> {
  const page = await readPage<TaskRecord>(call.gateway, '/v1/tasks', query)
  const { out } = call
  if (out.json && call.has('stream')) for (const task of page.items) out.line(task)
  else if (out.json) out.document(page)
  else taskTable(page.items, call)
  if (page.next && !out.json) out.note(`more: --page-token ${page.next}`)
  return 0
}

export const taskSubscribe: Run = async (call) => {
  const client = await agentOf(call)
  const id = taskId(call)
  const from = call.option('last-event-id')
  const { out } = call
  if (!client.agent.card.capabilities?.streaming) return polled(client, id, call)
  let view: StreamView = { taskId: id }
  let lastWasState = false
  const begin = (signal: AbortSignal) => client.stream('SubscribeToTask', { id }, { lastEventId: from, signal })
  for await (const { event } of resumingStream(client, begin, call)) {
    view = follow(view, event)
    lastWasState = !('artifactUpdate' in event)
    if (out.json && call.has('stream')) out.line(event)
    else if (!out.json) renderEvent(event, client.agent.ref, call)
  }
  if (out.json && !call.has('stream')) return told(await client.call('GetTask', { id }), client, call)
  if (!out.json && !lastWasState) renderView(view, out)
  if (view.state) noteOutcome(view.state, out)
  return 0
}

/** An agent without streams: asked again and again, and told once, in the same shape (a2a-cli §11.3). */
async function polled(client: A2AClient, id: string, call: Invocation): Promise<number> {
  call.out.note('note: this agent does not stream; asking again and again instead')
  const task = await waitForTask(client, await client.call('GetTask', { id }), call)
  if (!(call.out.json && call.has('stream'))) return told(task, client, call)
  call.out.line({ task })
  noteOutcome(task.status.state, call.out)
  return call.has('exit-status') ? outcomeExitCode(task.status.state) : 0
}
