/** Mistaken requests to the running gateway, one row each, over both bindings: the documented error, and nothing stored. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import { type Answered, type Asked, ask, reasonOf } from './surfaces.ts'

let world: World
let agent: ScriptedAgent
/** Tasks that the rows name. */
const tasks = { ended: '', asked: '', waiting: '', context: '' }
const now = { returnImmediately: true }

beforeAll(async () => {
  agent = await startAgent({ dedupe: true })
  world = await aWorld({
    limits: { queuePerAgentMax: 3 },
    cards: {
      echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' },
      box: { connector: { kind: 'mailbox' } },
      full: { connector: { kind: 'mailbox' } },
    },
  })
  const client = world.client('echo')
  const ended = await client.send('complete')
  Object.assign(tasks, { ended: ended.id, context: ended.contextId, asked: (await client.send('input')).id })
  tasks.waiting = (await world.client('box').send('x', { configuration: now })).id
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})

const TABLES = ['tasks', 'task_events', 'submissions', 'deliveries', 'push_configs', 'agents']
async function stored(): Promise<Record<string, number>> {
  const text = `select ${TABLES.map((table) => `(select count(*) from ${table})::int as ${table}`).join(', ')}`
  return (await world.gateway.db.query<Record<string, number>>({ name: 'count', text, write: false }, []))[0] ?? {}
}
let before: Record<string, number>
beforeEach(async () => {
  before = await stored()
})
afterEach(async () => expect((await fetch(`${world.gateway.url}/healthz`)).status).toBe(200))

type Fields = Record<string, unknown>

const overRpc = (method: string, params: unknown): Asked => ({
  method: 'POST',
  path: '',
  version: '1.0',
  body: { jsonrpc: '2.0', id: 1, method, params },
})
function overRest(name: string, { id, taskId, ...body }: Fields): Asked {
  const at = `/tasks/${encodeURIComponent(String(id))}`
  const rows: Record<string, readonly [string, string, unknown?]> = {
    SendMessage: ['POST', '/message:send', body],
    SendStreamingMessage: ['POST', '/message:stream', body],
    GetTask: ['GET', at],
    CancelTask: ['POST', `${at}:cancel`, body],
    SubscribeToTask: ['POST', `${at}:subscribe`, {}],
    ListTasks: ['GET', `/tasks?${new URLSearchParams(body as Record<string, string>)}`],
    GetExtendedAgentCard: ['GET', '/extendedAgentCard'],
    CreateTaskPushNotificationConfig: [
      'POST',
      `/tasks/${taskId}/pushNotificationConfigs`,
      { ...(id ? { id } : {}), ...body },
    ],
  }
  const [method, path, json] = rows[name] as readonly [string, string, unknown?]
  return { method, path, version: '1.0', ...(json !== undefined && { body: json }) }
}

async function timely(to: string, asked: Asked): Promise<Answered> {
  const began = performance.now()
  const answer = await ask(world, to, asked, world.gateway.adminKey)
  expect(performance.now() - began).toBeLessThan(1_000)
  return answer
}

type Row = readonly [row: string, name: string, params: () => Fields, code: number, http: number, reason: string]

const send = (message: Fields = {}, more: Fields = {}): Fields => ({
  message: { ...aMessage('x'), ...message },
  ...more,
})
const bad = (row: string, name: string, params: () => Fields): Row => [row, name, params, -32602, 400, 'INVALID_PARAMS']
const part = (one: Fields) => () => send({ parts: [one] })

