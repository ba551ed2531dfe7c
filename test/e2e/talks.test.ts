/** Calls, conversations and rooms from end to end, on a real database. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { aCollector, type Collector } from '../support/collector.ts'
import { openServer, type Server } from '../support/databases.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import { now, reasonIn, stateOf, wish } from './mailboxWorld.ts'
import { makeKey } from './surfaces.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of many forms
type Json = any

let world: World
let server: Server
let made = 0

beforeAll(async () => {
  server = await openServer()
  world = await aWorld({ databaseUrl: await server.create(), env: { WAYPOST_DEMO_ROOMS: 'on' } })
})
afterAll(async () => {
  await world?.stop()
  await server?.stop()
})

async function api(method: string, path: string, body?: unknown, key?: string) {
  const response = await fetch(world.gateway.url + path, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, json: (text ? JSON.parse(text) : undefined) as Json }
}
const anAgent = (more: object = {}): Promise<Collector> => aCollector(world, `talker${++made}`, { ...more })

describe('a call', () => {
  const call = (agent: Collector, more: Json = {}) =>
    world.client(agent.name).send('hello?', { configuration: now, ...wish({ kind: 'call', ...more }) })

  test('rings at who is there; it is answered by being taken, and declined by being rejected', async () => {
    const agent = await anAgent()
    await agent.lease()
    const waiting = agent.lease({}, 10)
    await until(
      async () =>
        (await api('GET', `/v1/agents/${agent.name}`, undefined, world.gateway.adminKey)).json.state === 'online',
    )
    const task = await call(agent, { ringSeconds: 60 })
    const job = await waiting
    expect([job.kind, job.task.id]).toEqual(['call', task.id])
    await agent.say(job.lease, 'reject', { text: 'not now' })
    expect(stateOf(await world.client(agent.name).get(task.id))).toBe('TASK_STATE_REJECTED')
  })

  test('to somebody who is not there is left in the inbox at once, and the caller is told', async () => {
    const agent = await anAgent()
    const task = await call(agent, { ringSeconds: 600 })
    await until(async () => (await world.client(agent.name).get(task.id)).status.message !== undefined)
    const left = await world.client(agent.name).get(task.id)
    expect([stateOf(left), reasonIn(left)]).toEqual(['TASK_STATE_SUBMITTED', 'NO_ANSWER'])
    const job = await agent.lease()
    expect([job.kind, job.task.id]).toEqual(['task', task.id])
  })

  test('that nobody answers while it rings becomes a message, or fails, as its sender wants', async () => {
    const agent = await anAgent()
    await agent.lease()
    await until(
      async () =>
        (await api('GET', `/v1/agents/${agent.name}`, undefined, world.gateway.adminKey)).json.state === 'online',
    )
    const keeps = await call(agent, { ringSeconds: 1 })
    const fails = await call(agent, { ringSeconds: 1, noAnswer: 'fail' })
    const client = world.client(agent.name)
    await until(async () => stateOf(await client.get(fails.id)) === 'TASK_STATE_FAILED')
    await until(async () => (await client.get(keeps.id)).status.message !== undefined)
    expect(reasonIn(await client.get(fails.id))).toBe('NO_ANSWER')
    expect((await agent.lease()).task.id).toBe(keeps.id)
    expect(await agent.lease()).toBeUndefined()
  })
})

describe('a conversation', () => {
  test('is its participants’, both ways in one context; to others it is not there', async () => {
    const [a, b, stranger] = [await anAgent(), await anAgent(), await anAgent()]
    const first = await world.client(b.name, a.token).send('to b', { configuration: now })
    const job = await b.lease()
    await b.say(job.lease, 'complete', { text: 'from b' })
    const { contextId } = first
    const back = await world.client(a.name, b.token).send('to a', { configuration: now, message: { contextId } })
    expect(back.contextId).toBe(contextId)
    expect((await a.lease({ kind: 'task' })).text).toBe('to a')
    const foreign = await world
      .client(b.name, stranger.token)
      .rpc('SendMessage', { message: aMessage('x', { contextId }), configuration: now })
    expect(foreign.error.data[0].reason).toBe('TASK_NOT_FOUND')
    const own = await world
      .client(b.name, stranger.token)
      .rpc('SendMessage', { message: aMessage('x', { contextId: uuidv7() }), configuration: now })
    expect(own.error).toBeUndefined()

    const seen = await api('GET', `/v1/conversations/${contextId}`, undefined, b.token)
    expect(seen.json.participants.map(({ id }: Json) => id)).toEqual([`agent:${a.name}`, `agent:${b.name}`])
    expect(seen.json.items.map(({ event }: Json) => Object.keys(event)[0])).toContain('artifactUpdate')
    const page = await api('GET', `/v1/conversations/${contextId}?limit=2`, undefined, a.token)
    const rest = await api(
      'GET',
      `/v1/conversations/${contextId}?limit=100&cursor=${page.json.next}`,
      undefined,
      a.token,
    )
    expect([...page.json.items, ...rest.json.items]).toEqual(seen.json.items)
    expect(
      (await api('GET', '/v1/conversations', undefined, b.token)).json.items.map(({ contextId: id }: Json) => id),
    ).toContain(contextId)
    for (const id of [contextId, uuidv7()]) {
      const { status, json } = await api('GET', `/v1/conversations/${id}`, undefined, stranger.token)
      expect([status, json.code]).toEqual([404, 'TASK_NOT_FOUND'])
      expect((await api('GET', `/v1/conversations/${id}/events`, undefined, stranger.token)).status).toBe(404)
    }
    const all = await events(`/v1/conversations/${contextId}/events`, seen.json.items.length, a.token)
    expect(all.map(({ data }) => [data.task, data.sequence])).toEqual(
      seen.json.items.map(({ task, sequence }: Json) => [task, sequence]),
    )
    const again = await events(`/v1/conversations/${contextId}/events`, 1, a.token, all.at(-2)?.id)
    expect(again.length).toBeGreaterThan(0)
  })
})

describe('a room', () => {
  test('is three calls without a key: open, join, say', async () => {
    const room = (await api('POST', '/agent/demo/room', { name: 'lobby' })).json
    expect(room).toMatchObject({
      name: 'lobby',
      roomId: expect.stringMatching(/^.{20,}$/),
      expiresAt: expect.any(String),
    })
    expect((await api('POST', `/agent/rooms/${room.roomId}/join`, { agentName: 'ann' })).json).toMatchObject({
      agentName: 'ann',
      verified: false,
    })
    const said = await api('POST', `/agent/rooms/${room.roomId}/messages`, { sender: 'ann', content: 'hi all' })
    expect([said.status, said.json]).toMatchObject([201, { id: 1, sender: 'ann', verified: false, content: 'hi all' }])
    const { messages } = (await api('GET', `/agent/rooms/${room.roomId}/history`)).json
    expect(messages.map(({ content }: Json) => content)).toEqual(['hi all'])
    expect((await api('GET', '/agent/rooms/nobody-knows-it/messages')).status).toBe(404)
  })

  test('gives what is said to agents that are in it, and what names one to that one as a task', async () => {
    const [a, b, outside] = [await anAgent(), await anAgent(), await anAgent()]
    const { roomId } = (await api('POST', '/agent/demo/room', { name: 'work' })).json
    for (const { token } of [a, b])
      expect((await api('POST', `/agent/rooms/${roomId}/join`, { agentName: 'liar' }, token)).json.verified).toBe(true)
    await api('POST', `/agent/rooms/${roomId}/messages`, { sender: 'ann', content: 'hello' })
    const got = [await a.lease(), await b.lease()]
    expect(got.map(({ kind, text }) => [kind, text])).toEqual(Array(2).fill(['post', 'hello']))
    await b.say(got[1].lease, 'complete', {})
    const said = (
      await api('POST', `/agent/rooms/${roomId}/messages`, {
        sender: 'ann',
        content: `@${b.name}: translate. @${outside.name} too`,
      })
    ).json
    expect(said.mentions).toEqual([{ agent: b.name, task: expect.any(String) }])
    const own = await api('POST', `/agent/rooms/${roomId}/messages`, { sender: 'ann', content: 'I am b' }, b.token)
    expect(own.json).toMatchObject({ sender: b.name, verified: true })
    const task = await b.lease()
    expect([task.kind, task.task.id]).toEqual(['task', said.mentions[0].task])
    expect(await b.lease()).toBeUndefined()
    expect(await outside.lease()).toBeUndefined()
  })

  test('is read from a cursor, and two readers under a thousand posts miss none', async () => {
    const key = (await makeKey(world, { caller: 'host' })).key
    const { roomId } = (await api('POST', '/api/rooms', { name: 'busy' }, key)).json
    const url = `/api/rooms/${roomId}/messages`
    const posting = (async () => {
      for (let at = 0; at < 1_000; at += 20)
        await Promise.all(Array.from({ length: 20 }, (_, n) => api('POST', url, { content: `${at + n}` }, key)))
    })()
    const read = async () => {
      const ids: number[] = []
      for (let cursor = 0; ids.length < 1_000; ) {
        const page = (await api('GET', `${url}?after=${cursor}&limit=50`, undefined, key)).json
        ids.push(...page.messages.map(({ id }: Json) => id))
        cursor = page.cursor
      }
      return ids
    }
    const tail = events(`/api/rooms/${roomId}/stream`, 1_000, key)
    const [one, other, streamed] = await Promise.all([read(), read(), tail, posting])
    const expected = Array.from({ length: 1_000 }, (_, at) => at + 1)
    expect(one).toEqual(expected)
    expect(other).toEqual(expected)
    expect(streamed.map(({ id }) => Number(id))).toEqual(expected)
    const rest = await events(`/api/rooms/${roomId}/stream`, 10, key, '990')
    expect(rest.map(({ id }) => Number(id))).toEqual(expected.slice(990))
  }, 120_000)

  test('is cleared by its owner only, and watched by observers who say nothing', async () => {
    const owner = (await makeKey(world, { caller: 'owner' })).key
    const other = (await makeKey(world, { caller: 'other' })).key
    const { roomId } = (await api('POST', '/api/rooms', { name: 'mine' }, owner)).json
    const watcher = (await makeKey(world, { caller: 'watcher', permits: ['observe'], agents: [`#${roomId}`] })).key
    const url = `/api/rooms/${roomId}/messages`
    await api('POST', url, { content: 'secret' }, owner)
    expect((await api('GET', url, undefined, watcher)).json.messages).toHaveLength(1)
    expect((await api('POST', url, { content: 'x' }, watcher)).status).toBe(403)
    expect((await api('GET', url, undefined, other)).status).toBe(404)
    expect((await api('POST', url, { content: 'x' }, other)).status).toBe(404)
    expect((await api('GET', url)).status).toBe(401)
    expect((await api('DELETE', url, undefined, other)).status).toBe(404)
    expect((await api('DELETE', url, undefined, watcher)).status).toBe(403)
    expect((await api('DELETE', url, undefined, owner)).json).toEqual({ roomId, cleared: true })
    expect((await api('GET', url, undefined, owner)).json.messages).toEqual([])
    const { json } = await api('GET', '/v1/audit?action=channel.cleared', undefined, world.gateway.adminKey)
    expect(json.items[0].subject).toBe(`#${roomId}`)
    expect((await api('POST', `/api/rooms/${roomId}/join`, {}, other)).json).toMatchObject({
      agentName: 'other',
      verified: true,
    })
    expect((await api('GET', url, undefined, other)).status).toBe(200)
  })

  test('without a key there are three from one address, and none unless it is switched on', async () => {
    let last = 201
    for (let n = 0; n < 4 && last === 201; n++) last = (await api('POST', '/agent/demo/room', {})).status
    expect(last).toBe(429)
    const off = await aWorld()
    const answer = await fetch(`${off.gateway.url}/agent/demo/room`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect(answer.status).toBe(404)
    await off.stop()
  })
})

/** Reads so many events of a stream, and lets go. */
async function events(
  path: string,
  count: number,
  key: string,
  lastEventId?: string,
): Promise<{ id: string; data: Json }[]> {
  const gone = new AbortController()
  const response = await fetch(world.gateway.url + path, {
    headers: { authorization: `Bearer ${key}`, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
    signal: gone.signal,
  })
  const seen: { id: string; data: Json }[] = []
  let text = ''
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8')
      const frames = text.split('\n\n')
      text = frames.pop() as string
      for (const frame of frames) {
        const id = /^id: (.*)$/m.exec(frame)?.[1]
        const data = /^data: (.*)$/m.exec(frame)?.[1]
        if (id !== undefined && data !== undefined) seen.push({ id, data: JSON.parse(data) })
      }
      if (seen.length >= count) break
    }
  } finally {
    gone.abort()
  }
  return seen
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}
