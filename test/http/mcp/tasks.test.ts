/** The tasks extension at /mcp, with its official client; and resources that are subscribed to. */
import { createTaskSessionFromClient } from '@modelcontextprotocol/ext-tasks/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { aCollector } from '../../support/collector.ts'
import { createLog } from '../../support/log.ts'
import { aHost, type Host } from '../../support/mcpHosts.ts'
import { aWorld, type World } from '../../support/world.ts'

const ERA = '2026-07-28'
const EXTENSION = 'io.modelcontextprotocol/tasks'
const META = 'io.modelcontextprotocol/'

let world: World
let upstream: ScriptedAgent
let host: Host
beforeAll(async () => {
  upstream = await startAgent()
  world = await aWorld({ limits: { leaseSecondsMin: 1, cancelGraceMs: 300 } })
  await world.register({ name: 'helper', connector: { kind: 'a2a', url: upstream.url } })
  host = await aHost('v2 modern', at(world.gateway.adminKey))
})
afterAll(async () => {
  await host?.close()
  await world?.stop()
  await upstream?.stop()
})

const at = (token: string) => ({ url: `${world.gateway.url}/mcp`, token })

/** One request as the newer revision has them. */
async function ask(method: string, params: Record<string, unknown>, token = world.gateway.adminKey, extensions = {}) {
  const response = await fetch(`${world.gateway.url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'mcp-protocol-version': ERA,
      'mcp-method': method,
      ...(typeof params.name === 'string' && { 'mcp-name': params.name }),
      ...(typeof params.taskId === 'string' && { 'mcp-name': params.taskId }),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          [`${META}protocolVersion`]: ERA,
          [`${META}clientInfo`]: { name: 'a-host', version: '1' },
          [`${META}clientCapabilities`]: { extensions },
          ...(params._meta as object),
        },
      },
    }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: results of many forms
  return (await response.json()) as { result?: any; error?: { code: number; message: string } }
}

type TaskClient = Parameters<typeof createTaskSessionFromClient>[0]
/** What it is asked is answered by `answer`. */
function aSession(answer: (params: { message: string; requestedSchema: object }) => unknown) {
  const framing = {
    protocolVersion: ERA,
    clientInfo: { name: 'a-host', version: '1' },
    clientCapabilities: { elicitation: { form: {}, url: {} } },
  }
  return createTaskSessionFromClient(host.client as TaskClient, {
    endpointId: 'gateway',
    v2RequestFraming: framing,
    rawDispatch: async (request) => {
      const { method, params } = request as { method: string; params: Record<string, unknown> }
      const { result, error } = await ask(method, params)
      return error ? { kind: 'error', error } : { kind: 'result', result }
    },
    onInputRequest: async ({ params }) => answer(params as never) as never,
  })
}

const declared = { [EXTENSION]: {} }

test('a task that goes on is a task of the host, with its question, to its result', async () => {
  const asked: { message: string; requestedSchema: object }[] = []
  const session = aSession((params) => {
    asked.push(params)
    return { action: 'accept', content: { answer: 'complete' } }
  })
  try {
    const slow = await session.callTool('delegate_task', { to: 'helper', text: 'input please' })
    expect(slow.kind).toBe('task')
    const { outcome } = await slow.settle()
    expect(asked).toEqual([
      {
        mode: 'form',
        message: 'what else?',
        requestedSchema: expect.objectContaining({ required: ['answer'] }),
      },
    ])
    expect(outcome, String((outcome as { error?: Error }).error)).toMatchObject({
      status: 'completed',
      result: { structuredContent: { state: 'COMPLETED' } },
    })
    // What is done within a moment is a result like any other.
    expect((await session.callTool('delegate_task', { to: 'helper', text: 'hello' })).kind).toBe('immediate')
  } finally {
    await session.close()
  }
})

test('a question with a form of its own; the same answer twice is one; a failure is a result with isError', async () => {
  const me = await aCollector(world, 'asks-forms')
  const call = { name: 'delegate_task', arguments: { to: me.name, text: 'paint it', wait: 0 } }
  const made = (await ask('tools/call', call, undefined, declared)).result
  expect(made).toMatchObject({ resultType: 'task', status: 'working', ttlMs: null })
  const { taskId } = made
  const get = async () => (await ask('tasks/get', { taskId })).result
  expect(await get()).toMatchObject({ resultType: 'complete', taskId, status: 'working', pollIntervalMs: 2_000 })
  const schema = {
    type: 'object',
    properties: { color: { type: 'string', enum: ['red', 'blue'] } },
    required: ['color'],
  }
  await me.say((await me.lease({}, 5)).lease, 'ask', { text: 'which color?', schema })
  const waits = await get()
  const [[key, request]] = Object.entries(waits.inputRequests) as [[string, unknown]]
  expect(waits.status).toBe('input_required')
  expect(request).toEqual({
    method: 'elicitation/create',
    params: { mode: 'form', message: 'which color?', requestedSchema: schema },
  })
  const inputResponses = { [key]: { action: 'accept', content: { color: 'red' } } }
  for (let twice = 0; twice < 2; twice++)
    expect(await ask('tasks/update', { taskId, inputResponses })).toMatchObject({ result: { resultType: 'complete' } })
  const next = await me.lease({}, 5)
  expect(next.message.parts).toEqual([{ data: { color: 'red' }, mediaType: 'application/json' }])
  expect(await me.lease()).toBeUndefined()
  await me.say(next.lease, 'fail', { text: 'no paint left' })
  expect(await get()).toMatchObject({
    status: 'completed',
    result: { resultType: 'complete', isError: true, structuredContent: { state: 'FAILED' } },
  })
})

test('a question that wants a place visited is one; a cancel ends the task', async () => {
  const me = await aCollector(world, 'asks-urls')
  const call = { name: 'delegate_task', arguments: { to: me.name, text: 'log in', wait: 0 } }
  const { taskId } = (await ask('tools/call', call, undefined, declared)).result
  const parts = [{ url: 'https://login.example.test/x' }]
  await me.say((await me.lease({}, 5)).lease, 'auth', { text: 'sign in there', parts })
  const { status, inputRequests } = (await ask('tasks/get', { taskId })).result
  expect([status, Object.values(inputRequests)]).toEqual([
    'input_required',
    [
      {
        method: 'elicitation/create',
        params: { mode: 'url', message: 'sign in there', url: 'https://login.example.test/x' },
      },
    ],
  ])
  for (let twice = 0; twice < 2; twice++)
    expect((await ask('tasks/cancel', { taskId })).result).toMatchObject({ resultType: 'complete' })
  expect((await ask('tasks/get', { taskId })).result.status).toBe('cancelled')
})

test('who does not declare it is never given one; nobody is given another’s', async () => {
  const [idle, other] = [await aCollector(world, 'idle'), await aCollector(world, 'other')]
  const call = { name: 'delegate_task', arguments: { to: idle.name, text: 'later', wait: 0 } }
  expect((await ask('tools/call', call)).result).toMatchObject({
    resultType: 'complete',
    structuredContent: { state: 'SUBMITTED', next: expect.any(String) },
  })
  const { taskId } = (await ask('tools/call', call, undefined, declared)).result
  for (const [method, more] of [
    ['tasks/get', {}],
    ['tasks/cancel', {}],
    ['tasks/update', { inputResponses: {} }],
  ] as const) {
    const foreign = await ask(method, { taskId, ...more }, other.token)
    const none = await ask(method, { taskId: '0199b1c2-0000-7000-8000-000000000000', ...more }, other.token)
    expect(foreign.error).toEqual(none.error)
    expect(foreign.error?.code).toBe(-32602)
  }
  expect((await ask('tasks/get', { taskId })).result.status).toBe('working')
})

test('the inbox and tasks of one’s own can be subscribed to, and nobody hears of another’s', async () => {
  const [me, other] = [await aCollector(world, 'subscribes'), await aCollector(world, 'listens')]
  const heard = { me: createLog<string>(), other: createLog<string>() }
  const [mine, theirs] = [await aHost('v2 modern', at(me.token)), await aHost('v2 modern', at(other.token))]
  const { taskId } = (await mine.call('delegate_task', { to: other.name, text: 'for you', wait: 0 })).result
  const uris = ['inbox://me', `task://${taskId}`]
  mine.client.setNotificationHandler('notifications/resources/updated', ({ params }: { params: { uri: string } }) =>
    heard.me.add(params.uri),
  )
  theirs.client.setNotificationHandler('notifications/resources/updated', ({ params }: { params: { uri: string } }) =>
    heard.other.add(params.uri),
  )
  const subscription = await mine.client.listen({ resourceSubscriptions: uris })
  expect(subscription.honoredFilter).toEqual({ resourceSubscriptions: uris })
  // Both ask for the same addresses; the inbox of each is its own, and the task is the first one's.
  await theirs.client.listen({ resourceSubscriptions: uris })
  await heard.other.next((uri) => uri === 'inbox://me')
  const { lease } = await other.lease({}, 5)
  await other.say(lease, 'complete', { text: 'done' })
  await heard.me.next((uri) => uri === `task://${taskId}`)
  await world.client(me.name).send('and for you', { configuration: { returnImmediately: true } })
  await heard.me.next((uri) => uri === 'inbox://me')
  expect(heard.other.entries).not.toContain(`task://${taskId}`)
  await mine.close()
  await theirs.close()
})
