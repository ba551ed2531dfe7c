/** The operations over gRPC as the official SDK's client asks for them, found by the card alone. */
import { AgentCard, SendMessageRequest, StreamResponse, Task } from '@a2a-js/sdk'
import { type Client, ClientFactory } from '@a2a-js/sdk/client'
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ScriptedAgent, startAgent } from '../../../support/agent.ts'
import { freePort } from '../../../support/databases.ts'
import { aGrpcWorld, type GrpcWorld } from './world.ts'

let world: GrpcWorld
let agent: ScriptedAgent
let client: Client
let options: { serviceParameters: Record<string, string> }

const requestOf = (text: string, more: object = {}, configuration?: object) =>
  SendMessageRequest.fromJSON({
    message: { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [{ text }], ...more },
    ...(configuration && { configuration }),
  })
// biome-ignore lint/suspicious/noExplicitAny: what an SDK gives back is looked at, not trusted
type Json = any
const json = (task: unknown): Json => Task.toJSON(task as Task)
const now = { returnImmediately: true }

beforeAll(async () => {
  agent = await startAgent({ dedupe: true })
  world = await aGrpcWorld({
    env: { WAYPOST_BLOCK_SECONDS: '20' },
    cards: { echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' } },
  })
  expect(world.gateway.cardProblems).toEqual([])
  const card = await fetch(`${world.gateway.url}/agents/echo/.well-known/agent-card.json`, {
    headers: { 'a2a-version': '1.0' },
  }).then((response) => response.json())
  const factory = new ClientFactory({ transports: [new GrpcTransportFactory()], preferredTransports: ['GRPC'] })
  client = await factory.createFromAgentCard(AgentCard.fromJSON(card))
  options = { serviceParameters: { authorization: `Bearer ${world.gateway.adminKey}` } }
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})

describe('the card', () => {
  test('lists gRPC behind the HTTP bindings of its version, the agent being its tenant', async () => {
    const { gateway, address } = world
    const response = await fetch(`${gateway.url}/agents/echo/.well-known/agent-card.json`, {
      headers: { 'a2a-version': '1.0' },
    })
    const { supportedInterfaces } = (await response.json()) as { supportedInterfaces: object[] }
    expect(supportedInterfaces[2]).toEqual({
      url: address.replace('127.0.0.1', 'localhost'),
      protocolBinding: 'GRPC',
      protocolVersion: '1.0',
      tenant: 'echo',
    })
  })
})

describe('over gRPC', () => {
  test('a send blocks until the task has ended, and a get tells the same as over JSON-RPC', async () => {
    const sent = json(await client.sendMessage(requestOf('artifact please'), options))
    expect(sent.status.state).toBe('TASK_STATE_COMPLETED')
    expect(sent.artifacts[0].parts[0].text).toBe('Generated text content')
    const got = json(await client.getTask({ id: sent.id, tenant: '' }, options))
    expect(got).toEqual(sent)
    const overHttp = await world.client('echo').get(sent.id)
    expect(got).toEqual(json(Task.fromJSON(overHttp)))
    expect(got.history[0].messageId).toBe(overHttp.history?.[0]?.messageId)
  })

  test("an agent's Message comes as one", async () => {
    const answer = (await client.sendMessage(requestOf('message'), options)) as Json
    expect(answer.parts[0].content).toEqual({ $case: 'text', value: 'Direct message response' })
  })

  test('a stream begins with the task and ends with its last event', async () => {
    const seen: string[] = []
    for await (const response of client.sendMessageStream(requestOf('artifact'), options)) {
      const event = StreamResponse.toJSON(response) as Json
      seen.push(Object.keys(event)[0] as string)
      if (event.statusUpdate?.status.state === 'TASK_STATE_COMPLETED') seen.push('completed')
    }
    expect(seen[0]).toBe('task')
    expect(seen).toContain('artifactUpdate')
    expect(seen.at(-1)).toBe('completed')
  })

  test('a second reader subscribes and sees the end; a cancel ends a task that waits', async () => {
    const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
    const { id } = json(await client.sendMessage(requestOf('delay', {}, now), options))
    await working
    const seen: Json[] = []
    const reading = (async () => {
      for await (const response of client.resubscribeTask({ id, tenant: '' }, options))
        seen.push(StreamResponse.toJSON(response))
    })()
    await world.next('stream.opened', ({ task }) => task === id)
    const canceled = json(await client.cancelTask({ id, tenant: '', metadata: undefined }, options))
    expect(canceled.status.state).toBe('TASK_STATE_CANCELED')
    await reading
    expect(seen[0].task.id).toBe(id)
    expect(seen.at(-1).statusUpdate.status.state).toBe('TASK_STATE_CANCELED')
  })

  test('lists come in pages', async () => {
    const contextId = crypto.randomUUID()
    for (const text of ['artifact', 'artifact', 'artifact'])
      await client.sendMessage(requestOf(text, { contextId }), options)
    const ask = { tenant: '', contextId, status: 0, pageToken: '', statusTimestampAfter: undefined }
    const first = await client.listTasks({ ...ask, pageSize: 2 }, options)
    expect([first.tasks.length, first.pageSize, first.totalSize]).toEqual([2, 2, 3])
    const second = await client.listTasks({ ...ask, pageSize: 2, pageToken: first.nextPageToken }, options)
    expect([second.tasks.length, second.nextPageToken]).toEqual([1, ''])
    const done = await client.listTasks({ ...ask, status: 3 }, options)
    expect(done.tasks.length).toBe(3)
    const future = new Date(Date.now() + 60_000).toISOString()
    expect((await client.listTasks({ ...ask, statusTimestampAfter: future }, options)).tasks).toEqual([])
  })

  test('push configurations are made, read, listed and deleted', async () => {
    const { id: taskId } = json(await client.sendMessage(requestOf('delay', {}, now), options))
    const hook = `http://127.0.0.1:${await freePort()}/hook`
    const made = await client.createTaskPushNotificationConfig(
      { tenant: '', id: 'mine', taskId, url: hook, token: 't', authentication: undefined },
      options,
    )
    expect(made).toMatchObject({ id: 'mine', taskId, url: hook })
    const asked = { tenant: '', taskId, id: 'mine' }
    expect(await client.getTaskPushNotificationConfig(asked, options)).toEqual(made)
    const listing = { tenant: '', taskId, pageSize: 0, pageToken: '' }
    expect((await client.listTaskPushNotificationConfig(listing, options)).configs).toEqual([made])
    await client.deleteTaskPushNotificationConfig(asked, options)
    expect((await client.listTaskPushNotificationConfig(listing, options)).configs).toEqual([])
    agent.release()
  })

  test('parts of every kind arrive as they were sent', async () => {
    const data = { list: [1, 'two', null, { three: true }], none: null, half: 0.5 }
    const parts = [
      { text: 'artifact' },
      { raw: Buffer.from([0, 255, 7]).toString('base64'), filename: 'a.bin', mediaType: 'text/plain' },
      { url: 'https://files.example/a', mediaType: 'text/plain' },
      { data },
      { text: '' },
    ]
    const { id } = json(await client.sendMessage(requestOf('', { parts }, now), options))
    expect((await world.client('echo').get(id)).history?.[0]?.parts).toEqual(parts)
  })
})
