/** A2A 1.0 §9: the envelope of JSON-RPC 2.0 and what is around it. */
import { describe, expect, test } from 'vitest'
import type { Loose } from '../../cli/compliance/loose.ts'
import { section } from './section.ts'

section('9 JSON-RPC', (at) => {
  const post = async (body: unknown, { path = '', headers = {} as Record<string, string> } = {}) => {
    const { gateway } = at().world
    const response = await fetch(`${gateway.url}/agents/echo${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${gateway.adminKey}`,
        'a2a-version': '1.0',
        'content-type': 'application/json',
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return { status: response.status, json: (await response.json()) as Loose }
  }
  const list = { jsonrpc: '2.0', id: 1, method: 'ListTasks', params: {} }

  describe('9.3 requests', () => {
    test.each([['text'], [17], ['']])('the id %j comes back as it was', async (id) => {
      expect((await post({ ...list, id })).json).toMatchObject({ jsonrpc: '2.0', id })
    })

    test('with and without the slash at the end', async () => {
      expect((await post(list, { path: '/' })).json.result).toEqual((await post(list)).json.result)
    })

    test('params may be left out where none are needed', async () => {
      const { params: _, ...bare } = list
      expect((await post(bare)).json.result.tasks).toBeDefined()
    })
  })

  describe('9.5 errors', () => {
    test.each([
      ['what is not JSON', '{', -32700, null],
      ['a batch', [list, list], -32600, null],
      ['no method', { jsonrpc: '2.0', id: 4 }, -32600, 4],
      ['another protocol', { ...list, jsonrpc: '1.0' }, -32600, 1],
      ['an id that is none', { ...list, id: { a: 1 } }, -32600, null],
      ['a method that nobody has', { ...list, method: 'DoTask' }, -32601, 1],
      ['a method in the wrong case', { ...list, method: 'listTasks' }, -32601, 1],
      ['params that are none', { ...list, params: 'x' }, -32602, 1],
    ])('%s', async (_, body, code, id) => {
      const { status, json } = await post(body)
      expect([status, json.error.code, json.id, json.jsonrpc]).toEqual([200, code, id, '2.0'])
      expect(json.error.data[0]).toMatchObject({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo' })
    })

    test('another verb, another type of body', async () => {
      const { gateway } = at().world
      const headers = { authorization: `Bearer ${gateway.adminKey}` }
      const get = await fetch(`${gateway.url}/agents/echo`, { headers })
      expect([get.status, get.headers.get('allow')?.includes('POST')]).toEqual([405, true])
      expect((await post('hello', { headers: { 'content-type': 'text/plain' } })).json.error.code).toBe(-32005)
    })
  })
})
