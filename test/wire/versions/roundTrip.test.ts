/** What leaves in an older version and comes back is what it was: for every document that anybody may make. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Binding } from '../../../src/ports.ts'
import { LATEST, VERSIONS } from '../../../src/wire/versions/table.ts'
import { entry } from '../bindings/served.ts'
import { event, message, overTheWire, plain } from './arbitraries.ts'

const older = VERSIONS['0.3'] as NonNullable<(typeof VERSIONS)[string]>
const RUNS = { numRuns: 300 }

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
