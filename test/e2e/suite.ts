/** What a gateway promises from end to end: real sockets, a real database, a scripted agent. Run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Task } from '../../src/a2a/tasks.ts'
import { LIMITS } from '../../src/limits.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { freePort } from '../support/databases.ts'
import { startReceiver } from '../support/receiver.ts'
import { aMessage, aWorld, type Client, type World } from '../support/world.ts'

const textOf = (task: Task) =>
  (task.artifacts ?? []).flatMap(({ parts }) => parts.map((part) => part.text ?? '')).join('|')
const stateOf = (task: Task) => task.status.state
const now = { returnImmediately: true }
const reasonIn = (task: Task) =>
  (task.status.message?.parts.find((part) => part.data)?.data as { reason?: string } | undefined)?.reason

export function worldSuite(driver: string, open: () => Promise<{ databaseUrl?: string; close: () => Promise<void> }>) {
  describe(`from end to end on ${driver}`, () => {
    let world: World
    let agent: ScriptedAgent
    let careless: ScriptedAgent
    let database: Awaited<ReturnType<typeof open>>
    let client: Client

    beforeAll(async () => {
      database = await open()
      agent = await startAgent({ dedupe: true })
      careless = await startAgent({ streaming: false })
      const nobody = `http://127.0.0.1:${await freePort()}/`
      world = await aWorld({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        env: { WAYPOST_BLOCK_SECONDS: '20' },
        webhooks: { attemptsMax: 3, firstMs: 20, longestMs: 60 },
        cards: {
          echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce', maxInflight: 64 },
          careless: {
            connector: { kind: 'a2a', url: careless.url },
            backoff: { firstMs: 20, longestMs: 50 },
            maxAttempts: 3,
          },
          away: { connector: { kind: 'a2a', url: nobody }, ttlSeconds: 3600 },
          refusing: { connector: { kind: 'a2a', url: nobody }, whenOffline: 'reject' },
        },
      })
      expect(world.gateway.cardProblems).toEqual([])
      client = world.client('echo')
    })
    afterAll(async () => {
      await world?.stop()
      await Promise.all([agent?.stop(), careless?.stop(), database?.close()])
    })

    describe('a send', () => {
      test('blocks until the task has ended, and answers it with its artifacts', async () => {
        const task = await client.send('artifact please')
        expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
        expect(textOf(task)).toBe('Generated text content')
        expect(task.history?.[0]).toMatchObject({ role: 'ROLE_USER', taskId: task.id, contextId: task.contextId })
        expect(await client.get(task.id)).toEqual(task)
      })

      test('answers at once when asked to, and the task goes on', async () => {
        const finished = world.next('task.finished')
        const task = await client.send('artifact', { configuration: now })
        expect(stateOf(task)).toBe('TASK_STATE_SUBMITTED')
        expect((await finished).task).toBe(task.id)
        expect(stateOf(await client.get(task.id))).toBe('TASK_STATE_COMPLETED')
      })

      test("hands an agent's Message through, and keeps the task that it answered", async () => {
        const { result } = await client.rpc('SendMessage', { message: aMessage('message') })
        expect(result.message).toMatchObject({ role: 'ROLE_AGENT', parts: [{ text: 'Direct message response' }] })
        const { result: listed } = await client.rpc('ListTasks', {
          contextId: result.message.contextId,
          includeArtifacts: true,
        })
        expect(listed.tasks).toMatchObject([
          { status: { state: 'TASK_STATE_COMPLETED' }, artifacts: [{ parts: [{ text: 'Direct message response' }] }] },
        ])
      })

      test('of the same message is the same task, however often and however parallel; other content is refused', async () => {
        const message = aMessage('artifact')
        const answers = await Promise.all(Array.from({ length: 8 }, () => client.rpc('SendMessage', { message })))
        expect(new Set(answers.map(({ result }) => result.task.id)).size).toBe(1)
        expect(agent.executionsOf(message.messageId)).toBe(1)
        const other = await client.rpc('SendMessage', { message: { ...message, parts: [{ text: 'other' }] } })
        expect([other.error.code, other.error.data[0].reason]).toEqual([-32602, 'MESSAGE_ID_REUSED'])
      })

      test('with an id that is no UUID is a new task each time, as hand-written clients expect', async () => {
        const send = async () =>
          (await client.rpc('SendMessage', { message: aMessage('complete', { messageId: '1' }) })).result.task.id
        expect(await send()).not.toBe(await send())
      })

      test('with an Idempotency-Key is one task, whatever its messageId', async () => {
        const send = async () =>
          (await client.rpc('SendMessage', { message: aMessage('complete') }, { 'idempotency-key': 'k-1' })).result.task
            .id
        expect(await send()).toBe(await send())
      })

      test('E-25 to a refusing agent that is offline is not accepted', async () => {
        const refusing = world.client('refusing')
        const closed = world.next('lane.closed', ({ destination }) => destination === 'agent:refusing')
        await refusing.rpc('SendMessage', { message: aMessage('a'), configuration: now })
        await closed
        const { status, error } = await refusing.rpc('SendMessage', { message: aMessage('b') })
        expect([status, error.data[0].reason]).toEqual([503, 'AGENT_UNAVAILABLE'])
      })
    })

    describe('a stream', () => {
      const collect = async (stream: AsyncGenerator<{ id: number; event: object }>) => {
        const got = []
        for await (const one of stream) got.push(one)
        return got
      }

      test('begins with the task, numbers every event, and ends with its end', async () => {
        const got = await collect(client.stream('SendStreamingMessage', { message: aMessage('chunks:5') }))
        expect(got.map(({ id }) => id)).toEqual(got.map((_, at) => at + 1))
        expect(Object.keys(got[0]!.event)).toEqual(['task'])
        expect(got.at(-1)!.event).toMatchObject({ statusUpdate: { status: { state: 'TASK_STATE_COMPLETED' } } })
        const chunks = got.flatMap(({ event }) =>
          'artifactUpdate' in event ? [(event as any).artifactUpdate.artifact.parts[0].text] : [],
        )
        expect(chunks.join('')).toBe('c1 c2 c3 c4 c5 ')
      })

      test('of a lone Message is that Message', async () => {
        const got = await collect(client.stream('SendStreamingMessage', { message: aMessage('message') }))
        expect(got.map(({ event }) => Object.keys(event))).toEqual([['message']])
      })

      test('resumes after the last id exactly; an unknown position gives the snapshot', async () => {
        const all = await collect(client.stream('SendStreamingMessage', { message: aMessage('chunks:6') }))
        const taskId = (all[0]!.event as { task: Task }).task.id
        for (const seen of [1, 4, all.length - 1]) {
          const rest = await collect(
            client.stream('SubscribeToTask', { id: taskId }, { 'last-event-id': String(seen) }),
          )
          expect(rest).toEqual(all.slice(seen))
        }
        const ended = await client.rpc('SubscribeToTask', { id: taskId })
        expect(ended.error.code).toBe(-32004)
        const beyond = await client.rpc('SubscribeToTask', { id: taskId }, { 'last-event-id': '99' })
        expect(beyond.error.code).toBe(-32004)
      })

      test('shows a running task first, then what comes; two readers see the same', async () => {
        const message = aMessage('delay')
        const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const task = await client.send('', { configuration: now, message })
        await working
        const [one, two] = [
          client.stream('SubscribeToTask', { id: task.id }),
          client.stream('SubscribeToTask', { id: task.id }),
        ]
        const firsts = await Promise.all([one.next(), two.next()])
        expect(firsts.map(({ value }) => value.event.task.status.state)).toEqual([
          'TASK_STATE_WORKING',
          'TASK_STATE_WORKING',
        ])
        agent.release(message.messageId)
        const [a, b] = await Promise.all([collect(one), collect(two)])
        expect(a).toEqual(b)
        expect(a.at(-1)!.event).toMatchObject({ statusUpdate: { status: { state: 'TASK_STATE_COMPLETED' } } })
      })
    })

    describe('a conversation', () => {
      test('asks back, takes the answer, and ends', async () => {
        const asked = await client.send('input')
        expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED')
        const answered = await client.send('complete', { message: { taskId: asked.id } })
        expect(answered.id).toBe(asked.id)
        expect(stateOf(answered)).toBe('TASK_STATE_COMPLETED')
        expect(answered.history?.map(({ role, parts }) => `${role} ${parts[0]?.text}`)).toEqual([
          'ROLE_USER input',
          'ROLE_AGENT what else?',
          'ROLE_USER complete',
        ])
      })

      test('holds what was said under one messageId again and again', async () => {
        // Not a UUID, or it would be a repetition.
        const messageId = 'the same'
        const asked = await client.send('input', { message: { messageId } })
        for (const text of ['input a', 'input b']) await client.send(text, { message: { messageId, taskId: asked.id } })
        const said = (await client.get(asked.id)).history?.filter(({ role }) => role === 'ROLE_USER')
        expect(said?.map(({ parts }) => parts[0]?.text)).toEqual(['input', 'input a', 'input b'])
      })

      test('keeps its order, one message at a time', async () => {
        const contextId = uuidv7()
        const finished = Promise.all(Array.from({ length: 12 }, () => world.next('task.finished')))
        void finished
        const ids: string[] = []
        for (let n = 0; n < 12; n++) {
          const message = aMessage(`slow:5 ${n}`, { contextId })
          ids.push(message.messageId)
          await client.send('', { configuration: now, message })
        }
        await agent.log.count(12, ({ messageId }) => messageId !== undefined && ids.includes(messageId))
        const got = agent.log.entries
          .filter(({ messageId }) => messageId && ids.includes(messageId))
          .map(({ messageId }) => messageId)
        expect(got).toEqual(ids)
      })

      test('of an ended task takes no message, of another context neither', async () => {
        const task = await client.send('complete')
        expect((await client.rpc('SendMessage', { message: aMessage('more', { taskId: task.id }) })).error.code).toBe(
          -32004,
        )
        const asked = await client.send('input')
        const crossed = await client.rpc('SendMessage', {
          message: aMessage('x', { taskId: asked.id, contextId: uuidv7() }),
        })
        expect(crossed.error.code).toBe(-32602)
        expect((await client.rpc('SendMessage', { message: aMessage('x', { taskId: uuidv7() }) })).error.code).toBe(
          -32001,
        )
      })
    })

    describe('a cancel', () => {
      test('of a queued task withdraws it, and it is never sent', async () => {
        const away = world.client('away')
        const task = await away.send('a', { configuration: now })
        const { result } = await away.rpc('CancelTask', { id: task.id })
        expect(stateOf(result)).toBe('TASK_STATE_CANCELED')
        expect((await away.rpc('CancelTask', { id: task.id })).result.status.state).toBe('TASK_STATE_CANCELED')
      })

      test('of a running task is the agent to decide, and ends its stream', async () => {
        const message = aMessage('delay')
        const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const task = await client.send('', { configuration: now, message })
        await working
        const { result } = await client.rpc('CancelTask', { id: task.id })
        expect(stateOf(result)).toBe('TASK_STATE_CANCELED')
        expect(stateOf(await client.get(task.id))).toBe('TASK_STATE_CANCELED')
      })

      test('of an ended task is refused', async () => {
        const task = await client.send('complete')
        expect((await client.rpc('CancelTask', { id: task.id })).error.code).toBe(-32002)
      })
    })

    describe('an agent that is away', () => {
      test('finds its tasks when it is back: each once, in order, and the wait is told', async () => {
        const closed = world.next('lane.closed', ({ destination }) => destination === 'agent:echo')
        await agent.stop()
        const first = await client.send('artifact', { configuration: now })
        await closed
        const waiting = await client.get(first.id)
        expect(stateOf(waiting)).toBe('TASK_STATE_SUBMITTED')
        expect(waiting.metadata?.['urn:x-waypost:store-and-forward:1']).toMatchObject({
          delivery: 'waiting',
          recipient: 'offline',
          position: 1,
        })
        const contextId = uuidv7()
        const messages = Array.from({ length: 30 }, (_, n) => aMessage(`artifact ${n}`, { contextId }))
        const tasks = await Promise.all(messages.map((message) => client.send('', { configuration: now, message })))
        const ends = new Set<string>()
        const all = new Promise<void>((resolve) => {
          world.gateway.signals.on('task.finished', ({ task }) => {
            ends.add(task)
            if (tasks.every(({ id }) => ends.has(id))) resolve()
          })
        })
        await agent.restart()
        await all
        expect(messages.map(({ messageId }) => agent.executionsOf(messageId))).toEqual(messages.map(() => 1))
        const states = await Promise.all(tasks.map(async ({ id }) => stateOf(await client.get(id))))
        expect(new Set(states)).toEqual(new Set(['TASK_STATE_COMPLETED']))
      })

      test('does not get what has waited too long: the task fails with the reason', async () => {
        const away = world.client('away')
        const failed = world.next('delivery.expired')
        const task = await away.send('x', {
          configuration: now,
          metadata: { 'urn:x-waypost:store-and-forward:1': { ttlSeconds: 1 } },
        })
        expect((await failed).task).toBe(task.id)
        const ended = await away.get(task.id)
        expect([stateOf(ended), reasonIn(ended)]).toEqual(['TASK_STATE_FAILED', 'EXPIRED_UNDELIVERED'])
      })

      test('a deadline ends a task wherever it is', async () => {
        const away = world.client('away')
        const finished = world.next('task.finished')
        const deadline = new Date(Date.now() + 300).toISOString()
        const task = await away.send('x', {
          configuration: now,
          metadata: { 'urn:x-waypost:store-and-forward:1': { deadline } },
        })
        expect((await finished).task).toBe(task.id)
        expect(reasonIn(await away.get(task.id))).toBe('DEADLINE_EXCEEDED')
      })
    })

    describe('an agent that misbehaves harms its own task only', () => {
      test.each([
        ['says everything twice', 'duplicate', 'TASK_STATE_COMPLETED', 'once'],
        ['ends twice', 'twice', 'TASK_STATE_COMPLETED', ''],
        ['speaks after the end', 'after', 'TASK_STATE_COMPLETED', ''],
        ['speaks of tasks that are not this one', 'foreign', 'TASK_STATE_COMPLETED', 'mine'],
        ['interjects a message', 'interject', 'TASK_STATE_COMPLETED', ''],
        ['appends to what was never begun', 'append', 'TASK_STATE_COMPLETED', 'from nowhere'],
        ['cuts its stream', 'cut:2 chunks:4', 'TASK_STATE_COMPLETED', 'c1 |c2 |c3 |c4 '],
        ['rejects', 'reject', 'TASK_STATE_REJECTED', ''],
        ['fails', 'fail', 'TASK_STATE_FAILED', ''],
      ])('%s', async (_title, script, state, text) => {
        const task = await client.send(script)
        expect([stateOf(task), textOf(task)]).toEqual([state, text])
      })

      test.each(['garbage:html', 'garbage:half', 'garbage:empty', 'garbage:neither', 'garbage:number', 'wrongid'])(
        'answers %s',
        async (script) => {
          const task = await world.client('careless').send(script)
          expect(stateOf(task)).toMatch(/FAILED|REJECTED/)
          expect(stateOf(await client.send('complete'))).toBe('TASK_STATE_COMPLETED')
        },
      )

      test('may have done it, cannot tell, and must not do it twice: DELIVERY_UNKNOWN, sent once', async () => {
        const message = aMessage('drop artifact')
        const task = await world.client('careless').send('', { message })
        expect(stateOf(task)).toMatch(/FAILED|COMPLETED/)
        expect(
          careless.log.entries.filter(
            ({ messageId, operation }) => messageId === message.messageId && operation.startsWith('Send'),
          ).length,
        ).toBe(1)
      })

      test('is busy: the message comes again, with the same id, not before it may', async () => {
        const message = aMessage('status:503')
        const task = await world.client('careless').send('', { message })
        expect([stateOf(task), reasonIn(task)]).toEqual(['TASK_STATE_FAILED', 'DELIVERY_ATTEMPTS_EXHAUSTED'])
        const tries = careless.log.entries.filter(({ messageId }) => messageId === message.messageId)
        expect(tries).toHaveLength(3)
        expect(new Set(tries.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
      })
    })

    describe('a webhook', () => {
      const push = (url: string, more: object = {}) => ({ taskPushNotificationConfig: { url, ...more } })
      const states = (receiver: Awaited<ReturnType<typeof startReceiver>>) =>
        receiver.log.entries.map(
          ({ json }) =>
            (json as { statusUpdate?: { status: { state: string } } }).statusUpdate?.status.state ??
            Object.keys(json as object)[0],
        )
      const isEnd = ({ json }: { json: unknown }) => JSON.stringify(json).includes('TASK_STATE_COMPLETED')

      test('gets every event in order, with its credentials, and signed', async () => {
        const receiver = await startReceiver()
        await client.send('artifact', {
          configuration: push(receiver.url, { token: 't0k', authentication: { scheme: 'Bearer', credentials: 'abc' } }),
        })
        const last = await receiver.next(isEnd)
        expect(states(receiver)).toEqual(['TASK_STATE_WORKING', 'artifactUpdate', 'TASK_STATE_COMPLETED'])
        expect(last.headers).toMatchObject({ authorization: 'Bearer abc', 'x-a2a-notification-token': 't0k' })
        expect(last.headers['x-a2a-signature-jwt'] ?? last.headers.authorization).toBeTruthy()
        expect(receiver.log.entries.map(({ headers }) => Number(headers['webhook-seq']))).toEqual([2, 3, 4])
        await receiver.stop()
      })

      test('that is down gets it when it is back: in order, under the same ids', async () => {
        const receiver = await startReceiver()
        receiver.queue(500, 'cut')
        await client.send('artifact', { configuration: push(receiver.url) })
        await receiver.next(isEnd)
        const good = receiver.log.entries.filter(({ status }) => status === 200)
        expect(good.map(({ headers }) => Number(headers['webhook-seq']))).toEqual([2, 3, 4])
        const tries = receiver.log.entries.filter(({ headers }) => headers['webhook-seq'] === '2')
        expect(tries.length).toBeGreaterThanOrEqual(2)
        expect(new Set(tries.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
        expect(new Set(tries.map(({ body }) => body)).size).toBe(1)
        await receiver.stop()
      })

      test('that fails for ever ends as a dead letter, and the task is none the worse', async () => {
        const receiver = await startReceiver()
        receiver.always(500)
        const dead = world.next('delivery.dead', ({ kind }) => kind === 'webhook')
        const task = await client.send('artifact', { configuration: push(receiver.url) })
        expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
        expect((await dead).code).toBe('DELIVERY_ATTEMPTS_EXHAUSTED')
        await receiver.stop()
      })

      test('is not begun once its config was deleted, even if it had been claimed ahead of its place', async () => {
        const receiver = await startReceiver()
        // These hold all the places there are; what comes after them is claimed and waits for one.
        receiver.queue(...Array<'held'>(LIMITS.webhookInflightPerReceiver).fill('held'))
        const tasks: string[] = []
        for (let sent = 0; sent < LIMITS.webhookInflightPerReceiver + 3; sent++)
          tasks.push((await client.send('complete', { configuration: push(receiver.url) })).id)
        const idIn = ({ json }: { json: unknown }) => (json as { statusUpdate: { taskId: string } }).statusUpdate.taskId
        const held = (await receiver.log.count(LIMITS.webhookInflightPerReceiver)).map(idIn)
        const waiting = tasks.filter((id) => !held.includes(id))
        for (const id of waiting) {
          const { error } = await client.rpc('DeleteTaskPushNotificationConfig', { taskId: id, id })
          expect(error).toBeUndefined()
        }
        receiver.release()
        // A task of the same receiver comes after all of them.
        const last = await client.send('complete', { configuration: push(receiver.url) })
        await receiver.next((delivered) => idIn(delivered) === last.id)
        expect(receiver.log.entries.map(idIn).filter((id) => waiting.includes(id))).toEqual([])
        await receiver.stop()
      })

      test('that is a dead letter is replayed under the same id, and what came after it was not held up', async () => {
        const receiver = await startReceiver()
        receiver.queue(500, 500, 500)
        const dead = world.next('delivery.dead', ({ kind }) => kind === 'webhook')
        await client.send('artifact', { configuration: push(receiver.url) })
        const { delivery } = await dead
        const last = await receiver.next(isEnd)
        expect(last.headers['webhook-gap']).toBe('true')
        const replayed = await fetch(`${world.gateway.url}/v1/deliveries/${delivery}/replay`, {
          method: 'POST',
          headers: { authorization: `Bearer ${world.gateway.adminKey}` },
        })
        expect(replayed.status).toBe(200)
        const again = await receiver.next(({ headers, status }) => headers['webhook-id'] === delivery && status === 200)
        expect(again.headers['webhook-seq']).toBe('2')
        await receiver.stop()
      })

      test('that hangs holds up nobody else: all healthy ones have everything while it still hangs', async () => {
        const [healthy, silent] = await Promise.all([startReceiver(), startReceiver()])
        silent.always('silent')
        const settled: string[] = []
        const stop = world.gateway.signals.on('delivery.attempted', ({ destination }) => settled.push(destination))
        await client.send('artifact', { configuration: push(silent.url) })
        await silent.next()
        const ends = healthy.log.count(40, isEnd)
        await Promise.all(
          Array.from({ length: 40 }, () => client.send('artifact', { configuration: push(healthy.url) })),
        )
        await ends
        stop()
        expect(settled.some((destination) => destination.startsWith(`webhook:${new URL(silent.url).origin}`))).toBe(
          false,
        )
        await Promise.all([healthy.stop(), silent.stop()])
      })

      test('is not called at an address that is not allowed', async () => {
        const refused = await client.rpc('SendMessage', {
          message: aMessage('x'),
          configuration: push('http://169.254.169.254/latest'),
        })
        expect(refused.error.code).toBe(-32602)
        const other = await client.rpc('SendMessage', {
          message: aMessage('x'),
          configuration: push('http://10.0.0.1/hook'),
        })
        expect(other.error.code).toBe(-32602)
      })

      test('can be configured, read without its secrets, listed and deleted twice', async () => {
        const task = await client.send('complete')
        const config = {
          taskId: task.id,
          id: 'mine',
          url: 'http://127.0.0.1:8123/hook',
          token: 'tok',
          authentication: { scheme: 'Bearer', credentials: 'secret-1' },
        }
        const { result } = await client.rpc('CreateTaskPushNotificationConfig', config)
        expect(result).toMatchObject({ id: 'mine', taskId: task.id, url: config.url })
        const { result: got } = await client.rpc('GetTaskPushNotificationConfig', { taskId: task.id, id: 'mine' })
        expect(JSON.stringify(got)).not.toContain('secret-1')
        expect((await client.rpc('ListTaskPushNotificationConfigs', { taskId: task.id })).result.configs).toHaveLength(
          1,
        )
        for (let n = 0; n < 2; n++)
          expect(
            (await client.rpc('DeleteTaskPushNotificationConfig', { taskId: task.id, id: 'mine' })).result,
          ).toEqual({})
        expect((await client.rpc('GetTaskPushNotificationConfig', { taskId: task.id, id: 'mine' })).error.code).toBe(
          -32001,
        )
      })
    })

    test('an agent that pushes is heard at once, and only with the token that it was given', async () => {
      const pushing = await startAgent({ streaming: false, push: true })
      await world.register({ name: 'pushing', connector: { kind: 'a2a', url: pushing.url } })
      const message = aMessage('delay')
      const working = world.next(
        'task.recorded',
        ({ agent: name, state }) => name === 'pushing' && state === 'TASK_STATE_WORKING',
      )
      const task = await world.client('pushing').send('', { configuration: now, message })
      await working
      const finished = world.next('task.finished', (fact) => fact.task === task.id)
      pushing.release(message.messageId)
      expect((await finished).state).toBe('TASK_STATE_COMPLETED')
      const sent = pushing.log.entries.find(({ operation }) => operation === 'SendMessage')
      const { url } = (
        JSON.parse(sent?.body ?? '{}') as { params: { configuration: { taskPushNotificationConfig: { url: string } } } }
      ).params.configuration.taskPushNotificationConfig
      expect(url).toContain(`/v1/upstream/${task.id}`)
      const forged = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-a2a-notification-token': 'guess' },
        body: '{}',
      })
      expect(forged.status).toBe(404)
      await pushing.stop()
    })

    test('a list pages through the caller own tasks, newest status first', async () => {
      const contextId = uuidv7()
      for (let n = 0; n < 5; n++) await client.send('complete', { message: { contextId } })
      const ids: string[] = []
      let pageToken = ''
      do {
        const { result } = await client.rpc('ListTasks', { contextId, pageSize: 2, ...(pageToken && { pageToken }) })
        expect(result).toMatchObject({ pageSize: 2, totalSize: 5 })
        expect(result.tasks.every((task: Task) => task.artifacts === undefined)).toBe(true)
        ids.push(...result.tasks.map((task: Task) => task.id))
        pageToken = result.nextPageToken
      } while (pageToken)
      expect(new Set(ids).size).toBe(5)
      expect((await client.rpc('ListTasks', { contextId, pageSize: 2, pageToken: 'x.y' })).error.code).toBe(-32602)
    })

    test('without a key nobody gets in; an unknown agent is not found', async () => {
      expect((await world.client('echo', 'wp_nobody_nothing').rpc('GetTask', { id: uuidv7() })).status).toBe(401)
      expect((await world.client('nobody').rpc('GetTask', { id: uuidv7() })).error.data[0].reason).toBe(
        'AGENT_NOT_FOUND',
      )
    })
  })
}
