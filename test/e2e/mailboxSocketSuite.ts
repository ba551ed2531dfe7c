/** The mailbox over a WebSocket, by the `ws` client. Real sockets, a real database, run on both drivers. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Collector } from '../support/collector.ts'
import { aMailboxWorld, type OpenDatabase, stateOf, textOf } from './mailboxWorld.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into frames of many forms
type Frame = any

async function open(url: string, token: string, more: object = {}) {
  const ws = new WebSocket(`${url.replace('http', 'ws')}/v1/inbox/ws`, {
    headers: { authorization: `Bearer ${token}` },
    ...more,
  })
  const frames: Frame[] = []
  const wanted: { fits: (frame: Frame) => boolean; resolve: (frame: Frame) => void }[] = []
  ws.on('message', (data) => {
    const frame = JSON.parse(data.toString())
    const at = wanted.findIndex(({ fits }) => fits(frame))
    if (at >= 0) wanted.splice(at, 1)[0]?.resolve(frame)
    else frames.push(frame)
  })
  const closed = new Promise<number>((resolve) => ws.once('close', resolve))
  await new Promise((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
  })
  const next = (fits: (frame: Frame) => boolean): Promise<Frame> => {
    const at = frames.findIndex(fits)
    if (at >= 0) return Promise.resolve(frames.splice(at, 1)[0])
    return new Promise((resolve) => wanted.push({ fits, resolve }))
  }
  return {
    ws,
    frames,
    closed,
    next,
    lease: () => next(({ type }) => type === 'lease'),
    say: (frame: Record<string, unknown>) => ws.send(JSON.stringify(frame)),
    /** Says it and waits for the answer. */
    ask(frame: Record<string, unknown>) {
      const id = `${Math.random()}`
      ws.send(JSON.stringify({ ...frame, id }))
      return next((answer) => answer.id === id)
    },
  }
}

