/** HTTP+JSON towards an agent (A2A 1.0 §11): paths relative to the interface URL. */
import { REASONS } from '../../../a2a/errors.ts'
import type { AgentFace, Outgoing, Speech } from '../agentClient.ts'
import { clip, type Fault, fault, faultOfCode, reasonIn } from '../faults.ts'

type Fields = Readonly<Record<string, unknown>>

export function speakRest(face: AgentFace): Speech {
  const tenant = face.tenant === undefined ? '' : `/${encodeURIComponent(face.tenant)}`
  const base = face.url.replace(/\/+$/, '') + tenant
  return {
    binding: 'HTTP+JSON',
    errorIn,
    requests(name, params, streaming) {
      const encoded = face.codec.encodeParams(name, params, 'HTTP+JSON') as Fields | undefined
      return (face.codec.names[name]?.rest ?? []).flatMap((form) => {
        const written = writeForm(form, params as Fields, encoded ?? {})
        if (!written) return []
        const outgoing: Outgoing = {
          ...written,
          url: base + written.url,
          headers: {
            ...face.headers,
            ...(written.body !== undefined && { 'content-type': 'application/json' }),
            accept: streaming ? 'text/event-stream, application/json' : 'application/a2a+json, application/json',
          },
          unwrap: (json) => errorIn(json) ?? { kind: 'value', json },
        }
        return [outgoing]
      })
    },
  }
}

/** `METHOD /path/{member}`: members in braces travel in the path, encoded; the others in the query or the body. */
function writeForm(
  form: string,
  params: Fields,
  encoded: Fields,
): Pick<Outgoing, 'method' | 'url' | 'body'> | undefined {
  const [method, template = ''] = form.split(' ') as [Outgoing['method'], string]
  const inPath = new Set(['tenant'])
  let missing = false
  const path = template.replace(/\{(\w+)\}/g, (_, member: string) => {
    inPath.add(member)
    const value = params[member]
    if (typeof value !== 'string' || !isSegment(value)) missing = true
    return encodeURIComponent(String(value))
  })
  if (missing) return undefined
  const rest = Object.entries(encoded).filter(([member, value]) => !inPath.has(member) && value !== undefined)
  if (method === 'POST') return { method, url: path, body: JSON.stringify(Object.fromEntries(rest)) }
  const query = new URLSearchParams()
  for (const [member, value] of rest) for (const one of [value].flat()) query.append(member, String(one))
  return { method, url: query.size === 0 ? path : `${path}?${query}` }
}

/** `encodeURIComponent` leaves dots alone, and a path walks up on them. */
const isSegment = (value: string): boolean => value !== '' && value !== '.' && value !== '..'

/** AIP-193 as the specification has it, or bare JSON-RPC members as the 0.3 SDKs write them. */
function errorIn(json: unknown): Fault | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { error, code, message } = json as Fields
  if (typeof error === 'object' && error !== null) return errorOf(error as Fields)
  const flat = typeof code === 'number' && code < 0 && typeof message === 'string'
  return flat ? errorOf(json as Fields) : undefined
}

function errorOf({ code, message, details, data }: Fields): Fault {
  const reason = reasonIn(details) ?? reasonIn(data)
  if (typeof code === 'number' && code < 0) return { ...faultOfCode(code, message), ...(reason && { error: reason }) }
  const said = clip(message) || 'an error without words'
  if (reason === undefined) return fault('unknown', said)
  return fault(REASONS[reason].http >= 500 && reason !== 'INVALID_AGENT_RESPONSE' ? 'unknown' : 'rejected', said, {
    error: reason,
  })
}
