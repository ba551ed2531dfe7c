/** E: tasks, their ids and their states. */
import { expect } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { taskIn } from '../play.ts'
import { bad, type Case, type Circumstances, type Given, type Row, refused, send, served } from '../rows.ts'
import { type Fields, JSONS, type Operation, RPC, SURFACES, type Surface, toRest, toRpc, V1 } from '../speech.ts'
import { BLOCK_SECONDS, type HostileWorld } from '../world.ts'

const NAMING: readonly Operation[] = ['GetTask', 'CancelTask', 'SubscribeToTask']
const missing = (what: string, id: Given<string>, more: Circumstances = {}): readonly Case[] =>
  NAMING.map((operation) =>
    refused(
      `${what}, ${operation}`,
      operation,
      (fixtures) => ({ id: typeof id === 'string' ? id : id(fixtures) }),
      'TASK_NOT_FOUND',
      more,
    ),
  )
const at = { agent: 'echo' }

/** The same message over every binding, and over the first one eight times at once. */
async function oneTask({ say }: HostileWorld, params: Fields): Promise<readonly (string | undefined)[]> {
  const parallel = await Promise.all(Array.from({ length: 8 }, () => say('JSON-RPC 1.0', 'SendMessage', params)))
  const others: string[] = []
  for (const surface of SURFACES) others.push((await say(surface, 'SendMessage', params)).text)
  return [...parallel.map(({ text }) => text), ...others].map(taskIn)
}

/** Sends it, and goes as soon as it is out. */
async function unheard({ raw, fixtures }: HostileWorld, surface: Surface, params: Fields): Promise<void> {
  const make = surface.startsWith('JSON-RPC') ? toRpc : toRest
  const { path, body } = make(surface, 'SendMessage', params)
  const text = JSON.stringify(body)
  const head =
    `POST /agents/box${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${fixtures.keys.owner}\r\n` +
    `A2A-Version: ${surface.slice(-3)}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`
  // The first byte of the answer is reason enough to go: nothing of it is read.
  await raw(head + text, { heard: (socket) => socket.destroy() })
}

const ids: readonly Row[] = [
  {
    id: 'E-01',
    what: 'an id that is unknown, another caller’s, of another agent: one answer',
    cases: [
      ...missing('unknown', uuidv7()),
      ...missing('foreign', ({ foreign }) => foreign),
      ...missing('of another agent', ({ ended }) => ended),
      ...missing('gone', '01890000-0000-7000-8000-000000000000'),
    ],
    at: ['hostile/matrix.test.ts'],
  },
  {
    id: 'E-02',
    what: 'an id that no task has',
    cases: [
      ...['x'.repeat(129), 'a b', 'a?b#c', 'ä', '%', '"'].flatMap((id) => missing(id.slice(0, 9), id)),
      // In the 0.3 proto a slash makes it the name of something else.
      ...missing('a path', '../x', { on: SURFACES.filter((surface) => surface !== 'gRPC 0.3') }),
      ...missing('in capitals', ({ waiting }) => waiting.toUpperCase()),
      bad('empty', 'GetTask', { id: '' }, { on: [...RPC, 'gRPC 1.0'] }),
    ],
  },
  {
    id: 'E-03',
    what: 'an id that is no text',
    cases: [5, {}, ['t'], true].map((id) => bad(JSON.stringify(id), 'GetTask', { id }, { on: RPC })),
  },
  {
    id: 'E-04',
    what: 'a message to a task that is not there',
    cases: [
      refused('unknown', 'SendMessage', () => send({ taskId: uuidv7() }), 'TASK_NOT_FOUND'),
      refused('foreign', 'SendMessage', ({ foreign }) => send({ taskId: foreign }), 'TASK_NOT_FOUND'),
      refused('unknown, stream', 'SendStreamingMessage', () => send({ taskId: uuidv7() }), 'TASK_NOT_FOUND'),
    ],
  },
  {
    id: 'E-05',
    what: 'a message to an ended task',
    cases: (['SendMessage', 'SendStreamingMessage'] as const).map((operation) =>
      refused(operation, operation, ({ ended }) => send({ taskId: ended }), 'UNSUPPORTED_OPERATION', at),
    ),
  },
  {
    id: 'E-06',
    what: 'a task and the context of another',
    cases: [bad('mismatch', 'SendMessage', ({ asked, context }) => send({ taskId: asked, contextId: context }), at)],
  },
  {
    id: 'E-07',
    what: 'a context of others is not there; one that is written by hand is each caller’s own',
    cases: [
      refused(
        'of others',
        'SendMessage',
        ({ foreignContext }) => send({ contextId: foreignContext }),
        'TASK_NOT_FOUND',
      ),
    ],
    differs:
      'a context is its participants’: one with a UUID that is others’ is refused as not there, where the table makes it a new one',
  },
  {
    id: 'E-08',
    what: 'a context of 10 KB',
    cases: [bad('long', 'SendMessage', () => send({ contextId: 'x'.repeat(10_240) }))],
  },
]

