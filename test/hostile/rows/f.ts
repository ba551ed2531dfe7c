/** F: lists and their pages. ListTasks came with 1.0. */
import { expect } from 'vitest'
import { bad, type Case, type Row, send, served } from '../rows.ts'
import { type Fields, JSONS1, V1 } from '../speech.ts'
import type { HostileWorld } from '../world.ts'

const op = 'ListTasks'
const json = { on: JSONS1 }
const list = async ({ say }: HostileWorld, params: Fields, key = 'owner') => {
  const { result, text } = await say('JSON-RPC 1.0', op, params, { key })
  expect(result, text).toHaveProperty('tasks')
  return result as { tasks: { id: string; history?: unknown[] }[]; nextPageToken: string; totalSize: number }
}
const DISTANT = '2999-01-01T00:00:00.000Z'
/** Over REST only: what JSON cannot say, or says in another way. */
const asked =
  (query: string, status: number) =>
  async ({ http }: HostileWorld) => {
    const heard = await http({ method: 'GET', path: `/agents/box/tasks?${query}`, headers: { 'a2a-version': '1.0' } })
    expect([query, heard.status, heard.reason]).toEqual([query, status, status === 200 ? undefined : 'INVALID_PARAMS'])
  }
const all =
  (...scenes: ((world: HostileWorld) => Promise<void>)[]) =>
  async (world: HostileWorld) => {
    for (const scene of scenes) await scene(world)
  }

