/** Channels and the directory from end to end: real sockets, a real database, agents that collect. Run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Task } from '../../src/a2a/tasks.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { aCollector, type Collector } from '../support/collector.ts'
import { aMessage, aWorld, type World } from '../support/world.ts'
import { EXTENSION, now, type OpenDatabase, reasonIn, stateOf } from './mailboxWorld.ts'
import { makeKey } from './surfaces.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of many forms
type Json = any

export function channelsSuite(driver: string, open: OpenDatabase) {
  describe(`channels on ${driver}`, () => {
    let world: World
    let database: Awaited<ReturnType<OpenDatabase>>
    let echo: ScriptedAgent
    let made = 0

    beforeAll(async () => {
      database = await open()
      echo = await startAgent({})
      world = await aWorld({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        env: { WAYPOST_BLOCK_SECONDS: '10' },
        limits: { cancelGraceMs: 300 },
        cards: { echo: { connector: { kind: 'a2a', url: echo.url }, redelivery: 'atLeastOnce' } },
      })
    })
    afterAll(async () => {
      await world?.stop()
      await Promise.all([echo?.stop(), database?.close()])
    })

    async function api(method: string, path: string, body?: unknown, key = world.gateway.adminKey) {
      const response = await fetch(world.gateway.url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, json: (text ? JSON.parse(text) : undefined) as Json }
    }
    const agents = (count: number): Promise<Collector[]> =>
      Promise.all(Array.from({ length: count }, () => aCollector(world, `m${driver}${++made}`.toLowerCase())))
    async function aChannel(document: Record<string, unknown>) {
      const name = `c${driver}${++made}`.toLowerCase()
      const { status, json } = await api('POST', '/v1/channels', { name, ...document })
      expect([status, json]).toMatchObject([201, { name }])
      const client = world.client(`channels/${name}`)
      const send = (text: string, more: Json = {}) => client.send(text, { configuration: now, ...more })
      return { name, client, send, address: `#${name}` }
    }
    const receipts = async (id: string): Promise<Json[]> =>
      (await api('GET', `/v1/tasks/${id}/receipts`)).json.recipients
    const answer = async (agent: Collector, text: string) => {
      const job = await agent.lease({}, 5)
      const said = await agent.say(job.lease, 'complete', { text })
      expect(said.status).toBe(200)
      return job
    }
    const ended = (id: string) => world.next('task.finished', ({ task }) => task === id)
    const texts = (task: Task) =>
      Object.fromEntries(
        (task.artifacts ?? []).map(({ name, parts }) => [name, parts.map((part) => part.text ?? '').join('|')]),
      )

    describe('a post that nobody waits for', () => {
      test('has ended at once with a report, and is kept for each member', async () => {
        const [a, b] = (await agents(2)) as [Collector, Collector]
        const channel = await aChannel({ members: [a.name, b.name] })
        const task = await channel.send('hello')
        expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
        const report = task.artifacts?.[0]?.parts[1]?.data as Json
        expect(report.recipients.map((one: Json) => one.agent).sort()).toEqual([a.name, b.name].sort())
        const job = await answer(a, 'thanks')
        expect(job).toMatchObject({ text: 'hello', kind: 'post', from: 'operator' })
        expect(job.message.metadata[EXTENSION]).toMatchObject({ channel: channel.address, post: task.id })
        expect(job.task.contextId).toBe(task.contextId)
        const told = await receipts(task.id)
        expect(told.map(({ agent, state, delivery }) => [agent, state, delivery]).sort()).toEqual(
          [
            [a.name, 'TASK_STATE_COMPLETED', 'done'],
            [b.name, 'TASK_STATE_SUBMITTED', 'waiting'],
          ].sort(),
        )
        expect(stateOf(await channel.client.get(task.id))).toBe('TASK_STATE_COMPLETED')
      })

      test('does not come back to the member that sent it, and goes past those whose filter it does not meet', async () => {
        const [a, b, c] = (await agents(3)) as [Collector, Collector, Collector]
        const channel = await aChannel({ members: [a.name, b.name] })
        await api('POST', `/v1/channels/${channel.name}/members`, { agent: c.name, filter: { contains: 'urgent' } })
        const mine = world.client(`channels/${channel.name}`, a.token)
        await mine.send('news', { configuration: now })
        expect([await a.lease(), (await b.lease())?.text, await c.lease()]).toEqual([undefined, 'news', undefined])
        await mine.send('URGENT news', { configuration: now })
        expect((await c.lease())?.text).toBe('URGENT news')
      })

      test('sent twice is one post; with other content it is refused', async () => {
        const [a] = (await agents(1)) as [Collector]
        const channel = await aChannel({ members: [a.name] })
        const message = aMessage('once')
        const sent = await Promise.all(Array.from({ length: 4 }, () => channel.client.rpc('SendMessage', { message })))
        expect(new Set(sent.map(({ result }) => result.task.id)).size).toBe(1)
        expect((await a.lease({ max: 8 })).items).toHaveLength(1)
        const other = await channel.client.rpc('SendMessage', { message: { ...message, parts: [{ text: 'x' }] } })
        expect(other.error.data[0].reason).toBe('MESSAGE_ID_REUSED')
        expect((await api('GET', `/v1/channels/${channel.name}`)).json.posts).toBe(1)
      })
    })

    describe('answers that are collected', () => {
      test('the first one ends it; what comes later stays where it was given', async () => {
        const [a, b] = (await agents(2)) as [Collector, Collector]
        const channel = await aChannel({ collect: 'first', members: [a.name, b.name] })
        const task = await channel.send('who?')
        expect(stateOf(task)).toBe('TASK_STATE_WORKING')
        const over = ended(task.id)
        await answer(b, 'me')
        await over
        const done = await channel.client.get(task.id)
        expect([stateOf(done), texts(done)]).toEqual(['TASK_STATE_COMPLETED', { [b.name]: 'me' }])
        const late = await answer(a, 'too late')
        expect(texts(await channel.client.get(task.id))).toEqual({ [b.name]: 'me' })
        expect(texts(await world.client(a.name).get(late.task.id))).toEqual({ undefined: 'too late' })
      })

      test('all: connector agents and collecting ones, each named; a blocking send waits for them', async () => {
        const [a] = (await agents(1)) as [Collector]
        const channel = await aChannel({ collect: 'all', members: [a.name, 'echo'] })
        const [task] = await Promise.all([channel.client.send('artifact'), answer(a, 'mine')])
        expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
        expect(texts(task)).toEqual({ [a.name]: 'mine', echo: 'Generated text content' })
      })

      test('it has failed, with the reason, when the rule can no longer be met', async () => {
        const [a, b] = (await agents(2)) as [Collector, Collector]
        const channel = await aChannel({ collect: 'quorum:2', members: [a.name, b.name] })
        const task = await channel.send('two of you')
        const over = ended(task.id)
        await a.say((await a.lease()).lease, 'reject', { text: 'not me' })
        await over
        const failed = await channel.client.get(task.id)
        expect([stateOf(failed), reasonIn(failed)]).toEqual(['TASK_STATE_FAILED', 'RULE_UNMET'])
        const few = await aChannel({ collect: 'quorum:3', members: [a.name] })
        expect(reasonIn(await few.send('three'))).toBe('RULE_UNMET')
      })

      test('canceled, its open children are canceled', async () => {
        const [a, b] = (await agents(2)) as [Collector, Collector]
        const channel = await aChannel({ collect: 'all', members: [a.name, b.name] })
        const task = await channel.send('never mind')
        const held = await a.lease()
        const [{ result }] = await Promise.all([
          channel.client.rpc('CancelTask', { id: task.id }),
          world.next('task.finished', ({ agent, state }) => agent === b.name && state === 'TASK_STATE_CANCELED'),
          world.next('task.finished', ({ agent, state }) => agent === a.name && state === 'TASK_STATE_CANCELED'),
        ])
        expect(result.status.state).toBe('TASK_STATE_CANCELED')
        expect((await receipts(task.id)).map(({ state }) => state)).toEqual(Array(2).fill('TASK_STATE_CANCELED'))
        expect((await a.say(held.lease, 'complete', { text: 'x' })).status).toBe(409)
      })

      test('its stream and its webhook owe nothing less than its log', async () => {
        const [a] = (await agents(1)) as [Collector]
        const channel = await aChannel({ collect: 'all', members: [a.name] })
        const seen: Json[] = []
        const reading = (async () => {
          for await (const { event } of channel.client.stream('SendStreamingMessage', { message: aMessage('go') }))
            seen.push(event)
        })()
        await answer(a, 'gone')
        await reading
        expect(seen.map((event) => Object.keys(event)[0])).toEqual(['task', 'artifactUpdate', 'statusUpdate'])
      })
    })

    test('with 100 members, 30 of them away and 5 leaving, a quorum of three ends at three, and each one’s state is exact', async () => {
      const all = await agents(100)
      const channel = await aChannel({ collect: 'quorum:3', members: all.map(({ name }) => name) })
      const task = await channel.send('anybody?')
      const leaving = all.slice(0, 5)
      for (const { name, token } of leaving)
        expect((await api('DELETE', `/v1/channels/${channel.name}/members`, undefined, token)).json).toMatchObject({
          left: true,
          channel: channel.address,
          ...(name && {}),
        })
      const over = ended(task.id)
      const here = all.slice(35)
      await Promise.all(here.map((agent, at) => answer(agent, `answer ${at}`)))
      await over
      const done = await channel.client.get(task.id)
      expect(stateOf(done)).toBe('TASK_STATE_COMPLETED')
      expect(done.artifacts).toHaveLength(3)
      const told = await receipts(task.id)
      const count = (state: string, delivery: string) =>
        told.filter((one) => one.state === state && one.delivery === delivery).length
      expect([
        count('TASK_STATE_COMPLETED', 'done'),
        count('TASK_STATE_SUBMITTED', 'waiting'),
        count('TASK_STATE_CANCELED', 'void'),
        told.length,
      ]).toEqual([65, 30, 5, 100])
      const counted = told.filter(({ outcome }) => outcome === 'answered').map(({ agent }) => agent)
      expect(counted.sort()).toEqual((done.artifacts ?? []).map(({ name }) => name as string).sort())
    }, 60_000)

    describe('members', () => {
      test('who joins later gets what was posted before, as far as it asks, each once', async () => {
        const channel = await aChannel({ policy: { post: 'anyone' } })
        for (const text of ['one', 'two', 'three']) await channel.send(text)
        const [a, b, c] = (await agents(3)) as [Collector, Collector, Collector]
        const join = (token: string, body: object) => api('POST', `/v1/channels/${channel.name}/members`, body, token)
        expect((await join(a.token, { from: 'beginning' })).json).toEqual({ member: a.name, joined: true, replayed: 3 })
        expect((await join(b.token, { from: 'last:1' })).json.replayed).toBe(1)
        expect((await join(c.token, {})).json.replayed).toBe(0)
        expect((await join(a.token, { from: 'beginning' })).status).toBe(200)
        const got = async (agent: Collector) => {
          const seen: string[] = []
          for (let job = await agent.lease(); job; job = await agent.lease()) {
            seen.push(job.text)
            await agent.say(job.lease, 'complete', { text: 'ok' })
          }
          return seen
        }
        expect([await got(a), await got(b), await got(c)]).toEqual([['one', 'two', 'three'], ['three'], []])
      })

      test('may join and post as the channel says; unknown and unseen channels look alike', async () => {
        const [a, b] = (await agents(2)) as [Collector, Collector]
        const stranger = (await makeKey(world, { caller: 'stranger' })).key
        const closed = await aChannel({ visibility: 'members', members: [a.name] })
        const missing = await api('GET', '/v1/channels/nothing-here', undefined, stranger)
        const hidden = await api('GET', `/v1/channels/${closed.name}`, undefined, stranger)
        expect([missing.status, hidden.status, missing.json.code, hidden.json.code]).toEqual([
          404,
          404,
          'AGENT_NOT_FOUND',
          'AGENT_NOT_FOUND',
        ])
        const post = (name: string, key: string) =>
          world.client(`channels/${name}`, key).rpc('SendMessage', { message: aMessage('x'), configuration: now })
        expect((await post(closed.name, stranger)).error.data[0].reason).toBe('AGENT_NOT_FOUND')
        expect((await post(closed.name, a.token)).result.task.status.state).toBe('TASK_STATE_COMPLETED')
        const shut = await aChannel({ policy: { join: 'owner', post: 'owner' } })
        expect((await api('POST', `/v1/channels/${shut.name}/members`, {}, b.token)).status).toBe(403)
        expect((await post(shut.name, stranger)).error.data[0].reason).toBe('PERMISSION_DENIED')
        expect((await api('GET', `/v1/channels/${shut.name}/posts`, undefined, stranger)).status).toBe(403)
        expect((await api('DELETE', `/v1/channels/${shut.name}`, undefined, stranger)).status).toBe(403)
      })
    })

    test('where any one takes it, each post is done once, by whoever asks first', async () => {
      const [a, b, outsider] = (await agents(3)) as [Collector, Collector, Collector]
      const channel = await aChannel({ mode: 'one', members: [a.name, b.name] })
      const sent = []
      for (let n = 0; n < 12; n++) sent.push(await channel.send(`job ${n}`))
      expect(await outsider.lease()).toBeUndefined()
      const done: string[] = []
      const work = async (agent: Collector) => {
        for (let job = await agent.lease({}, 1); job; job = await agent.lease({}, 1)) {
          done.push(job.text)
          expect((await agent.say(job.lease, 'complete', { text: agent.name })).status).toBe(200)
        }
      }
      await Promise.all([work(a), work(b)])
      expect(done.sort()).toEqual(sent.map((_, n) => `job ${n}`).sort())
      for (const { id } of sent) expect(stateOf(await channel.client.get(id))).toBe('TASK_STATE_COMPLETED')
      const waiting = a.lease({}, 5)
      await channel.send('one more')
      const job = await waiting
      expect(job.text).toBe('one more')
      expect((await outsider.say(job.lease, 'complete', { text: 'x' })).status).toBe(404)
      expect((await a.say(job.lease, 'release')).status).toBe(200)
      expect((await b.lease({}, 2)).text).toBe('one more')
    })

    describe('where any one takes it, and members have servers', () => {
      const aServer = async (more: Record<string, unknown> = {}) => {
        const server = await startAgent({})
        const name = `p${driver}${++made}`.toLowerCase()
        await world.register({ name, connector: { kind: 'a2a', url: server.url }, ...more })
        return { server, name }
      }
      const got = ({ log }: ScriptedAgent) =>
        log.entries.filter(({ operation }) => operation.startsWith('Send')).map(({ text }) => text)

      test('each post is given to one that has a place free, and is its task from then on', async () => {
        const [one, other] = [await aServer({ maxInflight: 1 }), await aServer({ maxInflight: 1 })]
        const channel = await aChannel({ mode: 'one', members: [one.name, other.name] })
        const done = await channel.client.send('hello')
        expect([stateOf(done), done.artifacts?.[0]?.parts[0]?.text]).toEqual(['TASK_STATE_COMPLETED', 'echo: hello'])
        const tasks = []
        for (let n = 0; n < 6; n++) tasks.push(await channel.send('delay'))
        // One each; the rest waits for whoever is free.
        for (const { server } of [one, other])
          await expect.poll(() => got(server).filter((text) => text === 'delay').length).toBe(1)
        for (const { server } of [one, other]) server.release()
        for (const { id } of tasks)
          await expect.poll(async () => stateOf(await channel.client.get(id))).toBe('TASK_STATE_COMPLETED')
        const runs = [one, other].map(({ server }) => server.runs.length)
        expect((runs[0] as number) + (runs[1] as number)).toBe(7)
        expect(Math.min(...runs)).toBeGreaterThan(0)
        await Promise.all([one.server.stop(), other.server.stop()])
      })

      test('what it asks is answered to the same one; what it works on is canceled there', async () => {
        const [one, other] = [await aServer(), await aServer()]
        const channel = await aChannel({ mode: 'one', members: [one.name, other.name] })
        const asked = await channel.client.send('input')
        expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED')
        const { id: taskId, contextId } = asked
        const answered = await channel.client.send('complete', { message: { taskId, contextId } })
        expect([answered.id, stateOf(answered)]).toEqual([taskId, 'TASK_STATE_COMPLETED'])
        expect([one, other].map(({ server }) => server.runs.length).sort()).toEqual([0, 2])
        const working = await channel.send('delay')
        await expect.poll(async () => stateOf(await channel.client.get(working.id))).toBe('TASK_STATE_WORKING')
        const { result } = await channel.client.rpc('CancelTask', { id: working.id })
        expect(stateOf(result)).toBe('TASK_STATE_CANCELED')
        await Promise.all([one.server.stop(), other.server.stop()])
      })

      test('what was given to one that is away is taken back, for another that is there', async () => {
        const [away] = [await aServer()]
        await away.server.stop()
        const [collector] = (await agents(1)) as [Collector]
        const channel = await aChannel({ mode: 'one', members: [away.name] })
        const sent = await channel.send('who is there?')
        const closed = world.next('lane.closed', ({ destination }) => destination === `agent:${away.name}`)
        await closed
        expect(
          (await api('POST', `/v1/channels/${channel.name}/members`, { agent: collector.name })).json,
        ).toMatchObject({ joined: true })
        const work = await collector.lease({}, 20)
        expect(work).toMatchObject({ text: 'who is there?', task: { id: sent.id } })
        expect((await collector.say(work.lease, 'complete', { text: 'me' })).status).toBe(200)
        expect(stateOf(await channel.client.get(sent.id))).toBe('TASK_STATE_COMPLETED')
        // Back again, it gets what nobody has taken.
        const next = await channel.send('back?')
        const open = world.next('lane.open', ({ destination }) => destination === `agent:${away.name}`)
        await away.server.start()
        await api('POST', `/v1/agents/${away.name}/probe`, {})
        await open
        await expect.poll(async () => stateOf(await channel.client.get(next.id))).toBe('TASK_STATE_COMPLETED')
        expect(got(away.server)).toEqual(['back?'])
        await away.server.stop()
      })
    })

    test('a post does not go to members that take none of its sender, in a broadcast as in a queue', async () => {
      const [a, b, sender] = (await agents(3)) as [Collector, Collector, Collector]
      const refuse = (agent: Collector) =>
        agent.call(`/v1/contacts/agent:${sender.name}`, { state: 'refused' }, { method: 'PUT' })
      const news = await aChannel({ members: [a.name, b.name, sender.name] })
      const jobs = await aChannel({ mode: 'one', members: [a.name, b.name, sender.name] })
      expect((await refuse(b)).status).toBe(200)
      const asSender = (name: string) => world.client(`channels/${name}`, sender.token)
      const told = await asSender(news.name).send('hello', { configuration: now })
      const report = told.artifacts?.[0]?.parts[1]?.data as Json
      expect(report.recipients.map((one: Json) => one.agent)).toEqual([a.name])
      expect((await a.lease()).text).toBe('hello')
      const job = await asSender(jobs.name).send('work', { configuration: now })
      expect(await b.lease()).toBeUndefined()
      const taken = await a.lease({}, 20)
      expect(taken).toMatchObject({ text: 'work', task: { id: job.id } })
      expect((await a.say(taken.lease, 'complete', {})).status).toBe(200)
    })

    describe('the directory at the root', () => {
      const root = () => {
        const { gateway } = world
        return {
          card: async () =>
            (
              await fetch(`${gateway.url}/.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } })
            ).json() as Promise<Json>,
          rpc: async (params: Json, key = gateway.adminKey): Promise<Json> =>
            (
              await fetch(`${gateway.url}/`, {
                method: 'POST',
                headers: { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${key}` },
                body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params }),
              })
            ).json(),
        }
      }
      let translate: Collector
      beforeAll(async () => {
        translate = await aCollector(world, `translate${driver}`.toLowerCase(), {
          skills: [
            {
              id: `translate-${driver}`.toLowerCase(),
              name: 'Translate',
              description: 'German and French',
              tags: ['text'],
            },
          ],
        })
        await aCollector(world, `hidden${driver}`.toLowerCase(), {
          visibility: 'private',
          description: 'translates in secret',
        })
      })

      test('has a card with its skills', async () => {
        const card = await root().card()
        expect(card.skills.map(({ id }: Json) => id)).toEqual(['find', 'match', 'delegate'])
      })

      test('finds and matches, in words and with data, and tells why', async () => {
        const found = (await root().rpc({ message: aMessage(`find translate${driver}`) })).result.task
        expect(found.status.state).toBe('TASK_STATE_COMPLETED')
        expect(found.artifacts[0].parts[1].data.items.map(({ name }: Json) => name)).toEqual([translate.name])
        const data = { need: 'something in French', tag: 'text' }
        const matched = (await root().rpc({ message: { ...aMessage(''), parts: [{ data }] } })).result.task
        const [best] = matched.artifacts[0].parts[1].data.items
        expect(best).toMatchObject({ name: translate.name, address: expect.stringContaining(`${translate.name}@`) })
        expect(best.reasons.map(({ what }: Json) => what)).toContain('tag')
        const wrong = await root().rpc({ message: aMessage('find') })
        expect(wrong.error.data[0].reason).toBe('INVALID_PARAMS')
      })

      test('delegates by skill, and tells all that the agent tells, a question and its answer too', async () => {
        const client = world.client('directory')
        const task = await client.send(`delegate translate-${driver}: Guten Tag`.toLowerCase(), { configuration: now })
        expect(stateOf(task)).toBe('TASK_STATE_WORKING')
        const job = await translate.lease({}, 5)
        expect([job.text, job.task.contextId]).toEqual(['guten tag', task.contextId])
        const asked = world.next('task.recorded', ({ task: id }) => id === job.task.id)
        await translate.say(job.lease, 'ask', { text: 'into what?' })
        await asked
        const until = async (state: string): Promise<Task> => {
          for (;;) {
            const seen = await client.get(task.id)
            if (stateOf(seen) === state) return seen
            await new Promise((resolve) => setImmediate(resolve))
          }
        }
        expect((await until('TASK_STATE_INPUT_REQUIRED')).status.message?.parts[0]?.text).toBe('into what?')
        await client.send('English', { configuration: now, message: { taskId: task.id } })
        const again = await translate.lease({}, 5)
        expect(again.text).toBe('English')
        await translate.say(again.lease, 'complete', { text: 'Good day' })
        const done = await until('TASK_STATE_COMPLETED')
        expect(texts(done)).toEqual({ undefined: 'Good day' })
        expect(done.history?.map(({ parts }) => parts[0]?.text)).toContain('English')
        const nobody = (await root().rpc({ message: aMessage('delegate juggling-on-ice: now') })).result.task
        expect([nobody.status.state, nobody.status.message.parts[1].data.reason]).toEqual([
          'TASK_STATE_REJECTED',
          'NO_AGENT_FITS',
        ])
      })
    })
  })
}
