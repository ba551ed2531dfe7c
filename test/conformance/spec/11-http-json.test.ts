/** A2A 1.0 §11: resources, queries, bodies and media types; and tenants in the path (§8.3). */
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { section } from './section.ts'

section('11 HTTP+JSON', (at) => {
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const { gateway } = at().world
    const response = await fetch(`${gateway.url}/agents/echo${path}`, {
      method,
      headers: {
        authorization: `Bearer ${gateway.adminKey}`,
        'a2a-version': '1.0',
        ...(body !== undefined && { 'content-type': 'application/a2a+json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    return {
      status: response.status,
      type,
      json: type.includes('json') ? (JSON.parse(text) as Loose) : undefined,
      text,
    }
  }
  const aTask = async (words = 'complete') =>
    (await call('POST', '/message:send', { message: aMessage(words) })).json.task

  test('11.3 subscribing by POST and by GET is the same', async () => {
    const task = await aTask('input')
    for (const method of ['POST', 'GET']) {
      const gone = new AbortController()
      const response = await fetch(`${at().world.gateway.url}/agents/echo/tasks/${task.id}:subscribe`, {
        method,
        signal: gone.signal,
        headers: { authorization: `Bearer ${at().world.gateway.adminKey}`, 'a2a-version': '1.0' },
      })
      expect(response.headers.get('content-type')).toContain('text/event-stream')
      let text = ''
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString()
        if (text.includes('\n\n')) break
      }
      gone.abort()
      expect(JSON.parse(/^data: (.*)$/m.exec(text)?.[1] as string).task.id).toBe(task.id)
    }
  })

  describe('11.3 paths', () => {
    test('what the path says and the body says again must agree', async () => {
      const task = await aTask('input')
      const config = { url: 'https://hooks.example.test/' }
      const path = `/tasks/${task.id}/pushNotificationConfigs`
      expect((await call('POST', path, { ...config, taskId: task.id })).status).toBe(200)
      const wrong = await call('POST', path, { ...config, taskId: uuidv7() })
      expect([wrong.status, wrong.json.error.details[0].reason]).toEqual([400, 'INVALID_PARAMS'])
    })

    test('what is not there is 404, what is there but not so is 405, each as AIP-193', async () => {
      const [nothing, verb] = await Promise.all([call('GET', '/taskz'), call('PUT', '/tasks/x')])
      for (const [answer, status] of [
        [nothing, 404],
        [verb, 405],
      ] as const) {
        expect(answer.status).toBe(status)
        expect(answer.json.error).toMatchObject({
          code: status,
          status: expect.any(String),
          message: expect.any(String),
        })
      }
    })

    test('ids are decoded once, and a colon is part of one', async () => {
      const unknown = await call('GET', `/tasks/${encodeURIComponent('a:b%2F')}`)
      expect([unknown.status, unknown.json.error.details[0].reason]).toEqual([404, 'TASK_NOT_FOUND'])
    })
  })

  describe('8.3.2 tenants', () => {
    test("the agent's name and the caller's tenant are ours: before the path, in the query, in the body", async () => {
      const task = await aTask()
      for (const tenant of ['echo', 'default']) {
        expect((await call('GET', `/${tenant}/tasks/${task.id}`)).json.id).toBe(task.id)
        expect((await call('GET', `/tasks/${task.id}?tenant=${tenant}`)).json.id).toBe(task.id)
        const sent = await call('POST', `/${tenant}/message:send`, { message: aMessage('complete'), tenant })
        expect(sent.status).toBe(200)
      }
    })

    test('any other is no agent, whether it is one or not, over every binding', async () => {
      const task = await aTask()
      for (const tenant of ['acme', 'open']) {
        const answer = await call('GET', `/${tenant}/tasks/${task.id}`)
        expect([answer.status, answer.json.error.details[0].reason]).toEqual([404, 'AGENT_NOT_FOUND'])
        const refusal = await at().speaker().refused('JSON-RPC', 'GetTask', { id: task.id, tenant })
        expect([refusal.reason, refusal.domain]).toEqual(['AGENT_NOT_FOUND', 'waypost'])
      }
    })

    test('the path and the body must name the same', async () => {
      const wrong = await call('POST', '/echo/message:send', { message: aMessage('complete'), tenant: 'default' })
      expect([wrong.status, wrong.json.error.details[0].reason]).toEqual([400, 'INVALID_PARAMS'])
    })
  })

  test('11.5 queries are camelCase, and snake_case is understood', async () => {
    const contextId = uuidv7()
    for (let n = 0; n < 2; n++) await call('POST', '/message:send', { message: aMessage('artifact', { contextId }) })
    const camel = await call('GET', `/tasks?contextId=${contextId}&pageSize=1&includeArtifacts=true&historyLength=0`)
    const snake = await call(
      'GET',
      `/tasks?context_id=${contextId}&page_size=1&include_artifacts=true&history_length=0`,
    )
    expect(snake.json).toEqual(camel.json)
    expect([camel.json.tasks.length, camel.json.totalSize]).toEqual([1, 2])
    const twice = await call('GET', '/tasks?pageSize=1&pageSize=2')
    expect([twice.status, twice.json.error.details[0].reason]).toEqual([400, 'INVALID_PARAMS'])
  })

  test('11.1 media types: either name of JSON is taken, the right one answered', async () => {
    for (const type of ['application/a2a+json', 'application/json', 'application/json; charset=utf-8'])
      expect(
        (await call('POST', '/message:send', { message: aMessage('complete') }, { 'content-type': type })).status,
      ).toBe(200)
    expect((await call('GET', '/tasks')).type).toContain('application/a2a+json')
    expect((await call('GET', '/tasks', undefined, { accept: 'application/json' })).type).toMatch(/^application\/json/)
    expect((await call('POST', '/message:send', { message: {} }, { 'content-type': 'text/plain' })).status).toBe(415)
  })

  test('11.4 an empty answer is an empty object', async () => {
    const task = await aTask('input')
    await call('POST', `/tasks/${task.id}/pushNotificationConfigs`, { id: 'c', url: 'https://hooks.example.test/' })
    const deleted = await call('DELETE', `/tasks/${task.id}/pushNotificationConfigs/c`)
    expect([deleted.status, deleted.json]).toEqual([200, {}])
  })
})
