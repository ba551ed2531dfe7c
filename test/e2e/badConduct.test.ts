/** Callers that behave badly over time, on the running gateway: streams not read, cut, too many; the same said twice. */
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { aMessage, aWorld, type Client, type World } from '../support/world.ts'
import { ask, makeKey, reasonOf, revokeKey } from './surfaces.ts'

const now = { returnImmediately: true }
const STREAMS_PER_TASK = 3
const STREAMS_PER_CALLER = 6

let world: World
let agent: ScriptedAgent
let client: Client
beforeAll(async () => {
  agent = await startAgent({ dedupe: true })
  world = await aWorld({
    limits: {
      queuePerAgentMax: 20,
      streamsPerTaskMax: STREAMS_PER_TASK,
      streamsPerCallerMax: STREAMS_PER_CALLER,
      credentialCacheMs: 300,
    },
    cards: {
      echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' },
      other: { connector: { kind: 'a2a', url: agent.url } },
      box: { connector: { kind: 'mailbox' } },
      full: { connector: { kind: 'mailbox' } },
    },
  })
  client = world.client('echo')
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})
afterEach(async () => expect((await fetch(`${world.gateway.url}/healthz`)).status).toBe(200))

/** A task that works until its message is released. */
async function working(): Promise<{ id: string; messageId: string }> {
  const message = aMessage('delay')
  const started = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
  const { id } = await client.send('', { configuration: now, message })
  await started
  return { id, messageId: message.messageId }
}

