/** G: push notification configurations, set on a task and sent along with a message. */
import { expect } from 'vitest'
import { bad, type Case, configured, type Given, given, type Row } from '../rows.ts'
import { type Fields, SURFACES } from '../speech.ts'
import type { Fixtures, HostileWorld } from '../world.ts'

const url = 'http://127.0.0.1:8123/hook'
/** Both ways, on all bindings. */
const config = (what: string, fields: Given<Fields>): readonly Case[] => [
  bad(`${what}, set`, 'CreateTaskPushNotificationConfig', (fixtures: Fixtures) => ({
    taskId: fixtures.waiting,
    ...given(fields, fixtures),
  })),
  bad(`${what}, sent along`, 'SendMessage', (fixtures: Fixtures) =>
    configured({ taskPushNotificationConfig: given(fields, fixtures) })(),
  ),
]
const ofUrls = (...urls: readonly string[]) => urls.flatMap((one) => config(one.slice(0, 40), { url: one }))
const authentication = (scheme: string, credentials: string) => ({ url, authentication: { scheme, credentials } })

const create = (world: HostileWorld, taskId: string, fields: Fields) =>
  world.say('JSON-RPC 1.0', 'CreateTaskPushNotificationConfig', { taskId, ...fields })
async function aTask({ say }: HostileWorld): Promise<string> {
  const message = { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [{ text: 'x' }] }
  const { result } = await say('JSON-RPC 1.0', 'SendMessage', { message, configuration: { returnImmediately: true } })
  return (result as { task: { id: string } }).task.id
}

const EGRESS = { at: ['e2e/egress.test.ts'] }
const CONDUCT = { at: ['e2e/badConduct.test.ts'] }

