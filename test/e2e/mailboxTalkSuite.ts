/** What is said about work in hand: questions, more messages, cancels, pieces of the result, hints. Run on both drivers. */
import { describe, expect, test } from 'vitest'
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { Task } from '../../src/a2a/tasks.ts'
import { aMessage } from '../support/world.ts'
import { aMailboxWorld, EXTENSION, type OpenDatabase, stateOf, textOf } from './mailboxWorld.ts'

/** A stream of server-sent events; `next` waits for one of that name. */
async function hintsFor(url: string, token: string) {
  const stop = new AbortController()
  const response = await fetch(`${url}/v1/inbox/events`, {
    headers: { authorization: `Bearer ${token}` },
    signal: stop.signal,
  })
  const frames = (async function* () {
    let text = ''
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8')
      for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
        const found = /^event: (\w+)\ndata: (.*)$/m.exec(text.slice(0, at))
        text = text.slice(at + 2)
        if (found) yield { event: found[1] as string, hint: JSON.parse(found[2] as string) }
      }
    }
  })()
  return {
    async next(event: string) {
      for (;;) {
        const { value, done } = await frames.next()
        if (done) throw new Error('the stream has ended')
        if (value.event === event) return value.hint
      }
    },
    stop: () => stop.abort(),
  }
}

