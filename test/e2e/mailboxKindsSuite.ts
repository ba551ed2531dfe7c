/** What there is in a mailbox beside tasks: notes and labels. Real sockets, a real database, run on both drivers. */
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import type { Collector } from '../support/collector.ts'
import { aMessage } from '../support/world.ts'
import { aMailboxWorld, EXTENSION, now, type OpenDatabase, reasonIn, stateOf, textOf, wish } from './mailboxWorld.ts'

export function mailboxKindsSuite(driver: string, open: OpenDatabase) {
  describe(`kinds of mail on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 'k')
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

    test('may be answered with a Message, which who still waits gets, as from an agent with a server', async () => {
      const { agent, client } = await anAgent()
      const message = aMessage('hello?')
      const waiting = client.rpc('SendMessage', { message })
      const work = await agent.lease({}, 20)
      const answer = { parts: [{ text: 'hello!' }, { data: { n: 1 } }], as: 'message' }
      const settled = await agent.say(work.lease, 'complete', answer)
      expect(settled.json).toMatchObject({ settled: 'complete', task: { status: { state: 'TASK_STATE_COMPLETED' } } })
      expect((await agent.say(work.lease, 'complete', answer)).text).toBe(settled.text)
      expect((await agent.say(work.lease, 'complete', { text: 'hello!' })).json.code).toBe('already_settled')
      const { result } = await waiting
      expect(result.message).toMatchObject({ role: 'ROLE_AGENT', contextId: work.task.contextId, parts: answer.parts })
      expect([result.task, result.message.taskId]).toEqual([undefined, undefined])
      // Kept all the same; sent again, the same task.
      const task = await client.get(work.task.id)
      expect(task.status).toMatchObject({ state: 'TASK_STATE_COMPLETED', message: { parts: answer.parts } })
      expect(task.artifacts).toMatchObject([{ parts: answer.parts }])
      expect((await client.rpc('SendMessage', { message })).result.task.id).toBe(task.id)
    })

    test('a Message that comes after a lost attempt is one still; after other words it is a task', async () => {
      const { agent, client } = await anAgent()
      const lone = client.rpc('SendMessage', { message: aMessage('a') })
      const first = await agent.lease({}, 20)
      await agent.say(first.lease, 'fail', { retry: true, delaySeconds: 0, text: 'not yet' })
      const second = await agent.lease({}, 20)
      expect(second.attempt).toBe(2)
      await agent.say(second.lease, 'complete', { text: 'now', as: 'message' })
      expect((await lone).result.message?.parts).toEqual([{ text: 'now' }])
      for (const said of [{ text: 'thinking' }, { progress: 10 }, { artifact: { artifactId: 'half', text: 'h' } }]) {
        const spoken = client.rpc('SendMessage', { message: aMessage('b') })
        const { lease } = await agent.lease({}, 20)
        await agent.say(lease, 'update', said)
        await agent.say(lease, 'complete', { text: 'B', as: 'message' })
        expect((await spoken).result.task?.status.message?.parts, JSON.stringify(said)).toEqual([{ text: 'B' }])
      }
      await client.send('c', { configuration: now })
      const { lease } = await agent.lease()
      for (const wrong of [{ as: 'message' }, { as: 'message', text: 'x', artifacts: [{ text: 'y' }] }, { as: 'x' }]) {
        const { status, json } = await agent.say(lease, 'complete', wrong)
        expect([status, json.violations?.[0]?.field]).toEqual([400, 'as'])
      }
      expect((await agent.say(lease, 'complete', {})).status).toBe(200)
    })

    test('every lease is told of when it ends: what became of it, and what it took', async () => {
      const { agent, send } = await anAgent()
      const told = () => world().next('delivery.attempted', ({ destination }) => destination === `agent:${agent.name}`)
      const { id } = await send('x')
      const expected = { delivery: id, task: id, destination: `agent:${agent.name}`, kind: 'mailbox' }
      const ends = async (verb: string, said: object) => {
        const { lease } = await agent.lease({}, 20)
        const attempted = told()
        await agent.say(lease, verb, said)
        return attempted
      }
      expect(await ends('release', { delaySeconds: 0 })).toMatchObject({
        ...expected,
        ...{ attempt: 1, outcome: 'retry', nextInMs: 0, code: 'RELEASED', ms: expect.any(Number) },
      })
      const lost = told()
      await agent.lease({ leaseSeconds: 1 }, 20)
      expect(await lost).toMatchObject({ ...expected, attempt: 1, outcome: 'retry', code: 'LEASE_LOST' })
      expect(await ends('complete', {})).toMatchObject({
        ...expected,
        ...{ attempt: 2, outcome: 'delivered', ms: expect.any(Number), waitedMs: expect.any(Number) },
      })
    })

    test('the extended card tells who asks by name whether the agent is there; the public one what senders can count on', async () => {
      const { agent, client } = await anAgent({ cadence: 'PT1H', ttlSeconds: 60 })
      const store = (card: { capabilities: { extensions: { uri: string; params: object }[] } }) =>
        card.capabilities.extensions.find(({ uri }) => uri === EXTENSION)?.params
      const url = `${world().gateway.url}/agents/${agent.name}/.well-known/agent-card.json`
      const card = (await (await fetch(url, { headers: { 'a2a-version': '1.0' } })).json()) as never
      const params = { mode: 'store-and-forward', cadence: 'PT1H', ttlSeconds: 60, ordering: 'context' }
      expect(store(card)).toMatchObject({ ...params, blockSeconds: 20, maxTtlSeconds: 2_592_000 })
      expect(store(card)).not.toHaveProperty('presence')
      expect(card).toMatchObject({ capabilities: { extendedAgentCard: true } })
      const extended = async () => store((await client.rpc('GetExtendedAgentCard', {})).result)
      expect(await extended()).toMatchObject({ ...params, presence: { state: 'offline', waiting: '0' } })
      await client.send('x', { configuration: now })
      await agent.lease()
      await expect.poll(extended).toMatchObject({ presence: { state: 'available', lastSeen: expect.any(String) } })
      const anonymous = { method: 'POST', headers: { 'content-type': 'application/json', 'a2a-version': '1.0' } }
      const asked = { jsonrpc: '2.0', id: 1, method: 'GetExtendedAgentCard', params: {} }
      const answer = await fetch(`${world().gateway.url}/agents/${agent.name}/`, {
        ...anonymous,
        body: JSON.stringify(asked),
      })
      expect(answer.status).toBe(401)
    })

    test('is chosen by kind, label, skill and sender, to take and to look at', async () => {
      const { agent, send } = await anAgent()
      await send('task')
      await send('note', wish({ kind: 'note', labels: ['x'] }))
      await send('talk', wish({ kind: 'note', skill: 'talk', labels: ['x', 'y'] }))
      expect(await texts(agent)).toEqual(['task', 'note', 'talk'])
      expect(await texts(agent, '?kind=note')).toEqual(['note', 'talk'])
      expect(await texts(agent, '?kind=call,task')).toEqual(['task'])
      expect(await texts(agent, '?label=x')).toEqual(['note', 'talk'])
      expect(await texts(agent, '?label=x&skill=talk')).toEqual(['talk'])
      expect(await texts(agent, '?from=somebody')).toEqual([])
      expect(await agent.lease({ kind: 'post' })).toBeUndefined()
      expect((await agent.lease({ kind: ['post', 'note'], label: 'y' })).text).toBe('talk')
      expect((await agent.lease({ label: 'x' })).text).toBe('note')
      expect((await agent.lease({ kind: 'task' })).text).toBe('task')
      expect((await inbox(agent, '?state=leased&label=y')).items).toMatchObject([
        { kind: 'note', labels: ['x', 'y'], state: 'leased' },
      ])
    })

    test('a further message is of the kind of what it follows', async () => {
      const { agent, send } = await anAgent()
      const sent = await send('ring', wish({ kind: 'note' }))
      const first = await agent.lease()
      await agent.say(first.lease, 'ask', { text: 'yes?' })
      await send('hello', { message: { taskId: sent.id, contextId: sent.contextId } })
      expect(await agent.lease({ kind: 'note' })).toMatchObject({ text: 'hello', kind: 'note' })
    })

    test('of what waits under one key only the newest stays; another sender has keys of its own', async () => {
      const { agent, client, send } = await anAgent()
      const { agent: other } = await anAgent()
      const status = (text: string) => wish({ kind: 'note', dedupeKey: 'build', replace: 'latest', labels: [text] })
      const [old, newer] = [await send('red', status('red')), await send('still red', status('red'))]
      await world()
        .client(agent.name, other.token)
        .send('mine', { configuration: now, ...status('x') })
      await send('green', status('green'))
      for (const { id } of [old, newer]) {
        const task = await client.get(id)
        expect([stateOf(task), reasonIn(task)]).toEqual(['TASK_STATE_CANCELED', 'SUPERSEDED'])
      }
      expect(await texts(agent)).toEqual(['mine', 'green'])
      // What somebody has in hand stays in his hand.
      const work = await agent.lease({ label: 'green' })
      await send('greener', status('green'))
      expect((await agent.say(work.lease, 'complete', {})).status).toBe(200)
    })

    test('a conversation is one after another, or not, as the mailbox wants it', async () => {
      const { agent, send } = await anAgent({ ordering: 'none' })
      const contextId = uuidv7()
      for (const text of ['a', 'b']) await send(text, { message: { contextId } })
      expect([(await agent.lease()).text, (await agent.lease()).text]).toEqual(['a', 'b'])
    })

    test('what should have been acknowledged is asked for once, and then its sender is told', async () => {
      const { agent } = await anAgent()
      const { agent: sender } = await anAgent()
      const ackBy = new Date(0).toISOString()
      const sent = await world()
        .client(agent.name, sender.token)
        .send('read this', { configuration: now, ...wish({ kind: 'note', ackRequired: true, ackBy, priority: 'low' }) })
      const reminded = async () => (await inbox(agent)).items[0]?.priority
      await expect.poll(reminded).toBe('high')
      await expect.poll(async () => (await texts(sender, '?kind=result')).length).toBe(1)
      const overdue = await sender.lease({ kind: 'result' })
      expect(overdue).toMatchObject({ text: `${agent.name} has not acknowledged this in time`, task: { id: sent.id } })
      await sender.say(overdue.lease, 'complete', {})
      const work = await agent.lease()
      await agent.say(work.lease, 'complete', {})
      await expect
        .poll(async () => (await inbox(sender, '?kind=result')).items[0]?.task.status.state)
        .toBe('TASK_STATE_COMPLETED')
    })

    test('a dead letter that is held leaves its task as it is, and replayed the same task goes on', async () => {
      const { agent, client, send } = await anAgent({ deadLetter: 'hold', maxAttempts: 1 })
      const sent = await send('difficult')
      const { lease, delivery } = await agent.lease()
      await agent.say(lease, 'fail', { text: 'not today', retry: true })
      expect(stateOf(await client.get(sent.id))).toBe('TASK_STATE_WORKING')
      const operator = { token: world().gateway.adminKey }
      const dead = await agent.call(`/v1/deliveries?id=${delivery}`, undefined, { ...operator, method: 'GET' })
      expect(dead.json.items).toMatchObject([{ id: delivery, state: 'dead', code: 'DELIVERY_ATTEMPTS_EXHAUSTED' }])
      expect((await agent.call(`/v1/deliveries/${delivery}/replay`, {}, operator)).json.taskId ?? sent.id).toBe(sent.id)
      const again = await agent.lease()
      expect(again).toMatchObject({ delivery, attempt: 1, task: { id: sent.id } })
      await agent.say(again.lease, 'complete', { text: 'done' })
      expect(textOf(await client.get(sent.id))).toBe('done')
    })

    test('no sender makes a result, and what is wrong is named', async () => {
      const { agent, client } = await anAgent()
      for (const wrong of [
        { kind: 'result' },
        { labels: [''] },
        { labels: 'x' },
        { notify: 'loudly' },
        { replace: 'latest' },
      ]) {
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
