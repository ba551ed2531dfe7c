/** Canonical 1.0 documents as 0.3 writes them, whether they are right or wrong: what is not of the form stays as it is. */
export type Fields = Record<string, unknown>
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const ROLES: Readonly<Record<string, string>> = { ROLE_USER: 'user', ROLE_AGENT: 'agent', ROLE_UNSPECIFIED: 'nobody' }
const present = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function part03(part: unknown): unknown {
  if (!isFields(part)) return part
  const { text, raw, url, data, mediaType, filename, ...rest } = part
  if ('raw' in part || 'url' in part) {
    const file = present({ bytes: raw, uri: url, mimeType: mediaType, name: filename })
    return { kind: 'file', file, ...('text' in part && { text }), ...rest }
  }
  if ('data' in part) return { kind: 'data', data, ...rest }
  return { kind: 'text', ...('text' in part && { text }), ...present({ mediaType, filename }), ...rest }
}

function partProto03(part: unknown): unknown {
  if (!isFields(part)) return part
  const { text, raw, url, data, mediaType, filename, ...rest } = part
  if ('raw' in part || 'url' in part) {
    const file = present({ fileWithBytes: raw, fileWithUri: url, mimeType: mediaType, name: filename })
    return { file, ...rest }
  }
  return 'data' in part ? { data: { data }, ...rest } : { ...present({ text }), ...rest }
}

const mapped = (parts: unknown, map: (part: unknown) => unknown): unknown =>
  Array.isArray(parts) ? parts.map(map) : parts

export function message03(message: unknown): unknown {
  if (!isFields(message)) return message
  const { role, parts, ...rest } = message
  const said = typeof role === 'string' ? (ROLES[role] ?? role) : role
  return present({ kind: 'message', ...rest, role: said, parts: mapped(parts, part03) })
}

/** The 0.3 proto: `content` instead of `parts`, roles as in 1.0, no reference to other tasks. */
export function messageProto03(message: unknown): unknown {
  if (!isFields(message)) return message
  const { parts, referenceTaskIds: _, ...rest } = message
  return present({ ...rest, content: mapped(parts, partProto03) })
}

/** A scheme becomes the only one of a list. */
export function push03(config: Fields): Fields {
  const { authentication, ...rest } = config
  if (!isFields(authentication)) return present(config)
  const { scheme, ...more } = authentication
  return present({ ...rest, authentication: present({ schemes: scheme === undefined ? [] : [scheme], ...more }) })
}

export function configuration03(configuration: unknown, form: 'schema' | 'proto' = 'schema'): unknown {
  if (!isFields(configuration)) return configuration
  const { returnImmediately, taskPushNotificationConfig: push, ...rest } = configuration
  const blocking = typeof returnImmediately === 'boolean' ? !returnImmediately : returnImmediately
  const name = form === 'proto' ? 'pushNotification' : 'pushNotificationConfig'
  return present({ ...rest, blocking, [name]: isFields(push) ? push03(push) : push })
}
