/** What leaves in an older version and comes back is what it was: for every document that anybody may make. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Binding } from '../../../src/ports.ts'
import { LATEST, VERSIONS } from '../../../src/wire/versions/table.ts'
import { entry } from '../bindings/served.ts'

const older = VERSIONS['0.3'] as NonNullable<(typeof VERSIONS)[string]>
const RUNS = { numRuns: 300 }

const word = fc.string({ minLength: 1, maxLength: 12 })
const metadata = fc.dictionary(word, fc.jsonValue(), { minKeys: 1, maxKeys: 3, noNullPrototype: true })
const optional = <T>(value: fc.Arbitrary<T>, name: string) =>
  fc.option(value, { nil: undefined }).map((found) => (found === undefined ? {} : { [name]: found }))
const merged = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as Record<string, never>)

const content = fc.oneof(
  fc.string().map((text) => ({ text })),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => ({ raw: Buffer.from(bytes).toString('base64') })),
  fc.webUrl().map((url) => ({ url })),
  fc.jsonValue().map((data) => ({ data: data as unknown })),
)
const part = merged(content, optional(metadata, 'metadata'), optional(word, 'filename'), optional(word, 'mediaType'))
const message = merged(
  fc.record({ messageId: word, parts: fc.array(part, { minLength: 1, maxLength: 3 }) }),
  fc.constantFrom('ROLE_USER', 'ROLE_AGENT').map((role) => ({ role })),
  optional(word, 'contextId'),
  optional(word, 'taskId'),
  optional(metadata, 'metadata'),
  optional(fc.array(word, { maxLength: 2 }), 'extensions'),
  optional(fc.array(word, { minLength: 1, maxLength: 2 }), 'referenceTaskIds'),
)
const state = fc.constantFrom(
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
const time = fc.integer({ min: 0, max: 4_000_000_000_000 }).map((ms) => new Date(ms).toISOString())
const status = merged(
  state.map((one) => ({ state: one })),
  optional(message, 'message'),
  optional(time, 'timestamp'),
)
const artifact = merged(
  fc.record({ artifactId: word, parts: fc.array(part, { maxLength: 3 }) }),
  optional(word, 'name'),
  optional(word, 'description'),
  optional(metadata, 'metadata'),
)
const task = merged(
  fc.record({ id: word, contextId: word, status }),
  optional(fc.array(artifact, { maxLength: 2 }), 'artifacts'),
  optional(fc.array(message, { maxLength: 2 }), 'history'),
  optional(metadata, 'metadata'),
)
const owner = fc.record({ taskId: word, contextId: word })
const statusUpdate = merged(owner, fc.record({ status }), optional(metadata, 'metadata'))
const artifactUpdate = merged(
  owner,
  fc.record({ artifact }),
  optional(fc.boolean(), 'append'),
  optional(fc.boolean(), 'lastChunk'),
)
const event = fc.oneof(
  fc.record({ task }),
  fc.record({ message }),
  fc.record({ statusUpdate }),
  fc.record({ artifactUpdate }),
)

const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
/** `__proto__` is dropped from metadata by the schema that checks it; nothing else is. */
const plain = (value: unknown): boolean => !JSON.stringify(value).includes('__proto__')

describe.each<[Binding]>([['JSONRPC'], ['HTTP+JSON']])('%s', (binding) => {
  test('events', () =>
    fc.assert(
      fc.property(event.filter(plain), (original) => {
        const line = older.encodeEvent(entry(1, original as never), binding, false)
        expect(line).not.toContain('\n')
        const { event: back } = older.decodeEvent(JSON.parse(line), binding)
        expect(overTheWire(back)).toEqual(overTheWire(original))
      }),
      RUNS,
    ))

  test('messages with their configuration', () =>
    fc.assert(
      fc.property(
        message.filter(plain),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        (said, returnImmediately, historyLength) => {
          const params = { message: said, configuration: { returnImmediately, historyLength } } as never
          const wire = overTheWire(older.encodeParams('SendMessage', params, binding))
          const back = older.decodeParams('SendMessage', wire, binding)
          const expected = {
            message: said,
            configuration: { acceptedOutputModes: [], returnImmediately, historyLength },
          }
          expect(overTheWire(back)).toEqual(overTheWire(expected))
          expect(JSON.stringify(wire)).not.toMatch(/"(returnImmediately|referenceTaskIds)":(?!\[)/)
        },
      ),
      RUNS,
    ))

  test('push configs', () =>
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9]{1,9}$/),
        fc.stringMatching(/^[a-z0-9]{1,9}$/),
        fc.webUrl(),
        (taskId, id, url) => {
          const config = { taskId, id, url, token: 't', authentication: { scheme: 'Bearer', credentials: 'c' } }
          const wire = overTheWire(older.encodeParams('CreateTaskPushNotificationConfig', config, binding))
          expect(older.decodeParams('CreateTaskPushNotificationConfig', wire, binding)).toEqual(config)
          const result = overTheWire(older.encodeResult('GetTaskPushNotificationConfig', config, binding))
          expect(older.decodeResult('GetTaskPushNotificationConfig', result, binding)).toEqual(config)
        },
      ),
      RUNS,
    ))
})

test('the canonical version reads what it writes', () =>
  fc.assert(
    fc.property(event.filter(plain), (original) => {
      const line = LATEST.encodeEvent(entry(1, original as never), 'JSONRPC', false)
      expect(overTheWire(LATEST.decodeEvent(JSON.parse(line), 'JSONRPC').event)).toEqual(overTheWire(original))
    }),
    RUNS,
  ))
