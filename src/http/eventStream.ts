/** A stream of server-sent events on our own face: opened, kept alive, and ended once. */
import type { ServerResponse } from 'node:http'
import { LIMITS } from '../limits.ts'

export interface EventStream {
  ended(): boolean
  /** Writes whole events, ready as text. false: the stream has ended, perhaps because its reader is too slow. */
  write(events: string): boolean
  end(): void
}

/** Ends when the reader is gone or too slow, the stream is old, or the gateway stops: then `onEnd` runs, once. */
export function openEventStream(response: ServerResponse, draining: AbortSignal, onEnd: () => void): EventStream {
  let over = false
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  })
  response.write(': open\n\n')
  const heartbeat = setInterval(() => response.write(': \n\n'), LIMITS.heartbeatMs)
  const age = setTimeout(end, LIMITS.streamAgeMaxMs)
  response.on('close', end)
  draining.addEventListener('abort', end, { once: true })

  function end(): void {
    if (over) return
    over = true
    clearInterval(heartbeat)
    clearTimeout(age)
    draining.removeEventListener('abort', end)
    onEnd()
    response.end()
  }

  if (draining.aborted) end()
  return {
    ended: () => over,
    write(events) {
      if (over) return false
      response.write(events)
      // A reader that takes nothing must not fill our memory: it comes back with its last id and loses nothing.
      if (response.writableLength > LIMITS.streamBufferBytesMax) end()
      return !over
    },
    end,
  }
}