export function mailboxTalkSuite(driver: string, open: OpenDatabase) {
  describe(`talk about work in a mailbox on ${driver}`, () => {
    const { world, anAgent } = aMailboxWorld(open, 't')
    const more = (task: Task, text: string) => ({
      message: aMessage(text, { taskId: task.id, contextId: task.contextId }),
    })

    test('a question goes to the sender, and its answer is the next delivery, with all that was said', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('book a table')
      const first = await agent.lease()
      const asked = await agent.say(first.lease, 'ask', { text: 'for how many?', schema: { type: 'integer' } })
      expect(asked.json).toMatchObject({ settled: 'ask', task: { status: { state: 'TASK_STATE_INPUT_REQUIRED' } } })
      const question = await client.get(sent.id)
      expect(stateOf(question)).toBe('TASK_STATE_INPUT_REQUIRED')
      expect(question.status.message?.parts).toMatchObject([{ text: 'for how many?' }, { data: { type: 'integer' } }])
      expect(await agent.lease()).toBeUndefined()
      const answered = await send('', more(sent, 'four'))
      expect([answered.id, stateOf(answered)]).toEqual([sent.id, 'TASK_STATE_SUBMITTED'])
      const second = await agent.lease()
      expect(second).toMatchObject({ text: 'four', attempt: 1, task: { id: sent.id } })
      expect(second.task.history.map(({ parts }: { parts: { text: string }[] }) => parts[0]?.text)).toEqual([
        'book a table',
        'for how many?',
        'four',
      ])
      await agent.say(second.lease, 'complete', { text: 'booked' })
      expect(textOf(await client.get(sent.id))).toBe('booked')
    })

    test('a task may want credentials, be refused, or fail for good', async () => {
      const { agent, client, send } = await anAgent()
      for (const [verb, state] of [
        ['auth', 'TASK_STATE_AUTH_REQUIRED'],
        ['reject', 'TASK_STATE_REJECTED'],
        ['fail', 'TASK_STATE_FAILED'],
      ] as const) {
        const sent = await send(verb)
        const { lease } = await agent.lease()
        expect((await agent.say(lease, verb, { text: 'because' })).status).toBe(200)
        const left = await client.get(sent.id)
        expect([stateOf(left), left.status.message?.parts[0]?.text]).toEqual([state, 'because'])
      }
    })

    test('a streaming client sees the pieces as they come', async () => {
      const { agent, client } = await anAgent()
      const stream = client.stream('SendStreamingMessage', { message: aMessage('write') })
      const events: StreamResponse[] = []
      const upTo = async (fits: (event: StreamResponse) => boolean) => {
        for (;;) {
          const { value } = await stream.next()
          events.push(value.event)
          if (fits(value.event)) return
        }
      }
      const isArtifact = (event: StreamResponse) => 'artifactUpdate' in event
      await upTo((event) => 'task' in event)
      const { lease } = await agent.lease()
      await agent.say(lease, 'update', { text: 'thinking', progress: 50 })
      for (const [text, append, lastChunk] of [
        ['one ', false, false],
        ['two ', true, false],
        ['three', true, true],
      ] as const) {
        const chunk = { artifact: { artifactId: 'essay', text }, append, lastChunk }
        const alive = await agent.say(lease, 'update', chunk)
        expect(alive.json).toMatchObject({ lease, cancelRequested: false, newMessages: [], deadline: null })
        await upTo(isArtifact)
      }
      await agent.say(lease, 'complete')
      await upTo((event) => 'statusUpdate' in event && event.statusUpdate.status.state === 'TASK_STATE_COMPLETED')
      const said = events.flatMap((event) => ('statusUpdate' in event ? [event.statusUpdate] : []))
      expect(said.find(({ status }) => status.message)).toMatchObject({
        status: { state: 'TASK_STATE_WORKING', message: { parts: [{ text: 'thinking' }] } },
        metadata: { [EXTENSION]: { progress: 50, attempt: 1 } },
      })
      const task = await client.get((events[0] as { task: Task }).task.id)
      expect(textOf(task)).toBe('one |two |three')
    })

    test('what the sender says meanwhile is shown, and cannot be overlooked', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('draw')
      const { lease } = await agent.lease()
      await send('', more(sent, 'stop, wrong file'))
      expect(await agent.lease()).toBeUndefined()
      const { json: alive } = await agent.say(lease, 'renew')
      expect(alive.newMessages).toMatchObject([{ message: { parts: [{ text: 'stop, wrong file' }] } }])
      const [{ message }] = alive.newMessages
      const refused = await agent.say(lease, 'complete', { text: 'done' })
      expect([refused.status, refused.json.code]).toEqual([409, 'new_messages'])
      expect(refused.json.newMessages).toEqual(alive.newMessages)
      const ignoring = { text: 'done', ignore: [message.messageId] }
      expect((await agent.say(lease, 'complete', ignoring)).status).toBe(200)
      const ended = await client.get(sent.id)
      expect([stateOf(ended), textOf(ended)]).toEqual(['TASK_STATE_COMPLETED', 'done'])
      expect(await agent.lease()).toBeUndefined()
    })

    test('what the worker has taken up is not delivered again', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('draw')
      const { lease } = await agent.lease()
      await send('', more(sent, 'in red'))
      const [{ message }] = (await agent.say(lease, 'renew')).json.newMessages
      const taken = await agent.say(lease, 'update', { text: 'in red, then', take: [message.messageId] })
      expect(taken.json.newMessages).toEqual([])
      expect((await agent.say(lease, 'complete', { text: 'a red one' })).status).toBe(200)
      expect(textOf(await client.get(sent.id))).toBe('a red one')
      expect(await agent.lease()).toBeUndefined()
    })

    test('a message at the instant of the end is either seen or refused, never lost', async () => {
      const { agent, client, send } = await anAgent({ maxInflight: 100 })
      const fates = await Promise.all(
        Array.from({ length: 40 }, async () => {
          const sent = await send('race')
          const { lease } = await agent.lease({ contextId: sent.contextId })
          const message = aMessage('wait!', { taskId: sent.id, contextId: sent.contextId })
          const [said, ended] = await Promise.all([
            client.rpc('SendMessage', { message, configuration: { returnImmediately: true } }),
            agent.say(lease, 'complete', { text: 'done' }),
          ])
          if (said.error) return [said.error.code, ended.status]
          return ['accepted', ended.status, ended.json.newMessages?.[0]?.message.messageId === message.messageId]
        }),
      )
      for (const fate of fates)
        expect([
          [-32004, 200],
          ['accepted', 409, true],
        ]).toContainEqual(fate)
    })

    test('a cancel is heard by the holder, who agrees by giving it back', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('long')
      const { lease } = await agent.lease()
      const canceling = client.rpc('CancelTask', { id: sent.id })
      await expect.poll(async () => (await agent.say(lease, 'renew')).json.cancelRequested).toBe(true)
      const agreed = await agent.say(lease, 'release')
      expect(agreed.json.task.status.state).toBe('TASK_STATE_CANCELED')
      expect((await canceling).result.status.state).toBe('TASK_STATE_CANCELED')
      expect(await agent.lease()).toBeUndefined()
    })

    test('a holder that does not answer a cancel loses its lease', async () => {
      const { agent, client, send } = await anAgent()
      const sent = await send('deaf')
      const { lease } = await agent.lease()
      const { result } = await client.rpc('CancelTask', { id: sent.id })
      expect(stateOf(result)).toBe('TASK_STATE_CANCELED')
      expect((await agent.say(lease, 'complete', { text: 'late' })).json.code).toBe('lease_lost')
      expect(stateOf(await client.get(sent.id))).toBe('TASK_STATE_CANCELED')
    })

    test('a worker that completes first wins; what is queued is withdrawn at once', async () => {
      const { agent, client, send } = await anAgent()
      const [first, second] = [await send('first'), await send('second')]
      const { lease } = await agent.lease()
      expect((await client.rpc('CancelTask', { id: second.id })).result.status.state).toBe('TASK_STATE_CANCELED')
      const canceling = client.rpc('CancelTask', { id: first.id })
      await agent.say(lease, 'complete', { text: 'done' })
      expect((await canceling).error.code).toBe(-32002)
      expect(stateOf(await client.get(first.id))).toBe('TASK_STATE_COMPLETED')
      expect(await agent.lease()).toBeUndefined()
    })

    test('hints tell of work, cancels and messages, and take nothing', async () => {
      const { agent, client, send } = await anAgent()
      await send('before', { metadata: { [EXTENSION]: { priority: 'high' } } })
      const hints = await hintsFor(world().gateway.url, agent.token)
      expect(await hints.next('work')).toEqual({ count: 1, priority: 'high' })
      const sent = await send('now')
      expect(await hints.next('work')).toEqual({ count: 2, priority: 'high' })
      await agent.lease()
      const work = await agent.lease()
      await send('', more(sent, 'and this'))
      expect(await hints.next('message')).toEqual({ delivery: work.delivery, task: sent.id, count: 1 })
      const canceling = client.rpc('CancelTask', { id: sent.id })
      expect(await hints.next('cancel')).toEqual({ delivery: work.delivery, task: sent.id })
      hints.stop()
      await canceling
    })
  })
}
