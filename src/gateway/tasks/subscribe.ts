/**
 * A task's stream: where it begins, when it ends.
 *
 * Begins with a snapshot that carries the sequence it includes, then every later event (spec §3.1.6). With a resume
 * position that the log still has, the snapshot is replaced by exactly the missing events; a position that it has not
 * gives the snapshot, never a loop. Ends after the terminal event, which is always the log's own, so that no check can
 * race with it; at INPUT_REQUIRED at once; at AUTH_REQUIRED after a while (the credentials come out of band, §7.6.1).
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { EventStream, StreamEnd, StreamEntry, StreamSink } from '../../ports.ts'
import type { Hub } from './hub.ts'

export interface StreamStart {
  readonly tenant: string
  readonly taskId: string
  /** What is sent first, without asking the log; the following goes on after it. */
  readonly first?: StreamEntry
  /** The last sequence that the reader has. */
  readonly after: number
  readonly fresh?: boolean
  /** Hold `first` back this long, so that a lone Message can take its place (D15). */
  readonly holdMs?: number
}

export interface SubscribeTools {
  readonly hub: Hub
  readonly clock: Clock
  /** The lone Message in a log that is nothing but an answer, if it is one. */
  readonly loneMessage: (entries: readonly StreamEntry[]) => StreamEntry | undefined
  readonly draining: AbortSignal
}

export function createStream(start: StreamStart, { hub, clock, loneMessage, draining }: SubscribeTools): EventStream {
  const closing = new AbortController()
  let sink: StreamSink | undefined
  let stopFollowing = () => {}
  let held: StreamEntry[] | undefined = start.holdMs && start.first ? [] : undefined

  function end(why: StreamEnd): void {
    if (closing.signal.aborted) return
    close()
    sink?.end(why)
  }

  function close(): void {
    closing.abort()
    stopFollowing()
    draining.removeEventListener('abort', cutOff)
  }
  const cutOff = () => end('cut')

  function push(entry: StreamEntry): boolean {
    if (closing.signal.aborted || !sink) return false
    if (!sink.push(entry)) {
      close()
      return false
    }
    if (entry.last) end('finished')
    else if (entry.interrupted) pauseAt(entry)
    return !closing.signal.aborted
  }

  function pauseAt(entry: StreamEntry): void {
    const event = entry.event()
    const state =
      'statusUpdate' in event ? event.statusUpdate.status.state : 'task' in event ? event.task.status.state : undefined
    if (state !== 'TASK_STATE_AUTH_REQUIRED') end('interrupted')
    else void clock.sleep(LIMITS.interruptedStreamMs, closing.signal).then(() => end('interrupted'))
  }

  /** The opening Task and what came while it was held back; or, if that is but one Message, the Message alone. */
  function release(): void {
    if (!held || !start.first) return
    const entries = held
    held = undefined
    const lone = loneMessage(entries)
    for (const entry of lone ? [lone] : [start.first, ...entries]) if (!push(entry)) return
  }

  function take(entry: StreamEntry): boolean {
    if (!held) return push(entry)
    held.push(entry)
    // An artifact may be the first half of a Message's record: the other half is in the same commit.
    if (entry.last || !('artifactUpdate' in entry.event())) release()
    return !closing.signal.aborted
  }

  return {
    taskId: start.taskId,
    open(to) {
      sink = to
      if (draining.aborted) return end('cut')
      draining.addEventListener('abort', cutOff, { once: true })
      if (start.first && !held && !push(start.first)) return
      stopFollowing = hub.follow(
        { tenant: start.tenant, taskId: start.taskId, after: start.after, ...(start.fresh && { fresh: true }) },
        { push: take, fail: () => end('cut') },
      )
      if (closing.signal.aborted) return stopFollowing()
      if (held) void clock.sleep(start.holdMs ?? 0, closing.signal).then(release)
    },
    close,
  }
}
