/**
 * 0.3 tells parts apart by `kind`; the canonical form by which member is there. Its HTTP+JSON and gRPC bindings speak
 * the 0.3 proto instead, without `kind` and with a `data` in `data`; many clients mix both, so both are read everywhere.
 */
import type { Part } from '../../../a2a/parts.ts'
import type { Binding } from '../../../ports.ts'
import { type Fields, isFields, type Speaker, shallow } from '../liberal.ts'

/** `schema`: JSON-RPC's documents. `proto`: ProtoJSON of the 0.3 proto. */
export type Form = 'schema' | 'proto'
export const formOf = (binding: Binding): Form => (binding === 'JSONRPC' ? 'schema' : 'proto')

export interface Dialect {
  readonly form: Form
  readonly speaker: Speaker
}

/** What 0.3 has no member for travels here and comes back (lossy case L2). */
export const PART_KEY = 'urn:x-waypost:part'
/** Marks a data part that was no object; the official SDKs use the same (lossy case L1). */
const WRAPPED = 'data_part_compat'

/** Canonical members, not yet checked. */
export function decodePart(json: unknown, { form }: Dialect): Fields {
  const part = shallow(json)
  const { metadata, kept, wrapped } = openMetadata(part.metadata)
  const rest = { ...(metadata !== undefined && { metadata }), ...kept }
  if (isFields(part.file)) return { ...decodeFile(part.file), ...rest }
  if (part.data !== undefined) return { data: unwrapData(part, form, wrapped), ...rest }
  const { kind: _, metadata: __, ...content } = part
  return { ...content, ...rest }
}

function unwrapData(part: Fields, form: Form, wrapped: boolean): unknown {
  let data = part.data
  const proto = form === 'proto' && part.kind === undefined && isFields(data) && Object.keys(data).join() === 'data'
  if (proto) data = (data as Fields).data
  return wrapped && isFields(data) && 'value' in data ? data.value : data
}

/** Both `bytes` and `uri`: the bytes are what was meant; every spelling in the wild is understood (lossy case L24). */
function decodeFile(json: Fields): Fields {
  const file = shallow(json)
  const raw = file.bytes ?? file.fileWithBytes
  const filename = file.name ?? file.filename
  const mediaType = file.mimeType ?? file.mediaType
  return {
    ...(raw !== undefined ? { raw } : { url: file.uri ?? file.fileWithUri ?? file.url }),
    ...(filename !== undefined && { filename }),
    ...(mediaType !== undefined && { mediaType }),
  }
}

function openMetadata(metadata: unknown): { metadata?: unknown; kept: Fields; wrapped: boolean } {
  if (!isFields(metadata)) return { metadata, kept: {}, wrapped: false }
  const { [PART_KEY]: kept, [WRAPPED]: wrapped, ...rest } = metadata
  const own = kept !== undefined || wrapped !== undefined
  const left = !own || Object.keys(rest).length > 0
  return {
    ...(left && { metadata: own ? rest : metadata }),
    kept: isFields(kept) ? kept : {},
    wrapped: wrapped === true,
  }
}

export function encodePart(part: Part, form: Form): Fields {
  const { metadata: _, filename, mediaType, ...content } = part
  const names = { ...(filename !== undefined && { filename }), ...(mediaType !== undefined && { mediaType }) }
  if ('raw' in content || 'url' in content) {
    const metadata = part.metadata && { metadata: part.metadata }
    return { ...(form === 'schema' && { kind: 'file' }), file: encodeFile(part, form), ...metadata }
  }
  const lone = 'data' in content && !isFields(content.data)
  const kept = { ...(Object.keys(names).length > 0 && { [PART_KEY]: names }), ...(lone && { [WRAPPED]: true }) }
  const metadata =
    part.metadata || Object.keys(kept).length > 0 ? { metadata: { ...part.metadata, ...kept } } : undefined
  if ('text' in content) return { ...(form === 'schema' && { kind: 'text' }), text: content.text, ...metadata }
  const data = lone ? { value: content.data } : content.data
  return form === 'schema' ? { kind: 'data', data, ...metadata } : { data: { data }, ...metadata }
}

function encodeFile(part: Part, form: Form): Fields {
  const [bytes, uri] = form === 'schema' ? ['bytes', 'uri'] : ['fileWithBytes', 'fileWithUri']
  return {
    ...(part.raw !== undefined ? { [bytes as string]: part.raw } : { [uri as string]: part.url }),
    ...(part.mediaType !== undefined && { mimeType: part.mediaType }),
    ...(part.filename !== undefined && { name: part.filename }),
  }
}
