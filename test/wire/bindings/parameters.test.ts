/** Service parameters: which version a request means (headers × names), and what else its headers say. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Served, serveA2a, TASK, withResolvers } from './served.ts'

let served: Served
beforeAll(async () => {
  served = await serveA2a()
  served.state.decide = () => TASK
})
afterAll(() => served.close())
beforeEach(() => {
  served.asked.length = 0
})

const SPOKEN_1_0 = 'TASK_STATE_COMPLETED'
const SPOKEN_0_3 = 'completed'

describe('which version', () => {
  test.each<[string, string | undefined, string, number | string]>([
    ['no header, 1.0 name', undefined, 'GetTask', SPOKEN_1_0],
    ['no header, 0.3 name', undefined, 'tasks/get', SPOKEN_0_3],
    ['empty header, 1.0 name', ' ', 'GetTask', SPOKEN_1_0],
    ['1.0', '1.0', 'GetTask', SPOKEN_1_0],
    ['a patch number', '1.0.1', 'GetTask', SPOKEN_1_0],
    ['spaces', ' 1.0 ', 'GetTask', SPOKEN_1_0],
    ['0.3', '0.3', 'tasks/get', SPOKEN_0_3],
    ['0.3.0', '0.3.0', 'tasks/get', SPOKEN_0_3],
    ['0.3 with a 1.0 name', '0.3', 'GetTask', -32009],
    ['1.0 with a 0.3 name (C-18)', '1.0', 'tasks/get', -32601],
    ['2.0', '2.0', 'GetTask', -32009],
    ['1.1', '1.1', 'GetTask', -32009],
    ['0.1', '0.1', 'GetTask', -32009],
    ['abc', 'abc', 'GetTask', -32009],
    ['1', '1', 'GetTask', -32009],
    ['99.0 with an unknown name', '99.0', 'Nothing', -32009],
    ['an inherited member', 'constructor', 'GetTask', -32009],
  ])('%s', async (_, version, method, expected) => {
    const answer = await served.rpc(method, { id: 'task-1' }, version ? { headers: { 'a2a-version': version } } : {})
    const { result, error } = answer.json as { result?: { status: { state: string } }; error?: { code: number } }
    expect([answer.status, result?.status.state ?? error?.code]).toEqual([200, expected])
  })

  test.each<[string, string, string | undefined, number]>([
    ['path 1.0, no header', '/agents/echo/tasks/task-1', undefined, 200],
    ['path 1.0, header 1.0', '/agents/echo/tasks/task-1', '1.0', 200],
    ['path 1.0, header 0.3', '/agents/echo/tasks/task-1', '0.3', 400],
    ['path 0.3, no header', '/agents/echo/v1/tasks/task-1', undefined, 200],
    ['path 0.3, header 0.3', '/agents/echo/v1/tasks/task-1', '0.3', 200],
    ['path 0.3, header 1.0', '/agents/echo/v1/tasks/task-1', '1.0', 404],
    ['path 1.0, header 2.0', '/agents/echo/tasks/task-1', '2.0', 400],
    ['a list is of 1.0', '/agents/echo/v1/tasks', undefined, 404],
  ])('%s', async (_, path, version, status) => {
    const headers = version ? { 'a2a-version': version } : {}
    expect((await served.ask({ method: 'GET', path, headers })).status).toBe(status)
  })

  test('the version as a query parameter, and I-03 both at odds', async () => {
    const path = '/agents/echo/?A2A-Version=1.0'
    expect((await served.rpc('tasks/get', { id: 't' }, { path })).json).toMatchObject({ error: { code: -32601 } })
    const both = await served.rpc('GetTask', { id: 't' }, { path, headers: { 'a2a-version': '0.3' } })
    expect(both.json).toMatchObject({ id: 7, error: { code: -32600 } })
  })
  test('I-04 two version headers', async () => {
    const answer = await served.rpc('GetTask', { id: 't' }, { headers: { 'a2a-version': ['1.0', '1.0'] } })
    expect([answer.status, served.asked.length]).toEqual([400, 0])
  })
  test('the call carries the version that was spoken', async () => {
    await served.rpc('tasks/get', { id: 't' })
    await served.rpc('GetTask', { id: 't' })
    expect(served.asked.map(({ call }) => call.version)).toEqual(['0.3', '1.0'])
  })
})

describe('extensions', () => {
  test('those asked for reach the call, those offered are echoed', async () => {
    const headers = { 'a2a-extensions': 'urn:x-offered, urn:x-other', 'x-a2a-extensions': 'urn:x-offered' }
    const answer = await served.rpc('GetTask', { id: 't' }, { headers })
    expect(served.asked[0]?.call.extensions).toEqual(['urn:x-offered', 'urn:x-other'])
    expect(answer.headers['a2a-extensions']).toBe('urn:x-offered')
  })
  test.each([
    ['not a uri'],
    [Array.from({ length: 33 }, (_, at) => `urn:x:${at}`).join()],
    [`urn:${'x'.repeat(8_000)}`],
  ])('I-05 %.20s', async (uris) => {
    const answer = await served.rpc('GetTask', { id: 't' }, { headers: { 'a2a-extensions': uris } })
    expect(answer.json).toMatchObject({ error: { code: -32602 } })
  })
})

describe('the rest', () => {
  const callFor = async (headers: Record<string, string>) => {
    await served.rpc('GetTask', { id: 't' }, { headers })
    return served.asked.at(-1)?.call
  }
  const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  test('trace context of the right form', async () => {
    expect((await callFor({ traceparent: TRACE, tracestate: 'a=b' }))?.trace).toEqual({
      traceparent: TRACE,
      tracestate: 'a=b',
    })
    expect((await callFor({ traceparent: `${TRACE}x` }))?.trace).toBeUndefined()
    expect((await callFor({ traceparent: TRACE.replace(/4bf\w+/, '0'.repeat(32)) }))?.trace).toBeUndefined()
  })
  test('Idempotency-Key', async () => {
    expect((await callFor({ 'idempotency-key': 'k-1' }))?.idempotencyKey).toBe('k-1')
    const answer = await served.rpc('GetTask', { id: 't' }, { headers: { 'idempotency-key': 'x'.repeat(257) } })
    expect(answer.json).toMatchObject({ error: { code: -32602 } })
  })
  test.each([['-1'], ['1e3'], ['x'], ['1180591620717411303424'], ['']])(
    'I-10 Last-Event-ID %j is as good as none',
    async (id) => {
      expect((await callFor({ 'last-event-id': id }))?.lastEventId).toBeUndefined()
    },
  )
  test('Last-Event-ID, by header and by query', async () => {
    expect((await callFor({ 'last-event-id': '12' }))?.lastEventId).toBe(12)
    await served.ask({ method: 'GET', path: '/agents/echo/tasks/t?lastEventId=5' })
    expect(served.asked.at(-1)?.call.lastEventId).toBe(5)
  })
  test.each([
    ['text/html', 'SendMessage', 406],
    ['application/json', 'SendStreamingMessage', 406],
    ['text/html, */*;q=0.1', 'GetTask', 200],
  ])('I-06 Accept %s for %s', async (accept, method, status) => {
    const answer = await served.rpc(method, { id: 't' }, { headers: { accept } })
    expect(answer.status).toBe(status)
  })
  test('the answer over REST is a2a+json unless only json is listed', async () => {
    const typeFor = async (accept: string) =>
      (await served.ask({ method: 'GET', path: '/agents/echo/tasks/t', headers: { accept } })).headers['content-type']
    expect(await typeFor('')).toBe('application/a2a+json')
    expect(await typeFor('application/json')).toBe('application/json')
    expect(await typeFor('application/json, application/a2a+json')).toBe('application/a2a+json')
  })
  test('the signal aborts when the client goes, and never before', async () => {
    const reached = withResolvers<AbortSignal>()
    served.state.decide = ({ call }) => {
      reached.resolve(call.signal)
      return new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(new Error('gone'))))
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 't' } })
    const request = served.open({ body })
    request.on('error', () => {})
    request.end(body)
    const signal = await reached.promise
    expect(signal.aborted).toBe(false)
    const gone = new Promise((resolve) => signal.addEventListener('abort', resolve))
    request.destroy()
    await gone
    served.state.decide = () => TASK
  })
})