const ROWS: readonly Row[] = [
  // A smoke of the tables whose every row is tried on the serving half alone.
  bad('B-20 a lone surrogate', 'SendMessage', part({ text: '\ud800' })),
  bad('B-21 NUL', 'SendMessage', part({ text: 'a\0b' })),
  bad('D-01 no message', 'SendMessage', () => ({})),
  bad('D-04 no parts', 'SendMessage', () => send({ parts: [] })),
  bad('D-10 a text of more than 1 MiB', 'SendMessage', part({ text: 'x'.repeat(1_048_577) })),
  bad('D-16 data too deep', 'SendMessage', part({ data: JSON.parse('['.repeat(25) + ']'.repeat(25)) })),
  [
    'D-18 a media type that the agent does not take',
    'SendMessage',
    part({ text: 'x', mediaType: 'model/obj' }),
    -32005,
    400,
    'CONTENT_TYPE_NOT_SUPPORTED',
  ],
  bad('F-03 a page token of nobody', 'ListTasks', () => ({ pageToken: 'x.y' })),
  bad('F-04 a state that is none', 'ListTasks', () => ({ status: 'TASK_STATE_RUNNING' })),
  // Tasks, ids, state.
  ['E-01 an unknown id', 'GetTask', () => ({ id: uuidv7() }), -32001, 404, 'TASK_NOT_FOUND'],
  ['E-02 an id too long', 'GetTask', () => ({ id: 'x'.repeat(129) }), -32001, 404, 'TASK_NOT_FOUND'],
  ['E-02 an id like a path', 'GetTask', () => ({ id: '../x' }), -32001, 404, 'TASK_NOT_FOUND'],
  ['E-02 an id with a space', 'GetTask', () => ({ id: 'a b' }), -32001, 404, 'TASK_NOT_FOUND'],
  ['E-02 an id in capitals', 'GetTask', () => ({ id: tasks.ended.toUpperCase() }), -32001, 404, 'TASK_NOT_FOUND'],
  ['E-04 a message to an unknown task', 'SendMessage', () => send({ taskId: uuidv7() }), -32001, 404, 'TASK_NOT_FOUND'],
  [
    'E-05 a message to an ended task',
    'SendMessage',
    () => send({ taskId: tasks.ended }),
    -32004,
    400,
    'UNSUPPORTED_OPERATION',
  ],
  [
    'E-05 the same as a stream',
    'SendStreamingMessage',
    () => send({ taskId: tasks.ended }),
    -32004,
    400,
    'UNSUPPORTED_OPERATION',
  ],
  bad('E-06 a task and the context of another', 'SendMessage', () =>
    send({ taskId: tasks.asked, contextId: tasks.context }),
  ),
  bad('E-08 a context of 10 KB', 'SendMessage', () => send({ contextId: 'x'.repeat(10_240) })),
  ['E-17 a cancel of an ended task', 'CancelTask', () => ({ id: tasks.ended }), -32002, 400, 'TASK_NOT_CANCELABLE'],
  bad('E-19 a cancel with 1 MB of metadata', 'CancelTask', () => ({
    id: tasks.waiting,
    metadata: { k: 'x'.repeat(1_048_576) },
  })),
  [
    'E-20 J-08 following an ended task',
    'SubscribeToTask',
    () => ({ id: tasks.ended }),
    -32004,
    400,
    'UNSUPPORTED_OPERATION',
  ],
  ['J-08 following an unknown task', 'SubscribeToTask', () => ({ id: uuidv7() }), -32001, 404, 'TASK_NOT_FOUND'],
  ['E-23 an extended card that is not there', 'GetExtendedAgentCard', () => ({}), -32004, 400, 'UNSUPPORTED_OPERATION'],
]

describe.each(ROWS)('%s', (_row, name, params, code, http, reason) => {
  test('over JSON-RPC', async () => {
    const answer = await timely('echo', overRpc(name, params()))
    const { error } = JSON.parse(answer.text)
    expect([answer.status, error?.code, reasonOf(answer)]).toEqual([200, code, reason])
    expect(answer.headers['content-type']).toMatch(/json/)
    expect(answer.text.length).toBeLessThan(8_192)
    expect(await stored()).toEqual(before)
  })
  test('over HTTP+JSON', async () => {
    const answer = await timely('echo', overRest(name, params()))
    expect([answer.status, JSON.parse(answer.text).error.code, reasonOf(answer)]).toEqual([http, http, reason])
    expect(answer.text.length).toBeLessThan(8_192)
    expect(await stored()).toEqual(before)
  })
})

