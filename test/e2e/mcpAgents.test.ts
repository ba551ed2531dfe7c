/** MCP servers as agents: over stdio and HTTP, in both eras, from the outside like any other agent. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Part } from '../../src/a2a/parts.ts'
import type { Task } from '../../src/a2a/tasks.ts'
import { anMcpServer, FORMS, type McpFixture } from '../support/mcpServers.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import { EXTENSION, reasonIn, stateOf } from './mailboxWorld.ts'

const partsOf = (task: Task): Part[] => (task.artifacts ?? []).flatMap(({ parts }) => parts)
const now = { returnImmediately: true }

describe.each(FORMS)('an MCP server over %s', (form) => {
  let world: World
  let server: McpFixture
  const call = (tool: string, given: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
    send([{ data: { tool, arguments: given } }], more)
  async function send(parts: Part[], more: Record<string, unknown> = {}) {
    const { configuration, ...message } = more
    const { result, error } = await world
      .client('tools')
      .rpc('SendMessage', { message: aMessage('', { ...message, parts }), ...(configuration ? { configuration } : {}) })
    if (error) throw Object.assign(new Error(error.message), error)
    return result.task as Task
  }
  const ended = async (id: string) => {
    const finished = world.next('task.finished', ({ task: one }) => one === id)
    const task = await world.client('tools').get(id)
    if (/COMPLETED|FAILED|CANCELED|REJECTED/.test(task.status.state)) return task
    await finished
    return world.client('tools').get(id)
  }
  const timesDone = (line: string) => server.ledger().filter((one) => one.startsWith(line)).length

  beforeAll(async () => {
    server = await anMcpServer(form)
    world = await aWorld({ cards: { tools: { connector: server.connector, backoff: { firstMs: 10, longestMs: 50 } } } })
    expect(world.gateway.cardProblems).toEqual([])
  })
  afterAll(async () => {
    await world?.stop()
    await server?.close()
  })

  test('its tools are the skills of its card, their schemas under an extension', async () => {
    await call('echo', { text: 'first' })
    const response = await fetch(`${world.gateway.url}/agents/tools/.well-known/agent-card.json`, {
      headers: { 'a2a-version': '1.0' },
    })
    // biome-ignore lint/suspicious/noExplicitAny: a document of another's form
    const card = (await response.json()) as any
    expect(card).toMatchObject({ name: 'Fixture', version: '7.1' })
    expect(card.skills.find(({ id }: { id: string }) => id === 'echo')).toMatchObject({
      name: 'echo',
      description: 'The tool echo',
      tags: ['mcp', 'read-only'],
    })
    const { params } = card.capabilities.extensions.find(({ uri }: { uri: string }) => uri.includes('mcp-tools'))
    expect(params.tools.find(({ name }: { name: string }) => name === 'echo')).toMatchObject({
      inputSchema: { required: ['text'] },
      repeatable: true,
    })
  })

  test('a tool is called by a data part, by a skill with data, by a skill with the only text it takes', async () => {
    expect(partsOf(await call('echo', { text: 'one' }))).toEqual([{ text: 'echo: one' }])
    const skill = { metadata: { [EXTENSION]: { skill: 'echo' } } }
    expect(partsOf(await send([{ data: { text: 'two' } }], skill))).toEqual([{ text: 'echo: two' }])
    expect(partsOf(await send([{ text: 'three' }], skill))).toEqual([{ text: 'echo: three' }])
  })

  test('every kind of content comes home', async () => {
    expect(partsOf(await call('all'))).toEqual([
      { text: 'some words' },
      { raw: 'aW1n', mediaType: 'image/png' },
      { raw: 'YXVk', mediaType: 'audio/wav' },
      { url: 'https://example.test/a.txt', filename: 'a.txt', mediaType: 'text/plain' },
      { text: 'embedded', mediaType: 'text/plain', metadata: { uri: 'file:///b.txt' } },
      { data: { n: 1 }, mediaType: 'application/json' },
    ])
  })

  test('wrong arguments and unknown tools are refused before anything is kept', async () => {
    await call('echo', { text: 'known by now' })
    const before = server.ledger().length
    await expect(call('echo', { text: 7 })).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining('message.parts.0.data.arguments'),
    })
    await expect(call('nothing')).rejects.toMatchObject({ message: expect.stringContaining('no tool "nothing"') })
    expect(server.ledger()).toHaveLength(before)
  })

  test('who does not say which tool is asked, and may answer', async () => {
    const asked = await send([{ text: 'do something' }])
    expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED')
    const [, list] = asked.status.message?.parts ?? []
    expect((list as { data: { tools: { name: string }[] } }).data.tools.map(({ name }) => name)).toContain('echo')
    const again = await call('echo', { txt: 'x' }, { taskId: asked.id })
    expect(stateOf(again)).toBe('TASK_STATE_INPUT_REQUIRED')
    expect(again.status.message?.parts[0]?.text).toContain('arguments')
    const done = await call('echo', { text: 'so' }, { taskId: asked.id })
    expect(partsOf(done)).toEqual([{ text: 'echo: so' }])
  })

  test('a tool that says that it failed is a failed task, with its words', async () => {
    const failed = await call('fails')
    expect(stateOf(failed)).toBe('TASK_STATE_FAILED')
    expect(failed.status.message?.parts).toEqual([{ text: 'it did not work' }])
    expect(stateOf(await call('throws'))).toBe('TASK_STATE_FAILED')
  })

  test('progress is told while it works', async () => {
    const message = aMessage('', { parts: [{ data: { tool: 'steps', arguments: { count: 3 } } }] })
    const said: string[] = []
    for await (const { event } of world.client('tools').stream('SendStreamingMessage', { message }))
      if ('statusUpdate' in event) said.push(event.statusUpdate.status.message?.parts[0]?.text ?? '')
    expect(said.join(' ')).toContain('step 1 step 2 step 3')
  })

  test('a question back is a question of the task; what does not fit is asked again', async () => {
    const asked = await call('asks', { what: 'shirt' })
    expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED')
    expect(asked.status.message?.parts).toMatchObject([
      { text: 'Which shirt?' },
      { data: { required: ['color'] }, mediaType: 'application/schema+json' },
    ])
    const again = await send([{ data: { size: 3 } }], { taskId: asked.id })
    expect(stateOf(again)).toBe('TASK_STATE_INPUT_REQUIRED')
    expect(again.status.message?.parts[0]?.text).toContain('color')
    const done = await send([{ data: { color: 'red' } }], { taskId: asked.id })
    expect(partsOf(done)).toEqual([{ text: 'shirt: accept red' }])
    const declined = await call('asks', { what: 'hat' })
    expect(partsOf(await send([{ text: 'decline' }], { taskId: declined.id }))).toEqual([{ text: 'hat: decline' }])
  })

  test('a question by URL is for a person: AUTH_REQUIRED, with the address', async () => {
    const asked = await call('visits')
    expect(stateOf(asked)).toBe('TASK_STATE_AUTH_REQUIRED')
    expect(asked.status.message?.parts).toEqual([{ text: 'Please sign in' }, { url: 'https://login.example.test/x' }])
    expect(partsOf(await send([{ text: 'done' }], { taskId: asked.id }))).toEqual([{ text: 'signed in: accept' }])
  })

  test('a running tool is canceled, and hears of it', async () => {
    const { id } = await call('hold', { key: 'c' }, { configuration: now })
    await expect.poll(() => timesDone('hold {"key":"c"}'), { timeout: 10_000 }).toBe(1)
    const { result } = await world.client('tools').rpc('CancelTask', { id })
    expect(result.status.state).toBe('TASK_STATE_CANCELED')
    await expect.poll(() => timesDone('hold c was canceled'), { timeout: 10_000 }).toBe(1)
  })

  test('a tool that breaks off is not called again, and its task says that nobody knows', async () => {
    const { id } = await call('crash', {}, { configuration: now })
    const failed = await ended(id)
    expect(stateOf(failed)).toBe('TASK_STATE_FAILED')
    expect(reasonIn(failed)).toBe('OUTCOME_UNKNOWN')
    expect(timesDone('crash {}')).toBe(1)
    if (form.startsWith('http')) await server.start()
    expect(partsOf(await ended((await call('echo', { text: 'up again' }, { configuration: now })).id))).toEqual([
      { text: 'echo: up again' },
    ])
  })

  test('an idempotent tool that breaks off is called again', async () => {
    const marker = server.path('marker')
    const { id } = await call('crashOnce', { marker }, { configuration: now })
    if (form.startsWith('http')) {
      await expect.poll(() => timesDone('crashOnce'), { timeout: 10_000 }).toBe(1)
      await server.stop()
      await server.start()
    }
    expect(partsOf(await ended(id))).toEqual([{ text: 'the second time' }])
    expect(timesDone('crashOnce')).toBe(2)
  })

  test('a list that has changed is another card', async () => {
    await call('more')
    if (form === 'http modern') return // Each request has a server of its own there: nothing can change.
    await expect
      .poll(async () => (await fetch(`${world.gateway.url}/agents/tools/.well-known/agent-card.json`)).text(), {
        timeout: 10_000,
      })
      .toContain('added')
    expect(partsOf(await call('added'))).toEqual([{ text: 'I am new' }])
  })

  test('the gateway stops while tools run: one is called again, the other is not', async () => {
    const asked = await call('asks', { what: 'coat' })
    const once = await call('hold', { key: 'restart' }, { configuration: now })
    await expect.poll(() => timesDone('hold {"key":"restart"}'), { timeout: 10_000 }).toBe(1)
    const { directory } = world
    await world.stop({ keep: true })
    world = await aWorld({ directory })
    const failed = await ended(once.id)
    expect(reasonIn(failed)).toBe('OUTCOME_UNKNOWN')
    expect(timesDone('hold {"key":"restart"}')).toBe(1)
    // The call that asked has ended with the process that held it.
    const late = await send([{ data: { color: 'blue' } }], { taskId: asked.id })
    expect(stateOf(late)).toBe('TASK_STATE_FAILED')
    expect(reasonIn(late)).toBe('OUTCOME_UNKNOWN')
    expect(timesDone('asks {"what":"coat"}')).toBeLessThanOrEqual(1)
  })
})
