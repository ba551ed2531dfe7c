/** One request and its response: deadlines, counted bytes, and what went wrong as a value. Only the egress opens these. */
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { Dispatcher, Pool } from 'undici'

export interface EgressRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
  /** From the call to the response's headers, connecting included. */
  readonly headersMs: number
  /** The longest silence within the body; default: the rest of the total. */
  readonly idleMs?: number
  /** From the call to the body's end: a body of one byte each half second trips no other timer. */
  readonly totalMs?: number
  /** Of the decoded body: 204 KB of gzip can be 210 MB of text. */
  readonly bytesMax: number
}

export interface EgressResponse {
  readonly kind: 'answered'
  readonly status: number
  /** Names in lower case; repeated ones joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A response whose body is read piece by piece. */
export interface EgressStream extends Omit<EgressResponse, 'body'> {
  read(): Promise<{ kind: 'piece'; bytes: Uint8Array } | { kind: 'end' } | EgressFailure>
  /** Idempotent. Drops what is unread, and the connection with it. */
  close(): void
}

export interface EgressFailure {
  /**
   * `unreachable`: dial, DNS or TLS. `blocked`: the guard, or a request that cannot be put on the wire. `reset`: the
   * connection ended too early or does not speak HTTP. `aborted`: the caller's signal.
   */
  readonly kind: 'unreachable' | 'blocked' | 'timeout' | 'reset' | 'aborted' | 'too-large'
  /** False: not one byte of the request has left. */
  readonly sent: boolean
  readonly reason: string
}

/** The guard's no, on its way through the connector. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** What an exchange knows of itself; `sent` is set as the request goes to a socket. */
interface Course {
  sent: boolean
  readonly stop: AbortController
  /** Why we stopped it; the first reason counts. */
  ended?: EgressFailure
  readonly timers: Set<NodeJS.Timeout>
}

function endCourse(course: Course, kind: EgressFailure['kind'], reason: string): EgressFailure {
  course.ended ??= { kind, sent: course.sent, reason }
  course.stop.abort()
  return course.ended
}

/** Gives back how to clear it. */
function timer(course: Course, ms: number | undefined, reason: string): () => void {
  if (ms === undefined) return () => {}
  const running = setTimeout(() => endCourse(course, 'timeout', reason), ms)
  course.timers.add(running)
  return () => {
    clearTimeout(running)
    course.timers.delete(running)
  }
}

export async function openExchange(
  pool: Pool,
  url: URL,
  request: EgressRequest,
): Promise<EgressStream | EgressFailure> {
  const course: Course = { sent: false, stop: new AbortController(), timers: new Set() }
  const { signal } = request
  if (signal?.aborted) return { kind: 'aborted', sent: false, reason: 'stopped' }
  const onAbort = () => void endCourse(course, 'aborted', 'stopped')
  signal?.addEventListener('abort', onAbort, { once: true })
  const finish = () => {
    signal?.removeEventListener('abort', onAbort)
    for (const running of course.timers) clearTimeout(running)
  }
  timer(course, request.totalMs, `no complete answer within ${request.totalMs} ms`)
  const clearHeaders = timer(course, request.headersMs, `no answer within ${request.headersMs} ms`)
  try {
    const response = await noting(pool, course).request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method ?? 'GET',
      headers: request.headers ?? {},
      body: request.body ?? null,
      signal: course.stop.signal,
    })
    clearHeaders()
    return exchangeOf(response, request, course, finish)
  } catch (error) {
    finish()
    return course.ended ?? failureOf(error, course.sent)
  }
}

/** Notes when the request is given to a connected socket: before that it is provably unsent. */
function noting(pool: Pool, course: Course): Dispatcher {
  return pool.compose(
    (dispatch) => (options, inner) =>
      dispatch(options, {
        onRequestStart(controller, context) {
          course.sent = true
          inner.onRequestStart?.(controller, context)
        },
        onRequestUpgrade: (...told) => inner.onRequestUpgrade?.(...told),
        onResponseStart: (...told) => inner.onResponseStart?.(...told),
        onResponseData: (...told) => inner.onResponseData?.(...told),
        onResponseEnd: (...told) => inner.onResponseEnd?.(...told),
        onResponseError: (...told) => inner.onResponseError?.(...told),
      }),
  )
}

