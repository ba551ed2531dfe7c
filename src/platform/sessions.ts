/**
 * HTTP/2 to one origin: a few sessions with many streams, opened when they are needed and closed when nobody needs them.
 * It is asked, and answers, as undici's pool does, so that deadlines, counted bytes and back-pressure are those of every
 * exchange. Nothing is sent before the other side has said that it speaks HTTP/2.
 */
import { type ClientHttp2Session, connect } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { type Asked, begin, type Carrier, Control, failing } from './sessionStream.ts'

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
class Session implements Carrier {
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
