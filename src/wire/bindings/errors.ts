/** What went wrong, as each binding and version says it (A2A 1.0.1 §5.4, §9.5, §11.6). */
import { A2A_DOMAIN, A2AError, REASONS, type Reason, type WireCodes } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import type { VersionCodec } from '../versions/codec.ts'

/** Status codes and media types of the specification's first release, for peers and kits that still expect them. */
export type Quirks = '1.0.0'

const STATUS_BEFORE: Readonly<Record<Quirks, { readonly [R in Reason]?: number }>> = {
  '1.0.0': { TASK_NOT_CANCELABLE: 409, CONTENT_TYPE_NOT_SUPPORTED: 415, INVALID_AGENT_RESPONSE: 502 },
}

/** The same for gRPC. */
const CODE_BEFORE: Readonly<Record<Quirks, { readonly [R in Reason]?: string }>> = {
  '1.0.0': {
    PUSH_NOTIFICATION_NOT_SUPPORTED: 'UNIMPLEMENTED',
    UNSUPPORTED_OPERATION: 'UNIMPLEMENTED',
    VERSION_NOT_SUPPORTED: 'UNIMPLEMENTED',
  },
}

const codesOf = (reason: Reason): WireCodes => REASONS[reason]

/** Our own mistakes are told as a reference only; `report` gets the rest. */
export function asA2AError(error: unknown, report: (error: unknown) => string): A2AError {
  if (error instanceof A2AError) return error
  const reference = report(error)
  return new A2AError('INTERNAL', `internal error, reference ${reference}`, { metadata: { reference } })
}

export function httpStatus(error: A2AError, quirks: Quirks | undefined): number {
  return (quirks && STATUS_BEFORE[quirks][error.reason]) ?? codesOf(error.reason).http
}

/** The name of the gRPC code. */
export function grpcCode(error: A2AError, codec: VersionCodec, quirks: Quirks | undefined): string {
  const reason = reasonIn(codec, error.reason)
  return (quirks && CODE_BEFORE[quirks][reason]) ?? codec.rim.grpcCodes[reason] ?? codesOf(reason).grpc
}

/** Clients read the body of a 2xx only, so that is what most errors travel under. */
export const jsonRpcStatus = (error: A2AError): number => codesOf(error.reason).jsonRpcHttp ?? 200

/** `google.rpc` details: objects with `@type`, all values strings where the type demands it. */
export function detailsOf(error: A2AError): object[] {
  const { violations, retryAfterSeconds, metadata } = error.detail
  const details: object[] = [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: error.reason,
      domain: codesOf(error.reason).domain ?? A2A_DOMAIN,
      ...(metadata && { metadata }),
    },
  ]
  if (violations && violations.length > 0) {
    const fieldViolations = violations.slice(0, LIMITS.violationsMax)
    details.push({ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations })
  }
  if (retryAfterSeconds !== undefined) {
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterSeconds}s` })
  }
  return details
}

const reasonIn = (codec: VersionCodec, reason: Reason): Reason => codec.rim.reasons[reason] ?? reason

export function jsonRpcError(error: A2AError, codec: VersionCodec): object {
  const { jsonRpc } = codesOf(reasonIn(codec, error.reason))
  return { code: jsonRpc, message: error.message, data: detailsOf(error) }
}

/** `idText` is JSON: the caller's id as it came, or null. */
export const jsonRpcErrorText = (error: A2AError, codec: VersionCodec, idText: string): string =>
  `{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify(jsonRpcError(error, codec))}}`

/** `google.rpc.Status` (AIP-193); with the members of the JSON-RPC error beside it where a version's SDKs read those. */
export function restErrorText(error: A2AError, codec: VersionCodec, quirks: Quirks | undefined): string {
  const { grpc } = codesOf(reasonIn(codec, error.reason))
  // AIP-193 pairs the status name with the HTTP code: a path that is not there is NOT_FOUND.
  const status = error.reason === 'METHOD_NOT_FOUND' ? 'NOT_FOUND' : grpc
  const body = {
    error: { code: httpStatus(error, quirks), status, message: error.message, details: detailsOf(error) },
  }
  return JSON.stringify(codec.rim.flatErrors ? { ...jsonRpcError(error, codec), ...body } : body)
}

/** Headers that a refusal needs besides its body. */
export function errorHeaders(error: A2AError, status: number): Record<string, string> {
  const headers: Record<string, string> = {}
  const { challenge, metadata } = error.detail
  if (status === 401)
    headers['WWW-Authenticate'] =
      `Bearer realm="a2a"${challenge ? `, ${challenge}` : ''}, ApiKey realm="a2a", header="X-API-Key"`
  if (status === 403 && metadata?.scope)
    headers['WWW-Authenticate'] = `Bearer realm="a2a", error="insufficient_scope", scope="${metadata.scope}"`
  if (status === 429 || status === 503) headers['Retry-After'] = String(error.detail.retryAfterSeconds ?? 1)
  if (status === 405 && error.detail.metadata?.allow) headers.Allow = error.detail.metadata.allow
  if (error.detail.metadata?.acceptEncoding) headers['Accept-Encoding'] = error.detail.metadata.acceptEncoding
  return headers
}
