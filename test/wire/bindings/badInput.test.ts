/** Hostile and mistaken requests, one row each, over a real socket: exact answers on both bindings, and nothing executed. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Asking, type Served, serveA2a } from './served.ts'

let served: Served
beforeAll(async () => {
  served = await serveA2a()
})
afterAll(() => served.close())
beforeEach(() => {
  served.asked.length = 0
})

const MESSAGE = { messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'hi' }] }
const rpcBody = (params: unknown, method = 'SendMessage') => JSON.stringify({ jsonrpc: '2.0', id: 7, method, params })
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))

const wrong = async (asking: Asking, code: number, http = 200) => {
  const answer = await served.ask(asking)
  expect([answer.status, (answer.json as { error?: { code: number } })?.error?.code]).toEqual([http, code])
  expect(served.asked).toEqual([])
  return answer
}
const wrongRest = async (asking: Asking, http: number, reason?: string) => {
  const answer = await served.ask({ path: '/agents/echo/message:send', ...asking })
  const { error } = (answer.json ?? {}) as { error?: { code: number; details: { reason: string }[] } }
  expect([answer.status, error?.code]).toEqual([http, http])
  if (reason) expect(error?.details[0]?.reason).toBe(reason)
  expect(served.asked).toEqual([])
  return answer
}

describe('A: targets and transport', () => {
  test.each([
    ['A-14', '/agents/x/../tasks/1', 400, 'INVALID_REQUEST'],
    ['A-14', '/agents/../tasks/1', 400, 'INVALID_REQUEST'],
    ['A-15', '/agents/echo/%2e%2e/tasks/1', 400, 'INVALID_REQUEST'],
    ['A-16', '/agents/echo/tasks/a%2Fb', 404, 'TASK_NOT_FOUND'],
    ['A-17', '/agents/echo/tasks/a%00b', 404, 'TASK_NOT_FOUND'],
    ['A-18', '/agents/echo/tasks/%zz', 400, 'INVALID_REQUEST'],
    ['A-18', '/agents/echo/tasks/%ff%fe', 400, 'INVALID_REQUEST'],
    ['A-19', '/agents/echo//tasks//1', 404, 'METHOD_NOT_FOUND'],
    ['A-19', '/agents/echo/tasks/1/', 404, 'METHOD_NOT_FOUND'],
    ['A-19', '/agents/echo/TASKS/1', 404, 'METHOD_NOT_FOUND'],
    ['E-02', `/agents/echo/tasks/${'x'.repeat(129)}`, 404, 'TASK_NOT_FOUND'],
    ['H-23', '/agents/ab%2Fcd/tasks/1', 404, 'AGENT_NOT_FOUND'],
  ])('%s GET %s', (_, path, http, reason) => wrongRest({ method: 'GET', path }, http, reason))

  test('A-20 an encoded colon is a colon', async () => {
    const answer = await served.ask({ path: '/agents/echo/tasks/task-1%3Acancel' })
    expect(answer.status).toBe(200)
    expect(served.asked.map(({ name, params }) => [name, params])).toEqual([['CancelTask', { id: 'task-1' }]])
  })
  test('A-21 an unknown verb', () => wrongRest({ path: '/agents/echo/tasks/1:frobnicate', body: '{}' }, 404))
  test('A-24 a compressed body', async () => {
    const body = rpcBody({ message: MESSAGE })
    const answer = await wrong({ body, headers: { 'content-encoding': 'gzip' } }, -32000, 415)
    expect(answer.headers['accept-encoding']).toBe('identity')
    await wrongRest({ body: '{}', headers: { 'content-encoding': 'br' } }, 415, 'UNSUPPORTED_MEDIA_TYPE')
  })
  test.each([
    ['/agents/echo/', 'PUT', 'POST'],
    ['/agents/echo', 'GET', 'POST'],
    ['/agents/echo/tasks', 'TRACE', 'GET'],
    ['/agents/echo/tasks/1', 'POST', 'GET'],
    ['/agents/echo/tasks/1:subscribe', 'DELETE', 'GET, POST'],
    ['/agents/echo/v1/message:send', 'GET', 'POST'],
    ['/agents/echo/.well-known/agent-card.json', 'POST', 'GET, HEAD'],
  ])('A-10 %s %s is 405 with Allow', async (path, method, allow) => {
    const answer = await served.ask({ path, method })
    expect([answer.status, answer.headers.allow]).toEqual([405, allow])
  })
  test('A-34 an announced length is refused before it comes', async () => {
    const head =
      'POST /agents/echo/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n'
    const answer = await served.raw(`${head}Content-Length: 999999999\r\n\r\n{}`)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('"code":-32000')
  })
  test('A-35 B-18 four MiB and a byte, announced or not; B-19 four MiB', async () => {
    const filler = (bytes: number) => {
      const [head, tail] = rpcBody({ message: { ...MESSAGE, parts: [{ text: '|' }] } }).split('|') as [string, string]
      const pads = Math.ceil(bytes / 1_000_000)
      const each = Array.from({ length: pads }, () => '"}, {"text":"').join('')
      return `${head}${'x'.repeat(100)}${each}${tail}`.replace(
        tail,
        `${tail}${' '.repeat(Math.max(0, bytes - head.length - 100 - each.length - tail.length))}`,
      )
    }
    const limit = 4 * 1024 * 1024
    await wrong({ body: filler(limit + 1) }, -32000, 413)
    await wrong(
      { body: filler(3 * limit), headers: { 'transfer-encoding': 'chunked', 'content-length': '' } },
      -32000,
      413,
    )
    const fits = await served.ask({ body: filler(limit) })
    expect([fits.status, served.asked.length]).toEqual([200, 1])
  })
  test('A-36 a body that ends early leaves nothing behind', async () => {
    const gone = served.next('request.served')
    const request = served.open({ headers: { 'content-type': 'application/json', 'content-length': '100' } })
    request.on('error', () => {})
    request.write('{"jsonrpc"', () => request.destroy())
    expect((await gone).code).toBe('CLIENT_GONE')
    expect(served.asked).toEqual([])
  })
  test('A-39 a body on a GET', async () => {
    const answer = await served.ask({ method: 'GET', path: '/agents/echo/tasks/1', body: 'ignored' })
    expect(answer.status).toBe(200)
    served.asked.length = 0
    await wrongRest({ method: 'GET', path: '/agents/echo/tasks/1', body: 'x'.repeat(5_000) }, 413)
  })
})

describe('B: content type and JSON text', () => {
  test.each([[''], ['text/plain'], ['application/x-www-form-urlencoded'], ['application/json; charset=latin1']])(
    'B-01…B-03 %j',
    async (type) => {
      await wrong({ body: rpcBody({ message: MESSAGE }), headers: { 'content-type': type } }, -32005, 415)
      await wrongRest({ body: JSON.stringify({ message: MESSAGE }), headers: { 'content-type': type } }, 415)
    },
  )
  test.each([['application/json'], ['application/a2a+json; charset=utf-8'], ['application/json; charset="UTF-8"']])(
    'B-04 %s',
    async (type) => {
      const headers = { 'content-type': type }
      expect((await served.ask({ body: rpcBody({ message: MESSAGE }), headers })).json).toHaveProperty('result')
      const path = '/agents/echo/message:send'
      expect((await served.ask({ path, body: JSON.stringify({ message: MESSAGE }), headers })).status).toBe(200)
    },
  )
  test.each([
    ['B-05', ''],
    ['B-06', '  \n'],
    ['B-07', '{'],
    ['B-07', '{"a":1,}'],
    ['B-07', "{'a':1}"],
    ['B-07', '{} x'],
    ['B-08', '\ufeff{}'],
    ['B-09', Buffer.from('{"a":1}', 'utf16le')],
    ['B-09', Buffer.from([0x22, 0xff, 0x22])],
    ['B-09', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['B-10', '['.repeat(100_000)],
    ['B-12', '{"a":NaN}'],
    ['B-12', '[0x10]'],
    ['B-12', '[1e]'],
    ['B-12', '[.5]'],
    ['B-12', '{}// x'],
  ])('%s is no JSON (%#)', async (_, body) => {
    const answer = await wrong({ body }, -32700)
    expect((answer.json as { id: unknown }).id).toBeNull()
  })
  test.each([['{'], ['\ufeff{}'], ['']])('B-05…B-08 over REST: %j', (body) => wrongRest({ body }, 400, 'JSON_PARSE'))
  test('B-13 depth', async () => {
    await wrong({ body: rpcBody({ message: MESSAGE, x: nested(63) }) }, -32600)
    const million = '['.repeat(1_000_000)
    await wrong({ body: `${million}${']'.repeat(1_000_000)}` }, -32600)
    const tooDeep = `{"message":${'['.repeat(40_000)}${']'.repeat(40_000)}}`
    await wrongRest({ body: tooDeep }, 400, 'INVALID_REQUEST')
    expect((await served.ask({ body: rpcBody({ message: MESSAGE, x: nested(62) }) })).json).toHaveProperty('result')
  })
  test('B-14 too many values, before they are built', async () => {
    await wrong({ body: `[${'{},'.repeat(100_001)}{}]` }, -32000, 413)
  })
  test('B-15 duplicate members of the envelope', async () => {
    await wrong({ body: '{"jsonrpc":"2.0","id":1,"method":"GetTask","m\\u0065thod":"SendMessage"}' }, -32600)
    await wrongRest({ body: '{"message":{},"message":{}}' }, 400)
  })
  test('B-16 B-17 duplicates and odd keys inside data are data', async () => {
    const body = `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":{"a":1,"a":2,"__proto__":{"x":1},"constructor":3}}]}}`
    await served.ask({ path: '/agents/echo/message:send', body })
    const [asked] = served.asked as unknown as [{ params: { message: { parts: { data: object }[] } } }]
    expect(JSON.stringify(asked.params.message.parts[0]?.data)).toBe('{"a":2,"__proto__":{"x":1},"constructor":3}')
    expect(({} as { x?: number }).x).toBeUndefined()
  })
  test.each([
    ['B-20', '{"text":"\\ud800"}'],
    ['B-21', '{"text":"a\\u0000b"}'],
    ['B-21', '{"text":"a","metadata":{"\\u0000":1}}'],
    ['B-22', '{"text":"a","metadata":{"n":1e400}}'],
    ['B-22', `{"text":"a","metadata":{"n":1${'0'.repeat(400)}}}`],
  ])('%s %s', async (_, part) => {
    const send = `{"message":{"messageId":"m1","role":"ROLE_USER","parts":[${part}]}}`
    await wrong({ body: `{"jsonrpc":"2.0","id":7,"method":"SendMessage","params":${send}}` }, -32602)
    await wrongRest({ body: send }, 400, 'INVALID_PARAMS')
  })
})

describe('C: the JSON-RPC envelope', () => {
  const send = (envelope: string, code: number) => wrong({ body: envelope }, code)
  const id = async (envelope: string, code: number) => ((await send(envelope, code)).json as { id: unknown }).id
  test.each([['[]'], ['[{},{}]'], ['null'], ['1'], ['"x"'], ['true']])('C-01…C-03 %s', async (body) =>
    expect(await id(body, -32600)).toBeNull(),
  )
  test.each([
    ['{"id":9,"method":"GetTask"}'],
    ['{"jsonrpc":"1.0","id":9}'],
    ['{"jsonrpc":2.0,"id":9}'],
    ['{"jsonrpc":"2.0 ","id":9}'],
  ])('C-04 %s', async (body) => expect(await id(body, -32600)).toBe(9))
  test.each([
    ['"id":null,'],
    ['"id":{},'],
    ['"id":[],'],
    ['"id":true,'],
    ['"id":1.5,'],
    [`"id":"${'x'.repeat(257)}",`],
  ])('C-06…C-09 %s', async (text) =>
    expect(await id(`{"jsonrpc":"2.0",${text}"method":"SendMessage"}`, -32600)).toBeNull(),
  )
  test.each([
    ['GetTask', '{"id":"t"}', -32600],
    ['SendMessage', `{"message":${JSON.stringify(MESSAGE)}}`, -32600],
    // JSON-RPC's own mistakes come first: a call without an id is one of its requests, only A2A has no use for it.
    ['message/ssend', '{}', -32601],
    ['message/send', '{"":"not_a_dict"}', -32602],
  ])('C-05 %s %s without an id', async (method, params, code) =>
    expect(await id(`{"jsonrpc":"2.0","method":"${method}","params":${params}}`, code)).toBeNull(),
  )
  test.each([['1e308'], ['-0'], ['9007199254740993'], ['0'], ['"a\\u0007"']])(
    'C-08 C-10 %s is echoed',
    async (text) => {
      const answer = await served.ask({
        body: `{"jsonrpc":"2.0","params":{"id":"t"}, "id" : ${text} ,"method":"GetTask"}`,
      })
      expect(answer.text).toContain(`"id":${text},"result"`)
    },
  )
  test.each([['"method":1'], ['"method":""'], ['"x":1']])('C-11 %s', (text) =>
    send(`{"jsonrpc":"2.0","id":1,${text}}`, -32600),
  )
  test.each([
    ['sendmessage'],
    ['SendMessage '],
    ['rpc.x'],
    ['__proto__'],
    ['toString'],
    ['constructor'],
    ['x'.repeat(1_000_000)],
  ])('C-12 C-13 method %.20s', async (method) => {
    const answer = await wrong({ body: rpcBody({}, method) }, -32601)
    expect(answer.text.length).toBeLessThan(500)
  })
  test.each([['[]'], ['"x"'], ['5']])('C-14 params %s', (params) =>
    send(`{"jsonrpc":"2.0","id":1,"method":"GetTask","params":${params}}`, -32602),
  )
  test('C-15 params missing', async () => {
    await send('{"jsonrpc":"2.0","id":1,"method":"GetTask"}', -32602)
    await served.ask({ body: '{"jsonrpc":"2.0","id":1,"method":"GetExtendedAgentCard"}' })
    expect(served.asked.length).toBe(1)
  })
})

describe('D: message and parts', () => {
  const metadataOf = (bytes: number) => ({ k: 'x'.repeat(bytes) })
  const ofPart = (part: unknown) => ({ message: { ...MESSAGE, parts: [part] } })
  test.each<[string, unknown]>([
    ['D-01', {}],
    ['D-01', { message: null }],
    ['D-01', { message: [] }],
    ['D-02', { message: { ...MESSAGE, messageId: undefined } }],
    ['D-02', { message: { ...MESSAGE, messageId: '' } }],
    ['D-02', { message: { ...MESSAGE, messageId: 5 } }],
    ['D-02', { message: { ...MESSAGE, messageId: 'x'.repeat(257) } }],
    ['D-02', { message: { ...MESSAGE, messageId: 'a\nb' } }],
    ['D-03', { message: { ...MESSAGE, role: undefined } }],
    ['D-03', { message: { ...MESSAGE, role: 'ROLE_AGENT' } }],
    ['D-03', { message: { ...MESSAGE, role: 'ROLE_UNSPECIFIED' } }],
    ['D-03', { message: { ...MESSAGE, role: 'user' } }],
    ['D-04', { message: { ...MESSAGE, parts: [] } }],
    ['D-04', { message: { ...MESSAGE, parts: {} } }],
    ['D-05', { message: { ...MESSAGE, parts: Array(257).fill({ text: 'x' }) } }],
    ['D-06', ofPart({ filename: 'x' })],
    ['D-07', ofPart({ text: 'x', url: 'https://x.example' })],
    ['D-08', ofPart({ text: 5 })],
    ['D-08', ofPart({ text: null })],
    ['D-10', ofPart({ text: 'x'.repeat(1024 * 1024 + 1) })],
    ['D-11', ofPart({ raw: '!!!' })],
    ['D-13', ofPart({ url: 'javascript:alert(1)' })],
    ['D-13', ofPart({ url: 'file:///etc/passwd' })],
    ['D-13', ofPart({ url: 'data:text/plain,x' })],
    ['D-13', ofPart({ url: '/relative' })],
    ['D-13', ofPart({ url: 'https://u:p@h.example/' })],
    ['D-13', ofPart({ url: `https://h.example/${'x'.repeat(8_192)}` })],
    ['D-16', ofPart({ data: nested(25) })],
    ['D-17', ofPart({ text: 'x', mediaType: 'image/*' })],
    ['D-17', ofPart({ text: 'x', mediaType: 'text/html;' })],
    ['D-17', ofPart({ text: 'x', mediaType: 'text/html\r\nX: y' })],
    ['D-17', ofPart({ text: 'x', mediaType: `text/${'x'.repeat(300)}` })],
    ['D-19', ofPart({ text: 'x', filename: 'a\u0001b' })],
    ['D-20', { message: MESSAGE, metadata: [] }],
    ['D-20', { message: MESSAGE, metadata: metadataOf(65 * 1024) }],
    ['D-20', { message: { ...MESSAGE, metadata: { ['k'.repeat(1_024)]: 1 } } }],
    [
      'D-20',
      {
        message: {
          ...MESSAGE,
          metadata: Object.fromEntries(
            Array(10_000)
              .fill(0)
              .map((_, at) => [at, 1]),
          ),
        },
      },
    ],
    ['D-21', { message: { ...MESSAGE, extensions: ['not a uri'] } }],
    ['D-21', { message: { ...MESSAGE, extensions: Array(33).fill('urn:x') } }],
    ['D-24', { message: { ...MESSAGE, referenceTaskIds: Array(65).fill('t') } }],
    ['D-27', { message: MESSAGE, configuration: { historyLength: -1 } }],
    ['D-27', { message: MESSAGE, configuration: { historyLength: 1.5 } }],
    ['D-27', { message: MESSAGE, configuration: { historyLength: '5' } }],
    ['D-27', { message: MESSAGE, configuration: { historyLength: 2 ** 31 } }],
    ['D-28', { message: MESSAGE, configuration: { acceptedOutputModes: Array(33).fill('a/b') } }],
    ['D-28', { message: MESSAGE, configuration: { acceptedOutputModes: [1] } }],
    ['D-29', { message: MESSAGE, configuration: { returnImmediately: 'true' } }],
    ['D-29', { message: MESSAGE, configuration: { returnImmediately: 1 } }],
    [
      'D-30',
      { message: MESSAGE, configuration: { taskPushNotificationConfig: { taskId: 't', url: 'https://h.example' } } },
    ],
    ['E-08', { message: { ...MESSAGE, contextId: 'x'.repeat(10_240) } }],
    ['G-02', { message: MESSAGE, configuration: { taskPushNotificationConfig: { url: 'ftp://h.example' } } }],
    ['G-04', { message: MESSAGE, configuration: { taskPushNotificationConfig: { url: 'https://u:p@h.example' } } }],
    ['H-22', { message: MESSAGE, tenant: 'a/b' }],
    ['H-22', { message: MESSAGE, tenant: '..' }],
    ['H-22', { message: MESSAGE, tenant: '__proto__' }],
  ])('%s is refused on both bindings (%#)', async (_, params) => {
    await wrong({ body: rpcBody(params) }, -32602)
    await wrongRest({ body: JSON.stringify(params) }, 400, 'INVALID_PARAMS')
  })
  test.each<[string, unknown]>([
    ['D-09', ofPart({ text: '' })],
    ['D-03', { message: { ...MESSAGE, role: 1 } }],
    ['D-11', ofPart({ raw: '-_8' })],
    ['D-14', ofPart({ url: 'http://169.254.169.254/' })],
    ['D-15', ofPart({ data: null })],
    ['D-16', ofPart({ data: nested(24) })],
    ['D-25', { message: { message_id: 'm', role: 'ROLE_USER', parts: [{ text: 'x', media_type: 'a/b' }] } }],
    ['D-26', { message: { kind: 'message', ...MESSAGE } }],
    ['D-41', { message: { ...MESSAGE, messageId: 'e\u0301👩‍👩‍👧' } }],
  ])('%s is taken on both bindings (%#)', async (_, params) => {
    expect((await served.ask({ body: rpcBody(params) })).json).toHaveProperty('result')
    const rest = await served.ask({ path: '/agents/echo/message:send', body: JSON.stringify(params) })
    expect([rest.status, served.asked.length]).toEqual([200, 2])
    expect(served.asked[0]?.params).toEqual(served.asked[1]?.params)
  })
  test('D-31 a thousand mistakes get twenty lines', async () => {
    const parts = Array.from({ length: 200 }, () => ({ ['x'.repeat(4_000)]: 1, text: 5 }))
    const answer = await wrong({ body: rpcBody({ message: { ...MESSAGE, parts } }) }, -32602)
    const { error } = answer.json as { error: { data: { fieldViolations?: unknown[] }[] } }
    expect(error.data[1]?.fieldViolations?.length).toBe(20)
    expect(answer.text.length).toBeLessThan(8_192)
  })
  test('E-02 task ids that no task has', async () => {
    for (const id of ['x'.repeat(129), '../x', 'a b']) await wrong({ body: rpcBody({ id }, 'GetTask') }, -32001)
    await wrong({ body: rpcBody({ id: '' }, 'GetTask') }, -32602)
    await wrong({ body: rpcBody({ id: 5 }, 'GetTask') }, -32602)
  })
})

describe('F: lists', () => {
  const both = async (member: string, value: unknown) => {
    await wrong({ body: rpcBody({ [member]: value }, 'ListTasks') }, -32602)
    const path = `/agents/echo/tasks?${member}=${encodeURIComponent(String(value))}`
    await wrongRest({ method: 'GET', path }, 400, 'INVALID_PARAMS')
  }
  test.each([[0], [-1], [101], [1.5], ['x'], [2 ** 31]])('F-01 pageSize %s', (value) => both('pageSize', value))
  test.each([['TASK_STATE_RUNNING'], ['working']])('F-04 status %s', (value) => both('status', value))
  test('F-04 status 99', () => wrong({ body: rpcBody({ status: 99 }, 'ListTasks') }, -32602))
  test.each([
    ['yesterday'],
    ['2026-01-31T12:00:00+02:00'],
    ['10000-01-01T00:00:00Z'],
    ['2026-06-30T23:59:60Z'],
    ['2026-01-31'],
  ])('F-06 statusTimestampAfter %s', (value) => both('statusTimestampAfter', value))
  test.each([
    ['pageSize=1&pageSize=2'],
    ['includeArtifacts=TRUE'],
    ['includeArtifacts=1'],
    ['includeArtifacts=yes'],
    ['pageToken=%00'],
  ])('F-09 F-11 ?%s', (query) =>
    wrongRest({ method: 'GET', path: `/agents/echo/tasks?${query}` }, 400, 'INVALID_PARAMS'),
  )
  test('F-10 unknown parameters are ignored, known ones read', async () => {
    const query = 'x=1&pageSize=5&includeArtifacts=true&status=TASK_STATE_WORKING&historyLength=0&A2A-Version=1.0'
    await served.ask({ method: 'GET', path: `/agents/echo/tasks?${query}` })
    expect(served.asked[0]?.params).toEqual({
      pageSize: 5,
      includeArtifacts: true,
      status: 'TASK_STATE_WORKING',
      historyLength: 0,
    })
  })
  test('G-25 ids in path and body must agree', async () => {
    const path = '/agents/echo/tasks/t1/pushNotificationConfigs'
    await wrongRest({ path, body: '{"taskId":"t2","url":"https://h.example"}' }, 400, 'INVALID_PARAMS')
    await wrongRest({ path, body: '{"task_id":"t2","url":"https://h.example"}' }, 400, 'INVALID_PARAMS')
  })
})
