/** Waking an agent that is not there, at a receiver of the test's own. Run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aCollector } from '../support/collector.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { aWorld, type World } from '../support/world.ts'
import { now, type OpenDatabase } from './mailboxWorld.ts'

export function mailboxWakeSuite(driver: string, open: OpenDatabase) {
  describe(`waking on ${driver}`, () => {
    let world: World
    let receiver: Receiver
    let database: Awaited<ReturnType<OpenDatabase>>
    beforeAll(async () => {
      database = await open()
      receiver = await startReceiver()
      world = await aWorld({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        limits: { wakeLookMs: 50, wakersEveryMs: 50, wakeAwaySeconds: 0, mailboxPerSenderMax: 1_000 },
      })
    })
    afterAll(async () => {
      await world?.stop()
      await receiver?.stop()
      await database?.close()
    })
    /** As if the next wake-up were due: nobody waits a minute here. */
    const hurry = () =>
      world.gateway.db.query(
        {
          name: 'test.hurry',
          write: true,
          text: 'update lanes set wake_due_at = now() where wake_due_at is not null returning wakes',
        },
        [],
      )
    const woken = (agent: string, wake: number) =>
      world.next('mailbox.woken', (fact) => fact.agent === agent && fact.wake === wake)

    test('a burst is one wake-up; unread it is repeated, later and later; read it is not', async () => {
      const agent = await aCollector(world, 'sleeper', { wake: { url: `${receiver.url}sleeper` } })
      const posts = () => receiver.log.entries.filter(({ path }) => path === '/sleeper')
      const first = woken('sleeper', 1)
      const sending = Array.from({ length: 500 }, (_, n) =>
        world.client('sleeper').send(`${n}`, { configuration: now }),
      )
      await Promise.all(sending)
      expect((await first).status).toBe('sent')
      const [post] = posts()
      expect(post?.json).toMatchObject({ event: 'work', agent: 'sleeper', priority: 'normal', wake: 1 })
      expect(JSON.stringify(post?.json)).not.toContain('parts')
      expect(post?.headers['x-a2a-signature-jwt']).toEqual(expect.any(String))
      const second = woken('sleeper', 2)
      expect(posts()).toHaveLength(1)
      await hurry()
      await second
      expect(posts()).toHaveLength(2)
      // All of it is marked as read: that is an answer, and nothing is asked again.
      const ids: string[] = []
      for (let after = ''; ; ) {
        const { json } = await agent.call(`/v1/inbox?limit=100${after}`, undefined, { method: 'GET' })
        ids.push(...json.items.map(({ delivery }: { delivery: string }) => delivery))
        if (!json.next) break
        after = `&after=${json.next}`
      }
      expect(ids).toHaveLength(500)
      await agent.call('/v1/inbox/read', { deliveries: ids })
      const status = async () => {
        const [row] = await world.gateway.db.query<{ status: string }>(
          {
            name: 'test.status',
            write: false,
            text: "select wake_status as status from lanes where destination = 'agent:sleeper'",
          },
          [],
        )
        return row?.status
      }
      await expect.poll(status).toBe('confirmed')
      await hurry()
      const third = woken('sleeper', 1)
      await world.client('sleeper').send('something new', { configuration: now })
      await third
      expect(posts()).toHaveLength(3)
    })

    test('who holds work is awake, and a receiver that fails is told of, and asked again', async () => {
      const agent = await aCollector(world, 'failing', { wake: { url: `${receiver.url}failing` } })
      receiver.always(500)
      const failed = woken('failing', 1)
      await world.client('failing').send('x', { configuration: now })
      expect(await failed).toMatchObject({ status: 'failed', reason: 'HTTP 500' })
      receiver.always(200)
      const again = woken('failing', 2)
      await hurry()
      expect((await again).status).toBe('sent')
      const { lease } = await agent.lease()
      await world.client('failing').send('y', { configuration: now })
      await hurry()
      const next = woken('failing', 1)
      await agent.say(lease, 'complete', { text: 'done' })
      // `y` waits on, and nobody works: that is a new reason to wake.
      expect((await next).wake).toBe(1)
    })

    test('an address that may not be called is refused when it is given', async () => {
      const response = await fetch(`${world.gateway.url}/v1/agents`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'inward', wake: { url: 'http://169.254.169.254/latest' } }),
      })
      expect([
        response.status,
        ((await response.json()) as { violations: { field: string }[] }).violations[0]?.field,
      ]).toEqual([400, 'wake.url'])
    })
  })
}
