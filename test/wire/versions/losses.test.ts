/**
 * Round trips of every type, 1.0→0.3→1.0 and 0.3→1.0→0.3, over all bindings (gRPC through the bytes of its messages):
 * what comes back differs in what `losses.ts` lists, and in nothing else. Each property names the losses that it permits.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type DescMessage, fromBinary, fromJsonString, toBinary, toJson } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { OperationName } from '../../../src/a2a/operations.ts'
import type { Binding } from '../../../src/ports.ts'
import * as pb03 from '../../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import * as pb10 from '../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { LATEST, VERSIONS } from '../../../src/wire/versions/table.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { entry } from '../bindings/served.ts'
import {
  artifact,
  event,
  merged,
  message,
  metadata,
  optional,
  overTheWire,
  plain,
  task,
  time,
  withoutDefaults,
  word,
} from './arbitraries.ts'
import { LOSSES, type LossId } from './losses.ts'

const older = VERSIONS['0.3'] as NonNullable<(typeof VERSIONS)[string]>
const RUNS = { numRuns: 150 }
const BINDINGS: readonly Binding[] = ['JSONRPC', 'HTTP+JSON', 'GRPC']
const id = fc.stringMatching(/^[a-z0-9]{1,9}$/)

const shown = new Set<LossId>()
/** A property that permits these losses; without any it permits none. */
const permits = (...losses: LossId[]) => {
  for (const one of losses) shown.add(one)
}

/** As bytes of protobuf and back: nothing that the .proto does not know comes through. */
function throughBytes(schema: DescMessage, json: unknown): unknown {
  const message = fromJsonString(schema, JSON.stringify(json), { ignoreUnknownFields: false })
  return toJson(schema, fromBinary(schema, toBinary(schema, message)))
}
/** Over HTTP a document is its text; over gRPC it is the message of its .proto. */
const wireOf = (binding: Binding, schema: DescMessage, json: unknown) =>
  binding === 'GRPC' ? throughBytes(schema, json) : overTheWire(json)

/** Numbers of a Struct are doubles, and -0 is 0 in JSON. */
const comparable = (value: unknown) => withoutDefaults(overTheWire(value))

describe.each(BINDINGS)('1.0→0.3→1.0 over %s', (binding) => {
  test('every event (L1, L2, L3, L12 restored)', () => {
    permits('L1', 'L2', 'L3', 'L12')
    fc.assert(
      fc.property(event.filter(plain), fc.boolean(), (original, closing) => {
        const line = JSON.parse(older.encodeEvent(entry(1, original as never), binding, closing))
        const back = older.decodeEvent(wireOf(binding, pb03.StreamResponseSchema, line), binding)
        expect(comparable(back.event)).toEqual(comparable(original))
      }),
      RUNS,
    )
  })

  test('tasks and messages as results', () => {
    fc.assert(
      fc.property(task.filter(plain), (original) => {
        for (const name of ['GetTask', 'CancelTask'] as const) {
          const wire = wireOf(binding, pb03.TaskSchema, older.encodeResult(name, original as never, binding))
          expect(comparable(older.decodeResult(name, wire, binding))).toEqual(comparable(original))
        }
        const sent = older.encodeResult('SendMessage', { task: original } as never, binding)
        const wire = wireOf(binding, pb03.SendMessageResponseSchema, sent)
        expect(comparable(older.decodeResult('SendMessage', wire, binding))).toEqual(comparable({ task: original }))
      }),
      RUNS,
    )
  })

  test('what is asked (L10, L11, L22)', () => {
    permits('L11', 'L22')
    const proto = binding !== 'JSONRPC'
    fc.assert(
      fc.property(
        id,
        fc.option(fc.nat(9), { nil: undefined }),
        metadata.filter(plain),
        (taskId, historyLength, extra) => {
          const trip = (name: OperationName, params: object, schema: DescMessage) =>
            overTheWire(
              older.decodeParams(
                name,
                wireOf(binding, schema, older.encodeParams(name, params as never, binding)),
                binding,
              ),
            )
          const got = { id: taskId, ...(historyLength !== undefined && { historyLength }) }
          const kept = proto && historyLength === 0 ? { id: taskId } : got
          expect(trip('GetTask', got, pb03.GetTaskRequestSchema)).toEqual(kept)
          expect(trip('CancelTask', { id: taskId, metadata: extra }, pb03.CancelTaskRequestSchema)).toEqual(
            overTheWire(proto ? { id: taskId } : { id: taskId, metadata: extra }),
          )
          expect(trip('SubscribeToTask', { id: taskId }, pb03.TaskSubscriptionRequestSchema)).toEqual({ id: taskId })
        },
      ),
      RUNS,
    )
  })

  test('sending', () => {
    fc.assert(
      fc.property(
        message.filter(plain),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        (said, returnImmediately, historyLength) => {
          const configuration = { acceptedOutputModes: ['text/plain'], returnImmediately, historyLength }
          const encoded = older.encodeParams('SendMessage', { message: said, configuration } as never, binding)
          // In the .proto the message is called `request`.
          const { message: inner, ...rest } = encoded as Loose
          const asked = binding === 'GRPC' ? { request: inner, ...rest } : encoded
          const back = older.decodeParams('SendMessage', wireOf(binding, pb03.SendMessageRequestSchema, asked), binding)
          expect(comparable(back)).toEqual(comparable({ message: said, configuration }))
        },
      ),
      RUNS,
    )
  })

  test('push configurations, alone and in lists', () => {
    fc.assert(
      fc.property(id, id, fc.webUrl(), id, (taskId, configId, url, token) => {
        const config = { taskId, id: configId, url, token, authentication: { scheme: 'Bearer', credentials: 'c' } }
        const one = older.encodeResult('GetTaskPushNotificationConfig', config, binding)
        const wire = wireOf(binding, pb03.TaskPushNotificationConfigSchema, one)
        expect(older.decodeResult('GetTaskPushNotificationConfig', wire, binding)).toEqual(config)
        const many = older.encodeResult(
          'ListTaskPushNotificationConfigs',
          { configs: [config], nextPageToken: '' },
          binding,
        )
        const list = wireOf(binding, pb03.ListTaskPushNotificationConfigResponseSchema, many)
        expect(older.decodeResult('ListTaskPushNotificationConfigs', list, binding).configs).toEqual([config])
        for (const name of ['GetTaskPushNotificationConfig', 'DeleteTaskPushNotificationConfig'] as const) {
          const ids = older.encodeParams(name, { taskId, id: configId }, binding)
          expect(older.decodeParams(name, overTheWire(ids), binding)).toEqual({ taskId, id: configId })
        }
      }),
      RUNS,
    )
  })
})

