/**
 * HTTP/2 to one origin: a few sessions with many streams, opened when they are needed and closed when nobody needs them.
 * It is asked, and answers, as undici's pool does, so that deadlines, counted bytes and back-pressure are those of every
 * exchange. Nothing is sent before the other side has said that it speaks HTTP/2.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { Unprocessed } from './failure.ts'

/** Sessions side by side; a server allows about a hundred streams on each. */
const SESSIONS_MAX = 4
const STREAMS_MAX = 100
/** Mebibytes of one session that Node keeps: what is on its way out above all. */
const SESSION_MEMORY_MIB = 64
const SETTINGS = { enablePush: false, maxHeaderListSize: 65_536 }

export interface SessionsOptions {
  /** `http://host:port` or `https://…`. */
  readonly origin: string
  /** A connected socket; for https one on which HTTP/2 was agreed. Rejects as sockets fail. */
  readonly open: () => Promise<Duplex>
  /** From the socket to the other side's settings. */
  readonly greetingMs: number
  /** A session without streams is closed after this. */
  readonly idleMs: number
}

interface Asked {
  readonly options: Dispatcher.DispatchOptions
  readonly handler: Dispatcher.DispatchHandler
}

const failing = (code: string): Error => Object.assign(new Error(code), { code })

export class Sessions {
  private readonly options: SessionsOptions
  private readonly sessions = new Set<Session>()
  private waiting: Asked[] = []
  private opening = false
  private closed = false

  constructor(options: SessionsOptions) {
    this.options = options
  }

  /** As `Pool.dispatch`: what goes wrong is told to the handler. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.closed) throw failing('UND_ERR_CLOSED')
    this.waiting.push({ options, handler })
    this.flush()
    return true
  }

  /** Lets what is running finish. */
  async close(): Promise<void> {
    this.closed = true
    this.refuse(failing('UND_ERR_CLOSED'))
    for (const session of this.sessions) session.http2.close()
  }

  async destroy(): Promise<void> {
    this.closed = true
    this.refuse(failing('UND_ERR_DESTROYED'))
    for (const session of this.sessions) session.cut()
  }

  private flush(): void {
    while (this.waiting.length > 0) {
      const session = [...this.sessions].find(({ free }) => free)
      if (!session) break
      session.start(this.waiting.shift() as Asked)
    }
    const room = this.sessions.size < SESSIONS_MAX
    if (this.waiting.length > 0 && room && !this.opening && !this.closed) void this.grow()
  }

  private async grow(): Promise<void> {
    this.opening = true
    try {
      this.add(new Session(await greeted(this.options), this.options.idleMs, () => this.flush()))
    } catch (error) {
      this.opening = false
      // With another session that stays, those who wait get their turn there.
      if (![...this.sessions].some(({ retired }) => !retired)) this.refuse(error as Error)
    }
  }

  private add(session: Session): void {
    this.opening = false
    session.http2.once('close', () => {
      this.sessions.delete(session)
      this.flush()
    })
    this.sessions.add(session)
    if (this.closed) session.cut()
    // Who greets and leaves would be called again and again.
    else if (!session.free) this.refuse(failing('UND_ERR_SOCKET'))
    this.flush()
  }

  private refuse(error: Error): void {
    const refused = this.waiting
    this.waiting = []
    for (const { handler } of refused) handler.onResponseError?.(new Control(), error)
  }
}

/** A session whose other side has introduced itself: until then it may speak anything. */
async function greeted({ origin, open, greetingMs }: SessionsOptions): Promise<ClientHttp2Session> {
  const socket = await open()
  const http2 = connect(origin, {
    createConnection: () => socket,
    settings: SETTINGS,
    maxSessionMemory: SESSION_MEMORY_MIB,
  })
  return new Promise((resolve, reject) => {
    const fail = () => {
      clearTimeout(late)
      http2.destroy()
      reject(failing('ERR_NO_HTTP2'))
    }
    const late = setTimeout(fail, greetingMs)
    // Stays: an error that nobody hears ends the program, and whoever has a stream hears of it there.
    http2.on('error', fail)
    http2.once('close', fail)
    http2.once('remoteSettings', () => {
      clearTimeout(late)
      http2.off('close', fail)
      resolve(http2)
    })
  })
}