export function mailboxSocketSuite(driver: string, openDatabase: OpenDatabase) {
  describe(`the socket of a mailbox on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(openDatabase, 's')
    const socketOf = (agent: Collector) => open(world().gateway.url, agent.token)
    const refusal = (headers: Record<string, string>, path = '/v1/inbox/ws') =>
      new Promise((resolve, reject) => {
        const ws = new WebSocket(`${world().gateway.url.replace('http', 'ws')}${path}`, { headers })
        ws.on('error', () => {})
        ws.once('open', () => reject(new Error('it was let in')))
        ws.once('unexpected-response', (_, response) => resolve(response.statusCode))
      })

    test('hands out as much as there is credit for, and settles on the same socket', async () => {
      const { agent, client, send } = await anAgent()
      const sent = [await send('a'), await send('b'), await send('c')]
      const socket = await socketOf(agent)
      expect(await socket.ask({ type: 'credit', n: 2 })).toMatchObject({ type: 'answer' })
      const held = [await socket.lease(), await socket.lease()]
      expect(held.map(({ text, attempt }) => [text, attempt])).toEqual([
        ['a', 1],
        ['b', 1],
      ])
      expect((await agent.lease()).text).toBe('c')
      const [first, second] = held
      expect(await socket.ask({ type: 'renew', lease: first.lease, leaseSeconds: 300 })).toMatchObject({
        cancelRequested: false,
      })
      await socket.ask({ type: 'update', lease: first.lease, text: 'half', progress: 50 })
      expect(await socket.ask({ type: 'complete', lease: first.lease, text: 'A' })).toMatchObject({
        settled: 'complete',
      })
      expect(await socket.ask({ type: 'fail', lease: second.lease, text: 'no' })).toMatchObject({ settled: 'fail' })
      const states = await Promise.all(sent.slice(0, 2).map(async ({ id }) => stateOf(await client.get(id))))
      expect(states).toEqual(['TASK_STATE_COMPLETED', 'TASK_STATE_FAILED'])
      expect(textOf(await client.get(sent[0]?.id as string))).toBe('A')
      // It waits, and is woken for what comes; what it does not want does not come.
      socket.say({ type: 'credit', n: 1, minPriority: 'high' })
      await send('later')
      const urgent = await send('now', { metadata: { 'urn:x-waypost:store-and-forward:1': { priority: 'high' } } })
      expect(await socket.lease()).toMatchObject({ text: 'now', task: { id: urgent.id } })
      expect(socket.frames.filter(({ type }) => type === 'lease')).toEqual([])
      socket.ws.close()
      await socket.closed
    })

    test('tells of cancels and of what the sender says more', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('x')
      const socket = await socketOf(agent)
      socket.say({ type: 'credit', n: 1 })
      const { lease } = await socket.lease()
      await send('more', { message: { taskId: sent.id, contextId: sent.contextId } })
      expect(await socket.next(({ event }) => event === 'message')).toMatchObject({
        type: 'hint',
        task: sent.id,
        count: 1,
      })
      const refused = await socket.ask({ type: 'complete', lease, text: 'X' })
      expect(refused).toMatchObject({ type: 'error', status: 409, code: 'new_messages', lease })
      const canceling = client.rpc('CancelTask', { id: sent.id })
      expect(await socket.next(({ event }) => event === 'cancel')).toMatchObject({ task: sent.id })
      await socket.ask({ type: 'release', lease })
      await canceling
      socket.ws.terminate()
    })

    test('a socket that breaks loses what it held after the grace; one that comes back in time keeps it', async () => {
      const { agent, send } = await anAgent()
      await send('broken')
      await send('kept')
      const socket = await socketOf(agent)
      socket.say({ type: 'credit', n: 2, leaseSeconds: 600 })
      const [broken, kept] = [await socket.lease(), await socket.lease()]
      socket.ws.terminate()
      const back = await socketOf(agent)
      // The grace began when the gateway saw it: what is said after it counts.
      const ends = async () => (await agent.call('/v1/inbox?state=leased', undefined, { method: 'GET' })).json.items
      await expect
        .poll(async () => {
          const items = (await ends()) as { leasedUntil: string }[]
          return items.every(({ leasedUntil }) => Date.parse(leasedUntil) - Date.now() < 60_000)
        })
        .toBe(true)
      expect(await back.ask({ type: 'renew', lease: kept.lease, leaseSeconds: 600 })).toMatchObject({ type: 'answer' })
      const again = await agent.lease({}, 20)
      expect(again).toMatchObject({ delivery: broken.delivery, attempt: 2 })
      expect(await back.ask({ type: 'complete', lease: broken.lease })).toMatchObject({ code: 'lease_lost' })
      expect(await back.ask({ type: 'complete', lease: kept.lease })).toMatchObject({ settled: 'complete' })
      back.ws.terminate()
    })

    test('a socket that falls silent is dropped, and what it held is taken by another', async () => {
      const { agent, send } = await anAgent()
      await send('held')
      await send('credited')
      const silent = await open(world().gateway.url, agent.token, { autoPong: false })
      silent.say({ type: 'credit', n: 1, leaseSeconds: 600 })
      const held = await silent.lease()
      const alive = await socketOf(agent)
      expect(await silent.closed).toBe(1006)
      alive.say({ type: 'credit', n: 2 })
      const works = [await alive.lease(), await alive.lease()]
      expect(works.map(({ text, attempt }) => `${text} ${attempt}`).sort()).toEqual(['credited 1', 'held 2'])
      expect((await agent.say(held.lease, 'complete')).json.code).toBe('lease_lost')
      alive.ws.terminate()
    })

    test('nonsense is answered, and what is too much ends the socket', async () => {
      const { agent, send } = await anAgent()
      await send('x')
      const socket = await socketOf(agent)
      socket.ws.send('{')
      expect(await socket.next(({ type }) => type === 'error')).toMatchObject({ code: 'JSON_PARSE', status: 400 })
      expect(await socket.ask({ type: 'sing' })).toMatchObject({ type: 'error', code: 'INVALID_PARAMS' })
      expect(await socket.ask({ type: 'complete' })).toMatchObject({ code: 'INVALID_PARAMS' })
      expect(await socket.ask({ type: 'credit', n: 65 })).toMatchObject({ code: 'INVALID_PARAMS' })
      expect(await socket.ask({ type: 'credit', n: 1, kind: 'letter' })).toMatchObject({
        violations: [{ field: 'kind' }],
      })
      expect(await socket.ask({ type: 'complete', lease: 'f'.repeat(64) })).toMatchObject({ code: 'LEASE_NOT_FOUND' })
      // A hundred at once are all answered.
      const burst = await Promise.all(
        Array.from({ length: 100 }, () => socket.ask({ type: 'renew', lease: 'f'.repeat(64) })),
      )
      expect(new Set(burst.map(({ code }) => code))).toEqual(new Set(['LEASE_NOT_FOUND']))
      socket.ws.send(Buffer.from([1, 2, 3]))
      expect(await socket.closed).toBe(1003)
      const large = await socketOf(agent)
      large.ws.on('error', () => {})
      large.ws.send('x'.repeat(5 * 1024 * 1024))
      expect(await large.closed).toBe(1009)
      const silly = await socketOf(agent)
      for (let n = 0; n < 30; n++) silly.ws.send('?')
      expect(await silly.closed).toBe(1008)
      expect((await agent.lease()).text).toBe('x')
    })

    test('is only for who collects, from a host that this is, and other upgrades are none', async () => {
      const { agent } = await anAgent()
      const token = { authorization: `Bearer ${agent.token}` }
      expect(await refusal({})).toBe(401)
      expect(await refusal({ authorization: 'Bearer wp_x_y' })).toBe(401)
      expect(await refusal({ authorization: `Bearer ${world().gateway.adminKey}` })).toBe(403)
      expect(await refusal({ ...token, host: 'elsewhere.example' })).toBe(421)
      expect(await refusal(token, '/v1/inbox')).toBe(404)
      const socket = connect(world().gateway.port, '127.0.0.1')
      socket.write(
        `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${world().gateway.port}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n`,
      )
      let text = ''
      for await (const chunk of socket) text += chunk
      expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
    })
  })
}
