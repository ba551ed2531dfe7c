/** The reference "everything" server from npm as an agent, used by the unmodified client of the official A2A SDK (C6). */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SendMessageRequest, StreamResponse, Task } from '@a2a-js/sdk'
import { type Client, ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory } from '@a2a-js/sdk/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openServer, type Server } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'

const require = createRequire(import.meta.url)
const EVERYTHING = join(
  dirname(require.resolve('@modelcontextprotocol/server-everything/package.json')),
  'dist/index.js',
)

// biome-ignore lint/suspicious/noExplicitAny: what an SDK gives back is looked at, not trusted
type Json = any

describe.each(['embedded', 'PostgreSQL'])('on %s', (driver) => {
  let database: Server | undefined
  let world: World
  let client: Client
  beforeAll(async () => {
    database = driver === 'embedded' ? undefined : await openServer()
    world = await aWorld({
      ...(database && { databaseUrl: await database.create() }),
      cards: { everything: { connector: { kind: 'mcp', command: [process.execPath, EVERYTHING, 'stdio'] } } },
    })
    const authorization = `Bearer ${world.gateway.adminKey}`
    const fetchImpl: typeof fetch = (url, init) =>
      fetch(url, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), authorization } })
    const cardResolver = new DefaultAgentCardResolver({ fetchImpl })
    const transports = [new JsonRpcTransportFactory({ fetchImpl })]
    const base = `${world.gateway.url}/agents/everything/`
    client = await new ClientFactory({ transports, cardResolver }).createFromUrl(base)
  })
  afterAll(async () => {
    await world?.stop()
    await database?.stop()
  })

  const request = (parts: object[], taskId?: string) =>
    SendMessageRequest.fromJSON({
      message: { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts, ...(taskId && { taskId }) },
    })
  const call = async (tool: string, given: object = {}): Promise<Json> =>
    Task.toJSON((await client.sendMessage(request([{ data: { tool, arguments: given } }]))) as Task)
  const partsOf = (task: Json) => task.artifacts.flatMap(({ parts }: Json) => parts)

  test('tools that answer in text, in data, with an image, with links and resources', async () => {
    expect(partsOf(await call('echo', { message: 'hello' }))).toMatchObject([{ text: 'Echo: hello' }])
    expect(partsOf(await call('get-sum', { a: 2, b: 3 }))[0].text).toContain('5')
    const [data] = partsOf(await call('get-structured-content', { location: 'New York' }))
    expect(data.data).toMatchObject({ conditions: expect.any(String), temperature: expect.any(Number) })
    const image = partsOf(await call('get-tiny-image')).find(({ mediaType }: Json) => mediaType === 'image/png')
    expect(Buffer.from(image.raw, 'base64').subarray(1, 4).toString()).toBe('PNG')
    const links = partsOf(await call('get-resource-links', { count: 2 })).filter(({ url }: Json) => url)
    expect(links).toHaveLength(2)
    const resource = await call('get-resource-reference', { resourceType: 'Text', resourceId: 1 })
    expect(JSON.stringify(partsOf(resource))).toContain('plaintext resource')
  })

  test('wrong arguments are an error at once', async () => {
    await expect(call('get-sum', { a: 1, b: 'two' })).rejects.toThrow(/arguments/)
  })

  test('a long tool streams its progress', async () => {
    const seen: string[] = []
    const slow = request([{ data: { tool: 'trigger-long-running-operation', arguments: { duration: 1, steps: 4 } } }])
    for await (const response of client.sendMessageStream(slow)) {
      const { statusUpdate } = StreamResponse.toJSON(response) as Json
      const said = statusUpdate?.status.message?.parts[0]?.text
      if (said) seen.push(said)
    }
    expect(seen).toEqual(expect.arrayContaining(['1 of 4', '2 of 4', '3 of 4']))
  })

  test('a question back, and the answer', async () => {
    const asked = await call('trigger-elicitation-request')
    expect(asked.status.state).toBe('TASK_STATE_INPUT_REQUIRED')
    const [words, form] = asked.status.message.parts
    expect(words.text).toContain('provide inputs')
    expect(form).toMatchObject({ mediaType: 'application/schema+json', data: { required: ['name'] } })
    const answer = request([{ data: { name: 'Ann', integer: 7 } }], asked.id)
    const done = Task.toJSON((await client.sendMessage(answer)) as Task) as Json
    expect(done.status.state).toBe('TASK_STATE_COMPLETED')
    expect(JSON.stringify(partsOf(done))).toContain('Name: Ann')
    const refused = await call('trigger-elicitation-request')
    const no = Task.toJSON((await client.sendMessage(request([{ text: 'decline' }], refused.id))) as Task) as Json
    expect(JSON.stringify(partsOf(no))).toContain('declined')
  })

  test('its environment is what a program needs, and nothing of ours', async () => {
    const [{ text }] = partsOf(await call('get-env'))
    const names = Object.keys(JSON.parse(text))
    expect(names).toContain('PATH')
    expect(names.filter((name) => /WAYPOST|DATABASE|VITEST|NODE_ENV/.test(name))).toEqual([])
  })
})
