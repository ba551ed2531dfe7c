/** One HTTP request being answered: what all of the serving side shares, and the one place that writes an answer. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { A2AError } from '../../a2a/errors.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { failpoint } from '../../platform/failpoints.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Binding } from '../../ports.ts'
import type { VersionCodec } from '../versions/codec.ts'
import {
  asA2AError,
  errorHeaders,
  httpStatus,
  jsonRpcErrorText,
  jsonRpcStatus,
  type Quirks,
  restErrorText,
} from './errors.ts'

export interface ExchangeTools {
  readonly signals: HappeningSignals
  readonly clock: Clock
  readonly limits: Limits
  readonly quirks: Quirks | undefined
  readonly draining: () => boolean
}

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly tools: ExchangeTools
  /** By name, case-folded; '' when the path names none. */
  readonly agent: string
  readonly query: string
  /** `clock.elapsed()` at arrival. */
  readonly startedAt: number
  // Filled in as they become known; a refusal says as much as is known by then.
  binding: Binding
  codec: VersionCodec
  /** JSON-RPC: the caller's id as JSON text. */
  idText: string
  operation: string
  /** Asks anew who is calling; rejects as Authenticate does. For answers that take long. */
  proveAgain?: () => Promise<unknown>
  /** The head of the answer went out while it was waited for: 200, and nothing but blanks so far. */
  begun?: boolean
  /** Extension URIs that were activated, for the answer's A2A-Extensions. */
  activated: readonly string[]
}

export type Headers = Record<string, string | number>

const JSON_TYPE = 'application/json'
const RPC_TYPE = 'application/a2a+json'

/** Never cached, never sniffed, never a document (SR-53). */
export const SECURITY_HEADERS: Headers = {
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
}

const SECURITY_LIST = Object.entries(SECURITY_HEADERS).flat() as string[]

/** The media type of an HTTP+JSON answer: the version's own, unless the caller listed only the older one. */
export function mediaTypeOf({ request, codec, tools }: Exchange): string {
  if (tools.quirks === '1.0.0') return JSON_TYPE
  const accept = request.headers.accept
  if (codec.rim.mediaType !== RPC_TYPE || accept === undefined) return codec.rim.mediaType
  return accept.includes(JSON_TYPE) && !accept.includes(RPC_TYPE) ? JSON_TYPE : RPC_TYPE
}

/** One `end` with the text: Node then writes head and body in one piece, which a Buffer beside the head is not. */
export function sendText(exchange: Exchange, status: number, type: string, text: string, extra?: Headers): void {
  const length = String(Buffer.byteLength(text))
  // A flat list goes to the wire as it is, without an object to be made and walked for each answer.
  const headers = [...SECURITY_LIST, 'Content-Type', type, 'Content-Length', length]
  if (extra) for (const name of Object.keys(extra)) headers.push(name, String(extra[name]))
  if (exchange.activated.length > 0) headers.push('A2A-Extensions', exchange.activated.join(', '))
  if (exchange.tools.draining()) headers.push('Connection', 'close')
  if (failpoint('reply')) return void exchange.response.destroy()
  if (exchange.begun) return void exchange.response.end(text)
  exchange.response.writeHead(status, headers)
  exchange.response.end(text)
}

export function served({ tools, binding, operation, startedAt }: Exchange, code: string): void {
  tools.signals.emit('request.served', { binding, operation, code, ms: tools.clock.elapsed() - startedAt })
}

/** The error as one line of the binding's own JSON, for a body or a stream's last event. */
export const errorText = ({ binding, codec, idText, tools }: Exchange, error: A2AError): string =>
  binding === 'JSONRPC' ? jsonRpcErrorText(error, codec, idText) : restErrorText(error, codec, tools.quirks)

/** What is a bug is told to the operator in full and to the caller as a reference. */
export const toA2AError = (exchange: Exchange, error: unknown): A2AError =>
  asA2AError(error, (bug) => {
    const reference = uuidv7()
    const text = bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)
    exchange.tools.signals.emit('service.failed', { service: 'wire', error: `${reference}: ${text}` })
    return reference
  })

/** @param status replaces the binding's status, where the request failed as HTTP before it was one of the binding */
export function refuse(exchange: Exchange, cause: unknown, status?: number): void {
  const { response, tools } = exchange
  const error = toA2AError(exchange, cause)
  served(exchange, error.reason)
  if (exchange.begun && !response.destroyed) return void response.end(errorText(exchange, error))
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const rpc = exchange.binding === 'JSONRPC'
  const code = status ?? (rpc ? jsonRpcStatus(error) : httpStatus(error, tools.quirks))
  const type = rpc ? JSON_TYPE : mediaTypeOf(exchange)
  const headers: Headers = errorHeaders(error, code)
  if (code === 413) refuseUpload(exchange, code, type, errorText(exchange, error), headers)
  else sendText(exchange, code, type, errorText(exchange, error), headers)
}

/** How long a refused upload may go on, so that its sender can read why. */
const UPLOAD_GRACE_MS = 1_000

/** The answer goes out at once; the connection ends when the upload does, or soon. Nothing more of it is kept. */
function refuseUpload(
  { request, response, tools }: Exchange,
  status: number,
  type: string,
  text: string,
  extra: Headers,
) {
  const body = Buffer.from(text)
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    'Content-Type': type,
    'Content-Length': body.length,
    Connection: 'close',
    ...extra,
  })
  response.write(body)
  const grace = new AbortController()
  const end = () => {
    grace.abort()
    response.end()
  }
  if (request.complete) return end()
  request.once('end', end).once('close', end)
  request.resume()
  void tools.clock.sleep(UPLOAD_GRACE_MS, grace.signal).then(end)
}
