/**
 * What comes to an ordered list, as server-sent events: from a position on, each once, in order. The list is looked at when
 * it is told that something came, and now and then, because what is told may be lost; `id:` is the position to come back with.
 */
import type { ServerResponse } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'
import type { TailPlace, Tails } from '../../gateway/tasks/tails.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { openEventStream } from '../eventStream.ts'

export interface TailItem {
  /** The position after it. */
  readonly id: string
  readonly data: unknown
}

export interface Tail {
  /** What comes after this position, oldest first; a full page means that there may be more. */
  readonly read: (after: string) => Promise<readonly TailItem[]>
  readonly after: string
  readonly event?: string
  readonly place: TailPlace
}

export interface TailTools {
  readonly clock: Clock
  readonly tails: Tails
  readonly limits: Pick<Limits, 'pollMs'>
  /** Aborted when the gateway begins to stop. */
  readonly draining: AbortSignal
}

/** Where nothing comes is looked at less often. */
const IDLE_LOOKS = 10
const IDLE_TIMES = 5

let open = 0

/** Streams until the reader is gone or too slow, the stream is old, or the gateway stops. Throws RATE_LIMITED before it begins. */
export function streamTail(response: ServerResponse, tail: Tail, { clock, draining, tails, limits }: TailTools): void {
  if (open >= LIMITS.tailsMax)
    throw new A2AError('RATE_LIMITED', 'too many open streams; ask for the list', { retryAfterSeconds: 5 })
  open++
  let nudge = () => {}
  const forget = tails.follow(tail.place, () => nudge())
  const stream = openEventStream(response, draining, () => {
    open--
    forget()
    nudge()
  })
  void follow().catch(stream.end)

  async function follow(): Promise<void> {
    let after = tail.after
    let idle = 0
    const event = tail.event === undefined ? '' : `event: ${tail.event}\n`
    while (!stream.ended()) {
      const hint = new AbortController()
      nudge = () => hint.abort()
      const items = await tail.read(after)
      for (const { id, data } of items) {
        if (!stream.write(`id: ${id}\n${event}data: ${JSON.stringify(data)}\n\n`)) return
        after = id
      }
      idle = items.length > 0 ? 0 : idle + 1
      if (idle > 0) await clock.sleep((idle > IDLE_LOOKS ? IDLE_TIMES : 1) * limits.pollMs, hint.signal)
    }
  }
}
