/** A task's log as a list or as a stream. The stream is the log's own: it resumes by the last id and ends with the task. */
import type { ServerResponse } from 'node:http'
import type { StreamEntry } from '../../ports.ts'
import { openEventStream } from '../eventStream.ts'

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
  let stop = () => {}
  const stream = openEventStream(response, draining, () => stop())
  stop = follow(request, {
    push({ sequence, json, last }) {
      if (stream.write(`id: ${sequence}\ndata: ${json}\n\n`) && last) stream.end()
      return !stream.ended()
    },
    fail: stream.end,
  })
  if (stream.ended()) stop()
}
