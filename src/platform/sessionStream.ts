/** One exchange on an HTTP/2 session: told to undici's handler as undici tells its own. */
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Dispatcher } from 'undici'
import { LEFT, Unprocessed } from './failure.ts'

/** A stream that its reader has left may end by itself within this, and this much. */
const LEAVE_MS = 200
const LEAVE_BYTES_MAX = 65_536

export interface Asked {
  readonly options: Dispatcher.DispatchOptions
  readonly handler: Dispatcher.DispatchHandler
}

/** What an exchange needs to know of its session, and tells it. */
export interface Carrier {
  readonly http2: ClientHttp2Session
  /** Streams above it were not looked at (RFC 9113 §6.8). */
  readonly lastStreamId: number
  /** Ended by us, in the midst of things. */
  readonly isCut: boolean
  /** Counts what has come, of any stream. */
  heard: number
  /** Nothing new is to be sent there. */
  retire(): void
}

export const failing = (code: string): Error => Object.assign(new Error(code), { code })

/** The reader's hand on a stream. */
export class Control implements Dispatcher.DispatchController {
  stream: ClientHttp2Stream | undefined
  onReset: () => void = () => {}
  late: NodeJS.Timeout | undefined
  private spilt = 0
  aborted = false
  reason: Error | null = null

  get paused(): boolean {
    return this.stream?.isPaused() ?? false
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    // Servers take many resets for an attack (CVE-2023-44487), and most streams that are left are at their end.
    if (reason === LEFT && this.stream) this.late = setTimeout(() => this.reset(), LEAVE_MS)
    else this.reset()
    // What is unread would hold the stream open.
    this.stream?.resume()
  }

  /** Something came that nobody reads any more. */
  spill(bytes: number): void {
    this.spilt += bytes
    if (this.spilt > LEAVE_BYTES_MAX) this.reset()
  }

  private reset(): void {
    this.onReset()
    this.stream?.close(constants.NGHTTP2_CANCEL)
  }

  pause(): void {
    this.stream?.pause()
  }

  resume(): void {
    this.stream?.resume()
  }
}

/** One exchange, on a session that has room. `done` is called once, when the stream is no more. */
export function begin(session: Carrier, { options, handler }: Asked, done: () => void): void {
  const control = new Control()
  handler.onRequestStart?.(control, {})
  const stream = control.aborted ? undefined : request(session, options, handler, control)
  if (!stream) return void done()
  control.stream = stream
  const before = session.heard
  // Silence from all of the session: it may be a connection to nobody.
  control.onReset = () => {
    if (session.heard === before) session.retire()
  }
  let begun = false
  let ended = false
  let trailers: IncomingHttpHeaders = {}
  stream.on('response', ({ ':status': status = 0, ...headers }) => {
    session.heard += 1
    begun = true
    handler.onResponseStart?.(control, status, headers, '')
  })
  stream.on('data', (chunk: Buffer) => {
    session.heard += 1
    if (control.aborted) control.spill(chunk.length)
    else handler.onResponseData?.(control, chunk)
  })
  stream.on('trailers', (last) => {
    trailers = last
  })
  stream.on('end', () => {
    ended = true
  })
  // Told when it closes, which it always does.
  stream.on('error', () => undefined)
  stream.on('close', () => {
    clearTimeout(control.late)
    const whole = begun && ended && !session.isCut && stream.rstCode === constants.NGHTTP2_NO_ERROR
    if (whole && !control.aborted) handler.onResponseEnd?.(control, trailers)
    else handler.onResponseError?.(control, control.reason ?? broken(session, stream))
    done()
  })
}

/** A field's value (RFC 9110 §5.5). Node writes whatever it is given, and a gateway to HTTP/1.1 would read two fields. */
const FIELD = /^[\t\x20-\x7e\x80-\xff]*$/

function request(
  { http2 }: Carrier,
  { method, path, headers, body }: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
  control: Control,
): ClientHttp2Stream | undefined {
  try {
    const values = Object.values(headers as Record<string, string>)
    if (!values.every((value) => FIELD.test(value))) throw failing('UND_ERR_INVALID_ARG')
    const stream = http2.request({ ...(headers as Record<string, string>), ':method': method, ':path': path })
    stream.end(body as string | Buffer | undefined)
    return stream
  } catch {
    // Only a header that HTTP/2 does not know can be wrong: the session is open, and has room.
    handler.onResponseError?.(control, failing('UND_ERR_INVALID_ARG'))
    return undefined
  }
}

/** RFC 9113 §8.7: two ways of the other side to say that it has not looked at the request. */
function broken({ lastStreamId }: Carrier, { rstCode, id }: ClientHttp2Stream): Error {
  if (rstCode === constants.NGHTTP2_REFUSED_STREAM) return new Unprocessed('the stream was refused')
  if (id === undefined || id > lastStreamId) return new Unprocessed('the other side is going away')
  return failing(rstCode === constants.NGHTTP2_NO_ERROR ? 'UND_ERR_SOCKET' : 'ERR_HTTP2_STREAM_ERROR')
}
