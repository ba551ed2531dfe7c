/** Results come home to the mailbox of a sender that collects. Real sockets, a real database, run on both drivers. */
import { describe, expect, test } from 'vitest'
import type { Collector } from '../support/collector.ts'
import { aMailboxWorld, now, type OpenDatabase, stateOf, wish } from './mailboxWorld.ts'

export function mailboxHomeSuite(driver: string, open: OpenDatabase) {
  describe(`results come home on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 'h')
    const inbox = async (agent: Collector, query = '') =>
      (await agent.call(`/v1/inbox${query}`, undefined, { method: 'GET' })).json.items
    /** Two agents that collect; the one sends to the other by its own token. */
    const aPair = async () => {
      const { agent: worker } = await anAgent()
      const { agent: sender } = await anAgent()
      const client = world().client(worker.name, sender.token)
      const send = (text: string, more = {}) => client.send(text, { configuration: now, ...more })
      return { worker, sender, client, send }
    }

    test('one note per task, which nobody is woken for, read and acknowledged', async () => {
      const { worker, sender, send } = await aPair()
      const sent = await send('shout')
      expect(await inbox(sender)).toEqual([])
      const work = await worker.lease()
      await worker.say(work.lease, 'complete', { text: 'SHOUT' })
      expect(await sender.lease()).toBeUndefined()
      expect(await inbox(sender)).toMatchObject([
        {
          kind: 'result',
          from: `agent:${worker.name}`,
          task: { id: sent.id, status: { state: 'TASK_STATE_COMPLETED' } },
        },
      ])
      const result = await sender.lease({ kind: 'result' })
      expect(result).toMatchObject({
        kind: 'result',
        text: 'SHOUT',
        from: `agent:${worker.name}`,
        task: { id: sent.id, status: { state: 'TASK_STATE_COMPLETED' }, artifacts: [{ parts: [{ text: 'SHOUT' }] }] },
      })
      for (const [verb, body] of [
        ['ask', { text: 'why?' }],
        ['update', { text: 'reading' }],
      ] as const) {
        const { status, json } = await sender.say(result.lease, verb, body)
        expect([status, json.code], verb).toEqual([400, 'UNSUPPORTED_OPERATION'])
      }
      expect((await sender.say(result.lease, 'renew', {})).status).toBe(200)
      const read = [1, 2, 3].map(() => sender.say(result.lease, 'complete', { text: 'thanks' }))
      expect((await Promise.all(read)).map(({ status }) => status)).toEqual([200, 200, 200])
      expect(await inbox(sender)).toEqual([])
      expect(await sender.lease({ kind: 'result' })).toBeUndefined()
      // What was said of the note changed nothing of the task, and came home to nobody.
      expect(await inbox(worker)).toEqual([])
    })

    test('a question, its answer and the end are one note, as the task is now', async () => {
      const { worker, sender, client, send } = await aPair()
      const sent = await send('book a table')
      const ask = await worker.lease()
      await worker.say(ask.lease, 'ask', { text: 'for how many?' })
      expect(await inbox(sender, '?kind=result')).toMatchObject([
        { text: 'for how many?', task: { status: { state: 'TASK_STATE_INPUT_REQUIRED' } } },
      ])
      const question = await sender.lease({ kind: 'result' })
      expect(question).toMatchObject({ text: 'for how many?', attempt: 1 })
      await send('four', { message: { taskId: sent.id, contextId: sent.contextId } })
      expect((await sender.say(question.lease, 'complete', {})).status).toBe(200)
      const second = await worker.lease()
      await worker.say(second.lease, 'ask', { text: 'when?' })
      // Unread, and overtaken by its own answer: no news.
      await send('at eight', { message: { taskId: sent.id, contextId: sent.contextId } })
      expect(await inbox(sender)).toEqual([])
      const third = await worker.lease()
      await worker.say(third.lease, 'complete', { text: 'booked' })
      const results = await inbox(sender)
      expect(results).toMatchObject([{ kind: 'result', task: { id: sent.id } }])
      const result = await sender.lease({ kind: 'result', from: `agent:${worker.name}` })
      expect(result).toMatchObject({ text: 'booked', delivery: question.delivery })
      expect(stateOf(await client.get(sent.id))).toBe('TASK_STATE_COMPLETED')
    })

    test('comes again when its reader falls silent, and a later end overtakes whoever holds it', async () => {
      const { worker, sender, send } = await aPair()
      const sent = await send('x')
      const work = await worker.lease()
      await worker.say(work.lease, 'ask', { text: '?' })
      const lost = await sender.lease({ kind: 'result', leaseSeconds: 1 })
      await expect.poll(async () => (await inbox(sender)).length, { timeout: 10_000 }).toBe(1)
      const held = await sender.lease({ kind: 'result' })
      expect(held).toMatchObject({ delivery: lost.delivery, attempt: 2 })
      await world().client(worker.name, sender.token).rpc('CancelTask', { id: sent.id })
      expect((await sender.say(held.lease, 'complete', {})).json.code).toBe('lease_lost')
      expect(await sender.lease({ kind: 'result' })).toMatchObject({
        attempt: 1,
        task: { status: { state: 'TASK_STATE_CANCELED' } },
      })
    })

    test('is off, or wakes, as its sender asks; who has a key and no mailbox is told nothing', async () => {
      const { worker, sender, send } = await aPair()
      const settleNext = async () => {
        const work = await worker.lease()
        await worker.say(work.lease, 'fail', { text: 'cannot' })
      }
      await send('quiet', wish({ notify: 'none' }))
      await settleNext()
      expect(await inbox(sender)).toEqual([])
      await send('loud', wish({ notify: 'wake' }))
      const waiting = sender.lease({}, 20)
      await settleNext()
      expect(await waiting).toMatchObject({
        kind: 'result',
        text: 'cannot',
        task: { status: { state: 'TASK_STATE_FAILED' } },
      })
      await world().client(worker.name).send('from an operator', { configuration: now })
      await settleNext()
      const rows = await world().gateway.db.query(
        {
          name: 'test.results',
          write: false,
          text: "select 1 from deliveries where kind = 'result' and destination = 'operator'",
        },
        [],
      )
      expect(rows).toEqual([])
    })
  })
}