/** A stream's socket, open and unread until `read`. */
async function openRaw(
  method: string,
  params: unknown,
): Promise<{ socket: Socket; text(): string; until(end: string): Promise<void> }> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const socket = connect({ port: world.gateway.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write(
    `POST /agents/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${world.gateway.adminKey}\r\nA2A-Version: 1.0\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  let text = ''
  return {
    socket,
    text: () => text,
    until: (end) =>
      new Promise((resolve) => {
        socket.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
          if (text.includes(end)) resolve()
        })
      }),
  }
}

describe('a stream', () => {
  test('J-02 whose reader has hung up is closed; the task goes on', async () => {
    const { id, messageId } = await working()
    const { socket, until } = await openRaw('SubscribeToTask', { id })
    await until('TASK_STATE_WORKING')
    const closed = world.next('stream.closed', ({ task }) => task === id)
    socket.end()
    await closed
    agent.release(messageId)
    await world.next('task.finished', ({ task }) => task === id)
    socket.destroy()
  })

  test('J-03 that is reset harms no other', async () => {
    const { id, messageId } = await working()
    const [cut, other] = [await openRaw('SubscribeToTask', { id }), await openRaw('SubscribeToTask', { id })]
    await Promise.all([cut.until('TASK_STATE_WORKING'), other.until('TASK_STATE_WORKING')])
    const closed = world.next('stream.closed', ({ task }) => task === id)
    cut.socket.resetAndDestroy()
    await closed
    const ended = other.until('TASK_STATE_COMPLETED')
    agent.release(messageId)
    await ended
    expect(other.text()).toContain('"text":"released"')
    other.socket.destroy()
  })

  test('E-21 J-04 beyond what a task and a caller may have is refused; one closed makes room', async () => {
    const held: Socket[] = []
    const tasks = [await working(), await working(), await working()]
    const open = async (id: string) => {
      const { socket, until } = await openRaw('SubscribeToTask', { id })
      await until('TASK_STATE_WORKING')
      held.push(socket)
    }
    for (let n = 0; n < STREAMS_PER_TASK; n++) await open(tasks[0]!.id)
    const refused = async (id: string) => {
      const { status, error } = await client.rpc('SubscribeToTask', { id })
      expect([status, error?.code, error?.data[0].reason]).toEqual([429, -32000, 'RATE_LIMITED'])
    }
    await refused(tasks[0]!.id)
    for (let n = STREAMS_PER_TASK; n < STREAMS_PER_CALLER; n++) await open(tasks[1]!.id)
    await refused(tasks[2]!.id)
    const closed = world.next('stream.closed')
    held.shift()?.destroy()
    await closed
    await open(tasks[2]!.id)
    const gone = new Set<string>()
    const ends = new Promise<void>((resolve) => {
      world.gateway.signals.on('task.finished', ({ task }) => {
        gone.add(task)
        if (tasks.every(({ id }) => gone.has(id))) resolve()
      })
    })
    for (const { messageId } of tasks) agent.release(messageId)
    await ends
    for (const socket of held) socket.destroy()
  })

  test('J-06 J-07 carries any text in one line of data, and no text can make a frame', async () => {
    const text = 'echo a\nb\r\n\r\nevent: evil\ndata: {"x":1}\u2028\u2029\u0085 c'
    const got: string[] = []
    const { socket, until, text: raw } = await openRaw('SendStreamingMessage', { message: aMessage(text) })
    await until('TASK_STATE_COMPLETED')
    socket.destroy()
    const frames = raw().slice(raw().indexOf('\r\n\r\n') + 4)
    for (const line of frames.split(/\r\n|\n|\r/)) {
      const data = /^data: ?([\s\S]*)$/.exec(line)?.[1]
      if (data === undefined) expect(line).toMatch(/^(id: ?\d+|:.*|[0-9a-f]+|)$/)
      else got.push(JSON.stringify(JSON.parse(data)))
    }
    expect(got.some((json) => json.includes(JSON.stringify(`echo: ${text}`).slice(1, -1)))).toBe(true)
  })

  test('J-10 is not to be buffered, kept or compressed on its way', async () => {
    const { socket, until, text } = await openRaw('SendStreamingMessage', { message: aMessage('complete') })
    await until('TASK_STATE_COMPLETED')
    socket.destroy()
    const head = text().slice(0, text().indexOf('\r\n\r\n')).toLowerCase()
    expect(head).toContain('x-accel-buffering: no')
    expect(head).toMatch(/cache-control: no-(cache|store)/)
    expect(head).not.toContain('content-encoding')
  })

  test('J-05 hundreds of connections that come and go leave it quick', async () => {
    const visits = Array.from({ length: 300 }, () => {
      const socket = connect({ port: world.gateway.port, host: '127.0.0.1' }, () => socket.destroy())
      return new Promise((resolve) => socket.on('close', resolve))
    })
    await Promise.all(visits)
    const began = performance.now()
    expect((await fetch(`${world.gateway.url}/healthz`)).status).toBe(200)
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

describe('a message', () => {
  test('E-09 while the agent works is queued behind, in order', async () => {
    const asked = await client.send('input')
    const first = aMessage('delay', { taskId: asked.id })
    const started = world.next(
      'task.recorded',
      ({ task, state }) => task === asked.id && state === 'TASK_STATE_WORKING',
    )
    await client.send('', { configuration: now, message: first })
    await started
    const second = aMessage('input', { taskId: asked.id })
    await client.send('', { configuration: now, message: second })
    expect(agent.executionsOf(second.messageId)).toBe(0)
    const ended = world.next('task.finished', ({ task }) => task === asked.id)
    agent.release(first.messageId)
    await ended
    const told = (await client.get(asked.id)).history?.map(({ parts }) => parts[0]?.text)
    expect(told).toEqual(['input', 'what else?', 'delay', 'input'])
  })

  test('E-10 beside another, both to a task that asks, is kept: both, in order', async () => {
    const asked = await client.send('input')
    const [a, b] = [aMessage('input a', { taskId: asked.id }), aMessage('input b', { taskId: asked.id })]
    const answers = await Promise.all([a, b].map((message) => client.rpc('SendMessage', { message })))
    expect(answers.map(({ error }) => error)).toEqual([undefined, undefined])
    const history = (await client.get(asked.id)).history?.map(({ messageId }) => messageId) ?? []
    expect(history.filter((id) => id === a.messageId || id === b.messageId)).toHaveLength(2)
    expect([agent.executionsOf(a.messageId), agent.executionsOf(b.messageId)]).toEqual([1, 1])
  })

  test('E-14 to another agent, under the same id, is another task', async () => {
    const message = aMessage('complete')
    const one = (await client.rpc('SendMessage', { message })).result.task.id
    expect((await world.client('other').rpc('SendMessage', { message })).result.task.id).not.toBe(one)
  })

  test('E-16 again over the other binding is the same task', async () => {
    const message = aMessage('complete')
    const { id } = (await client.rpc('SendMessage', { message })).result.task
    const asked = { method: 'POST', path: '/message:send', version: '1.0', body: { message } } as const
    const answer = await ask(world, 'echo', asked, world.gateway.adminKey)
    expect(JSON.parse(answer.text).task.id).toBe(id)
    expect(agent.executionsOf(message.messageId)).toBe(1)
    const other = { ...asked, body: { message: { ...message, parts: [{ text: 'other' }] } } }
    const refused = await ask(world, 'echo', other, world.gateway.adminKey)
    expect([refused.status, reasonOf(refused)]).toEqual([400, 'MESSAGE_ID_REUSED'])
  })

  test('E-26 beyond what may wait for an agent is not taken, and the caller is told when to come back', async () => {
    const full = world.client('full')
    let refused: Awaited<ReturnType<Client['rpc']>> | undefined
    for (let n = 0; n < 30 && !refused?.error; n++)
      refused = await full.rpc('SendMessage', { message: aMessage('x'), configuration: now })
    expect([refused?.status, refused?.error?.data[0].reason]).toEqual([429, 'QUEUE_FULL'])
    const { result } = await full.rpc('ListTasks', {})
    expect(result.totalSize).toBeLessThanOrEqual(21)
  })
})

describe('a configuration', () => {
  const url = 'http://127.0.0.1:8123/hook'
  const create = (taskId: string, config: object) =>
    world.client('box').rpc('CreateTaskPushNotificationConfig', { taskId, ...config })
  const fresh = async () => (await world.client('box').send('x', { configuration: now })).id
  const list = async (taskId: string) =>
    (await world.client('box').rpc('ListTaskPushNotificationConfigs', { taskId })).result.configs

  test('G-22 under an id that is there replaces it; G-29 secrets are write-only', async () => {
    const taskId = await fresh()
    await create(taskId, { id: 'a', url, token: 'secret-1' })
    await create(taskId, { id: 'a', url: `${url}2`, token: 'secret-2' })
    const configs = await list(taskId)
    expect(configs.map(({ url }: { url: string }) => url)).toEqual([`${url}2`])
    expect(JSON.stringify(configs)).not.toContain('secret')
  })

  test('G-23 that is one too many is refused', async () => {
    const taskId = await fresh()
    for (let n = 0; n < 10; n++) expect((await create(taskId, { id: `c${n}`, url })).error).toBeUndefined()
    const { status, error } = await create(taskId, { id: 'more', url })
    expect([status, error?.data[0].reason]).toEqual([429, 'CONFIG_LIMIT'])
    expect(await list(taskId)).toHaveLength(10)
  })

  test('G-25 of another task than the path says is refused', async () => {
    const [taskId, other] = [await fresh(), await fresh()]
    const path = `/tasks/${taskId}/pushNotificationConfigs`
    const asked = { method: 'POST', path, version: '1.0', body: { taskId: other, id: 'a', url } } as const
    const answer = await ask(world, 'box', asked, world.gateway.adminKey)
    expect([answer.status, reasonOf(answer)]).toEqual([400, 'INVALID_PARAMS'])
    expect([await list(taskId), await list(other)]).toEqual([[], []])
  })
})

test('H-25 a key that is revoked reads its streams no longer; those of others stay', async () => {
  const { id: keyId, key } = await makeKey(world, { caller: 'reader' })
  const other = await makeKey(world, { caller: 'reader' })
  const { id } = await world.client('box', key).send('x', { configuration: now })
  const own = world.client('box', key).stream('SubscribeToTask', { id })
  const others = world.client('box', other.key).stream('SubscribeToTask', { id })
  await Promise.all([own.next(), others.next()])
  const closed: string[] = []
  world.gateway.signals.on('stream.closed', ({ task, why }) => {
    if (task === id) closed.push(why)
  })
  await revokeKey(world, keyId)
  expect((await own.next()).done).toBe(true)
  expect(closed).toEqual(['cut'])
  await world.client('box', other.key).rpc('CancelTask', { id })
  expect((await others.next()).value?.event).toMatchObject({
    statusUpdate: { status: { state: 'TASK_STATE_CANCELED' } },
  })
})
