/**
 * How each refusal is said on each binding: written down from the specification (A2A 1.0.1 §5.4, JSON-RPC 2.0, RFC 9110,
 * the gRPC status codes) and from our own documented choices, never read from the product.
 */
import type { Surface } from './speech.ts'

/** HTTP status and code of the JSON-RPC answer, status of the HTTP+JSON answer, gRPC code. */
type Said = readonly [rpcHttp: number, rpcCode: number, rest: number, grpc: string]

export const ANSWERS = {
  TASK_NOT_FOUND: [200, -32001, 404, 'NOT_FOUND'],
  TASK_NOT_CANCELABLE: [200, -32002, 400, 'FAILED_PRECONDITION'],
  UNSUPPORTED_OPERATION: [200, -32004, 400, 'FAILED_PRECONDITION'],
  CONTENT_TYPE_NOT_SUPPORTED: [200, -32005, 400, 'INVALID_ARGUMENT'],
  EXTENSION_SUPPORT_REQUIRED: [200, -32008, 400, 'FAILED_PRECONDITION'],
  VERSION_NOT_SUPPORTED: [200, -32009, 400, 'FAILED_PRECONDITION'],
  JSON_PARSE: [200, -32700, 400, 'INVALID_ARGUMENT'],
  INVALID_REQUEST: [200, -32600, 400, 'INVALID_ARGUMENT'],
  METHOD_NOT_FOUND: [200, -32601, 404, 'UNIMPLEMENTED'],
  INVALID_PARAMS: [200, -32602, 400, 'INVALID_ARGUMENT'],
  MESSAGE_ID_REUSED: [200, -32602, 400, 'ALREADY_EXISTS'],
  AGENT_NOT_FOUND: [404, -32602, 404, 'NOT_FOUND'],
  UNAUTHENTICATED: [401, -32000, 401, 'UNAUTHENTICATED'],
  PERMISSION_DENIED: [403, -32000, 403, 'PERMISSION_DENIED'],
  NOT_ACCEPTABLE: [406, -32000, 406, 'INVALID_ARGUMENT'],
  PAYLOAD_TOO_LARGE: [413, -32000, 413, 'RESOURCE_EXHAUSTED'],
  UNSUPPORTED_MEDIA_TYPE: [415, -32000, 415, 'INVALID_ARGUMENT'],
  UNAVAILABLE: [503, -32603, 503, 'UNAVAILABLE'],
  CONFIG_LIMIT: [429, -32000, 429, 'RESOURCE_EXHAUSTED'],
} as const satisfies Record<string, Said>
export type Reason = keyof typeof ANSWERS

/** What 0.3 has no number for (its §8.2 ends at -32007), and what its gRPC clients tell apart by UNIMPLEMENTED. */
const IN_0_3: { readonly [R in Reason]?: Partial<Record<'rpc' | 'grpc', number | string>> } = {
  UNSUPPORTED_OPERATION: { grpc: 'UNIMPLEMENTED' },
  EXTENSION_SUPPORT_REQUIRED: { rpc: -32004, grpc: 'UNIMPLEMENTED' },
  VERSION_NOT_SUPPORTED: { rpc: -32004, grpc: 'UNIMPLEMENTED' },
}

/** HTTP status (gRPC: always 200) and the binding's own code. */
export function answerOf(reason: Reason, surface: Surface): readonly [status: number, code: number | string] {
  const [rpcHttp, rpcCode, rest, grpc] = ANSWERS[reason]
  const old = surface.endsWith('0.3') ? IN_0_3[reason] : undefined
  if (surface.startsWith('gRPC')) return [200, old?.grpc ?? grpc]
  if (surface.startsWith('JSON-RPC')) return [rpcHttp, old?.rpc ?? rpcCode]
  return [rest, rest]
}
