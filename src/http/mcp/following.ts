/** Waiting for a task within one call, and telling a host that something goes on. */
import type { StreamEntry } from '../../ports.ts'
import type { Turn } from '../../wire/bridges/mcp/server.ts'
import type { DeskTools } from './desk.ts'

/** A host that hears nothing cuts the call. */
const BEAT_MS = 10_000
/** Events that one call gathers; who wants more asks again. */
const EVENTS_MAX = 200

export interface Wait {
  readonly tenant: string
  readonly taskId: string
  readonly after: number
  readonly ms: number
}

/** The events after `after`, until the task has ended or asks something, the time is over, or nobody waits any more. */
export async function eventsOf(
  { tenant, taskId, after, ms }: Wait,
  turn: Turn,
  tools: Pick<DeskTools, 'follow' | 'clock' | 'draining'>,
): Promise<StreamEntry[]> {
  const entries: StreamEntry[] = []
  await until({ ms, turn, tools }, (finish, told) =>
    tools.follow(
      { tenant, taskId, after },
      {
        push(entry) {
          entries.push(entry)
          told(wordsOf(entry))
          const enough = entry.last || entry.interrupted || entries.length >= EVENTS_MAX
          if (enough) queueMicrotask(finish)
          return !enough
        },
        fail: finish,
      },
    ),
  )
  return entries
}

interface Waiting {
  readonly ms: number
  readonly turn: Turn
  readonly tools: Pick<DeskTools, 'clock' | 'draining'>
}

/** Runs `begin`, which says when it is enough and gives back how to stop; at most `ms`. */
function until(
  { ms, turn, tools: { clock, draining } }: Waiting,
  begin: (finish: () => void, told: (words: string) => void) => () => void,
): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController()
    let stop = () => {}
    const finish = () => {
      if (over.signal.aborted) return
      over.abort()
      for (const signal of [turn.signal, draining]) signal.removeEventListener('abort', finish)
      stop()
      resolve()
    }
    if (turn.signal.aborted || draining.aborted || ms <= 0) return resolve()
    for (const signal of [turn.signal, draining]) signal.addEventListener('abort', finish, { once: true })
    void clock.sleep(ms, over.signal).then(finish)
    const told = beating(turn, clock, over.signal)
    stop = begin(finish, told)
    if (over.signal.aborted) stop()
  })
}

/** Tells the host now and then that the call is alive, and what it was told at once. Ends with the signal. */
export function beating(turn: Turn, clock: DeskTools['clock'], over: AbortSignal): (words: string) => void {
  const { progress } = turn
  if (!progress) return () => {}
  let done = 0
  const beat = async () => {
    while (!over.aborted) {
      await clock.sleep(BEAT_MS, over)
      if (!over.aborted) await progress(++done, 'still waiting')
    }
  }
  void beat()
  return (words) => void progress(++done, words)
}

function wordsOf(entry: StreamEntry): string {
  const event = entry.event()
  if ('artifactUpdate' in event) return `artifact ${event.artifactUpdate.artifact.name ?? ''}`.trim()
  const status = 'statusUpdate' in event ? event.statusUpdate.status : 'task' in event ? event.task.status : undefined
  const said = status?.message?.parts.flatMap(({ text }) => (text === undefined ? [] : [text])).join(' ')
  return [status?.state.replace(/^TASK_STATE_/, ''), said?.slice(0, 200)].filter(Boolean).join(': ')
}
