/** 0.3 messages: `kind`, lower-case roles; in the proto form `content` for the parts and no referenceTaskIds. */
import type { Message } from '../../../a2a/tasks.ts'
import { type Fields, isFields, shallow } from '../liberal.ts'
import { type Dialect, decodePart, encodePart, type Form } from './parts.ts'

/** The 0.3 proto has no such member (lossy case L12). */
const REFERENCES_KEY = 'urn:x-waypost:referenceTaskIds'

const ROLES: Readonly<Record<string, string>> = { user: 'ROLE_USER', agent: 'ROLE_AGENT' }

/** Canonical members, not yet checked. */
export function decodeMessage(json: unknown, dialect: Dialect): unknown {
  if (!isFields(json)) return json
  const { kind: _, content, ...message } = shallow(json)
  // The proto form does not send what is empty or unspecified.
  const silent = dialect.form === 'proto' && dialect.speaker === 'agent'
  const parts = message.parts ?? content ?? (silent ? [] : undefined)
  if (silent) message.role ??= 'ROLE_UNSPECIFIED'
  const role = typeof message.role === 'string' ? (ROLES[message.role] ?? message.role) : message.role
  const out: Fields = { ...message, role, parts: decodeParts(parts, dialect) }
  if (isFields(message.metadata) && REFERENCES_KEY in message.metadata) {
    const { [REFERENCES_KEY]: referenceTaskIds, ...metadata } = message.metadata
    out.referenceTaskIds ??= referenceTaskIds
    if (Object.keys(metadata).length > 0) out.metadata = metadata
    else delete out.metadata
  }
  return out
}

function decodeParts(parts: unknown, dialect: Dialect): unknown {
  if (!Array.isArray(parts)) return parts
  // An agent that had nothing to say said so with an empty list; the canonical form wants a part.
  if (parts.length === 0 && dialect.speaker === 'agent') return [{ text: '' }]
  return parts.map((part) => decodePart(part, dialect))
}

export function encodeMessage(message: Message, form: Form): Fields {
  const { parts, role, referenceTaskIds, ...rest } = message
  const encoded = parts.map((part) => encodePart(part, form))
  if (form === 'schema') {
    return {
      kind: 'message',
      ...rest,
      role: role === 'ROLE_AGENT' ? 'agent' : 'user',
      parts: encoded,
      ...(referenceTaskIds && { referenceTaskIds }),
    }
  }
  const kept = referenceTaskIds && { metadata: { ...message.metadata, [REFERENCES_KEY]: referenceTaskIds } }
  return { ...rest, role, content: encoded, ...kept }
}
