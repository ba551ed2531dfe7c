/** JSON-RPC 2.0 towards an agent (A2A 1.0 §9): one POST to the interface URL for everything. */
import { uuidv7 } from '../../../platform/ids.ts'
import type { AgentFace, Outgoing, Speech } from '../agentClient.ts'
import { type Fault, fault, faultOfCode, reasonIn } from '../faults.ts'

export function speakJsonRpc(face: AgentFace): Speech {
  return {
    binding: 'JSONRPC',
    errorIn: (json) => errorOf((json as { error?: unknown } | null)?.error),
    requests(name, params, streaming) {
      const method = face.codec.names[name]?.jsonrpc
      if (method === undefined) return []
      const id = uuidv7()
      const tenanted = face.tenant === undefined ? params : { ...params, tenant: face.tenant }
      const outgoing: Outgoing = {
        method: 'POST',
        url: face.url,
        headers: {
          ...face.headers,
          'content-type': 'application/json',
          accept: streaming ? 'text/event-stream, application/json' : 'application/json',
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id,
          method,
          params: face.codec.encodeParams(name, tenanted, 'JSONRPC'),
        }),
        unwrap: (json) => unwrap(json, id),
      }
      return [outgoing]
    },
  }
}

/** An answer to another request, or both a result and an error, is nobody's answer. */
function unwrap(json: unknown, id: string): { kind: 'value'; json: unknown } | Fault {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return fault('invalid', 'no JSON-RPC response')
  const { id: answered, result, error } = json as { id?: unknown; result?: unknown; error?: unknown }
  const failed = errorOf(error)
  if (failed && result !== undefined && result !== null) return fault('invalid', 'both a result and an error')
  // An error may come with a null id: the request was not even read (JSON-RPC 2.0 §5).
  if (String(answered) !== id && !(failed && (answered === null || answered === undefined)))
    return fault('invalid', 'the answer to another request')
  if (failed) return failed
  return 'result' in json ? { kind: 'value', json: result } : fault('invalid', 'neither a result nor an error')
}

function errorOf(error: unknown): Fault | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown }
  const found = faultOfCode(code, message)
  const reason = reasonIn(data)
  return reason === undefined ? found : { ...found, error: reason }
}
