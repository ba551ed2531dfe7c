/** What becomes of work that does not go well: lost, given back, failed, late. Run on both drivers. */
import { describe, expect, test } from 'vitest'
import type { Collector } from '../support/collector.ts'
import { aMailboxWorld, type OpenDatabase, reasonIn, stateOf, wish } from './mailboxWorld.ts'

export function mailboxFateSuite(driver: string, open: OpenDatabase) {
  describe(`the fate of work in a mailbox on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 'f')
    const done = (agent: Collector, lease: string) => agent.say(lease, 'complete', { text: 'done' })

    test('comes again when its holder falls silent; the dead twin writes nothing, and leaves no half artifact', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('slow')
      const lost = world().next('lease.lost', ({ task }) => task === sent.id)
      const first = await agent.lease({ leaseSeconds: 1 })
      const chunk = { artifact: { artifactId: 'half', text: 'never finished' }, append: false, lastChunk: false }
      await agent.say(first.lease, 'update', { ...chunk, checkpoint: { at: 3 }, leaseSeconds: 1 })
      await agent.say(first.lease, 'update', { artifact: { artifactId: 'whole', text: 'kept' }, leaseSeconds: 1 })
      await lost
      const second = await agent.lease({}, 5)
      expect(second).toMatchObject({ attempt: 2, delivery: first.delivery, checkpoint: { at: 3 } })
      const { status } = await client.get(sent.id)
      expect(status.message?.parts[0]?.text).toBe('worker lost; queued again, attempt 2 of 5')
      for (const verb of ['complete', 'renew', 'update', 'fail', 'reject', 'release']) {
        const { status, json } = await agent.say(first.lease, verb)
        expect([verb, status, json.code]).toEqual([verb, 409, 'lease_lost'])
      }
      await agent.say(second.lease, 'complete', { text: 'alive' })
      const ended = await client.get(sent.id)
      expect(ended.artifacts?.map(({ artifactId, parts }) => [artifactId, parts[0]?.text])).toEqual([
        ['half', ''],
        ['whole', 'kept'],
        ['result', 'alive'],
      ])
    })

    test('goes back without counting when it is released early, and counts when something was reported', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('x')
      const first = await agent.lease()
      const released = await agent.say(first.lease, 'release', { delaySeconds: 0 })
      expect(released.json).toMatchObject({ settled: 'release', retryInMs: 0, task: { id: sent.id } })
      expect((await agent.say(first.lease, 'release', { delaySeconds: 0 })).text).toBe(released.text)
      const second = await agent.lease()
      expect([second.attempt, second.lease === first.lease]).toEqual([1, false])
      await agent.say(second.lease, 'update', { progress: 10 })
      await agent.say(second.lease, 'release', { delaySeconds: 0 })
      expect((await agent.lease()).attempt).toBe(2)
      expect((await client.get(sent.id)).status.message?.parts[0]?.text).toBe(
        'given back; queued again, attempt 2 of 5',
      )
    })

    test('that fails at every attempt is a dead letter; others flow, and a replay is a new task', async () => {
      const { agent, client, send } = await anAgent({ maxAttempts: 2 })
      const dead = world().next('delivery.dead', ({ destination }) => destination === `agent:${agent.name}`)
      const sent = await send('poison')
      const first = await agent.lease()
      await agent.say(first.lease, 'fail', { retry: true, delaySeconds: 0, text: 'cannot' })
      const second = await agent.lease()
      const last = await agent.say(second.lease, 'fail', { retry: true, text: 'cannot' })
      expect(last.json.task.status.state).toBe('TASK_STATE_FAILED')
      expect((await agent.say(second.lease, 'fail', { retry: true, text: 'cannot' })).text).toBe(last.text)
      expect(await dead).toMatchObject({ task: sent.id, code: 'DELIVERY_ATTEMPTS_EXHAUSTED', kind: 'mailbox' })
      const failed = await client.get(sent.id)
      expect([stateOf(failed), reasonIn(failed)]).toEqual(['TASK_STATE_FAILED', 'DELIVERY_ATTEMPTS_EXHAUSTED'])
      const admin = { token: world().gateway.adminKey }
      const replayed = await agent.call(`/v1/deliveries/${sent.id}/replay`, {}, admin)
      expect(replayed.status).toBeLessThan(300)
      const again = await agent.lease({}, 5)
      expect(again.message.referenceTaskIds).toEqual([sent.id])
      await done(agent, again.lease)
    })

    test('that kills whoever takes it is a dead letter too, although nobody asks again', async () => {
      const { agent, client, send } = await anAgent({ maxAttempts: 1 })
      const dead = world().next('delivery.dead', ({ destination }) => destination === `agent:${agent.name}`)
      const sent = await send('poison')
      const { lease } = await agent.lease({ leaseSeconds: 1 })
      expect(await dead).toMatchObject({ task: sent.id, code: 'DELIVERY_ATTEMPTS_EXHAUSTED' })
      expect(reasonIn(await client.get(sent.id))).toBe('DELIVERY_ATTEMPTS_EXHAUSTED')
      expect((await done(agent, lease)).json.code).toBe('lease_lost')
    })

    test('ends by itself: too late to be taken, too late to be finished', async () => {
      const { agent, client, send } = await anAgent()
      const expired = world().next('delivery.expired', ({ destination }) => destination === `agent:${agent.name}`)
      const sent = await send('x', wish({ ttlSeconds: 1 }))
      expect((await expired).task).toBe(sent.id)
      expect(reasonIn(await client.get(sent.id))).toBe('EXPIRED_UNDELIVERED')
      const deadline = new Date(Date.now() + 2_000).toISOString()
      const late = await send('y', wish({ deadline }))
      const next = await send('after it', { message: { contextId: late.contextId } })
      const finished = world().next('task.finished', ({ task }) => task === late.id)
      const work = await agent.lease({ leaseSeconds: 3_600 })
      expect(work.deadline).toBe(deadline)
      await finished
      // Its lease goes with it: the conversation does not wait for an hour.
      expect((await agent.lease({}, 10)).task.id).toBe(next.id)
      expect((await done(agent, work.lease)).json.code).toBe('lease_lost')
      expect(reasonIn(await client.get(late.id))).toBe('DEADLINE_EXCEEDED')
    })

    test('is not there before its time', async () => {
      const { agent, send } = await anAgent()
      const notBefore = new Date(Date.now() + 1_200).toISOString()
      await send('later', wish({ notBefore }))
      expect(await agent.lease()).toBeUndefined()
      const work = await agent.lease({}, 10)
      expect(work.text).toBe('later')
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(notBefore) - 50)
    })
  })
}