test('the canonical version through the bytes of its own .proto loses nothing but the precision of numbers (L16)', () => {
  permits('L16')
  fc.assert(
    fc.property(event.filter(plain), (original) => {
      const wire = throughBytes(pb10.StreamResponseSchema, original)
      expect(comparable(LATEST.decodeEvent(wire, 'GRPC').event)).toEqual(comparable(original))
    }),
    RUNS,
  )
  // What JSON text can hold and a double cannot.
  const text = '{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":{"n":9007199254740993}}]}}'
  const read = fromJsonString(pb10.StreamResponseSchema, text)
  expect(toJson(pb10.StreamResponseSchema, read)).toMatchObject({
    message: { parts: [{ data: { n: 9007199254740992 } }] },
  })
})

describe('0.3→1.0→0.3', () => {
  const part03 = fc.oneof(
    merged(fc.record({ kind: fc.constant('text'), text: fc.string() }), optional(metadata, 'metadata')),
    merged(fc.record({ kind: fc.constant('data'), data: metadata }), optional(metadata, 'metadata')),
    merged(
      fc
        .oneof(
          merged(
            fc.record({ bytes: fc.uint8Array({ maxLength: 9 }).map((raw) => Buffer.from(raw).toString('base64')) }),
          ),
          merged(fc.record({ uri: fc.webUrl() })),
        )
        .chain((file) =>
          merged(fc.constant(file), optional(word, 'name'), optional(word, 'mimeType')).map((one) => ({
            kind: 'file',
            file: one,
          })),
        ),
      optional(metadata, 'metadata'),
    ),
    // L20: an object that looks like our own wrapping and is not.
    fc.jsonValue().map((value) => ({ kind: 'data', data: { value } })),
  )
  const message03 = merged(
    fc.record({
      kind: fc.constant('message'),
      messageId: word,
      parts: fc.array(part03, { minLength: 1, maxLength: 3 }),
    }),
    fc.constantFrom('user', 'agent').map((role) => ({ role })),
    ...[optional(word, 'taskId'), optional(word, 'contextId'), optional(metadata, 'metadata')],
    optional(fc.array(word, { minLength: 1, maxLength: 2 }), 'referenceTaskIds'),
  )
  const state03 = fc.constantFrom(
    ...[
      'submitted',
      'working',
      'input-required',
      'completed',
      'canceled',
      'failed',
      'rejected',
      'auth-required',
      'unknown',
    ],
  )
  const status03 = merged(
    state03.map((state) => ({ state })),
    optional(message03, 'message'),
    optional(time, 'timestamp'),
  )
  const artifact03 = merged(
    // L23: parts may be empty.
    fc.record({ artifactId: word, parts: fc.array(part03, { maxLength: 2 }) }),
    optional(word, 'name'),
    optional(metadata, 'metadata'),
  )
  const task03 = merged(
    fc.record({ kind: fc.constant('task'), id: word, contextId: word, status: status03 }),
    optional(fc.array(artifact03, { maxLength: 2 }), 'artifacts'),
    optional(fc.array(message03, { maxLength: 2 }), 'history'),
    optional(metadata, 'metadata'),
  )
  const owner = fc.record({ taskId: word, contextId: word })
  const update03 = fc.oneof(
    merged(owner, fc.record({ kind: fc.constant('status-update'), status: status03, final: fc.boolean() })),
    merged(
      owner,
      fc.record({ kind: fc.constant('artifact-update'), artifact: artifact03 }),
      optional(fc.boolean(), 'append'),
    ),
  )

  test('tasks, messages and updates come back as they were (L5, L20, L23)', () => {
    permits('L5', 'L20', 'L23')
    fc.assert(
      fc.property(fc.oneof(task03, message03, update03).filter(plain), (original) => {
        const { event: canonical, final = false } = older.decodeEvent(original, 'JSONRPC')
        // What we hold of it is good 1.0, whatever it was.
        expect(overTheWire(LATEST.decodeEvent(overTheWire(canonical), 'JSONRPC').event)).toEqual(overTheWire(canonical))
        const back = JSON.parse(older.encodeEvent(entry(1, canonical), 'JSONRPC', final))
        expect(back).toEqual(overTheWire(original))
      }),
      RUNS,
    )
  })

  test('events that do not say whose they are take the ids of their stream (L17)', () => {
    permits('L17')
    fc.assert(
      fc.property(status03.filter(plain), artifact03.filter(plain), (status, made) => {
        const read = (json: object) => older.decodeEvent(json, 'JSONRPC').event as Loose
        expect(read({ kind: 'status-update', status, final: false }).statusUpdate).toMatchObject({
          taskId: '',
          contextId: '',
        })
        expect(read({ kind: 'artifact-update', artifact: made }).artifactUpdate).toMatchObject({
          taskId: '',
          contextId: '',
        })
      }),
      RUNS,
    )
  })

  test('a file with bytes and a URI is its bytes, in whatever spelling (L24)', () => {
    permits('L24')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9 }), fc.webUrl(), word, (bytes, uri, name) => {
        const raw = Buffer.from(bytes).toString('base64')
        for (const file of [
          { bytes: raw, uri, name, mimeType: 'a/b' },
          { fileWithBytes: raw, fileWithUri: uri, name, mime_type: 'a/b' },
        ]) {
          const said = { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'file', file }] }
          const { message: got } = older.decodeEvent(said, 'JSONRPC').event as Loose
          expect(got.parts).toEqual([{ raw, filename: name, mediaType: 'a/b' }])
        }
      }),
      RUNS,
    )
  })

  test('of several schemes one is left, Bearer before Basic before the first (L4)', () => {
    permits('L4')
    const others = fc.uniqueArray(fc.constantFrom('Digest', 'Hawk', 'Basic', 'Bearer', 'Custom'), {
      minLength: 1,
      maxLength: 5,
    })
    fc.assert(
      fc.property(others, id, (schemes, taskId) => {
        const wire = {
          taskId,
          pushNotificationConfig: { id: 'c', url: 'https://a.example.test/', authentication: { schemes } },
        }
        const config = older.decodeParams('CreateTaskPushNotificationConfig', wire, 'JSONRPC')
        const best = schemes.find((one) => one === 'Bearer') ?? schemes.find((one) => one === 'Basic') ?? schemes[0]
        expect(config.authentication).toEqual({ scheme: best })
        const back = older.encodeResult('GetTaskPushNotificationConfig', config, 'JSONRPC')
        expect(back).toEqual({
          ...wire,
          pushNotificationConfig: { ...wire.pushNotificationConfig, authentication: { schemes: [best] } },
        })
      }),
      RUNS,
    )
  })

  test('request metadata has no place, everything else of a request has (L10)', () => {
    permits('L10')
    fc.assert(
      fc.property(id, metadata.filter(plain), fc.integer({ min: 1, max: 9 }), (taskId, extra, historyLength) => {
        const read = (name: OperationName, params: object) =>
          older.decodeParams(name, { ...params, metadata: extra }, 'JSONRPC')
        expect(read('GetTask', { id: taskId, historyLength })).toEqual({ id: taskId, historyLength })
        expect(read('SubscribeToTask', { id: taskId })).toEqual({ id: taskId })
        expect(read('ListTaskPushNotificationConfigs', { id: taskId })).toEqual({ taskId })
        expect(read('GetTaskPushNotificationConfig', { id: taskId, pushNotificationConfigId: 'c' })).toEqual({
          taskId,
          id: 'c',
        })
      }),
      RUNS,
    )
  })
})

