/** /mcp with the official clients: both generations, both eras, all nine tools. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TOOL_NAMES } from '../../../src/wire/bridges/mcp/catalogue.ts'
import { type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { aCollector, type Collector } from '../../support/collector.ts'
import { aHost, HOSTS, type Host } from '../../support/mcpHosts.ts'
import { aWorld, type World } from '../../support/world.ts'

let world: World
let upstream: ScriptedAgent
beforeAll(async () => {
  upstream = await startAgent()
  world = await aWorld({ limits: { leaseSecondsMin: 1, cancelGraceMs: 300 } })
  await world.register({ name: 'helper', connector: { kind: 'a2a', url: upstream.url }, description: 'It helps' })
})
afterAll(async () => {
  await world?.stop()
  await upstream?.stop()
})

const at = (token: string) => ({ url: `${world.gateway.url}/mcp`, token })

describe.each(HOSTS)('a host of %s', (kind) => {
  let me: Collector
  let host: Host
  beforeAll(async () => {
    me = await aCollector(world, `host-${kind.replace(' ', '-')}`)
    host = await aHost(kind, at(me.token))
  })
  afterAll(() => host?.close())

  test('is shown the nine tools, in a form that costs its model little', async () => {
    const tools = await host.listTools()
    expect(tools.map(({ name }) => name)).toEqual(TOOL_NAMES)
    expect(tools.every(({ outputSchema }) => outputSchema !== undefined)).toBe(true)
    const hints = Object.fromEntries(tools.map(({ name, annotations }) => [name, annotations]))
    expect(hints.find_agents.readOnlyHint && hints.check_task.readOnlyHint && hints.read_inbox.readOnlyHint).toBe(true)
    expect(hints.cancel_task.destructiveHint).toBe(true)
    // About four characters are a token.
    expect(JSON.stringify(tools).length / 4).toBeLessThan(2_500)
  })

  test('finds an agent, delegates to it, and has the result in the same call', async () => {
    const found = await host.call('find_agents', { query: 'helper' })
    expect(found.result.agents[0]).toMatchObject({
      address: `helper@${new URL(world.gateway.url).host}`,
      wakeable: true,
    })
    const done = await host.call('delegate_task', { to: 'helper', text: 'hello' })
    expect(done.result).toMatchObject({ state: 'COMPLETED', agent: 'helper', artifacts: [{ text: 'echo: hello' }] })
    expect(done.result.inbox).toEqual({ unread: 0, urgent: 0 })
    expect(JSON.parse(done.text)).toEqual(done.result)
  })

  test('is told of a failure as an error, and of a mistake with the way out', async () => {
    expect(await host.call('delegate_task', { to: 'helper', text: 'fail now' })).toMatchObject({
      isError: true,
      result: { state: 'FAILED', said: { text: 'it broke' } },
    })
    expect(await host.call('delegate_task', { to: 'nobody', text: 'x' })).toMatchObject({
      isError: true,
      result: { error: 'AGENT_NOT_FOUND' },
    })
    expect(await host.call('delegate_task', { to: '#nothing-here', text: 'x' })).toMatchObject({
      isError: true,
      result: { error: 'AGENT_NOT_FOUND' },
    })
    expect(await host.call('delegate_task', { to: 'helper@elsewhere.example', text: 'x' })).toMatchObject({
      isError: true,
      result: { error: 'INVALID_PARAMS' },
    })
    expect(await host.call('check_task', { taskId: '0199b1c2-0000-7000-8000-000000000000' })).toMatchObject({
      isError: true,
      result: { error: 'TASK_NOT_FOUND' },
    })
  })

  test('answers a question, and reads what happened since', async () => {
    const asked = await host.call('delegate_task', { to: 'helper', text: 'input please' })
    const { taskId } = asked.result
    expect(asked.result).toMatchObject({ state: 'INPUT_REQUIRED', question: { text: 'what else?' } })
    expect((await host.call('reply_to_task', { taskId, text: 'complete' })).result.taskId).toBe(taskId)
    const { result } = await host.call('check_task', { taskId, wait: 20, after: asked.result.cursor })
    expect(result.state).toBe('COMPLETED')
    expect(result.events.map(({ sequence }: { sequence: number }) => sequence)).toEqual(
      result.events.map((_: unknown, index: number) => asked.result.cursor + 1 + index),
    )
    expect(result.events.at(-1).state).toBe('COMPLETED')
  })

  test('the same key is the same task', async () => {
    const input = { to: 'helper', text: 'once', key: `${kind} key` }
    const first = await host.call('delegate_task', input)
    const second = await host.call('delegate_task', input)
    expect(second.result.taskId).toBe(first.result.taskId)
    expect((await host.call('delegate_task', { ...input, text: 'other' })).result.error).toBe('MESSAGE_ID_REUSED')
  })

  test('cancels what waits', async () => {
    const idle = await aCollector(world, `idle-${kind.replace(' ', '-')}`)
    const waiting = await host.call('delegate_task', { to: idle.name, text: 'later', wait: 0 })
    expect(waiting.result).toMatchObject({ state: 'SUBMITTED', delivery: { delivery: 'waiting' } })
    const { taskId } = waiting.result
    expect((await host.call('cancel_task', { taskId })).result).toMatchObject({ taskId, state: 'CANCELED' })
    expect((await host.call('cancel_task', { taskId })).result.state).toBe('CANCELED')
  })

  test('works its inbox: takes, reports, hears news, finishes', async () => {
    const sender = world.client(me.name)
    const sent = await sender.send('please do', { configuration: { returnImmediately: true } })
    const inbox = await host.call('read_inbox')
    expect(inbox.result.items).toMatchObject([{ taskId: sent.id, text: 'please do', from: 'operator' }])
    expect(inbox.result.inbox).toEqual({ unread: 1, urgent: 0 })
    const taken = await host.call('take_task', { wait: 5 })
    expect(taken.result).toMatchObject({ taskId: sent.id, text: 'please do', from: 'operator', attempt: 1 })
    const { lease } = taken.result
    const told = await host.call('update_task', { lease, text: 'half way', progress: 50, checkpoint: { at: 'half' } })
    expect(told.result).toMatchObject({ cancelRequested: false, newMessages: [] })
    await sender.send('wrong file!', { message: { taskId: sent.id }, configuration: { returnImmediately: true } })
    const early = await host.call('finish_task', { lease, outcome: 'completed', text: 'done' })
    expect(early.result).toMatchObject({ state: 'WORKING', newMessages: [{ text: 'wrong file!' }] })
    const files = [{ name: 'note.txt', text: 'from a file' }]
    const end = await host.call('finish_task', { lease, outcome: 'completed', text: 'done now', data: { n: 1 }, files })
    expect(end.result).toMatchObject({ taskId: sent.id, state: 'COMPLETED', inbox: { unread: 0 } })
    // The same words again get the same answer: the first may have been lost.
    const again = await host.call('finish_task', {
      lease,
      outcome: 'completed',
      text: 'done now',
      data: { n: 1 },
      files,
    })
    expect(again.result).toEqual(end.result)
    const task = await sender.get(sent.id)
    expect(task.artifacts?.[0]?.parts).toEqual([
      { text: 'done now' },
      { data: { n: 1 }, mediaType: 'application/json' },
      { raw: Buffer.from('from a file').toString('base64'), filename: 'note.txt', mediaType: 'text/plain' },
    ])
  })

  test('asks back, and goes on with the answer in its thread', async () => {
    const sender = world.client(me.name)
    const sent = await sender.send('which one?', { configuration: { returnImmediately: true } })
    const { lease } = (await host.call('take_task', { wait: 5 })).result
    const asked = await host.call('finish_task', { lease, outcome: 'needs_input', text: 'red or blue?' })
    expect(asked.result.state).toBe('INPUT_REQUIRED')
    await sender.send('blue', { message: { taskId: sent.id }, configuration: { returnImmediately: true } })
    const next = (await host.call('take_task', { wait: 5 })).result
    expect(next).toMatchObject({ taskId: sent.id, text: 'blue' })
    expect(next.thread).toMatchObject([
      { by: 'sender', text: 'which one?' },
      { by: 'you', text: 'red or blue?' },
    ])
    expect((await host.call('finish_task', { lease: next.lease, outcome: 'rejected', text: 'no' })).result.state).toBe(
      'REJECTED',
    )
    // The lease before the question has had its end.
    expect((await host.call('finish_task', { lease, outcome: 'completed' })).result.error).toBe('ALREADY_SETTLED')
  })

  test('hears how a long call goes, if it wants to', async () => {
    const heard: string[] = []
    const worker = await aCollector(world, `slow-${kind.replace(' ', '-')}`)
    const call = host.call(
      'delegate_task',
      { to: worker.name, text: 'slowly', wait: 30 },
      { onprogress: ({ message }) => heard.push(message ?? '') },
    )
    const { lease } = await worker.lease({}, 10)
    await worker.say(lease, 'update', { text: 'a third' })
    await worker.say(lease, 'complete', { text: 'all of it' })
    expect((await call).result).toMatchObject({ state: 'COMPLETED', artifacts: [{ text: 'all of it' }] })
    expect(heard).toContain('WORKING: a third')
  })

  test('reads resources and prompts', async () => {
    const { taskId, contextId } = (await host.call('delegate_task', { to: 'helper', text: 'for reading' })).result
    const read = async (uri: string) => JSON.parse((await host.client.readResource({ uri })).contents[0].text)
    expect(await read(`task://${taskId}`)).toMatchObject({
      id: taskId,
      history: [{ parts: [{ text: 'for reading' }] }],
    })
    expect(await read('agent://helper')).toMatchObject({ presence: 'online' })
    expect(await read(`conversation://${contextId}`)).toMatchObject({ tasks: [{ taskId, agent: 'helper' }] })
    expect(await read('inbox://me')).toMatchObject({ items: [] })
    await expect(read('task://0199b1c2-0000-7000-8000-000000000000')).rejects.toThrow(/there is no/)
    const prompt = await host.client.getPrompt({ name: 'delegate_this', arguments: { work: 'count stars' } })
    expect(prompt.messages[0].content.text).toContain('count stars')
  })
})

test('a key that is no agent’s delegates, and has no inbox', async () => {
  const host = await aHost('v2 modern', at(world.gateway.adminKey))
  expect((await host.call('delegate_task', { to: 'helper', text: 'hello' })).result).toMatchObject({
    state: 'COMPLETED',
  })
  expect(await host.call('take_task')).toMatchObject({ isError: true, result: { error: 'PERMISSION_DENIED' } })
  await host.close()
})

test('the sending profile shows four tools', async () => {
  const host = await aHost('v1', { url: `${world.gateway.url}/mcp?profile=send`, token: world.gateway.adminKey })
  expect((await host.listTools()).map(({ name }) => name)).toEqual([
    'find_agents',
    'delegate_task',
    'check_task',
    'reply_to_task',
  ])
  await host.close()
})

test('the tasks of one host are not there for another', async () => {
  const [mine, foreign] = [await aCollector(world, 'mine'), await aCollector(world, 'foreign')]
  const [host, other] = [await aHost('v1', at(mine.token)), await aHost('v1', at(foreign.token))]
  const { taskId, contextId } = (await host.call('delegate_task', { to: 'helper', text: 'secret' })).result
  for (const tool of ['check_task', 'cancel_task'])
    expect((await other.call(tool, { taskId })).result.error).toBe('TASK_NOT_FOUND')
  expect((await other.call('reply_to_task', { taskId, text: 'x' })).result.error).toBe('TASK_NOT_FOUND')
  await expect(other.client.readResource({ uri: `conversation://${contextId}` })).rejects.toThrow()
  await host.close()
  await other.close()
})

test('work that was taken for a host that has gone goes back at once', async () => {
  const me = await aCollector(world, 'leaving')
  const params = { name: 'take_task', arguments: { wait: 40 } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  const { port } = new URL(world.gateway.url)
  const first = connect(Number(port), '127.0.0.1')
  first.on('error', () => {})
  first.write(
    `POST /mcp HTTP/1.1\r\nhost: localhost:${port}\r\nauthorization: Bearer ${me.token}\r\ncontent-type: application/json\r\n` +
      `accept: application/json, text/event-stream\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  // It breaks off in the moment in which the work is leased, for ten minutes, before the answer is written.
  const leased = new Promise<string>((resolve) => {
    const stop = world.gateway.signals.on('task.recorded', ({ task, agent, state }) => {
      if (agent !== me.name || state !== 'TASK_STATE_WORKING') return
      stop()
      first.resetAndDestroy()
      resolve(task)
    })
  })
  const { id } = await world
    .client(me.name)
    .send('for whoever is there', { configuration: { returnImmediately: true } })
  expect(await leased).toBe(id)
  const second = await aHost('v1', at(me.token))
  expect((await second.call('take_task', { wait: 20 })).result).toMatchObject({ taskId: id, attempt: 1 })
  await second.close()
})

describe('who is refused', () => {
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${world.gateway.url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${world.gateway.adminKey}`,
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }

  test('without a key', async () => {
    const response = await post(list, { authorization: 'Bearer wp_none_x' })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('Bearer')
  })
  test('a web page of another origin', async () => {
    expect((await post(list, { origin: 'https://evil.example' })).status).toBe(403)
    expect((await post(list, { origin: new URL(world.gateway.url).origin })).status).toBe(200)
  })
  test('another type, broken JSON, a batch, a body that is too deep', async () => {
    expect((await post(list, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post('{"jsonrpc":')).status).toBe(400)
    expect((await post([list, list])).status).toBe(400)
    expect((await post(`${'['.repeat(100)}${']'.repeat(100)}`)).status).toBe(400)
  })
  test('arguments that no tool has', async () => {
    const host = await aHost('v1', at(world.gateway.adminKey))
    const { isError, text } = await host.call('delegate_task', { to: 'helper', text: 'x', wiat: 3 })
    expect(isError).toBe(true)
    expect(text).toContain('wiat')
    await host.close()
  })
})
