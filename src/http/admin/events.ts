/** A task's log as a list or as a stream. The stream is the log's own: it resumes by the last id and ends with the task. */
import type { ServerResponse } from 'node:http'
import { LIMITS } from '../../limits.ts'
import type { StreamEntry } from '../../ports.ts'

export interface FollowRequest {
  readonly tenant: string
  readonly taskId: string
  readonly after: number
}
export interface Follower {
  /** false: let me go. */
  push(entry: StreamEntry): boolean
  fail(error: unknown): void
}
/** Every event after `after`, each once, in order; gives back how to stop. */
export type Follow = (request: FollowRequest, follower: Follower) => () => void

/** Streams until the task has ended, the reader is gone or too slow, or the gateway stops. */
export function streamEvents(
  response: ServerResponse,
  request: FollowRequest,
  follow: Follow,
  draining: AbortSignal,
): void {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  })
  response.write(': open\n\n')
  let stop = () => {}
  const heartbeat = setInterval(() => response.write(': \n\n'), LIMITS.heartbeatMs)
  const age = setTimeout(() => end(), LIMITS.streamAgeMaxMs)
  let ended = false
  function end(): void {
    if (ended) return
    ended = true
    clearInterval(heartbeat)
    clearTimeout(age)
    draining.removeEventListener('abort', end)
    stop()
    response.end()
  }
  response.on('close', end)
  draining.addEventListener('abort', end, { once: true })
  stop = follow(request, {
    push({ sequence, json, last }) {
      if (ended) return false
      response.write(`id: ${sequence}\ndata: ${json}\n\n`)
      // A reader that takes nothing must not fill our memory: it comes back with its last id and loses nothing.
      if (last || response.writableLength > LIMITS.streamBufferBytesMax) end()
      return !ended
    },
    fail: end,
  })
  if (ended) stop()
}
