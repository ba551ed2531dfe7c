import { afterAll, beforeAll, expect, test } from 'vitest'
import { aCollector } from '../support/collector.ts'
import { openServer, type Server } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'
import { channelsSuite } from './channelsSuite.ts'

let server: Server
beforeAll(async () => {
  server = await openServer()
})
afterAll(() => server?.stop())

channelsSuite('Embedded', async () => ({ close: async () => {} }))
channelsSuite('Postgres', async () => ({ databaseUrl: await server.create(), close: async () => {} }))

test('two gateways: what is said at one is heard at once by who follows at the other, in a room and in a conversation', async () => {
  const databaseUrl = await server.create()
  // They look at the lists once an hour: what wakes is what the other one tells.
  const options = { databaseUrl, limits: { pollMs: 3_600_000 } }
  const [here, there] = [await aWorld(options), await aWorld(options)]
  const ann = await aCollector(here, 'ann')
  const post = async (world: World, path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${ann.token}`, 'content-type': 'application/json' }
    const answer = await fetch(world.gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    return (await answer.json()) as { roomId: string }
  }
  const { roomId } = await post(here, '/api/rooms', { name: 'lobby' })
  await post(here, `/api/rooms/${roomId}/join`, {})
  const heard = await following(there, `/api/rooms/${roomId}/stream`, ann.token)
  for (const content of ['one', 'two']) {
    await post(here, `/api/rooms/${roomId}/messages`, { content })
    expect((await heard.next()).content).toBe(content)
  }
  const bob = await aCollector(here, 'bob')
  const sent = await here.client('bob', ann.token).send('hello', { configuration: { returnImmediately: true } })
  const talk = await following(there, `/v1/conversations/${sent.contextId}/events`, ann.token)
  expect(await talk.next()).toMatchObject({ task: sent.id, sequence: 1 })
  const { lease } = await bob.lease({}, 20)
  expect(await talk.next()).toMatchObject({ task: sent.id, sequence: 2 })
  await bob.say(lease, 'complete', {})
  expect(await talk.next()).toMatchObject({ task: sent.id, sequence: 3 })
  // A task that is new there.
  const message = { contextId: sent.contextId }
  const more = await here.client('bob', ann.token).send('more', { configuration: { returnImmediately: true }, message })
  expect(await talk.next()).toMatchObject({ task: more.id, sequence: 1 })
  for (const one of [heard, talk]) one.end()
  await Promise.all([here.stop(), there.stop()])
})

/** A stream of events, one at a time. Begun once it answers. */
async function following(world: World, path: string, token: string) {
  const gone = new AbortController()
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(world.gateway.url + path, { headers, signal: gone.signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const items: { content?: string }[] = []
  let text = ''
  return {
    async next() {
      while (items.length === 0) {
        const { value, done } = await reader.read()
        if (done) throw new Error('the stream has ended')
        const frames = (text + Buffer.from(value).toString('utf8')).split('\n\n')
        text = frames.pop() as string
        for (const frame of frames) {
          const data = /^data: (.*)$/m.exec(frame)?.[1]
          if (data !== undefined) items.push(JSON.parse(data))
        }
      }
      return items.shift() as { content?: string }
    },
    end: () => gone.abort(),
  }
}
