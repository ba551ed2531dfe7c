/** Waiting for a task: by its stream when the agent has one, else by asking again and again; never in a busy loop. */
import type { StreamResponse } from '../a2a/events.ts'
import { isInterrupted, isTerminal, type Task, type TaskState } from '../a2a/tasks.ts'
import type { A2AClient, StreamedEvent } from './a2aClient.ts'
import { CliError } from './errors.ts'
import type { Invocation } from './invocation.ts'
import { stateName } from './render.ts'

export const isSettled = (state: TaskState): boolean => isTerminal(state) || isInterrupted(state)

/** What the a2a-cli specification recommends (§9.3); it grows to five times that. */
const POLL_MS = 2_000
const POLL_GROWTH = 1.5
const POLL_LONGEST = 5

export type Waiting = Pick<Invocation, 'duration' | 'clock' | 'signal' | 'out' | 'program' | 'has'>

/** Whether there is nothing more to wait for. With --wait-auth what the task wants is given to it elsewhere. */
const isOver = (state: TaskState, call: Waiting): boolean =>
  isSettled(state) && !(state === 'TASK_STATE_AUTH_REQUIRED' && call.has('wait-auth'))

/** Ends when the task is terminal or interrupted, or with TIMEOUT. `task` is how it stands now. */
export const waitForTask = (client: A2AClient, task: Task, call: Waiting): Promise<Task> =>
  withinLimit(client, call, (limit) => {
    limit.taskId = task.id
    return waitWithin(client, task, { call, limit })
  })

export async function waitWithin(
  client: A2AClient,
  task: Task,
  { call, limit }: { readonly call: Waiting; readonly limit: TimeLimit },
): Promise<Task> {
  if (isOver(task.status.state, call)) return task
  const waiting: Wait = { client, id: task.id, call, until: limit.until }
  if (client.agent.card.capabilities?.streaming) await watchStream(waiting)
  return poll(waiting)
}

export interface TimeLimit {
  /** Aborted when --timeout is over, or at Ctrl-C. */
  readonly until: AbortSignal
  /** As soon as it is known: it stands in what is told when the time is over. */
  taskId: string | undefined
}

/** Runs what may take as long as --timeout says; after that it fails with TIMEOUT. */
export async function withinLimit<T>(
  client: A2AClient,
  call: Waiting,
  run: (limit: TimeLimit) => Promise<T>,
): Promise<T> {
  const clock = startLimit(call)
  const limit: TimeLimit = { until: clock.until, taskId: undefined }
  try {
    return await run(limit)
  } catch (error) {
    if (clock.expired()) throw timedOut(client, limit.taskId, call)
    throw error
  } finally {
    clock.clear()
  }
}

interface RunningLimit {
  readonly until: AbortSignal
  expired(): boolean
  clear(): void
}

function startLimit(call: Waiting): RunningLimit {
  const timeoutMs = call.duration('timeout')
  const giveUp = new AbortController()
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => giveUp.abort(), timeoutMs)
  return {
    until: AbortSignal.any([giveUp.signal, call.signal]),
    expired: () => giveUp.signal.aborted,
    clear: () => clearTimeout(timer),
  }
}

interface Wait {
  readonly client: A2AClient
  readonly id: string
  readonly call: Waiting
  readonly until: AbortSignal
}

function timedOut(client: A2AClient, id: string | undefined, call: Waiting): CliError {
  const waited = `within ${(call.duration('timeout') ?? 0) / 1_000} s`
  if (!id) return new CliError('A2ACLI_ERR_TIMEOUT', `the agent said nothing ${waited}`)
  return new CliError('A2ACLI_ERR_TIMEOUT', `task ${id} has not ended ${waited}; it goes on without us`, {
    hint: `${call.program} task get --wait -a ${client.agent.ref} ${id}`,
  })
}