describe('cards', () => {
  const url = fc.webUrl({ withFragments: false, withQueryParameters: false }).map((found) => found.replace(/\/$/, ''))
  const scheme = fc.oneof(
    fc
      .record({ location: fc.constantFrom('header', 'query', 'cookie'), name: word })
      .map((one) => ({ apiKeySecurityScheme: one })),
    merged(fc.record({ scheme: fc.constantFrom('Bearer', 'Basic') }), optional(word, 'bearerFormat')).map((one) => ({
      httpAuthSecurityScheme: one,
    })),
    fc.record({ openIdConnectUrl: fc.webUrl() }).map((one) => ({ openIdConnectSecurityScheme: one })),
    fc.record({ description: word }).map((one) => ({ mtlsSecurityScheme: one })),
    fc
      .record({ tokenUrl: fc.webUrl(), scopes: fc.dictionary(id, word, { maxKeys: 2, noNullPrototype: true }) })
      .map((flow) => ({
        oauth2SecurityScheme: { flows: { clientCredentials: flow } },
      })),
    // L7: what 0.3 cannot say.
    fc.record({ deviceAuthorizationUrl: fc.webUrl(), tokenUrl: fc.webUrl() }).map((flow) => ({
      oauth2SecurityScheme: { flows: { deviceCode: { ...flow, scopes: {} } } },
    })),
    fc.record({ authorizationUrl: fc.webUrl(), tokenUrl: fc.webUrl(), pkceRequired: fc.boolean() }).map((flow) => ({
      oauth2SecurityScheme: { flows: { authorizationCode: { ...flow, scopes: {} } } },
    })),
  )
  const skill = merged(
    fc.record({ id: word, name: word, description: fc.string(), tags: fc.array(word, { maxLength: 2 }) }),
    optional(fc.array(word, { minLength: 1, maxLength: 2 }), 'examples'),
  )
  const face = merged(
    fc.record({ url, protocolBinding: fc.constantFrom('JSONRPC', 'HTTP+JSON'), protocolVersion: fc.constant('0.3') }),
    optional(id, 'tenant'),
  )
  const card = merged(
    fc.record({ name: word, description: fc.string(), version: word }),
    fc.record({
      supportedInterfaces: fc.uniqueArray(face, {
        minLength: 1,
        maxLength: 3,
        selector: ({ url: at, tenant, protocolBinding }) => `${at} ${tenant} ${protocolBinding}`,
      }),
      skills: fc.array(skill, { maxLength: 3 }),
      defaultInputModes: fc.array(word, { minLength: 1, maxLength: 2 }),
      defaultOutputModes: fc.array(word, { minLength: 1, maxLength: 2 }),
      capabilities: merged(
        optional(fc.boolean(), 'streaming'),
        optional(fc.boolean(), 'pushNotifications'),
        optional(fc.boolean(), 'extendedAgentCard'),
      ),
    }),
    optional(fc.webUrl(), 'documentationUrl'),
    optional(fc.webUrl(), 'iconUrl'),
    optional(fc.record({ organization: word, url: fc.webUrl() }), 'provider'),
    optional(fc.dictionary(id, scheme, { minKeys: 1, maxKeys: 3, noNullPrototype: true }), 'securitySchemes'),
    fc.constant({ signatures: [{ protected: 'e30', signature: 'AA' }] }),
  )

  /** What of a 1.0 card 0.3 has words for. */
  function sayable(original: Loose): Loose {
    const { signatures: _, securitySchemes, supportedInterfaces, ...rest } = original
    const main =
      supportedInterfaces.find(({ protocolBinding }: Loose) => protocolBinding === 'JSONRPC') ?? supportedInterfaces[0]
    // L6: the tenant is in the path. The main address comes first, and again among the others.
    const old = ({ url: at, tenant, ...face }: Loose) => ({
      url: tenant ? `${at.replace(/\/$/, '')}/${tenant}` : at,
      ...face,
    })
    const faces = [main, ...supportedInterfaces.filter((one: Loose) => one !== main)].map(old)
    const unique = faces.filter(
      (one, at) => faces.findIndex((two) => two.url === one.url && two.protocolBinding === one.protocolBinding) === at,
    )
    const schemes = Object.entries((securitySchemes ?? {}) as Record<string, Loose>).flatMap(
      ([name, one]): [string, Loose][] => {
        const flows = one.oauth2SecurityScheme?.flows
        if (flows?.deviceCode) return []
        if (!flows?.authorizationCode) return [[name, one]]
        const { pkceRequired: __, ...flow } = flows.authorizationCode
        return [[name, { oauth2SecurityScheme: { flows: { authorizationCode: flow } } }]]
      },
    )
    return {
      ...rest,
      supportedInterfaces: unique,
      ...(schemes.length > 0 && { securitySchemes: Object.fromEntries(schemes) }),
    }
  }

  test('1.0→0.3→1.0 (L6, L7, L13)', () => {
    permits('L6', 'L7', 'L13')
    fc.assert(
      fc.property(card.filter(plain), (original) => {
        const { supportedInterfaces: _, ...wire } = overTheWire(older.encodeCard(original as never)) as Loose
        // As an agent of 0.3 has it: without the members that a hybrid carries for readers of 1.0.
        for (const one of Object.values((wire.securitySchemes ?? {}) as Record<string, Loose>))
          for (const name of Object.keys(one)) if (name.endsWith('SecurityScheme')) delete one[name]
        expect(overTheWire(older.decodeCard(wire))).toEqual(overTheWire(sayable(original)))
      }),
      RUNS,
    )
  })

  test('0.3→1.0: several flows of one scheme become several schemes, any of which will do (L8)', () => {
    permits('L8')
    const names = ['authorizationCode', 'clientCredentials', 'implicit', 'password']
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }), (flows) => {
        const old = {
          ...{
            name: 'a',
            url: 'https://a.example.test/',
            protocolVersion: '0.3.0',
            skills: [],
            capabilities: { stateTransitionHistory: true },
          },
          securitySchemes: {
            o: { type: 'oauth2', flows: Object.fromEntries(flows.map((flow) => [flow, { scopes: {} }])) },
          },
          security: [{ o: ['read'] }],
        }
        const read = older.decodeCard(old) as Loose
        const expected = flows.map((flow, at) => [at === 0 ? 'o' : `o-${flow}`, flow] as const)
        expect(Object.keys(read.securitySchemes)).toEqual(expected.map(([name]) => name))
        for (const [name, flow] of expected)
          expect(Object.keys(read.securitySchemes[name].oauth2SecurityScheme.flows)).toEqual([flow])
        expect(read.securityRequirements).toEqual(
          expected.map(([name]) => ({ schemes: { [name]: { list: ['read'] } } })),
        )
        expect(read.capabilities).toEqual({})
      }),
      RUNS,
    )
  })
})

