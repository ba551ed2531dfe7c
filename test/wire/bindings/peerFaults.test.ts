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

describe('what may go wrong (K-01 K-02 K-12 K-13)', () => {
  test.each([
    ['status:503', { code: 'BUSY', retry: true }],
    ['status:503:7', { code: 'BUSY', retry: true, retryAfterMs: 7_000 }],
    ['status:429:1000000000', { code: 'BUSY', retry: true, retryAfterMs: 3_600_000 }],
    ['status:429:-5', { code: 'BUSY', retry: true, retryAfterMs: 1_000 }],
    ['status:429:Fri,_20_Nov_2026_12:00:30_GMT', { code: 'BUSY', retry: true, retryAfterMs: 30_000 }],
    ['status:429:Fri,_20_Nov_2020_12:00:30_GMT', { code: 'BUSY', retry: true, retryAfterMs: 1_000 }],
    ['status:429:soon', { code: 'BUSY', retry: true }],
    ['status:401', { code: 'UPSTREAM_AUTH', retry: true }],
    ['status:403', { code: 'UPSTREAM_AUTH', retry: true }],
    ['status:400', { code: 'REJECTED', retry: false }],
    ['status:404', { code: 'REJECTED', retry: false }],
    ['status:413', { code: 'REJECTED', retry: false }],
    ['status:422', { code: 'REJECTED', retry: false }],
    ['redirect:http://127.0.0.1:1/', { code: 'FAILED', retry: true }],
    ['garbage:html', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
    ['garbage:empty', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
    ['garbage:neither', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
    ['garbage:half', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
    ['garbage:number', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
    ['garbage:stream', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
    ['wrongid complete', { code: 'INVALID_AGENT_RESPONSE', retry: false }],
  ])('%s', async (text, expected) => {
    await anAgent()
    const before = agent.log.entries.length
    const { verdict } = await send(text)
    expect(verdict).toEqual({ kind: 'refused', reason: expect.any(String), ...expected })
    expect(agent.log.entries).toHaveLength(before + 1)
  })

  test.each(['status:500', 'status:502', 'status:504', 'drop'])('%s leaves us not knowing', async (text) => {
    await anAgent()
    expect((await send(text)).verdict).toMatchObject({ kind: 'unknown' })
    expect(agent.log.entries.filter(({ operation }) => operation.startsWith('Send'))).toHaveLength(1)
  })

  test('an agent that is not there was provably not reached', async () => {
    await anAgent()
    await agent.stop()
    expect((await send('complete')).verdict).toEqual({
      kind: 'refused',
      code: 'UNREACHABLE',
      retry: true,
      reason: 'connection refused',
    })
    expect(await world.peer.find(target, { messageId: 'm' }, never)).toMatchObject({ kind: 'unclear' })
    expect(await world.peer.cancel(target, 'x', never)).toMatchObject({ kind: 'unreachable' })
    expect(await world.peer.follow(target, 'x', async () => {}, never)).toMatchObject({
      code: 'UNREACHABLE',
      retry: true,
    })
  })

  test('the guard refuses for good', async () => {
    await anAgent()
    const url = 'http://10.0.0.1/rpc'
    target = {
      ...withCard(target, (card) => ({
        ...card,
        supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      })),
      url,
    }
    expect((await send('complete')).verdict).toMatchObject({ code: 'EGRESS_BLOCKED', retry: false })
  })

  test('an interface at another origin is not used, and gets no credentials', async () => {
    await anAgent()
    const other = await startAgent()
    target = { ...target, url: other.url, headers: { authorization: 'Bearer secret' } }
    expect((await send('complete')).verdict).toMatchObject({ kind: 'refused', code: 'FAILED', retry: false })
    expect(agent.log.entries.some(({ headers }) => headers.authorization)).toBe(false)
    await other.stop()
  })

  test('a card that promises streams in vain: the message is sent the other way, once', async () => {
    await anAgent({ streaming: false })
    target = withCard(target, (card) => ({ ...card, capabilities: { streaming: true } }))
    const { verdict, request } = await send('complete')
    expect(verdict).toEqual({ kind: 'accepted' })
    expect(agent.executionsOf(request.message.messageId)).toBe(1)
  })

  test('an unknown task and an ended one are refusals with the words of the agent', async () => {
    await anAgent()
    expect((await send('complete', { message: { taskId: 'nobodys' } })).verdict).toMatchObject({
      code: 'REJECTED',
      retry: false,
      reason: 'Task not found',
    })
  })

  test('an agent that forgets the task while we poll', async () => {
    await anAgent({ streaming: false })
    const heard = listen()
    const sending = world.peer.send(target, aSend('delay'), heard.sink, never)
    await world.clock.naps.count(2)
    await agent.restart({ forget: true })
    expect(await sending).toMatchObject({
      kind: 'refused',
      code: 'REJECTED',
      reason: expect.stringContaining('UPSTREAM_LOST'),
    })
  })

  test('an agent that goes away with our task leaves us not knowing, never sending again', async () => {
    await anAgent()
    const heard = listen()
    const sending = world.peer.send(target, aSend('delay'), heard.sink, never)
    await heard.log.next((event) => glance(event) === 'WORKING')
    await agent.stop()
    expect(await sending).toEqual({ kind: 'unknown', reason: 'connection refused' })
  })

  test('a sink that rejects stops everything at once', async () => {
    await anAgent()
    let taken = 0
    const verdict = await world.peer.send(
      target,
      aSend('chunks:5'),
      async () => {
        taken += 1
        if (taken === 2) throw new Error('lease lost')
      },
      never,
    )
    expect(verdict).toMatchObject({ kind: 'refused', code: 'STOPPED', retry: true })
    expect(taken).toBe(2)
  })
})

describe('finding what became of a message', () => {
  beforeEach(() => anAgent())

  test('by the id of the task', async () => {
    await send('artifact')
    const upstreamTaskId = [...agent.executions.keys()][0] as string
    const found = await world.peer.find(target, { messageId: 'any', upstreamTaskId }, never)
    expect(found).toMatchObject({ kind: 'found', task: { id: upstreamTaskId, artifacts: [{}] } })
    expect(await world.peer.find(target, { messageId: 'any', upstreamTaskId: 'gone' }, never)).toEqual({
      kind: 'absent',
    })
  })

  test('by its message among the tasks, after the answer was lost', async () => {
    const lost = await send('drop delay')
    expect(lost.verdict).toMatchObject({ kind: 'unknown' })
    const found = await world.peer.find(target, { messageId: lost.request.message.messageId }, never)
    expect(found).toMatchObject({ kind: 'found' })
    expect(await world.peer.find(target, { messageId: 'another' }, never)).toEqual({ kind: 'absent' })
  })

  test('an empty list proves nothing', async () => {
    expect(await world.peer.find(target, { messageId: 'm' }, never)).toMatchObject({ kind: 'unclear' })
  })

  test('a version without lists cannot tell', async () => {
    await agent.stop()
    await anAgent({ interfaces: ['0.3 JSONRPC'] })
    expect(await world.peer.find(target, { messageId: 'm' }, never)).toMatchObject({ kind: 'unclear' })
  })
})