const url = 'http://127.0.0.1:8123/hook'
const CONFIGS: readonly (readonly [string, () => Fields])[] = [
  ['G-01 no URL', () => ({})],
  ['G-01 an empty URL', () => ({ url: '' })],
  ['G-01 no URL at all', () => ({ url: 'hook' })],
  ['G-01 a URL without a scheme', () => ({ url: '//127.0.0.1/hook' })],
  ['G-02 ftp', () => ({ url: 'ftp://example.com/' })],
  ['G-02 file', () => ({ url: 'file:///etc/passwd' })],
  ['G-02 javascript', () => ({ url: 'javascript:alert(1)' })],
  ['G-02 data', () => ({ url: 'data:text/plain,x' })],
  ['G-04 a user in the URL', () => ({ url: 'https://u:p@example.com/' })],
  ['G-15 port 0', () => ({ url: 'http://127.0.0.1:0/' })],
  ['G-15 a port that is none', () => ({ url: 'http://127.0.0.1:99999/' })],
  ['G-15 the port of a mail server', () => ({ url: 'http://127.0.0.1:25/' })],
  ['G-16 the gateway itself', () => ({ url: `${world.gateway.url}/agents/box` })],
  ['G-16 the gateway by address', () => ({ url: `http://127.0.0.1:${world.gateway.port}/healthz` })],
  ['G-17 a URL of 2 KB', () => ({ url: `${url}?${'x'.repeat(2_048)}` })],
  ['G-17 a line end in the URL', () => ({ url: `${url}\r\nX: y` })],
  ['G-17 a backslash in the URL', () => ({ url: 'http://127.0.0.1:8123\\@example.com/' })],
  ['G-17 a fragment before the host', () => ({ url: 'http://127.0.0.1:8123#@example.com/' })],
  ['G-19 Basic without a colon', () => ({ url, authentication: { scheme: 'Basic', credentials: 'x' } })],
  ['G-19 Digest', () => ({ url, authentication: { scheme: 'Digest', credentials: 'x' } })],
  ['G-19 no scheme', () => ({ url, authentication: { scheme: '', credentials: 'x' } })],
  [
    'G-20 a line end in the credentials',
    () => ({ url, authentication: { scheme: 'Bearer', credentials: 'a\r\nX: y' } }),
  ],
  ['G-20 credentials beyond ASCII', () => ({ url, authentication: { scheme: 'Bearer', credentials: 'ä' } })],
  ['G-20 5 KB of credentials', () => ({ url, authentication: { scheme: 'Bearer', credentials: 'x'.repeat(5_120) } })],
  ['G-21 5 KB of token', () => ({ url, token: 'x'.repeat(5_120) })],
  ['G-21 a control character in the token', () => ({ url, token: 'a\u0007b' })],
]

describe.each(CONFIGS)('%s', (_row, config) => {
  const cases = (): [Asked, number, number | undefined][] => [
    [overRpc('CreateTaskPushNotificationConfig', { taskId: tasks.waiting, ...config() }), 200, -32602],
    [overRest('CreateTaskPushNotificationConfig', { taskId: tasks.waiting, ...config() }), 400, undefined],
    [
      overRpc('SendMessage', send({}, { configuration: { ...now, taskPushNotificationConfig: config() } })),
      200,
      -32602,
    ],
    [
      overRest('SendMessage', send({}, { configuration: { ...now, taskPushNotificationConfig: config() } })),
      400,
      undefined,
    ],
  ]
  test('is refused, set or sent along, over both bindings', async () => {
    for (const [asked, status, code] of cases()) {
      const answer = await timely('box', asked)
      expect([answer.status, reasonOf(answer)]).toEqual([status, 'INVALID_PARAMS'])
      if (code) expect(JSON.parse(answer.text).error.code).toBe(code)
    }
    expect(await stored()).toEqual(before)
  })
})