export const G: readonly Row[] = [
  {
    id: 'G-01',
    what: 'no URL',
    cases: [...config('none', {}), ...ofUrls('', 'hook', '//127.0.0.1/hook', '/hook', 'http://', 'http:///x')],
  },
  {
    id: 'G-02',
    what: 'schemes that are not of the web',
    cases: ofUrls(
      'ftp://example.com/',
      'file:///etc/passwd',
      'gopher://h/',
      'javascript:alert(1)',
      'data:text/plain,x',
      'ws://h.example/',
    ),
  },
  {
    id: 'G-03',
    what: 'http in the open',
    cases: ofUrls('http://8.8.8.8/hook', 'http://example.com/hook', 'http://example.com:8080/hook'),
    at: ['platform/egress.test.ts'],
  },
  {
    id: 'G-04',
    what: 'a user in the URL',
    cases: ofUrls('https://u:p@example.com/', 'https://u@example.com/', 'https://:p@example.com/'),
  },
  { id: 'G-05', what: 'loopback in every spelling', ...EGRESS },
  { id: 'G-06', what: 'the unspecified address', ...EGRESS },
  { id: 'G-07', what: 'IPv4 within IPv6', ...EGRESS },
  { id: 'G-08', what: 'private and shared networks', ...EGRESS },
  { id: 'G-09', what: 'metadata services', ...EGRESS },
  { id: 'G-10', what: 'IPv6 that is not global', ...EGRESS },
  { id: 'G-11', what: 'multicast and broadcast', ...EGRESS },
  { id: 'G-12', what: 'digits of other scripts', ...EGRESS },
  { id: 'G-13', what: 'names of this machine and of inner networks', ...EGRESS },
  { id: 'G-14', what: 'names that resolve to what is forbidden', ...EGRESS },
  {
    id: 'G-15',
    what: 'ports of other services',
    cases: ofUrls(
      'http://127.0.0.1:0/',
      'http://127.0.0.1:99999/',
      'http://127.0.0.1:25/',
      'https://8.8.8.8:22/',
      'https://8.8.8.8:6379/',
    ),
  },
  {
    id: 'G-16',
    what: 'the gateway itself',
    cases: [
      ...config('by name', ({ url: own }) => ({ url: `${own}/agents/box` })),
      ...config('by address', ({ port }) => ({ url: `http://127.0.0.1:${port}/healthz` })),
      ...config('by an agent’s name', ({ port }) => ({ url: `http://box.localhost:${port}/` })),
    ],
  },
  {
    id: 'G-17',
    what: 'URLs that are read in two ways, or too long',
    cases: ofUrls(
      `${url}?${'x'.repeat(2_048)}`,
      `${url}\r\nX: y`,
      `http://127.0.0.1:8123/a\tb`,
      'http://127.0.0.1:8123\\@example.com/',
      'http://127.0.0.1:8123#@example.com/',
      'http:\\\\127.0.0.1:8123\\',
      ' http://127.0.0.1:8123/',
    ),
  },
  { id: 'G-18', what: 'a redirect at delivery', ...EGRESS },
  {
    id: 'G-19',
    what: 'schemes that nobody can send',
    cases: [
      ...config('Basic without a colon', authentication('Basic', 'x')),
      ...config('Digest', authentication('Digest', 'x')),
      ...config('none', authentication('', 'x')),
      ...config('1 KB', authentication('x'.repeat(1_024), 'x')),
    ],
  },
  {
    id: 'G-20',
    what: 'credentials that are no header',
    cases: [
      ...config('a line end', authentication('Bearer', 'a\r\nX: y')),
      ...config('beyond ASCII', authentication('Bearer', 'ä')),
      ...config('5 KB', authentication('Bearer', 'x'.repeat(5_120))),
    ],
  },
  {
    id: 'G-21',
    what: 'a token that is no header',
    cases: [
      ...config('5 KB', { url, token: 'x'.repeat(5_120) }),
      ...config('a control character', { url, token: 'a\u0007b' }),
      ...config('a line end', { url, token: 'a\r\nX: y' }),
    ],
  },
  { id: 'G-22', what: 'an id that is there is replaced', ...CONDUCT },
  { id: 'G-23', what: 'the eleventh', ...CONDUCT },
  {
    id: 'G-24',
    what: 'of an ended task it is kept, and has nothing to tell',
    scene: async ({ say, fixtures: { ended } }) => {
      for (const surface of SURFACES) {
        const id = surface.replace(/\W/g, '')
        const heard = await say(
          surface,
          'CreateTaskPushNotificationConfig',
          { taskId: ended, id, url },
          { agent: 'echo' },
        )
        expect([surface, heard.code, heard.reason]).toEqual([surface, undefined, undefined])
      }
      const { result } = await say(
        'JSON-RPC 1.0',
        'ListTaskPushNotificationConfigs',
        { taskId: ended },
        { agent: 'echo' },
      )
      expect((result as { configs: unknown[] }).configs).toHaveLength(SURFACES.length)
    },
  },
  {
    id: 'G-25',
    what: 'path and body name two tasks',
    scene: async (world) => {
      const [taskId, other] = [await aTask(world), await aTask(world)]
      const before = await world.stored()
      for (const base of ['', '/v1'])
        for (const member of ['taskId', 'task_id']) {
          const body = JSON.stringify({ [member]: other, id: 'a', url })
          const path = `/agents/box${base}/tasks/${taskId}/pushNotificationConfigs`
          const headers = { 'a2a-version': base === '' ? '1.0' : '0.3' }
          const { status, reason } = await world.http({ path, headers, body })
          expect([path, member, status, reason]).toEqual([path, member, 400, 'INVALID_PARAMS'])
        }
      expect(await world.stored()).toEqual(before)
    },
  },
  {
    id: 'G-26',
    what: 'of another caller’s task',
    scene: async (world) => {
      const { say, fixtures, stored } = world
      const before = await stored()
      for (const surface of SURFACES)
        for (const [operation, params] of [
          ['CreateTaskPushNotificationConfig', { taskId: fixtures.foreign, id: 'a', url }],
          ['GetTaskPushNotificationConfig', { taskId: fixtures.foreign, id: 'a' }],
          ['ListTaskPushNotificationConfigs', { taskId: fixtures.foreign }],
          ['DeleteTaskPushNotificationConfig', { taskId: fixtures.foreign, id: 'a' }],
        ] as const) {
          const heard = await say(surface, operation, params)
          expect([surface, operation, heard.reason]).toEqual([surface, operation, 'TASK_NOT_FOUND'])
        }
      expect(await stored()).toEqual(before)
    },
  },
  {
    id: 'G-27',
    what: 'deleted twice',
    scene: async (world) => {
      const taskId = await aTask(world)
      for (const surface of SURFACES) {
        await create(world, taskId, { id: 'a', url })
        for (const time of ['once', 'twice']) {
          const heard = await world.say(surface, 'DeleteTaskPushNotificationConfig', { taskId, id: 'a' })
          expect([surface, time, heard.code, heard.reason]).toEqual([surface, time, undefined, undefined])
          expect([200, 204]).toContain(heard.status)
        }
      }
    },
  },
  {
    id: 'G-28',
    what: 'of an agent that cannot push',
    scene: async (world) => {
      const { http } = world
      const card = await http({
        method: 'GET',
        path: '/agents/box/.well-known/agent-card.json',
        headers: { 'a2a-version': '1.0' },
      })
      expect(card.result).toMatchObject({ capabilities: { pushNotifications: true } })
    },
    differs: 'the gateway pushes, from its log: every card that it serves says so, whatever its agent can',
  },
  {
    id: 'G-29',
    what: 'secrets are write-only',
    scene: async (world) => {
      const taskId = await aTask(world)
      const secrets = ['s3cret-token-1', 's3cret-credential-2']
      const [token, credentials] = secrets
      await create(world, taskId, { id: 'a', url, token, authentication: { scheme: 'Bearer', credentials } })
      for (const surface of SURFACES)
        for (const [operation, params] of [
          ['GetTaskPushNotificationConfig', { taskId, id: 'a' }],
          ['ListTaskPushNotificationConfigs', { taskId }],
        ] as const) {
          const heard = await world.say(surface, operation, params)
          expect(heard.code, heard.text).toBeUndefined()
          for (const secret of secrets) expect(heard.text).not.toContain(secret)
        }
    },
  },
]
