/**
 * A task's stream as messages, at the reader's pace: the library asks for the next when HTTP/2's flow control has let the
 * last one go. A reader that does not keep up is let go; it subscribes again and loses nothing.
 */
import { constants } from 'node:http2'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { A2AError } from '../../../a2a/errors.ts'
import type { EventStream, StreamEnd, StreamEntry } from '../../../ports.ts'
import type { GrpcTools, Rpc } from './call.ts'
import { eventMessage } from './protojson.ts'
import type { Rpcs } from './rpcs.ts'

type Why = StreamEnd | 'disconnected' | 'too slow' | 'stalled' | 'failed'

/** A reader is looked after this often. */
const ROUND_MS = 1_000

export interface Relayed {
  readonly stream: EventStream
  /** Gives the stream's place back; idempotent. */
  readonly release: () => void
  readonly rpcs: Rpcs
  /** Aborted when the client has gone or its deadline has passed. */
  readonly signal: AbortSignal
  /** Asks anew who is calling; rejects as Authenticate does. */
  readonly proveAgain: () => Promise<unknown>
}

/** What waits for a reader, and why nothing more comes. */
class Waiting {
  readonly entries: StreamEntry[] = []
  /** Characters of JSON, which is near enough to bytes. */
  size = 0
  why: Why | undefined
  /** When the last message was handed over, as long as it has not gone. */
  handedAt: number | undefined
  private wake: () => void = () => {}

  add(entry: StreamEntry): void {
    this.entries.push(entry)
    this.size += entry.json.length
    this.wake()
  }

  take(): StreamEntry | undefined {
    const entry = this.entries.shift()
    if (entry) this.size -= entry.json.length
    return entry
  }

  /** What was told in order is still read to its end; what was not is of no use to anybody. */
  end(why: Why): void {
    this.why = why
    if (why !== 'finished' && why !== 'interrupted' && why !== 'cut') this.entries.length = 0
    this.wake()
  }

  change(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve
    })
  }
}

/** Rejects with UNAVAILABLE when not the task ended but the stream. */
export async function* relay(rpc: Rpc, relayed: Relayed, tools: GrpcTools): AsyncGenerator<MessageShape<DescMessage>> {
  const { rpcs, signal } = relayed
  const waiting = new Waiting()
  const end = openStream(rpc, relayed, waiting, tools)
  try {
    while (true) {
      const entry = waiting.take()
      if (entry) {
        const message = eventMessage(entry, rpcs, closes(entry, rpcs))
        waiting.handedAt = tools.clock.elapsed()
        yield message
        waiting.handedAt = undefined
      } else if (waiting.why) break
      else await waiting.change()
    }
  } finally {
    end('disconnected')
  }
  if (signal.aborted) throw signal.reason
  if (waiting.why !== 'finished' && waiting.why !== 'interrupted')
    throw new A2AError('UNAVAILABLE', 'the stream ended before the task did, subscribe again', { retryAfterSeconds: 1 })
}

/** A snapshot of an interrupted task opens streams and cannot say that it closes one; only an update can. */
const closes = (entry: StreamEntry, { codec }: Rpcs): boolean =>
  entry.last || (entry.interrupted && codec.rim.closesInterrupted && entry.json.startsWith('{"statusUpdate"'))

/** Lets entries in and looks after the reader. What comes back ends it all, once. */
function openStream(
  rpc: Rpc,
  { stream, release, signal, rpcs, proveAgain }: Relayed,
  waiting: Waiting,
  tools: GrpcTools,
) {
  const { limits, signals, clock } = tools
  const task = stream.taskId ?? ''
  const openedAt = clock.elapsed()
  const over = new AbortController()
  const end = (why: Why): void => {
    if (waiting.why) return
    waiting.end(why)
    over.abort()
    signal.removeEventListener('abort', gone)
    release()
    stream.close()
    // Nobody reads, so no trailer would be read either.
    if (why === 'too slow' || why === 'stalled') rpc.request.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    signals.emit('stream.closed', { task, binding: 'GRPC', why })
  }
  const gone = () => end('disconnected')
  // A revoked or expired credential ends its streams; that it cannot be checked at the moment does not.
  const prove = () =>
    proveAgain().catch((error: unknown) => {
      if (error instanceof A2AError && error.reason === 'UNAUTHENTICATED') end('cut')
    })
  const look = async () => {
    let provenAt = openedAt
    while (!over.signal.aborted) {
      await clock.sleep(Math.min(ROUND_MS, limits.streamStallMs, limits.credentialCacheMs), over.signal)
      const now = clock.elapsed()
      if (waiting.handedAt !== undefined && now - waiting.handedAt >= limits.streamStallMs) end('stalled')
      else if (tools.draining() || now - openedAt >= limits.streamAgeMaxMs) end('cut')
      else if (now - provenAt >= limits.credentialCacheMs) {
        provenAt = now
        void prove()
      }
    }
  }
  signals.emit('stream.opened', { task, binding: 'GRPC' })
  if (signal.aborted) gone()
  else signal.addEventListener('abort', gone, { once: true })
  try {
    if (!waiting.why)
      stream.open({
        push(entry) {
          if (waiting.why) return false
          waiting.add(entry)
          if (closes(entry, rpcs)) end(entry.last ? 'finished' : 'interrupted')
          else if (waiting.entries.length > 1 && waiting.size > limits.streamBufferBytesMax) end('too slow')
          return !waiting.why
        },
        end,
      })
  } catch (error) {
    end('failed')
    throw error
  }
  void look()
  return end
}
