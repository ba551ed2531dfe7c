/** Waiting for a task: by its stream when the agent has one, else by asking again and again; never in a busy loop. */
import type { StreamResponse } from '../a2a/events.ts'
import { isInterrupted, isTerminal, type Task, type TaskState } from '../a2a/tasks.ts'
import type { A2AClient, StreamedEvent } from './a2aClient.ts'
import { CliError } from './errors.ts'
import type { Invocation } from './invocation.ts'
import { stateName } from './render.ts'

export const isSettled = (state: TaskState): boolean => isTerminal(state) || isInterrupted(state)

/** The a2a-cli specification recommends 2 s (§7.3); it grows to five times that. */
const POLL_MS = 2_000
const POLL_GROWTH = 1.5
const POLL_LONGEST = 5

type Waiting = Pick<Invocation, 'duration' | 'clock' | 'signal' | 'out' | 'program'>

/** Ends when the task is terminal or interrupted, or with TIMEOUT. `task` is how it stands now. */
export async function waitForTask(client: A2AClient, task: Task, call: Waiting): Promise<Task> {
  if (isSettled(task.status.state)) return task
  const timeoutMs = call.duration('timeout')
  const giveUp = new AbortController()
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => giveUp.abort(), timeoutMs)
  const waiting: Wait = { client, id: task.id, call, until: AbortSignal.any([giveUp.signal, call.signal]) }
  try {
    if (client.agent.card.capabilities?.streaming) await watchStream(waiting)
    return await poll(waiting)
  } catch (error) {
    if (giveUp.signal.aborted) throw timedOut(waiting, timeoutMs ?? 0)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

interface Wait {
  readonly client: A2AClient
  readonly id: string
  readonly call: Waiting
  readonly until: AbortSignal
}

const timedOut = ({ client, id, call }: Wait, timeoutMs: number) =>
  new CliError('A2ACLI_ERR_TIMEOUT', `task ${id} has not ended within ${timeoutMs / 1_000} s; it goes on without us`, {
    hint: `${call.program} task get --wait -a ${client.agent.ref} ${id}`,
  })

/** Returns when the stream said that the task is settled, or when the stream is of no more use. */
async function watchStream({ client, id, call, until }: Wait): Promise<void> {
  const events = client.stream('SubscribeToTask', { id })
  const aborted = new Promise<'aborted'>((resolve) => {
    if (until.aborted) resolve('aborted')
    until.addEventListener('abort', () => resolve('aborted'), { once: true })
  })
  try {
    for (;;) {
      const next = await Promise.race([events.next(), aborted])
      if (next === 'aborted' || next.done) break
      const state = stateOf(next.value.event)
      if (state && isSettled(state)) break
    }
  } catch (error) {
    call.out.debug(`the stream of ${id} is of no use, asking instead: ${(error as Error).message}`)
  } finally {
    // Not awaited: an open read would hold the return until the peer's next byte.
    void events.return(undefined).catch(() => {})
  }
  until.throwIfAborted()
}

export function stateOf(event: StreamResponse): TaskState | undefined {
  if ('task' in event) return event.task.status.state
  return 'statusUpdate' in event ? event.statusUpdate.status.state : undefined
}

async function poll({ client, id, call, until }: Wait): Promise<Task> {
  const firstMs = call.duration('poll-interval') ?? POLL_MS
  for (let waitMs = firstMs; ; waitMs = Math.min(waitMs * POLL_GROWTH, firstMs * POLL_LONGEST)) {
    const task = await client.call('GetTask', { id })
    if (isSettled(task.status.state)) return task
    call.out.debug(`task ${id} is ${stateName(task.status.state)}, asking again in ${Math.round(waitMs)} ms`)
    await call.clock.sleep(waitMs, until)
    until.throwIfAborted()
  }
}

/** How often a cut stream is taken up again before its reader is told. */
const RESUMES_MAX = 5

/** A task's events over as many connections as it takes: a cut stream is resumed at the last id that was seen. */
export async function* resumingStream(
  client: A2AClient,
  first: AsyncGenerator<StreamedEvent>,
  call: Waiting,
  lastEventId?: string,
): AsyncGenerator<StreamedEvent> {
  let position = lastEventId
  let taskId: string | undefined
  let events = first
  for (let resumes = 0; ; resumes++) {
    try {
      for await (const streamed of events) {
        position = streamed.id ?? position
        taskId ??= taskIdOf(streamed.event)
        yield streamed
        const state = stateOf(streamed.event)
        if (state && isSettled(state)) return
        if ('message' in streamed.event) return
        resumes = 0
      }
    } catch (error) {
      if (!taskId || call.signal.aborted) throw error
      // Subscribing to a task that has ended is refused (A2A §3.1.6): how it ended is then one question away.
      if (resumes > 0 && error instanceof CliError && error.code === 'UnsupportedOperationError') {
        return yield { event: { task: await client.call('GetTask', { id: taskId }) } }
      }
      if (error instanceof CliError && error.code !== 'A2ACLI_ERR_UNREACHABLE') throw error
      call.out.debug(`the stream broke off: ${(error as Error).message}`)
    }
    if (!taskId || resumes >= RESUMES_MAX) return
    await call.clock.sleep(POLL_MS / 4, call.signal)
    if (call.signal.aborted) return
    call.out.note(`note: the stream was cut; resuming task ${taskId}${position ? ` after event ${position}` : ''}`)
    events = client.stream('SubscribeToTask', { id: taskId }, position)
  }
}

function taskIdOf(event: StreamResponse): string | undefined {
  if ('task' in event) return event.task.id
  if ('statusUpdate' in event) return event.statusUpdate.taskId
  return 'artifactUpdate' in event ? event.artifactUpdate.taskId : undefined
}