export const F: readonly Row[] = [
  {
    id: 'F-01',
    what: 'a pageSize that is none',
    cases: [
      bad('0', op, { pageSize: 0 }),
      bad('-1', op, { pageSize: -1 }),
      bad('101', op, { pageSize: 101 }),
      bad('1.5', op, { pageSize: 1.5 }, json),
      bad('"x"', op, { pageSize: 'x' }, json),
      bad('2^31', op, { pageSize: 2 ** 31 }, json),
    ],
  },
  {
    id: 'F-02',
    what: 'without a pageSize it is fifty',
    scene: async (world) => {
      const contextId = `fifty-${process.pid}`
      for (let n = 0; n < 51; n++) await world.say('JSON-RPC 1.0', 'SendMessage', send({ contextId }))
      const { tasks, nextPageToken, totalSize } = await list(world, { contextId })
      expect([tasks.length, totalSize, nextPageToken !== '']).toEqual([50, 51, true])
    },
  },
  {
    id: 'F-03',
    what: 'a page token of nobody, edited, of another caller or filter',
    cases: ['x.y', 'garbage', 'x'.repeat(3_000), '../..', '%00'].map((pageToken) =>
      bad(pageToken.slice(0, 9), op, { pageToken }),
    ),
    scene: async (world) => {
      await world.say('JSON-RPC 1.0', 'SendMessage', send())
      const { nextPageToken: token } = await list(world, { pageSize: 1 })
      const refusals: readonly (readonly [Fields, string?])[] = [
        [{ pageToken: `${token.slice(0, -2)}AA`, pageSize: 1 }],
        [{ pageToken: `A${token}`, pageSize: 1 }],
        [{ pageToken: token, pageSize: 1, contextId: 'other' }],
        [{ pageToken: token, pageSize: 1 }, 'other'],
      ]
      for (const [params, key] of refusals)
        for (const surface of V1) {
          const heard = await world.say(surface, op, params, key ? { key } : {})
          expect([surface, heard.reason], JSON.stringify(params)).toEqual([surface, 'INVALID_PARAMS'])
        }
      expect((await list(world, { pageToken: token, pageSize: 1 })).tasks).toHaveLength(1)
    },
  },
  {
    id: 'F-04',
    what: 'a state that is none',
    cases: [
      bad('RUNNING', op, { status: 'TASK_STATE_RUNNING' }, json),
      bad('lower case', op, { status: 'working' }, json),
      bad('99', op, { status: 99 }, { on: ['JSON-RPC 1.0', 'gRPC 1.0'] }),
    ],
  },
  {
    id: 'F-05',
    what: 'an unspecified state is no filter',
    cases: [served('0', op, { status: 'TASK_STATE_UNSPECIFIED' })],
  },
  {
    id: 'F-06',
    what: 'a time that is none',
    cases: [
      ...['yesterday', '2026-01-31', '2026-06-30T23:59:60Z', '10000-01-01T00:00:00Z', '2026-02-30T00:00:00Z'].map(
        (statusTimestampAfter): Case => bad(statusTimestampAfter, op, { statusTimestampAfter }, json),
      ),
      bad('an offset', op, { statusTimestampAfter: '2026-01-31T12:00:00+02:00' }, json),
    ],
  },
  {
    id: 'F-07',
    what: 'a time to come',
    scene: async (world) => {
      expect(await list(world, { statusTimestampAfter: DISTANT })).toMatchObject({ tasks: [], nextPageToken: '' })
      await asked(`statusTimestampAfter=${DISTANT}`, 200)(world)
    },
  },
  {
    id: 'F-08',
    what: 'another caller’s context is empty',
    scene: async (world) => {
      const contextId = `theirs-${process.pid}`
      await world.say('JSON-RPC 1.0', 'SendMessage', send({ contextId }), { key: 'other' })
      expect(await list(world, { contextId })).toMatchObject({ tasks: [], totalSize: 0 })
      expect(await list(world, { contextId }, 'other')).toMatchObject({ totalSize: 1 })
    },
  },
  {
    id: 'F-09',
    what: 'a parameter twice',
    scene: all(asked('pageSize=1&pageSize=2', 400), asked('contextId=a&contextId=a', 400)),
  },
  {
    id: 'F-10',
    what: 'an unknown parameter is ignored, those that are known are read',
    scene: async ({ http }) => {
      const query =
        'nosuch=1&pageSize=1&includeArtifacts=true&status=TASK_STATE_SUBMITTED&historyLength=0&A2A-Version=1.0'
      const { result } = await http({ method: 'GET', path: `/agents/box/tasks?${query}` })
      const { tasks } = result as { tasks: object[] }
      expect(tasks).toMatchObject([{ status: { state: 'TASK_STATE_SUBMITTED' } }])
      expect(tasks[0]).not.toHaveProperty('history')
    },
  },
  {
    id: 'F-11',
    what: 'a boolean that is neither',
    scene: all(
      ...['TRUE', '1', 'yes', ''].map((value) => asked(`includeArtifacts=${value}`, 400)),
      asked('includeArtifacts=true', 200),
    ),
  },
  {
    id: 'F-12',
    what: 'pages while tasks change: what does not change comes once',
    scene: async (world) => {
      const contextId = `deep-${process.pid}`
      const params = () => send({ contextId })
      for (let n = 0; n < 12; n++) await world.say('JSON-RPC 1.0', 'SendMessage', params())
      const before = (await list(world, { contextId, pageSize: 100 })).tasks.map(({ id }) => id)
      const seen: string[] = []
      for (let token = ''; ; ) {
        const page = await list(world, { contextId, pageSize: 3, ...(token && { pageToken: token }) })
        seen.push(...page.tasks.map(({ id }) => id))
        await world.say('JSON-RPC 1.0', 'SendMessage', params())
        token = page.nextPageToken
        if (token === '') break
      }
      expect(seen).toEqual(before)
    },
  },
  {
    id: 'F-13',
    what: 'a history of nothing is left out',
    scene: async (world) => {
      const { tasks } = await list(world, { historyLength: 0, pageSize: 5 })
      expect(tasks.length).toBeGreaterThan(0)
      for (const task of tasks) expect(task).not.toHaveProperty('history')
      const { result } = await world.say('HTTP+JSON 1.0', 'GetTask', { id: tasks[0]?.id, historyLength: 0 })
      expect(result).not.toHaveProperty('history')
    },
  },
  {
    id: 'F-14',
    what: 'the count is of one’s own',
    scene: async (world) => {
      const [mine, theirs] = [await list(world, {}), await list(world, {}, 'other')]
      await world.say('JSON-RPC 1.0', 'SendMessage', send(), { key: 'other' })
      expect((await list(world, {})).totalSize).toBe(mine.totalSize)
      expect((await list(world, {}, 'other')).totalSize).toBe(theirs.totalSize + 1)
    },
  },
]
