/**
 * Server-sent events. One entry is encoded once per version and binding and the same Buffer goes to all its readers; a
 * reader that does not keep up is let go, because it resumes by its last id and loses nothing.
 */
import type { ServerResponse } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'
import { failpoint, failpointsOn } from '../../platform/failpoints.ts'
import type { Binding, EventStream, StreamEnd, StreamEntry } from '../../ports.ts'
import type { VersionCodec } from '../versions/codec.ts'
import { type Exchange, type ExchangeTools, errorText, SECURITY_HEADERS, served, toA2AError } from './exchange.ts'

/** Why a stream ended; the words of `stream.closed`. */
type Why = StreamEnd | 'disconnected' | 'too slow' | 'stalled' | 'failed'

export interface Streams {
  /** Answers with the stream's entries until it ends, and then gives its place back. */
  open(exchange: Exchange, stream: EventStream, release: () => void): void
}

interface Reader {
  readonly response: ServerResponse
  readonly openedAt: number
  heardAt: number
  /** Bytes given to Node so far, and how many of them had left it when we last looked. */
  given: number
  taken: number
  progressAt: number
  /** When its credential was last found good. */
  provenAt: number
  readonly proveAgain: (() => Promise<unknown>) | undefined
  ended: boolean
  end(why: Why): void
}

const HEARTBEAT = Buffer.from(': keep-alive\n\n')
/** Where a cut stream's reader should ask again; spread, so that not all of them come at once. */
const RETRY_MS = 1_000
const RETRY_SPREAD_MS = 4_000
/** Readers are looked after this often. */
const ROUND_MS = 1_000

const encoded = new WeakMap<StreamEntry, Map<string, Buffer>>()

/** The shared part of a frame. */
export function sharedBuffer(entry: StreamEntry, codec: VersionCodec, binding: Binding, closing: boolean): Buffer {
  let buffers = encoded.get(entry)
  if (!buffers) {
    buffers = new Map()
    encoded.set(entry, buffers)
  }
  const key = `${codec.version} ${binding} ${closing}`
  let buffer = buffers.get(key)
  if (!buffer) {
    buffer = Buffer.from(`${codec.encodeEvent(entry, binding, closing)}${binding === 'JSONRPC' ? '}' : ''}\n\n`)
    buffers.set(key, buffer)
  }
  return buffer
}

export function createStreams(tools: ExchangeTools): Streams {
  const { limits, clock } = tools
  const readers = new Set<Reader>()
  let rounds: AbortController | undefined

  const look = async (signal: AbortSignal) => {
    const everyMs = Math.min(ROUND_MS, limits.heartbeatMs, limits.streamStallMs)
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal)
      for (const reader of readers) lookAfter(reader, clock.elapsed(), limits, tools.draining())
    }
  }
  const attend = (reader: Reader) => {
    readers.add(reader)
    if (rounds) return
    rounds = new AbortController()
    void look(rounds.signal)
  }
  const leave = (reader: Reader) => {
    readers.delete(reader)
    if (readers.size > 0) return
    rounds?.abort()
    rounds = undefined
  }
  return {
    open: (exchange, stream, release) => openStream(exchange, stream, { attend, leave, release }),
  }
}

interface Attendance {
  attend(reader: Reader): void
  leave(reader: Reader): void
  release(): void
}

function openStream(exchange: Exchange, stream: EventStream, attendance: Attendance): void {
  const { response, tools, binding } = exchange
  const task = stream.taskId ?? ''
  const now = tools.clock.elapsed()
  if (response.destroyed) {
    attendance.release()
    stream.close()
    served(exchange, 'CLIENT_GONE')
    return
  }
  const reader: Reader = {
    response,
    openedAt: now,
    heardAt: now,
    given: 0,
    taken: 0,
    progressAt: now,
    provenAt: now,
    proveAgain: exchange.proveAgain,
    ended: false,
    end(why) {
      if (reader.ended) return
      reader.ended = true
      attendance.leave(reader)
      attendance.release()
      stream.close()
      if (why === 'cut') response.write(`retry: ${RETRY_MS + Math.floor(now % RETRY_SPREAD_MS)}\n\n`)
      if (why === 'too slow' || why === 'stalled') response.destroy()
      else response.end()
      tools.signals.emit('stream.closed', { task, binding, why })
    },
  }
  startStream(exchange)
  tools.signals.emit('stream.opened', { task, binding })
  attendance.attend(reader)
  response.once('close', () => reader.end('disconnected'))
  feed(exchange, stream, reader)
}

/** A failure after the first byte is an event of its own, or SDK parsers swallow it. */
function feed(exchange: Exchange, stream: EventStream, reader: Reader): void {
  const head = exchange.binding === 'JSONRPC' ? `data: {"jsonrpc":"2.0","id":${exchange.idText},"result":` : 'data: '
  const fail = (cause: unknown): false => {
    reader.response.write(`event: error\ndata: ${errorText(exchange, toA2AError(exchange, cause))}\n\n`)
    reader.end('failed')
    return false
  }
  try {
    stream.open({
      push(entry) {
        if (reader.ended || reader.response.destroyed) return false
        try {
          return pushEntry(exchange, reader, entry, head)
        } catch (error) {
          return fail(error)
        }
      },
      end: (why) => reader.end(why),
    })
  } catch (error) {
    fail(error)
  }
}

