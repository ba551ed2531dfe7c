/** A2A 1.0 §3.6: which version a request is read as, and what happens with one that nobody speaks. */
import { describe, expect, test } from 'vitest'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { section } from './section.ts'
import { WAYS } from './ways.ts'

section('3.6 versioning', (at) => {
  test.each(WAYS)('3.6.2 unsupported versions are refused by name: %s', async (way) => {
    const speaker = at().speaker()
    for (const version of ['99.0', '1.7', '2', 'abc', '0.9']) {
      const refusal = await speaker.refused(way, 'ListTasks', {}, { 'a2a-version': version })
      expect([version, refusal.reason]).toEqual([version, 'VERSION_NOT_SUPPORTED'])
    }
  })

  test.each(WAYS)('3.6 the patch number counts for nothing: %s', async (way) => {
    expect((await at().speaker().ask(way, 'ListTasks', {}, { 'a2a-version': '1.0.3' })).kind).toBe('result')
  })

  describe('3.6.1 over HTTP', () => {
    const raw = async (path: string, headers: Record<string, string>, body?: unknown) => {
      const { gateway } = at().world
      const response = await fetch(`${gateway.url}/agents/echo${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json', ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return { status: response.status, json: (await response.json()) as Loose }
    }
    const list = { jsonrpc: '2.0', id: 1, method: 'ListTasks', params: {} }
    const old = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tasks/get',
      params: { id: 'nobody' },
    }

    test('the version may be a query parameter', async () => {
      expect((await raw('?A2A-Version=1.0', {}, list)).json.result.tasks).toBeDefined()
      expect((await raw('/tasks?A2A-Version=1.0', {})).json.tasks).toBeDefined()
      expect((await raw('?A2A-Version=99.0', {}, list)).json.error.code).toBe(-32009)
      expect((await raw('/tasks?A2A-Version=99.0', {})).json.error.details[0].reason).toBe('VERSION_NOT_SUPPORTED')
    })

    test('without a version the name of the method says which it is', async () => {
      expect((await raw('', {}, list)).json.result.tasks).toBeDefined()
      expect((await raw('', {}, old)).json.error.code).toBe(-32001)
    })

    test('a version whose method this is not', async () => {
      expect((await raw('', { 'a2a-version': '0.3' }, list)).json.error.code).toBe(-32009)
      expect((await raw('', { 'a2a-version': '1.0' }, old)).json.error.code).toBe(-32601)
    })

    test('0.3 speakers get 0.3 answers beside 1.0 ones, on the same URL', async () => {
      const { task } = await at()
        .speaker()
        .must('JSON-RPC', 'SendMessage', { message: aMessage('complete') })
      const got = { ...old, params: { id: task.id } }
      const { json } = await raw('', { 'a2a-version': '0.3' }, got)
      expect(json.result).toMatchObject({ kind: 'task', id: task.id, status: { state: 'completed' } })
      expect((await raw('', {}, got)).json.result).toEqual(json.result)
    })
  })
})