test('an agent of 0.3 cannot list, and its callers know no -32008 and -32009 (L9, L15)', () => {
  permits('L9', 'L15')
  expect(() => older.decodeResult('ListTasks', {}, 'JSONRPC')).toThrow('cannot list tasks')
  expect(older.rim.reasons).toMatchObject({
    EXTENSION_SUPPORT_REQUIRED: 'UNSUPPORTED_OPERATION',
    VERSION_NOT_SUPPORTED: 'UNSUPPORTED_OPERATION',
  })
})

test('artifacts of any shape keep their order', () => {
  fc.assert(
    fc.property(fc.array(artifact, { maxLength: 5 }).filter(plain), (artifacts) => {
      const made = { id: 't', contextId: 'c', status: { state: 'TASK_STATE_COMPLETED' }, artifacts }
      const back = older.decodeResult(
        'GetTask',
        overTheWire(older.encodeResult('GetTask', made as never, 'HTTP+JSON')),
        'HTTP+JSON',
      )
      expect(overTheWire(back.artifacts)).toEqual(overTheWire(artifacts))
    }),
    RUNS,
  )
})

describe('the register', () => {
  afterAll(() => {
    const translated = Object.entries(LOSSES).flatMap(([name, { kind }]) => (kind === 'elsewhere' ? [] : [name]))
    expect([...shown].sort()).toEqual(translated.sort())
  })
  test('what is shown elsewhere is there', () => {
    for (const { kind, ...row } of Object.values(LOSSES))
      if (kind === 'elsewhere')
        expect(existsSync(join(import.meta.dirname, '../..', (row as Loose).shownIn)), row.what).toBe(true)
  })
})
