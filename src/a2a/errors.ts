/** What may go wrong, one row per reason (A2A 1.0.1 §5.4 and the generic cases). Bindings read their own column. */

export interface WireCodes {
  /** JSON-RPC error code. -32001…-32009 are A2A's; our own conditions use the free -32000. */
  readonly jsonRpc: number
  /** HTTP status of the HTTP+JSON binding. */
  readonly http: number
  readonly grpc: string
  /** HTTP status under a JSON-RPC error body, where it is not 200: clients read the body of a 2xx only. */
  readonly jsonRpcHttp?: number
  /** `ErrorInfo.domain`: the protocol's own reasons and ours must not be mixed up. */
  readonly domain?: 'waypost'
}

const ours = (codes: Omit<WireCodes, 'domain'>): WireCodes => ({ ...codes, domain: 'waypost' })

export const REASONS = {
  TASK_NOT_FOUND: { jsonRpc: -32001, http: 404, grpc: 'NOT_FOUND' },
  TASK_NOT_CANCELABLE: { jsonRpc: -32002, http: 400, grpc: 'FAILED_PRECONDITION' },
  PUSH_NOTIFICATION_NOT_SUPPORTED: { jsonRpc: -32003, http: 400, grpc: 'FAILED_PRECONDITION' },
  UNSUPPORTED_OPERATION: { jsonRpc: -32004, http: 400, grpc: 'FAILED_PRECONDITION' },
  CONTENT_TYPE_NOT_SUPPORTED: { jsonRpc: -32005, http: 400, grpc: 'INVALID_ARGUMENT' },
  INVALID_AGENT_RESPONSE: { jsonRpc: -32006, http: 500, grpc: 'INTERNAL' },
  EXTENDED_AGENT_CARD_NOT_CONFIGURED: { jsonRpc: -32007, http: 400, grpc: 'FAILED_PRECONDITION' },
  EXTENSION_SUPPORT_REQUIRED: { jsonRpc: -32008, http: 400, grpc: 'FAILED_PRECONDITION' },
  VERSION_NOT_SUPPORTED: { jsonRpc: -32009, http: 400, grpc: 'FAILED_PRECONDITION' },
  JSON_PARSE: ours({ jsonRpc: -32700, http: 400, grpc: 'INVALID_ARGUMENT' }),
  INVALID_REQUEST: ours({ jsonRpc: -32600, http: 400, grpc: 'INVALID_ARGUMENT' }),
  METHOD_NOT_FOUND: ours({ jsonRpc: -32601, http: 404, grpc: 'UNIMPLEMENTED' }),
  METHOD_NOT_ALLOWED: ours({ jsonRpc: -32601, http: 405, grpc: 'UNIMPLEMENTED', jsonRpcHttp: 405 }),
  INVALID_PARAMS: ours({ jsonRpc: -32602, http: 400, grpc: 'INVALID_ARGUMENT' }),
  MESSAGE_ID_REUSED: ours({ jsonRpc: -32602, http: 400, grpc: 'ALREADY_EXISTS' }),
  AGENT_NOT_FOUND: ours({ jsonRpc: -32602, http: 404, grpc: 'NOT_FOUND', jsonRpcHttp: 404 }),
  CARD_SIGNATURE: ours({ jsonRpc: -32000, http: 400, grpc: 'FAILED_PRECONDITION' }),
  AGENT_UNAVAILABLE: ours({ jsonRpc: -32603, http: 503, grpc: 'UNAVAILABLE', jsonRpcHttp: 503 }),
  UNAUTHENTICATED: ours({ jsonRpc: -32000, http: 401, grpc: 'UNAUTHENTICATED', jsonRpcHttp: 401 }),
  PERMISSION_DENIED: ours({ jsonRpc: -32000, http: 403, grpc: 'PERMISSION_DENIED', jsonRpcHttp: 403 }),
  PAYLOAD_TOO_LARGE: ours({ jsonRpc: -32000, http: 413, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 413 }),
  UNSUPPORTED_MEDIA_TYPE: ours({ jsonRpc: -32000, http: 415, grpc: 'INVALID_ARGUMENT', jsonRpcHttp: 415 }),
  NOT_ACCEPTABLE: ours({ jsonRpc: -32000, http: 406, grpc: 'INVALID_ARGUMENT', jsonRpcHttp: 406 }),
  RATE_LIMITED: ours({ jsonRpc: -32000, http: 429, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 429 }),
  QUEUE_FULL: ours({ jsonRpc: -32000, http: 429, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 429 }),
  STORAGE_FULL: ours({ jsonRpc: -32000, http: 429, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 429 }),
  MAILBOX_FULL: ours({ jsonRpc: -32000, http: 429, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 429 }),
  SENDER_QUOTA: ours({ jsonRpc: -32000, http: 429, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 429 }),
  NOT_ALLOWED: ours({ jsonRpc: -32000, http: 403, grpc: 'PERMISSION_DENIED', jsonRpcHttp: 403 }),
  CONFIG_LIMIT: ours({ jsonRpc: -32000, http: 429, grpc: 'RESOURCE_EXHAUSTED', jsonRpcHttp: 429 }),
  CONFLICT: ours({ jsonRpc: -32000, http: 409, grpc: 'ABORTED', jsonRpcHttp: 409 }),
  UNAVAILABLE: ours({ jsonRpc: -32603, http: 503, grpc: 'UNAVAILABLE', jsonRpcHttp: 503 }),
  OUTCOME_UNKNOWN: ours({ jsonRpc: -32603, http: 503, grpc: 'UNAVAILABLE', jsonRpcHttp: 503 }),
  INTERNAL: ours({ jsonRpc: -32603, http: 500, grpc: 'INTERNAL' }),
} as const satisfies Record<string, WireCodes>

export type Reason = keyof typeof REASONS

/** `ErrorInfo.domain` of the reasons that the specification defines. */
export const A2A_DOMAIN = 'a2a-protocol.org'

export interface FieldViolation {
  readonly field: string
  readonly description: string
}

export interface ErrorDetail {
  /** Which fields were wrong; at most 20 are told (SR-65). */
  readonly violations?: readonly FieldViolation[]
  readonly retryAfterSeconds?: number
  /** What else the challenge of a 401 says (RFC 9110 §11.6.1): in no body. */
  readonly challenge?: string
  /** Strings only, as `google.rpc.ErrorInfo.metadata` demands. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** The caller's mistake or a refusal: has a stable reason, and every binding knows how to say it. Never for our own bugs. */
export class A2AError extends Error {
  readonly reason: Reason
  readonly detail: ErrorDetail
  constructor(reason: Reason, message: string, detail: ErrorDetail = {}) {
    super(message)
    this.name = 'A2AError'
    this.reason = reason
    this.detail = detail
  }
}