function exchangeOf(
  response: Dispatcher.ResponseData,
  request: EgressRequest,
  course: Course,
  finish: () => void,
): EgressStream {
  const headers = headersOf(response.headers)
  const source = decoded(response.body, headers['content-encoding'])
  // An abort between two reads has nobody waiting for its error, and an error without a listener ends the program.
  for (const stream of [response.body, source]) stream.on('error', () => undefined)
  const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  let bytes = 0
  let last: { kind: 'end' } | EgressFailure | undefined
  const end = <T extends { kind: 'end' } | EgressFailure>(how: T): T => {
    last = how
    finish()
    return how
  }
  return {
    kind: 'answered',
    status: response.statusCode,
    headers,
    async read() {
      if (last) return last
      const clearIdle = timer(course, request.idleMs, `silent for ${request.idleMs} ms`)
      try {
        const next = await pieces.next()
        if (next.done) return end(course.ended ?? { kind: 'end' })
        bytes += next.value.length
        if (bytes <= request.bytesMax) return { kind: 'piece', bytes: next.value }
        return end(endCourse(course, 'too-large', `more than ${request.bytesMax} bytes`))
      } catch (error) {
        return end(course.ended ?? failureOf(error, course.sent))
      } finally {
        clearIdle()
      }
    },
    close() {
      if (last) return
      end(endCourse(course, 'aborted', 'closed'))
      response.body.destroy()
      source.destroy()
    },
  }
}

/** We ask for identity; who encodes nevertheless is decoded once, and counted decoded. Other encodings stay as they came. */
function decoded(body: Readable, encoding: string | undefined): Readable {
  const decoder =
    encoding === 'gzip' || encoding === 'x-gzip'
      ? createGunzip()
      : encoding === 'deflate'
        ? createInflate()
        : encoding === 'br'
          ? createBrotliDecompress()
          : undefined
  if (!decoder) return body
  body.on('error', (error) => decoder.destroy(error))
  return body.pipe(decoder)
}

function headersOf(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(', ') : value
  return plain
}

export async function readBody(exchange: EgressStream): Promise<EgressResponse | EgressFailure> {
  const pieces: Uint8Array[] = []
  for (;;) {
    const read = await exchange.read()
    if (read.kind === 'piece') pieces.push(read.bytes)
    else if (read.kind !== 'end') return read
    else return { kind: 'answered', status: exchange.status, headers: exchange.headers, body: Buffer.concat(pieces) }
  }
}

/** For people: a cause, no address. */
const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve now',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  ETIMEDOUT: 'connecting took too long',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ECONNRESET: 'connection reset',
  UND_ERR_SOCKET: 'connection closed',
  EPIPE: 'connection closed',
}

const isTls = (code: string): boolean =>
  /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH|ISSUER/.test(code)

export function failureOf(error: unknown, sent: boolean): EgressFailure {
  if (error instanceof Refused) return { kind: 'blocked', sent: false, reason: error.message }
  const code = String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
  if (code === 'UND_ERR_INVALID_ARG') return { kind: 'blocked', sent: false, reason: 'the request is not valid HTTP' }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED')
    return { kind: 'aborted', sent, reason: 'shutting down' }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return { kind: 'too-large', sent, reason: 'the headers are too large' }
  if (code.startsWith('HPE_')) return { kind: 'reset', sent, reason: 'the answer is not HTTP' }
  const cause = CAUSES[code] ?? (isTls(code) ? `TLS: ${code}` : code === '' ? 'connection failed' : code)
  return { kind: sent ? 'reset' : 'unreachable', sent, reason: cause }
}
