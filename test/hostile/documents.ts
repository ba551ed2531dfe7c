/**
 * Documents of every A2A type with mistakes, read by each version in each binding: what comes out is a document or a refusal,
 * never another error; and what was taken can be said in every version.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { A2AError } from '../../src/a2a/errors.ts'
import type { OperationName } from '../../src/a2a/operations.ts'
import type { Binding } from '../../src/ports.ts'
import type { VersionCodec } from '../../src/wire/versions/codec.ts'
import { ALL_VERSIONS, LATEST } from '../../src/wire/versions/table.ts'
import { entry } from '../wire/bindings/served.ts'
import { event, message, overTheWire, plain, task } from '../wire/versions/arbitraries.ts'
import type { FuzzOptions } from './fuzz.ts'
import { mutated, mutation } from './mutants.ts'
import type { Fields } from './speech.ts'
import { count } from './tally.ts'

const BINDINGS: readonly Binding[] = ['JSONRPC', 'HTTP+JSON', 'GRPC']
const mistakes = fc.array(mutation, { minLength: 1, maxLength: 3 })
const codec = fc.constantFrom(...ALL_VERSIONS)
const binding = fc.constantFrom(...BINDINGS)

/** Every member that a card may have. */
const CARD: Fields = {
  name: 'a',
  description: 'd',
  version: '1',
  supportedInterfaces: [{ url: 'https://a.test/', protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: 't' }],
  provider: { url: 'https://p.test', organization: 'o' },
  documentationUrl: 'https://d.test',
  iconUrl: 'https://i.test',
  capabilities: {
    streaming: true,
    pushNotifications: false,
    extendedAgentCard: true,
    extensions: [{ uri: 'urn:x', description: 'x', required: true, params: { a: [1] } }],
  },
  securitySchemes: {
    key: { apiKeySecurityScheme: { location: 'header', name: 'X' } },
    bearer: { httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT' } },
    flow: {
      oauth2SecurityScheme: {
        flows: { clientCredentials: { tokenUrl: 'https://t.test', scopes: { a: 'b' } } },
        oauth2MetadataUrl: 'https://m.test',
      },
    },
    connect: { openIdConnectSecurityScheme: { openIdConnectUrl: 'https://o.test' } },
    tls: { mtlsSecurityScheme: {} },
  },
  securityRequirements: [{ schemes: { key: { list: ['a'] } } }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [
    {
      ...{
        id: 's',
        name: 'n',
        description: 'd',
        tags: ['t'],
        examples: ['e'],
        inputModes: ['a/b'],
        outputModes: ['a/b'],
      },
      securityRequirements: [{ schemes: { bearer: { list: [] } } }],
    },
  ],
  signatures: [{ protected: 'e30', signature: 'AA', header: { kid: 'k' } }],
}

const CONFIG = {
  taskId: 't',
  id: 'c',
  url: 'https://h.test/',
  token: 't',
  authentication: { scheme: 'Bearer', credentials: 'c' },
}
const PARAMS: Readonly<Partial<Record<OperationName, unknown>>> = {
  GetTask: { id: 't', historyLength: 3, tenant: 'x' },
  ListTasks: { contextId: 'c', status: 'TASK_STATE_WORKING', pageSize: 3, pageToken: 'p', includeArtifacts: true },
  CancelTask: { id: 't', metadata: { a: 1 } },
  SubscribeToTask: { id: 't' },
  CreateTaskPushNotificationConfig: CONFIG,
  GetTaskPushNotificationConfig: { taskId: 't', id: 'c' },
  ListTaskPushNotificationConfigs: { taskId: 't', pageSize: 3, pageToken: 'p' },
  DeleteTaskPushNotificationConfig: { taskId: 't', id: 'c' },
  GetExtendedAgentCard: { tenant: 'x' },
}

/** What was read; undefined: it was refused as it should be. */
function taken<T>(kind: string, read: () => T): T | undefined {
  try {
    const found = read()
    count(`documents, ${kind}`, 'taken')
    return found
  } catch (error) {
    if (!(error instanceof A2AError)) throw error
    count(`documents, ${kind}`, 'refused')
    return undefined
  }
}

const hurt = (document: unknown, found: Parameters<typeof mutated>[1][]): unknown =>
  found.reduce<unknown>(mutated, document)

export function documentSuite({ runs, seed }: FuzzOptions): void {
  const settings = { numRuns: runs, seed, endOnFailure: true }
  const names = Object.keys(PARAMS) as OperationName[]
  const spoken = ({ names: own }: VersionCodec, name: OperationName) => own[name] !== undefined

  describe('documents with mistakes, as every version and binding reads them', () => {
    test('messages and what else is asked', () =>
      fc.assert(
        fc.property(codec, binding, fc.constantFrom(...names), message, mistakes, (version, how, name, said, found) => {
          const send = { message: said, configuration: { returnImmediately: true }, metadata: { a: 1 } }
          const told = hurt(overTheWire(version.encodeParams('SendMessage', send as never, how)), found)
          const params = taken('messages', () => version.decodeParams('SendMessage', told, how))
          for (const other of params ? ALL_VERSIONS : []) other.encodeParams('SendMessage', params as never, how)
          if (!spoken(version, name)) return
          const asked = hurt(overTheWire(version.encodeParams(name, PARAMS[name] as never, how)), found)
          taken('parameters', () => version.decodeParams(name, asked, how))
        }),
        settings,
      ))

    test('tasks and events of agents', () =>
      fc.assert(
        fc.property(
          codec,
          binding,
          task.filter(plain),
          event.filter(plain),
          mistakes,
          (version, how, whole, one, found) => {
            const answer = hurt(overTheWire(version.encodeResult('GetTask', whole as never, how)), found)
            const read = taken('tasks', () => version.decodeResult('GetTask', answer, how))
            for (const other of read ? ALL_VERSIONS : []) other.encodeResult('GetTask', read as never, how)
            const line = version.encodeEvent(entry(1, one as never), how, false)
            const said = hurt(JSON.parse(line), found)
            const heard = taken('events', () => version.decodeEvent(said, how).event)
            for (const other of heard ? ALL_VERSIONS : []) other.encodeEvent(entry(1, heard as never), how, false)
            const pushed = version.decodePush(said)
            if (pushed) LATEST.encodeEvent(entry(1, pushed), how, false)
          },
        ),
        settings,
      ))

    test('cards', () =>
      fc.assert(
        fc.property(codec, mistakes, (version, found) => {
          const card = taken('cards', () =>
            version.decodeCard(hurt(overTheWire(version.encodeCard(CARD as never)), found)),
          )
          for (const other of card ? ALL_VERSIONS : []) other.encodeCard(card as never)
        }),
        settings,
      ))

    test('the names that every object has are no kinds of anything', () => {
      for (const kind of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
        const told = JSON.parse(`{"kind":"${kind}","id":"t","contextId":"c","status":{"state":"working"}}`)
        const read = (json: unknown) =>
          ALL_VERSIONS.map((version) => taken('names', () => version.decodeEvent(json, 'JSONRPC')))
        // By its members it is still a task, as if it had said nothing.
        expect(read(told)[0]).toMatchObject({ event: { task: { id: 't' } } })
        expect(read({ kind })).toEqual([undefined, undefined])
        const card = { name: 'a', url: 'http://a.test/', securitySchemes: { x: { type: kind } } }
        expect(JSON.stringify(taken('names', () => ALL_VERSIONS[0]?.decodeCard(card)))).not.toContain('native code')
      }
    })

    test('whatever JSON there is', () =>
      fc.assert(
        fc.property(codec, binding, fc.jsonValue({ maxDepth: 5 }), (version, how, json) => {
          for (const name of [...names, 'SendMessage'] as const)
            taken('JSON', () => version.decodeParams(name, json, how))
          taken('JSON', () => version.decodeEvent(json, how))
          for (const name of [...names, 'SendMessage'] as const)
            taken('JSON', () => version.decodeResult(name, json, how))
          taken('JSON', () => version.decodeCard(json))
          version.decodePush(json)
          expect(({} as Fields).polluted).toBeUndefined()
        }),
        settings,
      ))
  })
}
