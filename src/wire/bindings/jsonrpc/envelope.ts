/** The JSON-RPC 2.0 envelope (A2A 1.0 §9): one request with an id; A2A knows no batches and no notifications. */
import { A2AError } from '../../../a2a/errors.ts'
import type { Limits } from '../../../limits.ts'
import { parseBody, refuseShape, type Scan } from '../scan.ts'

export interface Envelope {
  readonly method: string
  readonly params: Record<string, unknown> | undefined
  readonly scan: Scan
  /** JSON-RPC calls it a notification, A2A has none: to be refused after all that is wrong by JSON-RPC's own rules. */
  readonly idMissing: boolean
}

/** What a refusal is addressed to: set as soon as the id is known to be one. */
export interface Addressed {
  /** The id as JSON text, an integer exactly as it came. */
  idText: string
}

const INTEGER = /^-?(0|[1-9]\d*)$/

/** @throws A2AError JSON_PARSE, INVALID_REQUEST, INVALID_PARAMS, PAYLOAD_TOO_LARGE */
export function parseEnvelope(body: Buffer, limits: Limits, addressed: Addressed): Envelope {
  const { json, scan } = parseBody(body, limits)
  refuseShape(scan, limits)
  if (Array.isArray(json))
    throw new A2AError('INVALID_REQUEST', 'batches are not supported', { metadata: { cause: 'BATCH_UNSUPPORTED' } })
  if (typeof json !== 'object' || json === null) throw new A2AError('INVALID_REQUEST', 'not a JSON-RPC request')
  const { jsonrpc, id, method, params } = json as Record<string, unknown>
  if (id !== undefined) addressed.idText = idTextOf(id, scan, limits)
  if (jsonrpc !== '2.0') throw new A2AError('INVALID_REQUEST', 'jsonrpc must be "2.0"')
  if (typeof method !== 'string' || method === '')
    throw new A2AError('INVALID_REQUEST', 'method must be a string that is not empty')
  if (params !== undefined && params !== null && (typeof params !== 'object' || Array.isArray(params)))
    throw new A2AError('INVALID_PARAMS', 'params must be an object')
  return {
    method,
    params: (params ?? undefined) as Record<string, unknown> | undefined,
    scan,
    idMissing: id === undefined,
  }
}

function idTextOf(id: unknown, scan: Scan, { jsonRpcIdCharsMax }: Limits): string {
  if (typeof id === 'string' && id.length <= jsonRpcIdCharsMax) return JSON.stringify(id)
  if (typeof id === 'number') {
    const text = scan.idText ?? String(id)
    if (text.length <= jsonRpcIdCharsMax && (INTEGER.test(text) || Number.isSafeInteger(id))) return text
    if (text.length <= jsonRpcIdCharsMax && Number.isInteger(id) && Number.isFinite(id)) return text
  }
  throw new A2AError('INVALID_REQUEST', `id must be a string or an integer, at most ${jsonRpcIdCharsMax} characters`)
}