function pushEntry({ codec, binding, tools }: Exchange, reader: Reader, entry: StreamEntry, head: string): boolean {
  // A snapshot of an interrupted task opens streams and cannot say that it closes one; only an update can.
  const update = entry.json.startsWith('{"statusUpdate"')
  const closing = entry.last || (entry.interrupted && update && codec.rim.closesInterrupted)
  const shared = sharedBuffer(entry, codec, binding, closing)
  give(reader, entry.sequence, head, shared, tools.clock.elapsed())
  if (closing) reader.end(entry.last ? 'finished' : 'interrupted')
  else if (reader.response.writableLength > tools.limits.streamBufferBytesMax) reader.end('too slow')
  return !reader.ended
}

/** The head of a stream; its operation counts as served from here on. */
function startStream(exchange: Exchange): void {
  const { response, activated } = exchange
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    'Content-Type': 'text/event-stream',
    'X-Accel-Buffering': 'no',
    ...(activated.length > 0 && { 'A2A-Extensions': activated.join(', ') }),
  })
  response.flushHeaders()
  served(exchange, 'OK')
}

/** A refusal as a stream of its own, for versions whose clients demand the media type before they read anything. */
export function streamRefusal(exchange: Exchange, cause: unknown): void {
  const error = toA2AError(exchange, cause)
  exchange.response.writeHead(200, { ...SECURITY_HEADERS, 'Content-Type': 'text/event-stream' })
  exchange.response.end(`event: error\ndata: ${errorText(exchange, error)}\n\n`)
  served(exchange, error.reason)
}

/** Up to this size the shared part is copied behind a reader's own beginning, because a second write costs more. */
const COPIED_BYTES_MAX = 4_096

const frames = new WeakMap<Buffer, { readonly head: string; readonly frame: Buffer }>()

const beginning = (sequence: number, head: string): string => (sequence > 0 ? `id: ${sequence}\n${head}` : head)

/** The whole frame: the same Buffer for all readers that began alike, which are most of them. */
function frameOf(sequence: number, head: string, shared: Buffer): Buffer {
  const known = frames.get(shared)
  if (known?.head === head) return known.frame
  const frame = Buffer.concat([Buffer.from(beginning(sequence, head)), shared])
  if (!known) frames.set(shared, { head, frame })
  return frame
}

/**
 * One write for one event, without a cork of ours: Node gathers what a commit of many events gives to one reader in one
 * turn of the loop, where a cork for each event was a system call for each (67 % of the time of a fan-out to 100).
 */
function give(reader: Reader, sequence: number, head: string, shared: Buffer, now: number): void {
  const { response } = reader
  if (failpointsOn) giveHalf(response, frameOf(sequence, head, shared))
  else if (shared.length <= COPIED_BYTES_MAX) response.write(frameOf(sequence, head, shared))
  else {
    response.write(beginning(sequence, head))
    response.write(shared)
  }
  reader.given += head.length + shared.length
  reader.heardAt = now
}

/** A frame in two pieces, and between them the failpoint. */
function giveHalf(response: ServerResponse, frame: Buffer): void {
  const half = frame.length >> 1
  response.write(frame.subarray(0, half))
  if (failpoint('stream.half')) return void response.destroy()
  response.write(frame.subarray(half))
}

/** One look at one reader: is it still taking what it is given, is it too old, has it heard from us? */
function lookAfter(reader: Reader, now: number, limits: Limits, draining: boolean): void {
  const unsent = reader.response.writableLength
  const taken = reader.given - unsent
  if (unsent === 0 || taken > reader.taken) {
    reader.taken = taken
    reader.progressAt = now
  }
  if (unsent > limits.streamBufferBytesMax) reader.end('too slow')
  else if (now - reader.progressAt >= limits.streamStallMs) reader.end('stalled')
  else if (draining || now - reader.openedAt >= limits.streamAgeMaxMs) reader.end('cut')
  else if (unsent === 0 && now - reader.heardAt >= limits.heartbeatMs) {
    reader.response.write(HEARTBEAT)
    reader.given += HEARTBEAT.length
    reader.heardAt = now
  }
  if (!reader.ended && now - reader.provenAt >= limits.credentialCacheMs) proveReader(reader, now)
}

/** A revoked or expired credential ends its streams; that it cannot be checked at the moment does not. */
function proveReader(reader: Reader, now: number): void {
  reader.provenAt = now
  reader.proveAgain?.().catch((error: unknown) => {
    if (error instanceof A2AError && error.reason === 'UNAUTHENTICATED') reader.end('cut')
  })
}
