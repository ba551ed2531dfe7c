/** Work and its leases, as agents without a server are promised them: real sockets, a real database. Run on both drivers. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import type { Collector } from '../support/collector.ts'
import { aMessage } from '../support/world.ts'
import { aMailboxWorld, now, type OpenDatabase, stateOf, textOf, wish } from './mailboxWorld.ts'

export function mailboxSuite(driver: string, open: OpenDatabase) {
  describe(`work in a mailbox on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 'w')
    const inbox = (agent: Collector, query = '') => agent.call(`/v1/inbox${query}`, undefined, { method: 'GET' })
    const done = (agent: Collector, lease: string) => agent.say(lease, 'complete', { text: 'done' })

    test('waits for an agent that never ran, is leased, completed, and comes home', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('hello')
      expect(stateOf(sent)).toBe('TASK_STATE_SUBMITTED')
      const work = await agent.lease()
      expect(work).toMatchObject({
        attempt: 1,
        text: 'hello',
        from: 'operator',
        kind: 'task',
        priority: 'normal',
        skill: null,
        deadline: null,
        checkpoint: null,
        more: 0,
        message: { role: 'ROLE_USER', parts: [{ text: 'hello' }] },
        task: { id: sent.id, contextId: sent.contextId, status: { state: 'TASK_STATE_WORKING' } },
      })
      expect(stateOf(await client.get(sent.id))).toBe('TASK_STATE_WORKING')
      expect((await agent.say(work.lease, 'complete', { text: 'HELLO' })).json).toEqual({
        lease: work.lease,
        delivery: work.delivery,
        settled: 'complete',
        task: { id: sent.id, contextId: sent.contextId, status: { state: 'TASK_STATE_COMPLETED' } },
      })
      const ended = await client.get(sent.id)
      expect([stateOf(ended), textOf(ended)]).toEqual(['TASK_STATE_COMPLETED', 'HELLO'])
      expect(await agent.lease()).toBeUndefined()
    })

    test('wakes a call that waits, and a blocking sender gets the answer', async () => {
      const { agent, client } = await anAgent()
      const working = agent
        .lease({}, 20)
        .then((work) => agent.say(work.lease, 'complete', work.text.toUpperCase(), { type: 'text/plain' }))
      const task = await client.send('shout')
      expect([stateOf(task), textOf(task)]).toEqual(['TASK_STATE_COMPLETED', 'SHOUT'])
      expect((await working).status).toBe(200)
    })

    test('can be had as plain text, and any bytes are an artifact', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('plain')
      const { text, headers } = await agent.call('/v1/inbox/lease', {}, { headers: { accept: 'text/plain' } })
      expect([text, headers.get('task'), headers.get('from')]).toEqual(['plain', sent.id, 'operator'])
      await agent.say(headers.get('lease') as string, 'complete', new Uint8Array([1, 2, 255]), { type: 'image/png' })
      expect((await client.get(sent.id)).artifacts).toEqual([
        { artifactId: 'result', parts: [{ raw: 'AQL/', mediaType: 'image/png' }] },
      ])
    })

    test('is never given to two, is given several at once, and no more than an agent may hold', async () => {
      const { agent, send } = await anAgent({ maxInflight: 12 })
      await Promise.all(Array.from({ length: 20 }, (_, n) => send(`n${n}`)))
      const taken = await Promise.all(Array.from({ length: 4 }, () => agent.lease({ max: 5 })))
      const ids = taken.flatMap((answer) => (answer?.items ?? []).map(({ delivery }: { delivery: string }) => delivery))
      expect([ids.length, new Set(ids).size]).toEqual([12, 12])
      expect(await agent.lease()).toBeUndefined()
    })

    test('K-21 is settled once, however often it is said; other words are refused', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('x')
      const { lease } = await agent.lease()
      const answers = await Promise.all(Array.from({ length: 5 }, () => agent.say(lease, 'complete', { text: 'y' })))
      answers.push(await agent.say(lease, 'complete', { text: 'y' }))
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
      const other = await agent.say(lease, 'complete', { text: 'z' })
      expect([other.status, other.json.code]).toEqual([409, 'already_settled'])
      expect((await agent.say(lease, 'fail')).json.code).toBe('already_settled')
      expect(textOf(await client.get(sent.id))).toBe('y')
    })

    test('of five conversations stays in order, whatever becomes of four workers', async () => {
      const { agent, send } = await anAgent({ maxAttempts: 100 })
      const contexts = Array.from({ length: 5 }, () => uuidv7())
      const sent = new Map<string, string[]>(contexts.map((contextId) => [contextId, []]))
      for (let n = 0; n < 20; n++)
        for (const contextId of contexts) {
          const { id } = await send(`${n}`, { message: { contextId } })
          sent.get(contextId)?.push(id)
        }
      const ended = new Map<string, string[]>(contexts.map((contextId) => [contextId, []]))
      let left = 100
      let crashes = 0
      const worker = async (seed: number) => {
        for (let turn = seed; left > 0; turn++) {
          const work = await agent.lease({ leaseSeconds: 1 }, 2)
          if (!work) continue
          // A fate for each delivery: some are dropped without a word, some given back, one settles too late.
          if (turn % 23 === 7 && crashes++ < 6) continue
          if (turn % 11 === 3) await agent.say(work.lease, 'release')
          else if (turn % 13 === 5) await agent.say(work.lease, 'fail', { retry: true, delaySeconds: 0 })
          else if ((await agent.say(work.lease, 'complete', { text: work.text })).status === 200) {
            ended.get(work.task.contextId)?.push(work.task.id)
            left--
          }
        }
      }
      await Promise.all([0, 1, 2, 3].map(worker))
      expect([...ended]).toEqual([...sent])
    })

    test('that is urgent overtakes other conversations, never its own; what is low is taken all the same', async () => {
      const { agent, send } = await anAgent()
      const contextId = uuidv7()
      await send('low', { ...wish({ priority: 'low' }), message: { contextId } })
      await send('inside', { ...wish({ priority: 'urgent' }), message: { contextId } })
      for (let n = 0; n < 12; n++) await send(`urgent ${n}`, wish({ priority: 9 }))
      expect((await agent.lease({ minPriority: 'urgent' })).text).toBe('urgent 0')
      const order: string[] = []
      for (let work = await agent.lease(); work; work = await agent.lease()) {
        order.push(work.text)
        await done(agent, work.lease)
      }
      expect(order[0]).toBe('urgent 1')
      expect(order.indexOf('low')).toBeLessThan(8)
      expect(order.indexOf('inside')).toBe(order.indexOf('low') + 1)
      expect(order).toHaveLength(13)
    })

    test('is chosen by conversation, sender and skill', async () => {
      const { agent, send } = await anAgent()
      const contextId = uuidv7()
      await send('other')
      await send('mine', { message: { contextId } })
      await send('skilled', wish({ skill: 'trans"late' }))
      expect((await agent.lease({ contextId })).text).toBe('mine')
      expect(await agent.lease({ contextId })).toBeUndefined()
      expect(await agent.lease({ from: 'key:nobody' })).toBeUndefined()
      expect(await agent.lease({ skill: 'translat' })).toBeUndefined()
      expect(await agent.lease({ skill: 'trans"late' })).toMatchObject({ text: 'skilled', skill: 'trans"late' })
      expect((await agent.lease({ from: 'operator' })).text).toBe('other')
    })

    test('is looked at without being taken', async () => {
      const { agent, send } = await anAgent()
      for (const text of ['a', 'b', 'c']) await send(text)
      const held = await agent.lease()
      const before = (await inbox(agent)).text
      for (let n = 0; n < 20; n++) expect((await inbox(agent)).text).toBe(before)
      const { json: page } = await inbox(agent, '?limit=1')
      const { json: rest } = await inbox(agent, `?limit=1&after=${page.next}`)
      expect([page.items[0].text, rest.items[0].text, rest.next]).toEqual(['b', 'c', undefined])
      expect((await inbox(agent, '?state=leased')).json.items).toMatchObject([
        { delivery: held.delivery, state: 'leased', attempt: 1, text: 'a', from: 'operator', priority: 'normal' },
      ])
    })

    test('is not held for a client that has gone, whenever it went', async () => {
      const { agent, send } = await anAgent()
      for (let n = 0; n < 12; n++) {
        const socket = connect(world().gateway.port, '127.0.0.1')
        const head = [
          `Host: 127.0.0.1:${world().gateway.port}`,
          `Authorization: Bearer ${agent.token}`,
          'Content-Length: 0',
        ]
        socket.pause().write(`POST /v1/inbox/lease?wait=20 HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`)
        const sending = send(`n${n}`)
        // It reads nothing; what it was sent is lost when it goes.
        await Promise.all([sending, new Promise((resolve) => setTimeout(resolve, n * 2))])
        socket.resetAndDestroy()
        const work = await agent.lease({}, 3)
        expect(work).toMatchObject({ text: `n${n}`, attempt: 1 })
        await done(agent, work.lease)
      }
    })

    test('goes back to the same worker after its restart: the same attempt, another lease', async () => {
      const { agent, send } = await anAgent()
      await send('x')
      const first = await agent.lease({ worker: 'w-1' })
      expect(await agent.lease({ worker: 'w-2', reclaim: true })).toBeUndefined()
      const again = await agent.lease({ worker: 'w-1', reclaim: true })
      expect(again).toMatchObject({ delivery: first.delivery, attempt: 1, reclaimed: true })
      expect((await done(agent, first.lease)).json.code).toBe('lease_lost')
      expect((await done(agent, again.lease)).status).toBe(200)
    })

    test('K-20 is only for the agent that it is for: other tokens and guessed leases look like nothing', async () => {
      const { agent, send } = await anAgent()
      const other = (await anAgent()).agent
      await send('x')
      const { lease } = await agent.lease()
      const guessed = lease.replace(/^.{8}/, '00000000')
      for (const [token, tried] of [
        [other.token, lease],
        [agent.token, guessed],
        [agent.token, 'x'],
      ]) {
        const { status, json } = await agent.say(tried as string, 'complete', {}, { token: token as string })
        expect([status, json.code]).toEqual([404, 'LEASE_NOT_FOUND'])
      }
      const operator = await agent.call('/v1/inbox/lease', {}, { token: world().gateway.adminKey })
      expect([operator.status, operator.json.code]).toEqual([403, 'PERMISSION_DENIED'])
      expect((await agent.call('/v1/inbox/lease', {}, { token: 'wp_x' })).status).toBe(401)
      expect((await done(agent, lease)).status).toBe(200)
    })

    test('K-22 K-23 has bounds, and says which', async () => {
      const { agent, send } = await anAgent()
      await send('x')
      const refused = async (body: unknown) => {
        const { status, json } = await agent.call('/v1/inbox/lease', body)
        return [status, json.violations?.[0]?.field]
      }
      expect(await refused({ max: 65 })).toEqual([400, 'max'])
      expect(await refused({ leaseSeconds: 43_201 })).toEqual([400, 'leaseSeconds'])
      expect(await refused({ reclaim: true })).toEqual([400, 'worker'])
      expect(await refused({ priority: 1 })).toEqual([400, 'priority'])
      const { lease } = await agent.lease()
      const said = (verb: string, body: unknown, type?: string) =>
        agent.say(lease, verb, body, type ? { type } : {}).then(({ status }) => status)
      expect(await said('update', { checkpoint: 'x'.repeat(65_537) })).toBe(413)
      expect(await said('update', 'text', 'text/plain')).toBe(415)
      expect(await said('complete', 'x'.repeat(4 * 1024 * 1024 + 1), 'text/plain').catch(() => 413)).toBe(413)
      expect(await said('complete', `{"text":${'['.repeat(100)}`)).toBe(400)
      expect(await said('complete', { text: 'x' })).toBe(200)
    })

    test('shows that its agent is there as long as it asks', async () => {
      const { agent, client } = await anAgent()
      const look = async () =>
        (await agent.call(`/v1/agents/${agent.name}`, undefined, { method: 'GET' })).json.state as string
      expect(await look()).toBe('unknown')
      const waiting = agent.lease({}, 20)
      await expect.poll(look).toBe('online')
      const sent = client.rpc('SendMessage', { message: aMessage('x'), configuration: now })
      await done(agent, (await waiting).lease)
      await sent
    })
  })
}
