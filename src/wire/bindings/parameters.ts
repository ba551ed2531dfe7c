/** Service parameters (spec §3.2.6): what a request says about itself in headers, checked for form, never trusted. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'
import type { Call, Credentials, TraceContext } from '../../ports.ts'
import { isUri } from './bounds.ts'
import { certificateNames } from './certificate.ts'

export interface ServiceParameters {
  /** A2A-Version as asked for; '' when nobody said. */
  readonly version: string
  /** What the operation's call takes over as it is. */
  readonly carried: Pick<Call, 'extensions' | 'trace' | 'idempotencyKey' | 'lastEventId'>
}

const NONE: readonly string[] = []

/**
 * Header names are case-insensitive, values are not; the version may come as a query parameter instead (spec §3.6.1).
 * @throws A2AError INVALID_REQUEST (two versions), INVALID_PARAMS
 */
export function parametersOf(headers: IncomingHttpHeaders, query: string, limits: Limits): ServiceParameters {
  const asked = query === '' ? undefined : new URLSearchParams(query)
  const trace = traceOf(headers)
  const idempotencyKey = idempotencyKeyOf(headers['idempotency-key'], limits)
  const lastEventId = sequenceOf(headers['last-event-id'] ?? asked?.get('lastEventId'))
  return {
    version: versionOf(headers['a2a-version'], asked?.get('A2A-Version') ?? null),
    carried: {
      extensions: extensionsOf(headers, limits),
      ...(trace && { trace }),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
      ...(lastEventId !== undefined && { lastEventId }),
    },
  }
}

export function versionOf(header: string | string[] | undefined, parameter: string | null): string {
  const said = typeof header === 'string' ? header.trim() : ''
  const alsoSaid = parameter?.trim() ?? ''
  if (said !== '' && alsoSaid !== '' && said !== alsoSaid)
    throw new A2AError('INVALID_REQUEST', 'A2A-Version differs between header and query')
  return said === '' ? alsoSaid : said
}

/** 0.3 clients send `X-A2A-Extensions`, some both. */
function extensionsOf(headers: IncomingHttpHeaders, limits: Limits): readonly string[] {
  const said = headers['a2a-extensions']
  const legacy = headers['x-a2a-extensions']
  if (said === undefined && legacy === undefined) return NONE
  const uris = `${said ?? ''},${legacy ?? ''}`.split(',').flatMap((uri) => (uri.trim() === '' ? [] : [uri.trim()]))
  const distinct = [...new Set(uris)]
  if (distinct.length > limits.extensionsMax || !distinct.every((uri) => isUri(uri, limits.urlCharsMax)))
    throw new A2AError('INVALID_PARAMS', `A2A-Extensions must be at most ${limits.extensionsMax} URIs`, {
      violations: [{ field: 'A2A-Extensions', description: `at most ${limits.extensionsMax} URIs` }],
    })
  return distinct
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
/** W3C: at most 512 characters are worth carrying. */
const TRACESTATE_CHARS = 512

/** A trace context of the wrong form is no reason to refuse a message: it is dropped. */
function traceOf(headers: IncomingHttpHeaders): TraceContext | undefined {
  const { traceparent, tracestate } = headers
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined
  if (traceparent.startsWith('ff') || traceparent.includes('-00000000000000000000000000000000-')) return undefined
  if (traceparent.includes('-0000000000000000-')) return undefined
  const state = typeof tracestate === 'string' && tracestate.length <= TRACESTATE_CHARS
  return state ? { traceparent, tracestate } : { traceparent }
}

function idempotencyKeyOf(header: string | string[] | undefined, limits: Limits): string | undefined {
  if (header === undefined || header === '') return undefined
  if (typeof header === 'string' && header.length <= limits.messageIdCharsMax && /^[\x20-\x7e]+$/.test(header))
    return header
  throw new A2AError('INVALID_PARAMS', `Idempotency-Key must be at most ${limits.messageIdCharsMax} ASCII characters`, {
    violations: [{ field: 'Idempotency-Key', description: 'visible ASCII only' }],
  })
}

/** A position that was never ours is as good as none: the reader gets the snapshot. */
function sequenceOf(text: string | string[] | null | undefined): number | undefined {
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** A request of HTTP/1.1 or HTTP/2. */
interface Asking extends Pick<IncomingMessage, 'rawHeaders'> {
  readonly headers: IncomingHttpHeaders
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/**
 * Who says they are calling.
 * @throws A2AError INVALID_REQUEST when there are two credentials, or two versions: which one counts is anybody's guess
 */
export function credentialsOf(request: Asking, agent: string): Credentials {
  const { authorization } = request.headers
  const key = request.headers['x-api-key']
  const version = request.headers['a2a-version']
  if (typeof version === 'string' && version.includes(','))
    throw new A2AError('INVALID_REQUEST', 'there is more than one A2A-Version header')
  if (key !== undefined && (authorization !== undefined || typeof key !== 'string' || key.includes(',')))
    throw new A2AError('INVALID_REQUEST', 'there is more than one credential')
  // Node keeps the first Authorization and says nothing of the second.
  if (authorization !== undefined && countHeader(request.rawHeaders, 'authorization') > 1)
    throw new A2AError('INVALID_REQUEST', 'there is more than one credential')
  const certificate = certificateNames(request.socket)
  const forwarded = request.headers['x-forwarded-client-cert']
  return {
    remote: request.socket.remoteAddress ?? '',
    ...(certificate.length > 0 && { certificate }),
    ...(typeof forwarded === 'string' && { forwardedCertificate: forwarded }),
    agent,
    ...(authorization !== undefined && { authorization }),
    ...(typeof key === 'string' && { apiKey: key }),
  }
}

function countHeader(rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] as string
    if (header.length === name.length && header.toLowerCase() === name) count += 1
  }
  return count
}
