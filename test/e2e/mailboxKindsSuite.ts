/** What there is in a mailbox beside tasks: notes and labels. Real sockets, a real database, run on both drivers. */
import { describe, expect, test } from 'vitest'
import type { Collector } from '../support/collector.ts'
import { aMailboxWorld, type OpenDatabase, stateOf, textOf, wish } from './mailboxWorld.ts'

export function mailboxKindsSuite(driver: string, open: OpenDatabase) {
  describe(`kinds of mail on ${driver}`, () => {
    const { anAgent } = aMailboxWorld(open, 'k')
    const inbox = async (agent: Collector, query = '') =>
      (await agent.call(`/v1/inbox${query}`, undefined, { method: 'GET' })).json
    const texts = async (agent: Collector, query = '') =>
      (await inbox(agent, query)).items.map(({ text }: { text: string }) => text)

    test('a note is acknowledged: its task is completed, without an artifact', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('the build is green', wish({ kind: 'note', labels: ['kind/status', 'ci'] }))
      const work = await agent.lease()
      expect(work).toMatchObject({ kind: 'note', labels: ['kind/status', 'ci'], text: 'the build is green' })
      expect((await agent.say(work.lease, 'complete', { text: 'seen' })).json).toMatchObject({
        task: { status: { state: 'TASK_STATE_COMPLETED' } },
      })
      const ended = await client.get(sent.id)
      expect([stateOf(ended), textOf(ended), ended.artifacts]).toEqual(['TASK_STATE_COMPLETED', '', undefined])
      expect(ended.status.message?.parts).toEqual([{ text: 'seen' }])
    })

    test('is chosen by kind, label, skill and sender, to take and to look at', async () => {
      const { agent, send } = await anAgent()
      await send('task')
      await send('note', wish({ kind: 'note', labels: ['x'] }))
      await send('call', wish({ kind: 'call', skill: 'talk', labels: ['x', 'y'] }))
      expect(await texts(agent)).toEqual(['task', 'note', 'call'])
      expect(await texts(agent, '?kind=note')).toEqual(['note'])
      expect(await texts(agent, '?kind=call,task')).toEqual(['task', 'call'])
      expect(await texts(agent, '?label=x')).toEqual(['note', 'call'])
      expect(await texts(agent, '?label=x&skill=talk')).toEqual(['call'])
      expect(await texts(agent, '?from=somebody')).toEqual([])
      expect(await agent.lease({ kind: 'post' })).toBeUndefined()
      expect((await agent.lease({ kind: ['post', 'call'] })).text).toBe('call')
      expect((await agent.lease({ label: 'x' })).text).toBe('note')
      expect((await agent.lease({ kind: 'task' })).text).toBe('task')
      expect((await inbox(agent, '?state=leased&kind=call')).items).toMatchObject([
        { kind: 'call', labels: ['x', 'y'], state: 'leased' },
      ])
    })

    test('a further message is of the kind of what it follows', async () => {
      const { agent, send } = await anAgent()
      const sent = await send('ring', wish({ kind: 'call' }))
      const first = await agent.lease()
      await agent.say(first.lease, 'ask', { text: 'yes?' })
      await send('hello', { message: { taskId: sent.id, contextId: sent.contextId } })
      expect(await agent.lease({ kind: 'call' })).toMatchObject({ text: 'hello', kind: 'call' })
    })

    test('no sender makes a result, and what is wrong is named', async () => {
      const { agent, client } = await anAgent()
      for (const wrong of [{ kind: 'result' }, { labels: [''] }, { labels: 'x' }, { notify: 'loudly' }]) {
        const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'x' }] }
        const { error } = await client.rpc('SendMessage', { message, ...wish(wrong) })
        expect(error?.code, JSON.stringify(wrong)).toBe(-32602)
      }
      const { status, json } = await agent.call('/v1/inbox/lease', { kind: 'letter' })
      expect([status, json.violations?.[0]?.field]).toEqual([400, 'kind'])
      expect((await agent.call('/v1/inbox?kind=letter', undefined, { method: 'GET' })).status).toBe(400)
    })
  })
}
