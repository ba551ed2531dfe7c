/** Documents of A2A 1.0 and of 0.3 as anybody may make them, for fast-check. */
import fc from 'fast-check'

export const word = fc.string({ minLength: 1, maxLength: 12 })
export const metadata = fc.dictionary(word, fc.jsonValue(), { minKeys: 1, maxKeys: 3, noNullPrototype: true })
export const optional = <T>(value: fc.Arbitrary<T>, name: string) =>
  fc.option(value, { nil: undefined }).map((found) => (found === undefined ? {} : { [name]: found }))
export const merged = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as Record<string, never>)

export const content = fc.oneof(
  fc.string().map((text) => ({ text })),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => ({ raw: Buffer.from(bytes).toString('base64') })),
  fc.webUrl().map((url) => ({ url })),
  fc.jsonValue().map((data) => ({ data: data as unknown })),
)
export const part = merged(
  content,
  optional(metadata, 'metadata'),
  optional(word, 'filename'),
  optional(word, 'mediaType'),
)
export const message = merged(
  fc.record({ messageId: word, parts: fc.array(part, { minLength: 1, maxLength: 3 }) }),
  fc.constantFrom('ROLE_USER', 'ROLE_AGENT').map((role) => ({ role })),
  optional(word, 'contextId'),
  optional(word, 'taskId'),
  optional(metadata, 'metadata'),
  optional(fc.array(word, { maxLength: 2 }), 'extensions'),
  optional(fc.array(word, { minLength: 1, maxLength: 2 }), 'referenceTaskIds'),
)
export const state = fc.constantFrom(
  'TASK_STATE_UNSPECIFIED',
  'TASK_STATE_SUBMITTED',
  'TASK_STATE_WORKING',
  'TASK_STATE_COMPLETED',
  'TASK_STATE_FAILED',
  'TASK_STATE_CANCELED',
  'TASK_STATE_INPUT_REQUIRED',
  'TASK_STATE_REJECTED',
  'TASK_STATE_AUTH_REQUIRED',
)
export const time = fc.integer({ min: 0, max: 4_000_000_000_000 }).map((ms) => new Date(ms).toISOString())
export const status = merged(
  state.map((one) => ({ state: one })),
  optional(message, 'message'),
  optional(time, 'timestamp'),
)
export const artifact = merged(
  fc.record({ artifactId: word, parts: fc.array(part, { maxLength: 3 }) }),
  optional(word, 'name'),
  optional(word, 'description'),
  optional(metadata, 'metadata'),
)
export const task = merged(
  fc.record({ id: word, contextId: word, status }),
  optional(fc.array(artifact, { maxLength: 2 }), 'artifacts'),
  optional(fc.array(message, { maxLength: 2 }), 'history'),
  optional(metadata, 'metadata'),
)
export const owner = fc.record({ taskId: word, contextId: word })
export const statusUpdate = merged(owner, fc.record({ status }), optional(metadata, 'metadata'))
export const artifactUpdate = merged(
  owner,
  fc.record({ artifact }),
  optional(fc.boolean(), 'append'),
  optional(fc.boolean(), 'lastChunk'),
)
export const event = fc.oneof(
  fc.record({ task }),
  fc.record({ message }),
  fc.record({ statusUpdate }),
  fc.record({ artifactUpdate }),
)

export const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
/** `__proto__` is dropped from metadata by the schema that checks it; nothing else is. */
export const plain = (value: unknown): boolean => !JSON.stringify(value).includes('__proto__')

/** What protobuf cannot tell from absent: empty lists, and '' and false where a field has no presence. */
export function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults)
  if (typeof value !== 'object' || value === null) return value
  // Free-form members are the author's: nothing in them is a default.
  const own = new Set(['metadata', 'data', 'params'])
  const kept = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    if (own.has(name)) return [[name, inner]]
    if (Array.isArray(inner) && inner.length === 0) return []
    if (inner === false) return []
    return [[name, withoutDefaults(inner)]]
  })
  return Object.fromEntries(kept)
}
