/** A2A 1.0 §5: the three bindings are one protocol; what they say is compared in one canonical form. */
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { now, section } from './section.ts'
import { restRequest, rpcRequest, type Speaker, type Unary, WAYS, withoutIdentity } from './ways.ts'

const HOOK = 'https://hooks.example.test/a'

/** The same thing asked over each binding says the same. */
async function alike(ask: (way: (typeof WAYS)[number]) => Promise<unknown>): Promise<Loose> {
  const said = []
  for (const way of WAYS) said.push(await ask(way))
  expect(said[1]).toEqual(said[0])
  expect(said[2]).toEqual(said[0])
  return said[0]
}

section(
  '5 bindings',
  (at) => {
    describe('5.1 functional equivalence', () => {
      test('what is read of one task', async () => {
        const speaker = at().speaker()
        const contextId = uuidv7()
        const metadata = { 'https://example.test/m': { n: 1, list: [true, null, 'x'] } }
        const parts = [{ text: 'artifact' }, { data: { k: [1.5, 'ü'] } }, { raw: 'AP8=' }]
        const sent = await speaker.must('JSON-RPC', 'SendMessage', {
          message: aMessage('', { contextId, metadata, parts }),
        })
        const taskId = sent.task.id
        await speaker.must('JSON-RPC', 'CreateTaskPushNotificationConfig', {
          ...{ taskId, id: 'c1', url: HOOK, token: 't' },
          authentication: { scheme: 'Bearer', credentials: 'x' },
        })
        const asked: readonly (readonly [Unary, Loose])[] = [
          ['GetTask', { id: taskId }],
          ['GetTask', { id: taskId, historyLength: 1 }],
          ['ListTasks', { contextId }],
          ['ListTasks', { contextId, includeArtifacts: true, historyLength: 0, pageSize: 1 }],
          ['ListTasks', { contextId: uuidv7() }],
          ['GetTaskPushNotificationConfig', { taskId, id: 'c1' }],
          ['ListTaskPushNotificationConfigs', { taskId }],
        ]
        for (const [name, params] of asked) {
          const said = await alike((way) => speaker.must(way, name, params))
          if (name === 'GetTask') expect(said.artifacts[0].parts).toEqual([{ text: 'Generated text content' }])
        }
      })

      test.each(['complete', 'artifact', 'chunks:3', 'input', 'auth', 'fail', 'reject', 'message'])(
        'what is made by sending: %s',
        async (words) => {
          const said = await alike(async (way) =>
            withoutIdentity(
              await at()
                .speaker()
                .must(way, 'SendMessage', { message: aMessage(words) }),
            ),
          )
          expect(Object.keys(said)).toEqual([words === 'message' ? 'message' : 'task'])
        },
      )

      test.each(['complete', 'artifact', 'chunks:3', 'fail', 'message'])('what is streamed: %s', async (words) => {
        const said = await alike(async (way) => {
          const events = await at()
            .speaker()
            .stream(way, 'SendStreamingMessage', { message: aMessage(words) })
          // How far the task was when the stream began is a matter of moments; what came after it is not.
          return withoutIdentity(events.filter(({ task }) => !task))
        })
        expect(said.length).toBeGreaterThan(0)
      })

      test('what is canceled, configured and deleted', async () => {
        await alike(async (way) => {
          const speaker = at().speaker()
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
          const config = { taskId: task.id, id: 'mine', url: HOOK }
          const made = await speaker.must(way, 'CreateTaskPushNotificationConfig', config)
          const deleted = await speaker.must(way, 'DeleteTaskPushNotificationConfig', { taskId: task.id, id: 'mine' })
          const canceled = await speaker.must(way, 'CancelTask', { id: task.id })
          return withoutIdentity([made, deleted, canceled])
        })
      })
    })

    describe('5.4 errors', () => {
      /** A2A 1.0.1's table: JSON-RPC, HTTP, gRPC. */
      const CODES: Readonly<Record<string, readonly [number, number, string]>> = {
        TASK_NOT_FOUND: [-32001, 404, 'NOT_FOUND'],
        TASK_NOT_CANCELABLE: [-32002, 400, 'FAILED_PRECONDITION'],
        UNSUPPORTED_OPERATION: [-32004, 400, 'FAILED_PRECONDITION'],
        VERSION_NOT_SUPPORTED: [-32009, 400, 'FAILED_PRECONDITION'],
        INVALID_PARAMS: [-32602, 400, 'INVALID_ARGUMENT'],
      }
      const SCENES: Readonly<Record<string, (speaker: Speaker, way: (typeof WAYS)[number]) => Promise<Loose>>> = {
        'an unknown task': (speaker, way) => speaker.refused(way, 'GetTask', { id: uuidv7() }),
        'a message to one': (speaker, way) =>
          speaker.refused(way, 'SendMessage', { message: aMessage('x', { taskId: uuidv7() }) }),
        'an unknown configuration': async (speaker, way) => {
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
          return speaker.refused(way, 'GetTaskPushNotificationConfig', { taskId: task.id, id: 'none' })
        },
        'canceling what has ended': async (speaker, way) => {
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('complete') })
          return speaker.refused(way, 'CancelTask', { id: task.id })
        },
        'subscribing to what has ended': async (speaker, way) => {
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('complete') })
          return speaker.refused(way, 'SubscribeToTask', { id: task.id })
        },
        'no extended card': (speaker, way) => speaker.refused(way, 'GetExtendedAgentCard', {}),
        'a version of the future': (speaker, way) => speaker.refused(way, 'ListTasks', {}, { 'a2a-version': '7.0' }),
        'a page that is too large': (speaker, way) => speaker.refused(way, 'ListTasks', { pageSize: 101 }),
        'a message without parts': (speaker, way) =>
          speaker.refused(way, 'SendMessage', { message: aMessage('', { parts: [] }) }),
        'a URL that is none': async (speaker, way) => {
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
          return speaker.refused(way, 'CreateTaskPushNotificationConfig', { taskId: task.id, url: 'no url' })
        },
      }
      test.each(Object.entries(SCENES))('%s has one reason, and the codes of the table', async (_, scene) => {
        const { reason } = await alike(async (way) => {
          const { reason, domain, fields } = await scene(at().speaker(), way)
          return { reason, domain, fields }
        })
        const codes = []
        for (const way of WAYS) codes.push((await scene(at().speaker(), way)).code)
        expect(codes).toEqual(CODES[reason])
      })
    })

    describe('5.5–5.7 what is accepted', () => {
      /** The same request as ProtoJSON lets it be written. */
      const LENIENT: Readonly<
        Record<string, (id: string) => readonly [name: Unary | 'SendStreamingMessage', params: Loose]>
      > = {
        'snake_case names': () => ['ListTasks', { page_size: 5, include_artifacts: true, history_length: 0 }],
        'numbers as strings': () => ['ListTasks', { pageSize: '5', includeArtifacts: true, historyLength: 0 }],
        'null for unset': () => [
          'ListTasks',
          { pageSize: 5, includeArtifacts: true, historyLength: 0, contextId: null, status: null },
        ],
        'unknown members': () => [
          'ListTasks',
          { pageSize: 5, includeArtifacts: true, historyLength: 0, novelty: { of: '1.7' } },
        ],
      }
      // A historyLength as a string is refused on purpose: too many mean something else by it.
      test.each(Object.entries(LENIENT))('%s, over both HTTP bindings', async (_, make) => {
        const speaker = await at().as(`lenient-${uuidv7()}`)
        const { task } = await speaker.must('JSON-RPC', 'SendMessage', { message: aMessage('artifact') })
        const strict = await speaker.must('JSON-RPC', 'ListTasks', {
          pageSize: 5,
          includeArtifacts: true,
          historyLength: 0,
        })
        expect(strict.tasks[0].id).toBe(task.id)
        const [name, params] = make(task.id)
        expect(await speaker.must('JSON-RPC', name as Unary, params)).toEqual(strict)
        const query = Object.fromEntries(
          Object.entries(params).filter(([, value]) => value !== null && typeof value !== 'object'),
        )
        expect(await speaker.must('HTTP+JSON', name as Unary, query)).toEqual(strict)
      })

      test.each(['JSON-RPC', 'HTTP+JSON'] as const)('a message in every spelling is one message: %s', async (way) => {
        const speaker = at().speaker()
        const odd = {
          message: {
            ...{ message_id: uuidv7(), role: 1, context_id: null, reference_task_ids: ['a'], novelty: 1 },
            parts: [
              { text: 'complete', media_type: 'text/plain' },
              // base64url, without padding.
              { raw: '-_8', filename: 'a' },
            ],
          },
          configuration: { return_immediately: false, history_length: 5, accepted_output_modes: null },
        }
        const { task } = await speaker.must(way, 'SendMessage', odd)
        expect(task.history[0]).toMatchObject({
          ...{ messageId: odd.message.message_id, role: 'ROLE_USER', referenceTaskIds: ['a'] },
          parts: [
            { text: 'complete', mediaType: 'text/plain' },
            { raw: '+/8=', filename: 'a' },
          ],
        })
        expect(JSON.stringify(task)).not.toMatch(/novelty|message_id/)
      })

      test('an enum may be a number, also in a query', async () => {
        const speaker = at().speaker()
        const contextId = uuidv7()
        const { task } = await speaker.must('JSON-RPC', 'SendMessage', { message: aMessage('complete', { contextId }) })
        for (const way of ['JSON-RPC', 'HTTP+JSON'] as const)
          for (const status of [3, 'TASK_STATE_COMPLETED']) {
            const { tasks } = await speaker.must(way, 'ListTasks', { contextId, status })
            expect(tasks.map(({ id }: Loose) => id)).toEqual([task.id])
          }
        for (const way of ['JSON-RPC', 'HTTP+JSON'] as const)
          expect((await speaker.refused(way, 'ListTasks', { status: 'TASK_STATE_DREAMING' })).reason).toBe(
            'INVALID_PARAMS',
          )
      })

      test('answers are written as ProtoJSON wants them: camelCase, no null, four members of a list always', async () => {
        const { world } = at()
        const headers = {
          authorization: `Bearer ${world.gateway.adminKey}`,
          'a2a-version': '1.0',
          'content-type': 'application/json',
        }
        const { task } = await at()
          .speaker()
          .must('JSON-RPC', 'SendMessage', { message: aMessage('artifact'), configuration: now })
        for (const built of [
          rpcRequest('GetTask', { id: task.id }),
          restRequest('GetTask', { id: task.id }),
          rpcRequest('ListTasks', { contextId: uuidv7() }),
          restRequest('ListTasks', { contextId: uuidv7() }),
        ]) {
          const response = await fetch(`${world.gateway.url}/agents/echo${built.path}`, { ...built, headers })
          const body = await response.text()
          expect(body).not.toMatch(/"\w+_\w+":|:null/)
          const json = JSON.parse(body)
          const said = json.result ?? json
          if ('tasks' in said) expect(said).toEqual({ tasks: [], nextPageToken: '', pageSize: 50, totalSize: 0 })
        }
      })
    })
  },
  { onBoth: true },
)