/** Returns when the stream said that the task is settled, or when the stream is of no more use. */
async function watchStream({ client, id, call, until: signal }: Wait): Promise<void> {
  try {
    for await (const { event } of client.stream('SubscribeToTask', { id }, { signal })) {
      const state = stateOf(event)
      if (state && isOver(state, call)) return
    }
  } catch (error) {
    signal.throwIfAborted()
    call.out.debug(`the stream of ${id} is of no use, asking instead: ${(error as Error).message}`)
  }
}

export function stateOf(event: StreamResponse): TaskState | undefined {
  if ('task' in event) return event.task.status.state
  return 'statusUpdate' in event ? event.statusUpdate.status.state : undefined
}

async function poll({ client, id, call, until: signal }: Wait): Promise<Task> {
  const firstMs = call.duration('poll-interval') ?? POLL_MS
  for (let waitMs = firstMs; ; waitMs = Math.min(waitMs * POLL_GROWTH, firstMs * POLL_LONGEST)) {
    const task = await client.call('GetTask', { id }, signal)
    if (isOver(task.status.state, call)) return task
    call.out.debug(`task ${id} is ${stateName(task.status.state)}, asking again in ${Math.round(waitMs)} ms`)
    await call.clock.sleep(waitMs, signal)
    signal.throwIfAborted()
  }
}

/** How often a cut stream is taken up again before its reader is told. */
const RESUMES_MAX = 5
const RESUME_MS = 500

/** A task's events over as many connections as it takes: a cut stream is resumed at the last id that was seen. */
export async function* resumingStream(
  client: A2AClient,
  begin: (signal: AbortSignal) => AsyncGenerator<StreamedEvent>,
  call: Waiting,
): AsyncGenerator<StreamedEvent> {
  const limit = startLimit(call)
  const seen: Seen = { position: undefined, taskId: undefined }
  let events = begin(limit.until)
  try {
    for (let resumes = 0; resumes <= RESUMES_MAX; resumes++) {
      const ended = yield* oneStream(events, seen, { client, call, resumed: resumes > 0 })
      if (ended || !seen.taskId) return
      const { taskId, position } = seen
      await call.clock.sleep(RESUME_MS, limit.until)
      limit.until.throwIfAborted()
      call.out.note(`note: the stream was cut; resuming task ${taskId}${position ? ` after event ${position}` : ''}`)
      events = client.stream('SubscribeToTask', { id: taskId }, { lastEventId: position, signal: limit.until })
    }
  } catch (error) {
    if (limit.expired()) throw timedOut(client, seen.taskId, call)
    throw error
  } finally {
    limit.clear()
  }
}

interface Seen {
  position: string | undefined
  taskId: string | undefined
}

interface OneStream {
  readonly client: A2AClient
  readonly call: Waiting
  readonly resumed: boolean
}

/** true: the story has ended; false: the connection has. */
async function* oneStream(
  events: AsyncGenerator<StreamedEvent>,
  seen: Seen,
  { client, call, resumed }: OneStream,
): AsyncGenerator<StreamedEvent, boolean> {
  try {
    for await (const streamed of events) {
      seen.position = streamed.id ?? seen.position
      seen.taskId ??= taskIdOf(streamed.event)
      yield streamed
      const state = stateOf(streamed.event)
      if ((state && isOver(state, call)) || 'message' in streamed.event) return true
    }
    return false
  } catch (error) {
    const { code } = error as { code?: string }
    if (!seen.taskId || (error as Error).name === 'AbortError' || call.signal.aborted) throw error
    // Subscribing to a task that has ended is refused (A2A §3.1.6): how it ended is then one question away.
    if (resumed && code === 'UnsupportedOperationError') {
      yield { event: { task: await client.call('GetTask', { id: seen.taskId }) } }
      return true
    }
    if (error instanceof CliError && code !== 'A2ACLI_ERR_UNREACHABLE') throw error
    call.out.debug(`the stream broke off: ${(error as Error).message}`)
    return false
  }
}

function taskIdOf(event: StreamResponse): string | undefined {
  if ('task' in event) return event.task.id
  if ('statusUpdate' in event) return event.statusUpdate.taskId
  return 'artifactUpdate' in event ? event.artifactUpdate.taskId : undefined
}
