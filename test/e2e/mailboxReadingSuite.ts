/** Looking without taking: lists, marks, a watch, presence. Real sockets, a real database, run on both drivers. */
import { describe, expect, test } from 'vitest'
import type { Collector } from '../support/collector.ts'
import { aMailboxWorld, EXTENSION, now, type OpenDatabase, stateOf, wish } from './mailboxWorld.ts'

export function mailboxReadingSuite(driver: string, open: OpenDatabase) {
  describe(`looking into a mailbox on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 'r')
    const get = async (agent: Collector, path: string) => {
      const answer = await agent.call(path, undefined, { method: 'GET' })
      if (answer.status !== 200) throw new Error(answer.text)
      return answer.json
    }
    const texts = (page: { items: { text: string }[] }) => page.items.map(({ text }) => text)
    const rows = () =>
      world().gateway.db.query(
        { name: 'test.all', write: false, text: 'select d.* from deliveries d order by d.id' },
        [],
      )

    test('a thousand times changes nothing', async () => {
      const { agent, send } = await anAgent()
      await send('a')
      await send('b', wish({ kind: 'note' }))
      await agent.lease()
      const before = JSON.stringify(await rows())
      const paths = ['', '?state=leased', '?state=held', '?kind=note', '?unread=1', '?wait=0', '?limit=1', '?urgent=1']
      for (let n = 0; n < 125; n++) await Promise.all(paths.map((path) => get(agent, `/v1/inbox${path}`)))
      expect(JSON.stringify(await rows())).toBe(before)
    })

    test('a read mark is a mark, and settles nothing', async () => {
      const { agent, send } = await anAgent()
      const other = (await anAgent()).agent
      await send('a')
      await send('b')
      const [first] = (await get(agent, '/v1/inbox')).items
      const mark = (who: Collector, body: unknown) => who.call('/v1/inbox/read', body)
      expect((await mark(other, { deliveries: [first.delivery] })).json).toEqual({ deliveries: [], read: true })
      expect((await mark(agent, { deliveries: [first.delivery] })).json.deliveries).toEqual([first.delivery])
      expect(texts(await get(agent, '/v1/inbox'))).toEqual(['a', 'b'])
      expect(texts(await get(agent, '/v1/inbox?unread=1'))).toEqual(['b'])
      expect((await get(agent, '/v1/inbox')).items[0].readAt).toEqual(expect.any(String))
      expect((await agent.lease()).text).toBe('a')
      await mark(agent, { deliveries: [first.delivery], read: false })
      expect((await get(agent, '/v1/inbox?state=leased')).items[0].readAt).toBeUndefined()
      expect((await mark(agent, { deliveries: ['x'] })).status).toBe(400)
      expect((await mark(agent, {})).status).toBe(400)
    })

    test('a watch shows what comes, each once, in the order of its coming', async () => {
      const { agent, send } = await anAgent()
      await send('before', wish({ priority: 'low' }))
      let page = await get(agent, '/v1/inbox?wait=0')
      expect(texts(page)).toEqual(['before'])
      const shown: string[] = []
      const waiting = get(agent, `/v1/inbox?wait=20&after=${page.next}`)
      await send('first', wish({ priority: 'low' }))
      page = await waiting
      shown.push(...texts(page))
      await Promise.all(['x', 'y', 'z'].map((text) => send(text, wish({ priority: 'urgent' }))))
      while (shown.length < 4) {
        page = await get(agent, `/v1/inbox?wait=20&after=${page.next}`)
        shown.push(...texts(page))
      }
      expect(shown[0]).toBe('first')
      expect(shown.slice(1).sort()).toEqual(['x', 'y', 'z'])
      expect(texts(await get(agent, `/v1/inbox?wait=1&after=${page.next}`))).toEqual([])
      const forged = await agent.call('/v1/inbox?wait=0&after=x.y', undefined, { method: 'GET' })
      expect(forged.status).toBe(400)
    })

    test('presence is what an agent does', async () => {
      const { agent, client, send } = await anAgent({ maxInflight: 1, cadence: 'PT1H' })
      const presence = async () => (await get(agent, `/v1/agents/${agent.name}`)).presence
      expect(await presence()).toEqual({ state: 'offline', wakeable: 'none', waiting: '0' })
      const early = await send('early')
      expect(early.metadata?.[EXTENSION]).toMatchObject({ presence: 'offline' })
      expect(await presence()).toMatchObject({ state: 'offline', waiting: '1-9', oldestWaiting: expect.any(String) })
      await agent.lease()
      await expect
        .poll(presence)
        .toMatchObject({ state: 'busy', lastSeen: expect.any(String), lastWorked: expect.any(String) })
      const find = async (available: string) =>
        (await get(agent, `/v1/agents?q=${agent.name}&available=${available}`)).items.map(
          ({ name }: { name: string }) => name,
        )
      expect([await find('1'), await find('0')]).toEqual([[], [agent.name]])
      const [held] = (await get(agent, '/v1/inbox?state=leased')).items
      expect(held.text).toBe('early')
      await client.rpc('CancelTask', { id: early.id })
      await expect.poll(presence).toMatchObject({ state: 'available', wakeable: 'socket' })
      expect(await find('1')).toEqual([agent.name])
      const operator = { method: 'POST', token: world().gateway.adminKey }
      await agent.call(`/v1/agents/${agent.name}/pause`, {}, operator)
      await expect.poll(presence).toMatchObject({ state: 'blocked-by-operator' })
    })

    test('who sends by its token is there', async () => {
      const { agent } = await anAgent()
      const { agent: other } = await anAgent()
      await world().client(other.name, agent.token).send('x', { configuration: now })
      await expect.poll(async () => (await get(agent, `/v1/agents/${agent.name}`)).presence.state).toBe('available')
    })

    test('finds what was said, in messages and results, of what one takes part in', async () => {
      const { agent, send } = await anAgent()
      const { agent: sender } = await anAgent()
      const { agent: stranger } = await anAgent()
      const asSender = world().client(agent.name, sender.token)
      const march = await asSender.send('the invoice of March, for the blue house', { configuration: now })
      const april = await asSender.send('the invoice of April', { configuration: now, ...wish({ kind: 'note' }) })
      await send('another invoice')
      const work = await agent.lease({ contextId: march.contextId })
      await agent.say(work.lease, 'complete', { text: 'it comes to twelve guilders' })
      const search = async (who: Collector | undefined, query: string) => {
        const token = who?.token ?? world().gateway.adminKey
        const { status, json } = await agent.call(`/v1/search?${query}`, undefined, { method: 'GET', token })
        return status === 200
          ? json.items.map(({ task }: { task: string }) => task)
          : [status, json.violations?.[0]?.field]
      }
      const ours = `participant=${encodeURIComponent(`agent:${sender.name}`)}`
      expect(await search(sender, 'q=invoice')).toEqual([april.id, march.id])
      expect(await search(agent, `q=invoice&${ours}`)).toEqual([april.id, march.id])
      expect(await search(agent, 'q=invoice')).toHaveLength(3)
      expect(await search(stranger, 'q=invoice')).toEqual([])
      expect(await search(sender, 'q=guilders')).toEqual([march.id])
      expect(await search(sender, 'q=%22blue+house%22')).toEqual([march.id])
      expect(await search(sender, 'q=invoice+-april')).toEqual([march.id])
      expect(await search(sender, 'q=invoice&kind=note')).toEqual([april.id])
      expect(await search(sender, `q=invoice&contextId=${march.contextId}`)).toEqual([march.id])
      expect(await search(sender, 'q=invoice&until=2020-01-01T00:00:00Z')).toEqual([])
      expect(await search(undefined, `q=guilders&${ours}`)).toEqual([march.id])
      expect(await search(sender, 'q=')).toEqual([400, 'q'])
      const call = (path: string) => sender.call(path, undefined, { method: 'GET' })
      const first = await call('/v1/search?q=invoice&limit=1')
      expect(first.json.items).toMatchObject([{ task: april.id, text: 'the invoice of April', sequence: 1 }])
      const second = await call(`/v1/search?q=invoice&limit=1&cursor=${encodeURIComponent(first.json.next)}`)
      expect(second.json.items).toMatchObject([{ task: march.id }])
      expect(stateOf(await asSender.get(march.id))).toBe('TASK_STATE_COMPLETED')
    })
  })
}