const twice: readonly Row[] = [
  { id: 'E-09', what: 'a message while the agent works', at: ['e2e/badConduct.test.ts'] },
  { id: 'E-10', what: 'two answers to one question', at: ['e2e/badConduct.test.ts'] },
  {
    id: 'E-11',
    what: 'the same message again, also at once, also over other bindings',
    scene: async (world) => {
      const tasks = await oneTask(world, send({ messageId: uuidv7() }))
      expect([tasks.length, new Set(tasks).size, typeof tasks[0]]).toEqual([14, 1, 'string'])
    },
  },
  {
    id: 'E-12',
    what: 'other words under the same id',
    scene: async ({ say, stored }) => {
      const messageId = uuidv7()
      await say('JSON-RPC 1.0', 'SendMessage', send({ messageId }))
      const before = await stored()
      for (const surface of SURFACES) {
        const { code, reason } = await say(surface, 'SendMessage', send({ messageId, parts: [{ text: 'other' }] }))
        const number = surface.startsWith('JSON') ? -32602 : surface.startsWith('gRPC') ? 'ALREADY_EXISTS' : 400
        expect([surface, code, reason]).toEqual([surface, number, 'MESSAGE_ID_REUSED'])
      }
      expect(await stored()).toEqual(before)
    },
  },
  {
    id: 'E-13',
    what: 'the same id of another caller, E-14 to another agent: another task',
    scene: async ({ say }) => {
      const params = send({ messageId: uuidv7() })
      const tasks: (string | undefined)[] = []
      for (const sent of [{}, { key: 'other' }, { agent: 'texts' }])
        tasks.push(taskIn((await say('JSON-RPC 1.0', 'SendMessage', params, sent)).text))
      expect(new Set(tasks).size).toBe(3)
    },
  },
  { id: 'E-14', what: 'the same id to another agent', at: ['e2e/badConduct.test.ts'] },
  {
    id: 'E-15',
    what: 'again after an answer that was lost',
    scene: async (world) => {
      for (const surface of ['JSON-RPC 1.0', 'HTTP+JSON 1.0', 'JSON-RPC 0.3'] as const) {
        const context = uuidv7()
        const params = send({ messageId: uuidv7(), contextId: context })
        await unheard(world, surface, params)
        const { text } = await world.say(surface, 'SendMessage', params)
        const listed = await world.say('JSON-RPC 1.0', 'ListTasks', { contextId: context })
        expect(listed.result).toMatchObject({ totalSize: 1, tasks: [{ id: taskIn(text) }] })
      }
    },
  },
  { id: 'E-16', what: 'again over the other binding', at: ['e2e/badConduct.test.ts'] },
]

const states: readonly Row[] = [
  {
    id: 'E-17',
    what: 'a cancel of an ended task',
    cases: [refused('ended', 'CancelTask', ({ ended }) => ({ id: ended }), 'TASK_NOT_CANCELABLE', at)],
  },
  {
    id: 'E-18',
    what: 'a cancel twice is a canceled task, told twice',
    scene: async ({ say }) => {
      for (const surface of SURFACES) {
        const id = taskIn((await say('JSON-RPC 1.0', 'SendMessage', send())).text)
        const first = await say(surface, 'CancelTask', { id })
        const second = await say(surface, 'CancelTask', { id })
        expect([first.code, second.code, second.reason], surface).toEqual([undefined, undefined, undefined])
        const third = await say('JSON-RPC 1.0', 'GetTask', { id })
        expect(third.result).toMatchObject({ status: { state: 'TASK_STATE_CANCELED' } })
      }
    },
  },
  {
    id: 'E-19',
    what: 'a cancel with a megabyte of metadata',
    cases: [
      bad('long', 'CancelTask', ({ waiting }) => ({ id: waiting, metadata: { k: 'x'.repeat(1_048_576) } }), {
        on: [...V1, 'JSON-RPC 0.3', 'HTTP+JSON 0.3'],
      }),
    ],
  },
  {
    id: 'E-20',
    what: 'following an ended task',
    cases: [refused('ended', 'SubscribeToTask', ({ ended }) => ({ id: ended }), 'UNSUPPORTED_OPERATION', at)],
  },
  { id: 'E-21', what: 'one stream too many of a task', at: ['e2e/badConduct.test.ts', 'wire/bindings/sse.test.ts'] },
  {
    id: 'E-22',
    what: 'streams of an agent that has none',
    cases: [served('a mailbox', 'SendStreamingMessage', () => send())],
    differs:
      'streams are read from the gateway’s log, so every card that it serves declares them, whatever its agent can',
  },
  {
    id: 'E-23',
    what: 'an extended card that is not there',
    cases: [
      refused('an agent that declares none', 'GetExtendedAgentCard', {}, 'UNSUPPORTED_OPERATION', {
        ...at,
        on: SURFACES.filter((s) => s !== 'gRPC 0.3'),
      }),
    ],
    at: ['e2e/extendedCard.test.ts'],
  },
  {
    id: 'E-24',
    what: 'a message to an agent that is away is kept, and says so',
    scene: async ({ say }) => {
      for (const surface of JSONS) {
        const { text } = await say(surface, 'SendMessage', send())
        expect(text).toMatch(/TASK_STATE_SUBMITTED|"state":"submitted"/)
        expect(text).toContain('urn:x-waypost:store-and-forward:1')
      }
    },
  },
  {
    id: 'E-25',
    what: 'a message to an agent that does not want messages to wait',
    at: ['e2e/suite.ts'],
    differs: 'a paused or pending agent’s messages wait (that is what the gateway is for) unless it asks for refusal',
  },
  { id: 'E-26', what: 'a full queue', at: ['e2e/badConduct.test.ts'] },
  {
    id: 'E-27',
    what: 'a blocking send while the agent is silent comes back with the task as it is',
    scene: async ({ say }) => {
      const waits = SURFACES.map((surface) =>
        say(surface, 'SendMessage', { ...send(), configuration: { returnImmediately: false } }),
      )
      for (const { text, code, ms } of await Promise.all(waits)) {
        expect([code, taskIn(text)], text).toEqual([undefined, expect.any(String)])
        expect(ms).toBeGreaterThan(BLOCK_SECONDS * 900)
      }
    },
  },
]

export const E: readonly Row[] = [...ids, ...twice, ...states]
