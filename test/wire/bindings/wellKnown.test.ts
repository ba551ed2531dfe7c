/** Agent cards under their well-known paths, and the paths under which an agent is reached at all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CALLER, CARD, type Served, serveA2a, TASK } from './served.ts'

let served: Served
beforeAll(async () => {
  served = await serveA2a({
    rootAgent: 'echo',
    presentCard: async (agent, caller) =>
      agent === 'echo' || (agent === 'hidden' && caller === CALLER)
        ? { card: CARD, modifiedAt: new Date(1_700_000_000_123) }
        : undefined,
  })
  served.state.decide = () => TASK
})
afterAll(() => served.close())

const PATH = '/agents/echo/.well-known/agent-card.json'
const card = (headers: Record<string, string> = {}, path = PATH, method = 'GET') =>
  served.ask({ method, path, headers: { authorization: '', ...headers } })

describe('the card', () => {
  test.each([[undefined], ['0.3']])('for a reader of %s is a hybrid', async (version) => {
    const { json, status } = await card(version ? { 'a2a-version': version } : {})
    expect(status).toBe(200)
    expect(json).toMatchObject({
      protocolVersion: '0.3',
      url: 'https://w.example/agents/echo/',
      preferredTransport: 'JSONRPC',
      supportedInterfaces: CARD.supportedInterfaces,
      securitySchemes: { key: { type: 'http', scheme: 'bearer', httpAuthSecurityScheme: { scheme: 'bearer' } } },
      security: [{ key: [] }],
    })
    expect(json).not.toHaveProperty('signatures')
  })
  test('for a reader of 1.0, or of what is to come, is pure', async () => {
    expect((await card({ 'a2a-version': '1.0' })).json).toEqual(CARD)
    expect((await card({ 'a2a-version': '2.0' })).json).toEqual(CARD)
  })
  test('carries what caches need, one ETag per version', async () => {
    const [pure, hybrid] = [await card({ 'a2a-version': '1.0' }), await card()]
    expect(pure.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'public, max-age=60',
      'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT',
      vary: 'A2A-Version',
      'x-content-type-options': 'nosniff',
    })
    // A signature is never the same twice, so what is signed is the same in meaning only.
    expect(pure.headers.etag).toMatch(/^W\/"[\w-]{27}"$/)
    expect(hybrid.headers.etag).toMatch(/^"[\w-]{27}"$/)
    expect(hybrid.headers.etag).not.toBe(pure.headers.etag)
  })
  test('I-08 is 304 for who has it', async () => {
    const { etag } = (await card()).headers
    const tags: [string, number][] = [
      [`${etag}`, 304],
      [`W/${etag}, "x"`, 304],
      [`${etag}`.replace('W/', ''), 304],
      ['*', 304],
      ['garbage', 200],
      ['"x"', 200],
    ]
    for (const [tag, status] of tags)
      expect([tag, (await card({ 'if-none-match': tag })).status]).toEqual([tag, status])
    const since = (time: string, more = {}) =>
      card({ 'if-modified-since': time, ...more }).then((answer) => answer.status)
    expect(await since('Tue, 14 Nov 2023 22:13:20 GMT')).toBe(304)
    expect(await since('Tue, 14 Nov 2023 22:13:19 GMT')).toBe(200)
    expect(await since('Tue, 14 Nov 2023 22:13:20 GMT', { 'if-none-match': '"x"' })).toBe(200)
    const unchanged = await card({ 'if-none-match': `${etag}` })
    expect([unchanged.text, unchanged.headers.etag]).toEqual(['', etag])
  })
  test('I-09 by HEAD, by range, by the old path', async () => {
    const head = await card({}, PATH, 'HEAD')
    expect([head.status, head.text, Number(head.headers['content-length']) > 100]).toEqual([200, '', true])
    expect((await card({ range: 'bytes=0-5' })).status).toBe(200)
    expect((await card({}, '/agents/ECHO/.well-known/agent.json')).status).toBe(200)
  })
  test('H-24 of a hidden agent is for those who may see it', async () => {
    const path = '/agents/hidden/.well-known/agent-card.json'
    const stranger = await card({}, path)
    const nobody = await card({}, '/agents/nobody/.well-known/agent-card.json')
    expect([stranger.status, stranger.text]).toEqual([404, nobody.text])
    const known = await card({ authorization: 'Bearer good' }, path)
    expect([known.status, known.headers['cache-control']]).toEqual([200, 'private, max-age=60'])
  })
  test('1.0.0 kits fetch it without a version and want it pure', async () => {
    const old = await serveA2a({ quirks: '1.0.0' })
    expect((await old.ask({ method: 'GET', path: PATH })).json).toEqual(CARD)
    await old.close()
  })
})

describe('where an agent is', () => {
  const reach = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    served.asked.length = 0
    const answer = await served.ask({
      path,
      method,
      headers,
      ...(method === 'POST' && { body: '{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"t"}}' }),
    })
    return [answer.status, served.asked[0]?.call.agent]
  }
  test.each<[string, Record<string, string>, string, number, string | undefined]>([
    ['/agents/Echo', {}, 'POST', 200, 'echo'],
    ['/agents/echo/', {}, 'POST', 200, 'echo'],
    ['/agents/other-1.x/tasks/t', {}, 'GET', 200, 'other-1.x'],
    ['/', {}, 'POST', 200, 'echo'],
    ['/tasks/t', {}, 'GET', 200, 'echo'],
    ['/.well-known/agent.json', {}, 'GET', 200, undefined],
    ['/tasks/t', { host: 'Other.W.example' }, 'GET', 200, 'other'],
    ['/', { host: 'other.w.example' }, 'POST', 200, 'other'],
    ['/v1/tasks/t', { host: 'other.w.example' }, 'GET', 200, 'other'],
    ['/tasks/%2e%2e/x', { host: 'other.w.example' }, 'GET', 400, undefined],
    ['/agents/-bad/tasks/t', {}, 'GET', 404, undefined],
    // Somebody else's: the caller passes these on.
    ['/', {}, 'GET', 299, undefined],
    ['/v1/tasks/t', {}, 'GET', 299, undefined],
    ['/console', {}, 'GET', 299, undefined],
    ['/agents', {}, 'GET', 299, undefined],
    ['/.well-known/jwks.json', {}, 'GET', 299, undefined],
    ['/.well-known/jwks.json', { host: 'other.w.example' }, 'GET', 299, undefined],
  ])('%s %o %s', async (path, headers, method, status, agent) =>
    expect(await reach(path, headers, method)).toEqual([status, agent]),
  )

  test('a tenant may come first, and must agree with the body', async () => {
    served.asked.length = 0
    const ok = await served.ask({ method: 'GET', path: '/agents/echo/acme/tasks/t' })
    expect([ok.status, served.asked[0]?.params]).toEqual([200, { tenant: 'acme', id: 't' }])
    const body = '{"tenant":"other"}'
    expect((await served.ask({ path: '/agents/echo/acme/tasks/t:cancel', body })).status).toBe(400)
    expect((await served.ask({ path: '/agents/echo/acme/tasks/t:cancel' })).status).toBe(200)
    expect((await served.ask({ method: 'GET', path: '/agents/echo/acme/v1/tasks/t' })).status).toBe(200)
    expect((await served.ask({ method: 'GET', path: '/agents/echo/a%2Fb/tasks/t' })).status).toBe(400)
  })
  test('0.3 push configs from the proto: an empty authentication is none', async () => {
    served.asked.length = 0
    const url = 'https://h.example'
    const config = { name: 'tasks/t/pushNotificationConfigs/c', push_notification_config: { url, authentication: {} } }
    const body = JSON.stringify({ parent: 'tasks/t', config_id: 'c', config })
    await served.ask({ path: '/agents/echo/v1/tasks/t/pushNotificationConfigs', body })
    expect(served.asked[0]?.params).toEqual({ taskId: 't', id: 'c', url })
  })
  test('0.3 push configs without an id are the only one there is', async () => {
    const { A2AError } = await import('../../../src/a2a/errors.ts')
    served.state.decide = ({ name }) => {
      if (name === 'ListTaskPushNotificationConfigs')
        return { configs: [{ taskId: 't', id: 'c', url: 'https://h.example' }], nextPageToken: '' }
      throw new A2AError('TASK_NOT_FOUND', 'no such config')
    }
    const sole = { taskId: 't', pushNotificationConfig: { id: 'c', url: 'https://h.example' } }
    const get = async (params: object) => (await served.rpc('tasks/pushNotificationConfig/get', params)).json
    expect(await get({ id: 't' })).toMatchObject({ result: sole })
    expect(await get({ id: 't', pushNotificationConfigId: 'default' })).toMatchObject({ result: sole })
    expect(await get({ id: 't', pushNotificationConfigId: 'other' })).toMatchObject({ error: { code: -32001 } })
    const newer = await served.rpc('GetTaskPushNotificationConfig', { taskId: 't', id: 'default' })
    expect(newer.json).toMatchObject({ error: { code: -32001 } })
    served.state.decide = () => TASK
  })
})