/** One session and how full it is. */
class Session {
  readonly http2: ClientHttp2Session
  private readonly idleMs: number
  private readonly changed: () => void
  private streams = 0
  private idle: NodeJS.Timeout | undefined
  /** Nothing new is sent here: the other side is leaving, or has not been heard. */
  retired = false
  /** Ended by us, in the midst of things. */
  isCut = false
  /** Streams above it were not looked at (RFC 9113 §6.8). */
  lastStreamId = Number.POSITIVE_INFINITY
  /** Counts what has come, of any stream. */
  heard = 0

  constructor(http2: ClientHttp2Session, idleMs: number, changed: () => void) {
    this.http2 = http2
    this.idleMs = idleMs
    this.changed = changed
    http2.once('close', () => clearTimeout(this.idle))
    http2.on('goaway', (_code: number, lastStreamId: number) => {
      this.lastStreamId = lastStreamId
      this.retire()
    })
    this.rest()
  }

  get free(): boolean {
    const { http2, retired, streams } = this
    const most = Math.min(http2.remoteSettings.maxConcurrentStreams ?? STREAMS_MAX, STREAMS_MAX)
    return !retired && !http2.closed && !http2.destroyed && streams < most
  }

  start(asked: Asked): void {
    clearTimeout(this.idle)
    this.streams += 1
    begin(this, asked, () => {
      this.streams -= 1
      if (this.streams === 0) this.rest()
      this.changed()
    })
  }

  /** Ends when its streams have. */
  retire(): void {
    this.retired = true
    if (!this.http2.closed) this.http2.close()
  }

  cut(): void {
    this.retired = true
    this.isCut = true
    this.http2.destroy()
  }

  private rest(): void {
    this.idle = setTimeout(() => this.retire(), this.idleMs)
    this.idle.unref()
  }
}

/** The reader's hand on a stream. */
class Control implements Dispatcher.DispatchController {
  stream: ClientHttp2Stream | undefined
  onAbort: () => void = () => {}
  aborted = false
  reason: Error | null = null

  get paused(): boolean {
    return this.stream?.isPaused() ?? false
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.onAbort()
    this.stream?.close(constants.NGHTTP2_CANCEL)
    // What is unread would hold the stream open.
    this.stream?.resume()
  }

  pause(): void {
    this.stream?.pause()
  }

  resume(): void {
    this.stream?.resume()
  }
}

/** One exchange, on a session that has room. `done` is called once, when the stream is no more. */
function begin(session: Session, { options, handler }: Asked, done: () => void): void {
  const control = new Control()
  handler.onRequestStart?.(control, {})
  const stream = control.aborted ? undefined : request(session, options, handler, control)
  if (!stream) return void done()
  control.stream = stream
  const before = session.heard
  // Silence from all of the session: it may be a connection to nobody.
  control.onAbort = () => {
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
    if (!control.aborted) handler.onResponseData?.(control, chunk)
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
    const whole = begun && ended && !session.isCut && stream.rstCode === constants.NGHTTP2_NO_ERROR
    if (whole && !control.aborted) handler.onResponseEnd?.(control, trailers)
    else handler.onResponseError?.(control, control.reason ?? broken(session, stream))
    done()
  })
}

/** A field's value (RFC 9110 §5.5). Node writes whatever it is given, and a gateway to HTTP/1.1 would read two fields. */
const FIELD = /^[\t\x20-\x7e\x80-\xff]*$/

function request(
  { http2 }: Session,
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
function broken({ lastStreamId }: Session, { rstCode, id }: ClientHttp2Stream): Error {
  if (rstCode === constants.NGHTTP2_REFUSED_STREAM) return new Unprocessed('the stream was refused')
  if (id === undefined || id > lastStreamId) return new Unprocessed('the other side is going away')
  return failing(rstCode === constants.NGHTTP2_NO_ERROR ? 'UND_ERR_SOCKET' : 'ERR_HTTP2_STREAM_ERROR')
}
