import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AgentTarget } from '../../../src/ports.ts'
import { type AgentOptions, type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { aSend, aWorld, glance, listen, type World, withCard } from './peers.ts'

let world: World
let agent: ScriptedAgent
let target: AgentTarget
const never = new AbortController().signal

async function anAgent(options: AgentOptions = {}) {
  agent = await startAgent(options)
  target = await world.target(agent.url)
}

beforeEach(() => {
  world = aWorld()
})
afterEach(async () => {
  agent?.release()
  await world.egress.close()
  await agent?.stop()
})

async function send(text: string, more: Parameters<typeof aSend>[1] = {}) {
  const heard = listen()
  const request = aSend(text, more)
  const verdict = await world.peer.send(target, request, heard.sink, never)
  return { verdict, request, said: heard.log.entries.map(glance), events: heard.log.entries }
}

const FACES: [string, AgentOptions][] = [
  ['1.0 JSON-RPC', { interfaces: ['1.0 JSONRPC'] }],
  ['1.0 HTTP+JSON', { interfaces: ['1.0 HTTP+JSON'] }],
  ['0.3 JSON-RPC', { interfaces: ['0.3 JSONRPC'] }],
  ['0.2 JSON-RPC', { interfaces: ['0.2 JSONRPC'] }],
]

describe.each(FACES)('an agent that speaks %s and streams', (_name, options) => {
  beforeEach(() => anAgent(options))

  test('completes with its artifact', async () => {
    const { verdict, said, request } = await send('artifact')
    expect(verdict).toEqual({ kind: 'accepted' })
    expect(said).toEqual(['task SUBMITTED', 'WORKING', 'Generated text content', 'COMPLETED'])
    expect(agent.executionsOf(request.message.messageId)).toBe(1)
    expect(agent.log.entries.at(-1)?.operation).toBe('SendStreamingMessage')
  })

  test('says its answer in pieces', async () => {
    expect((await send('chunks:3')).said).toEqual(['task SUBMITTED', 'WORKING', 'c1 ', '+c2 ', '+c3 ', 'COMPLETED'])
  })

  test('answers with a Message', async () => {
    const { verdict, said } = await send('message')
    expect(verdict).toEqual({ kind: 'accepted' })
    expect(said).toEqual(['message'])
  })

  test('asks back, and goes on with the same task', async () => {
    const first = await send('input')
    expect(first.said.at(-1)).toBe('INPUT_REQUIRED')
    const taskId = [...agent.executions.keys()][0] as string
    const second = await send('complete', { message: { taskId } })
    expect(second.verdict).toEqual({ kind: 'accepted' })
    expect(second.said.at(-1)).toBe('COMPLETED')
    expect(agent.executions.size).toBe(1)
  })

  test('refuses, fails and wants authorisation: all of these are accepted deliveries', async () => {
    expect((await send('reject')).said.at(-1)).toBe('REJECTED')
    expect((await send('fail')).said.at(-1)).toBe('FAILED')
    expect((await send('auth')).said.at(-1)).toBe('AUTH_REQUIRED')
  })

  test('is canceled', async () => {
    const heard = listen()
    const sending = world.peer.send(target, aSend('delay'), heard.sink, never)
    await heard.log.next((event) => glance(event) === 'WORKING')
    const taskId = [...agent.executions.keys()][0] as string
    expect(await world.peer.cancel(target, taskId, never)).toMatchObject({ kind: 'canceled', task: { id: taskId } })
    expect(await sending).toEqual({ kind: 'accepted' })
    expect(glance(heard.log.entries.at(-1)!)).toBe('CANCELED')
    expect(await world.peer.cancel(target, taskId, never)).toMatchObject({ kind: 'other' })
    expect(await world.peer.cancel(target, 'no-such-task', never)).toMatchObject({ kind: 'refused' })
  })

  test.each([1, 2, 3, 4])('a stream cut after %i frames is taken up again', async (frames) => {
    const heard = listen()
    const request = aSend(`cut:${frames} chunks:3`)
    expect(await world.peer.send(target, request, heard.sink, never)).toEqual({ kind: 'accepted' })
    const last = heard.log.entries.at(-1)!
    expect(glance(last)).toMatch(/COMPLETED/)
    const task = 'task' in last ? last.task : undefined
    expect(task?.artifacts?.[0]?.parts.map((part) => part.text).join('')).toBe('c1 c2 c3 ')
    expect(agent.executionsOf(request.message.messageId)).toBe(1)
  })

  test('events of other tasks stay outside', async () => {
    const { verdict, said } = await send('foreign')
    expect(verdict).toEqual({ kind: 'accepted' })
    expect(said).toEqual(['task SUBMITTED', 'WORKING', 'mine', 'COMPLETED'])
    expect(world.quarantined).toEqual(['an event of another task', 'an event of another task'])
  })

  test('a second end changes nothing', async () => {
    const { said } = await send('twice')
    expect(said).toEqual(['task SUBMITTED', 'COMPLETED'])
  })

  test('a Message in the midst becomes a status that leaves the state', async () => {
    const { said } = await send('interject')
    expect(said).toEqual(['task SUBMITTED', 'WORKING', 'WORKING', 'COMPLETED'])
  })

  test('drips its stream byte by byte', async () => {
    expect((await send('drip chunks:2')).said).toEqual(['task SUBMITTED', 'WORKING', 'c1 ', '+c2 ', 'COMPLETED'])
  })

  test('is followed from another process', async () => {
    const execution = listen()
    const first = new AbortController()
    const sending = world.peer.send(target, aSend('delay'), execution.sink, first.signal)
    await execution.log.next((event) => glance(event) === 'WORKING')
    first.abort()
    expect(await sending).toMatchObject({ kind: 'refused', code: 'STOPPED', retry: true })
    const heard = listen()
    const taskId = [...agent.executions.keys()][0] as string
    const following = world.peer.follow(target, taskId, heard.sink, never)
    await agent.log.next(({ operation }) => operation === 'SubscribeToTask')
    agent.release()
    expect(await following).toEqual({ kind: 'accepted' })
    expect(glance(heard.log.entries.at(-1)!)).toMatch(/COMPLETED/)
    const again = listen()
    expect(await world.peer.follow(target, taskId, again.sink, never)).toEqual({ kind: 'accepted' })
    expect(again.log.entries.map(glance)).toEqual(['task COMPLETED'])
  })
})

describe.each(FACES)('an agent that speaks %s and does not stream', (_name, options) => {
  beforeEach(() => anAgent({ ...options, streaming: false }))

  test('is asked once and polled until it ends', async () => {
    const heard = listen()
    const sending = world.peer.send(target, aSend('delay'), heard.sink, never)
    await world.clock.naps.count(4)
    agent.release()
    expect(await sending).toEqual({ kind: 'accepted' })
    expect(heard.log.entries.map(glance)).toEqual(['task WORKING', 'task COMPLETED'])
    expect(world.clock.naps.entries.slice(0, 3)).toEqual([500, 1_000, 2_000])
    expect(agent.log.entries.filter(({ operation }) => operation === 'SendMessage')).toHaveLength(1)
  })

  test('answers with a Message, asks back, continues', async () => {
    expect((await send('message')).said).toEqual(['message'])
    expect((await send('input')).said.at(-1)).toBe('task INPUT_REQUIRED')
    const taskId = [...agent.executions.values()].find(({ task }) => task.status.state === 'TASK_STATE_INPUT_REQUIRED')
    const second = await send('complete', { message: { taskId: taskId?.task.id as string } })
    expect(second.said).toEqual(['task COMPLETED'])
  })
})

describe('what goes out', () => {
  test('names, ids, trace, version, credentials', async () => {
    await anAgent({ authorization: 'Bearer secret' })
    target = { ...target, headers: { authorization: 'Bearer secret' } }
    const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'x=y' }
    const { request } = await send('complete', {
      extensions: ['urn:one', 'urn:two'],
      trace,
      acceptedOutputModes: ['text/plain'],
      metadata: { m: 1 },
    })
    const got = agent.log.entries.at(-1)!
    expect(got.headers).toMatchObject({
      'a2a-version': '1.0',
      'a2a-extensions': 'urn:one, urn:two',
      'x-a2a-extensions': 'urn:one, urn:two',
      'idempotency-key': request.idempotencyKey,
      authorization: 'Bearer secret',
      ...trace,
    })
    expect(JSON.parse(got.body).params).toEqual({
      message: request.message,
      configuration: { acceptedOutputModes: ['text/plain'] },
      metadata: { m: 1 },
    })
  })

  test('0.3 is told its version', async () => {
    await anAgent({ interfaces: ['0.3 JSONRPC'] })
    await send('complete')
    expect(agent.log.entries.at(-1)?.headers['a2a-version']).toBe('0.3')
  })

  test('the tenant of the interface is echoed, in the path where there is one', async () => {
    await anAgent({ interfaces: ['1.0 JSONRPC'] })
    target = withCard(target, (card) => ({
      ...card,
      supportedInterfaces: card.supportedInterfaces.map((face) => ({ ...face, tenant: 'acme/../x' })),
    }))
    await send('complete')
    expect(JSON.parse(agent.log.entries.at(-1)!.body).params.tenant).toBe('acme/../x')
    target = withCard(target, (card) => ({
      ...card,
      supportedInterfaces: card.supportedInterfaces.map((face) => ({
        ...face,
        url: face.url.replace('/rpc', '/rest'),
        protocolBinding: 'HTTP+JSON',
      })),
    }))
    await send('complete')
    expect(agent.log.entries.map(({ path }) => path)).toContain('/rest/acme%2F..%2Fx/message:stream')
  })

  test.each(['../../admin', 'a?b=c', 'a#b', 'a%2fb', 'a/b:cancel'])(
    'the id %s cannot leave its path segment',
    async (id) => {
      await anAgent({ interfaces: ['1.0 HTTP+JSON'] })
      expect(await world.peer.cancel(target, id, never)).toMatchObject({ kind: 'refused' })
      expect(agent.log.entries.at(-1)?.path).toBe(`/rest/tasks/${encodeURIComponent(id)}:cancel`)
    },
  )

  test.each(['.', '..'])('the id %s is not sent at all', async (id) => {
    await anAgent({ interfaces: ['1.0 HTTP+JSON'] })
    const before = agent.log.entries.length
    expect(await world.peer.cancel(target, id, never)).toMatchObject({ kind: 'refused' })
    expect(agent.log.entries).toHaveLength(before)
  })

  test('the push hint goes to agents that push and do not stream', async () => {
    await anAgent({ push: true, streaming: false })
    await send('complete', { push: { url: `${agent.url}hook`, token: 'tok', nudged: () => new Promise(() => {}) } })
    const sent = agent.log.entries.find(({ operation }) => operation === 'SendMessage')
    expect(JSON.parse(sent!.body).params.configuration.taskPushNotificationConfig).toEqual({
      url: `${agent.url}hook`,
      token: 'tok',
      authentication: { scheme: 'Bearer', credentials: 'tok' },
    })
  })
})
