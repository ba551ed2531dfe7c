import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AgentTarget } from '../../../src/ports.ts'
import { type OfficialServer, startModern, startOld } from './officialServers.ts'
import { aSend, aWorld, glance, listen, type World } from './peers.ts'

const never = new AbortController().signal
const SERVERS = [
  ['1.3.0 JSON-RPC', (streaming: boolean) => startModern('JSONRPC', streaming)],
  ['1.3.0 HTTP+JSON', (streaming: boolean) => startModern('HTTP+JSON', streaming)],
  ['1.3.0 gRPC', (streaming: boolean) => startModern('GRPC', streaming)],
  ['0.3.14 JSON-RPC', (streaming: boolean) => startOld('JSONRPC', streaming)],
  ['0.3.14 HTTP+JSON', (streaming: boolean) => startOld('HTTP+JSON', streaming)],
  ['0.3.14 gRPC', (streaming: boolean) => startOld('GRPC', streaming)],
] as const
const CASES = SERVERS.flatMap(([name, start]) => [
  [name, 'streaming', () => start(true)] as const,
  [name, 'not streaming', () => start(false)] as const,
])

describe.each(CASES)('the official server %s, %s', (_name, _how, start) => {
  let world: World
  let server: OfficialServer
  let target: AgentTarget
  beforeEach(async () => {
    world = aWorld()
    server = await start()
    target = await world.target(server.url)
  })
  afterEach(async () => {
    await world.egress.close()
    await server.stop()
  })

  test('completes', async () => {
    const heard = listen()
    expect(await world.peer.send(target, aSend('complete'), heard.sink, never)).toEqual({ kind: 'accepted' })
    const said = heard.log.entries
    expect(glance(said.at(-1)!)).toMatch(/COMPLETED$/)
    expect(JSON.stringify(said)).toContain('"text":"made"')
    expect(world.quarantined).toEqual([])
  })

  test('answers with a Message', async () => {
    const heard = listen()
    expect(await world.peer.send(target, aSend('message'), heard.sink, never)).toEqual({ kind: 'accepted' })
    expect(heard.log.entries.map(glance)).toEqual(['message'])
  })

  test('fails', async () => {
    const heard = listen()
    expect(await world.peer.send(target, aSend('fail'), heard.sink, never)).toEqual({ kind: 'accepted' })
    expect(glance(heard.log.entries.at(-1)!)).toMatch(/FAILED$/)
  })

  test('asks back and goes on', async () => {
    const heard = listen()
    expect(await world.peer.send(target, aSend('input'), heard.sink, never)).toEqual({ kind: 'accepted' })
    const asked = heard.log.entries.at(-1)!
    expect(glance(asked)).toMatch(/INPUT_REQUIRED$/)
    const { id: taskId, contextId } = idsIn(heard)
    const more = listen()
    const followUp = aSend('complete', { message: { taskId, contextId } })
    expect(await world.peer.send(target, followUp, more.sink, never)).toEqual({ kind: 'accepted' })
    expect(glance(more.log.entries.at(-1)!)).toMatch(/COMPLETED$/)
  })

  test('is canceled while it works, and followed to its end', async () => {
    const heard = listen()
    const sending = world.peer.send(target, aSend('wait'), heard.sink, never)
    await heard.log.next((event) => /WORKING|SUBMITTED/.test(glance(event)))
    const { id } = idsIn(heard)
    const canceled = await world.peer.cancel(target, id, never)
    expect(canceled).toMatchObject({ kind: 'canceled', task: { id } })
    expect(await sending).toEqual({ kind: 'accepted' })
    expect(glance(heard.log.entries.at(-1)!)).toMatch(/CANCELED$/)
    expect((await world.peer.cancel(target, id, never)).kind).toMatch(/^(canceled|other)$/)
  })

  test('finds and follows; of a task that it never had it is sure', async () => {
    const heard = listen()
    await world.peer.send(target, aSend('complete'), heard.sink, never)
    const { id } = idsIn(heard)
    expect(await world.peer.find(target, { messageId: 'm', upstreamTaskId: id }, never)).toMatchObject({
      kind: 'found',
    })
    expect(await world.peer.find(target, { messageId: 'm', upstreamTaskId: 'none' }, never)).toEqual({ kind: 'absent' })
    const again = listen()
    expect(await world.peer.follow(target, id, again.sink, never)).toEqual({ kind: 'accepted' })
    expect(again.log.entries.map(glance)).toEqual(['task COMPLETED'])
  })
})

function idsIn(heard: ReturnType<typeof listen>): { id: string; contextId: string } {
  for (const event of heard.log.entries) {
    if ('task' in event) return { id: event.task.id, contextId: event.task.contextId ?? '' }
    if ('statusUpdate' in event) return { id: event.statusUpdate.taskId, contextId: event.statusUpdate.contextId }
  }
  throw new Error('no task was heard of')
}
