/** From whom a mailbox takes messages, and how many. Real sockets, a real database, run on both drivers. */
import { describe, expect, test } from 'vitest'
import type { Collector } from '../support/collector.ts'
import { aMessage, type Client } from '../support/world.ts'
import { aMailboxWorld, EXTENSION, now, type OpenDatabase, reasonIn, stateOf, wish } from './mailboxWorld.ts'

export function mailboxConsentSuite(driver: string, open: OpenDatabase) {
  describe(`whom a mailbox takes messages from on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 'c')
    const get = async (agent: Collector, path: string) => (await agent.call(path, undefined, { method: 'GET' })).json
    /** A mailbox with a policy, and a stranger that sends to it. */
    const aMailboxWith = async (more: Record<string, unknown>) => {
      const { agent, client: operator } = await anAgent(more)
      const { agent: stranger } = await anAgent()
      const client = world().client(agent.name, stranger.token)
      const contact = `agent:${stranger.name}`
      const decide = (body: unknown) => agent.call(`/v1/contacts/${contact}`, body, { method: 'PUT' })
      return {
        agent,
        operator,
        client,
        contact,
        decide,
        send: (text: string, sent = {}) => client.send(text, { configuration: now, ...sent }),
      }
    }
    const refusal = async (client: Client, more: Record<string, unknown> = {}) => {
      const { status, error } = await client.rpc('SendMessage', { message: aMessage('x'), configuration: now, ...more })
      return [status, error?.data?.[0]?.reason]
    }

    test('contacts: nobody but those who are named, with the rights that they have', async () => {
      const { agent, operator, client, contact, decide, send } = await aMailboxWith({ policy: 'contacts' })
      expect(await refusal(client)).toEqual([403, 'NOT_ALLOWED'])
      expect(stateOf(await operator.send('an operator may', { configuration: now }))).toBe('TASK_STATE_SUBMITTED')
      expect((await agent.lease()).text).toBe('an operator may')
      expect((await decide({ rights: ['send'] })).json).toMatchObject({ contact, state: 'accepted', rights: ['send'] })
      await send('now')
      expect((await agent.lease()).text).toBe('now')
      expect(await refusal(client, wish({ kind: 'call' }))).toEqual([403, 'NOT_ALLOWED'])
      const lowered = await send('quick!', wish({ priority: 'urgent' }))
      expect(lowered.metadata?.[EXTENSION]).toMatchObject({ priority: 'high', priorityAsked: 'urgent' })
      expect(await agent.lease()).toMatchObject({ text: 'quick!', priority: 'high' })
      await decide({ rights: ['send', 'urgent', 'call'] })
      await send('now really', wish({ priority: 'urgent' }))
      expect(await agent.lease()).toMatchObject({ text: 'now really', priority: 'urgent' })
      expect(await get(agent, '/v1/contacts?state=accepted')).toMatchObject({
        policy: 'contacts',
        items: [{ contact }],
      })
      expect(await get(agent, '/v1/contacts?state=refused')).toMatchObject({ items: [] })
    })

    test('a right that is lost while the message waits is lost for it: rejected, and never seen', async () => {
      const { agent, client, contact, decide, send } = await aMailboxWith({ policy: 'contacts' })
      await decide({})
      const sent = await send('too late')
      expect((await agent.call(`/v1/contacts/${contact}`, {}, { method: 'DELETE' })).status).toBe(204)
      expect(await agent.lease()).toBeUndefined()
      const ended = await client.get(sent.id)
      expect([stateOf(ended), reasonIn(ended)]).toEqual(['TASK_STATE_REJECTED', 'NOT_ALLOWED'])
      await decide({})
      const again = await send('and refused')
      await decide({ state: 'refused' })
      // Without anybody asking for work.
      expect(stateOf(await client.get(again.id))).toBe('TASK_STATE_REJECTED')
      expect(await refusal(client)).toEqual([403, 'NOT_ALLOWED'])
    })

    test('approval: a stranger waits in a folder of its own until it is accepted', async () => {
      const { agent, client, contact, decide, send } = await aMailboxWith({ policy: 'approval' })
      const [first, second] = [await send('may I?'), await send('please')]
      expect(first.metadata?.[EXTENSION]).toMatchObject({ reason: 'waits for the consent of its recipient' })
      expect(await agent.lease()).toBeUndefined()
      expect((await get(agent, '/v1/inbox')).items).toEqual([])
      expect((await get(agent, '/v1/inbox?state=held')).items).toMatchObject([
        { text: 'may I?', state: 'held', priority: 'normal' },
        { text: 'please', state: 'held' },
      ])
      expect((await get(agent, '/v1/contacts?state=asked')).items).toMatchObject([{ contact, held: 2, rights: [] }])
      const explained = await agent.call(`/v1/tasks/${first.id}/explain`, undefined, {
        method: 'GET',
        token: world().gateway.adminKey,
      })
      expect(explained.json.reasons[0].code).toBe('AWAITS_CONSENT')
      const waiting = agent.lease({}, 20)
      await decide({})
      expect((await waiting).text).toBe('may I?')
      expect((await agent.lease()).text).toBe('please')
      expect((await client.get(second.id)).metadata?.[EXTENSION]).not.toHaveProperty('reason')
      await send('at once')
      expect((await agent.lease()).text).toBe('at once')
    })

    test('a stranger that is refused, or a policy that is opened, ends the waiting; closed is closed', async () => {
      const { agent, client, decide, send } = await aMailboxWith({ policy: 'approval' })
      const sent = await send('no?')
      await decide({ state: 'refused' })
      expect(reasonIn(await client.get(sent.id))).toBe('NOT_ALLOWED')
      const other = await aMailboxWith({ policy: 'approval' })
      const patch = (policy: string) =>
        other.agent.call(`/v1/agents/${other.agent.name}`, { policy }, { method: 'PATCH', token: other.agent.token })
      await other.send('open up')
      expect((await patch('open')).status).toBe(200)
      expect((await other.agent.lease()).text).toBe('open up')
      await patch('closed')
      expect(await refusal(other.client)).toEqual([403, 'NOT_ALLOWED'])
      expect((await agent.call('/v1/agents/x', { policy: 'sometimes' }, { method: 'PATCH' })).status).toBeGreaterThan(
        399,
      )
    })

    test("another's contacts look like nothing, and what is wrong is named", async () => {
      const { agent } = await anAgent()
      const { agent: other } = await anAgent()
      const tried = await agent.call(`/v1/contacts?agent=${other.name}`, undefined, { method: 'GET' })
      expect([tried.status, tried.json.code]).toEqual([404, 'AGENT_NOT_FOUND'])
      const operator = { method: 'GET', token: world().gateway.adminKey }
      expect((await agent.call(`/v1/contacts?agent=${other.name}`, undefined, operator)).json.items).toEqual([])
      const wrong = await agent.call('/v1/contacts/x', { rights: ['everything'] }, { method: 'PUT' })
      expect([wrong.status, wrong.json.violations?.[0]?.field]).toEqual([400, 'rights.0'])
      expect((await agent.call('/v1/contacts/nobody', {}, { method: 'DELETE' })).status).toBe(400)
    })

    test('one sender has its own share of a mailbox, and the mailbox has an end; what was accepted stays', async () => {
      const { agent, operator, client, send } = await aMailboxWith({})
      const sends = (count: number, one: (text: string) => Promise<unknown>) =>
        Promise.all(Array.from({ length: count }, (_, n) => one(`${n}`)))
      await sends(8, send)
      expect(await refusal(client)).toEqual([429, 'SENDER_QUOTA'])
      const response = await fetch(`${world().gateway.url}/agents/${agent.name}/message:send`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'a2a-version': '1.0',
          authorization: `Bearer ${(await anAgent()).agent.token}`,
        },
        body: JSON.stringify({ message: aMessage('another sender has room'), configuration: now }),
      })
      expect(response.status).toBe(200)
      await sends(121, (text) => operator.send(text, { configuration: now }))
      expect(await refusal(operator)).toEqual([429, 'MAILBOX_FULL'])
      for (let left = 130; left > 0; ) {
        const { items } = await agent.lease({ max: 16 })
        left -= items.length
        await Promise.all(items.map(({ lease }: { lease: string }) => agent.say(lease, 'complete', { text: 'ok' })))
      }
      await expect.poll(() => refusal(client)).toEqual([200, undefined])
    })

    test('a mailbox has an end in bytes as well: nothing is thrown out for more, and what is taken makes room', async () => {
      const { agent, operator } = await aMailboxWith({})
      const large = 'x'.repeat(300_000)
      const sent = async (text: string) => {
        const answer = await operator.rpc('SendMessage', { message: aMessage(text), configuration: now })
        const reason = answer.error?.data?.find((one: { reason?: string }) => one.reason)?.reason
        return reason ?? 'taken'
      }
      let taken = 0
      await expect
        .poll(async () => {
          const said = await sent(large)
          if (said === 'taken') taken++
          return said
        })
        .toBe('MAILBOX_FULL')
      // Counted now and then: so many more may have come in between.
      expect(taken).toBeGreaterThan(3)
      expect(await sent('small')).toBe('MAILBOX_FULL')
      let given = 0
      for (let work = await agent.lease(); work; work = await agent.lease()) {
        given++
        expect(work.text).toBe(large)
        await agent.say(work.lease, 'complete', {})
      }
      expect(given).toBe(taken)
      await expect.poll(() => sent('small')).toBe('taken')
    })
  })
}
