/** A2A 1.0 §3.5 and §4.3: streams and webhooks of one task, and what they have in common. */
import { describe, expect, test } from 'vitest'
import type { Loose } from '../../cli/compliance/loose.ts'
import { startReceiver } from '../../support/receiver.ts'
import { aMessage } from '../../support/world.ts'
import { now, section } from './section.ts'
import { canonical, WAYS } from './ways.ts'

const COMPLETED = 'TASK_STATE_COMPLETED'

section(
  '3.5 updates',
  (at) => {
    describe('3.5.2 streaming', () => {
      /** A task that works until it is released. */
      const aRunningTask = async (words = 'delay') => {
        const message = aMessage(words)
        const working = at().world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const { task } = await at().speaker().must('JSON-RPC', 'SendMessage', { message, configuration: now })
        await working
        return { id: task.id as string, release: () => at().agent.release(message.messageId) }
      }

      test('readers of all bindings see the same events in the same order, and one that leaves harms none', async () => {
        const { id, release } = await aRunningTask()
        const speaker = at().speaker()
        let open = 0
        const begun = (event: Loose) => {
          if (event.task && ++open === WAYS.length) release()
          return false
        }
        // Gone after its first event.
        await speaker.stream('JSON-RPC', 'SubscribeToTask', { id }, () => true)
        const seen = await Promise.all(WAYS.map((way) => speaker.stream(way, 'SubscribeToTask', { id }, begun)))
        expect(seen[1]).toEqual(seen[0])
        expect(seen[2]).toEqual(seen[0])
        expect(seen[0]?.map((event) => Object.keys(event)[0])).toEqual(['task', 'artifactUpdate', 'statusUpdate'])
      })

      test.each(WAYS)('whoever hangs up cancels nothing: %s', async (way) => {
        const message = aMessage('delay')
        const speaker = at().speaker()
        const [first] = await speaker.stream(way, 'SendStreamingMessage', { message }, () => true)
        const finished = at().world.next('task.finished', (fact) => fact.task === first.task.id)
        at().agent.release(message.messageId)
        expect((await finished).state).toBe(COMPLETED)
      })

      test('chunks come as they were made, and are one artifact in the task', async () => {
        for (const way of WAYS) {
          const events = await at()
            .speaker()
            .stream(way, 'SendStreamingMessage', { message: aMessage('chunks:4') })
          const chunks = events.flatMap(({ artifactUpdate }) => artifactUpdate ?? [])
          expect(chunks.map(({ artifact }) => artifact.parts[0].text)).toEqual(['c1 ', 'c2 ', 'c3 ', 'c4 '])
          expect(chunks.map(({ append = false }) => append)).toEqual([false, true, true, true])
          expect(chunks.at(-1).lastChunk).toBe(true)
          const { artifacts } = await at().speaker().must(way, 'GetTask', { id: chunks[0].taskId })
          const [{ parts }, ...others] = artifacts
          expect([parts.map(({ text }: Loose) => text).join(''), others]).toEqual(['c1 c2 c3 c4 ', []])
        }
      })

      test('a stream over HTTP+JSON resumes behind Last-Event-ID, by POST and by GET', async () => {
        const { world } = at()
        const url = `${world.gateway.url}/agents/echo`
        const headers = { authorization: `Bearer ${world.gateway.adminKey}`, 'a2a-version': '1.0' }
        const { task } = await at()
          .speaker()
          .must('JSON-RPC', 'SendMessage', { message: aMessage('chunks:3') })
        for (const method of ['POST', 'GET']) {
          const response = await fetch(`${url}/tasks/${task.id}:subscribe`, {
            method,
            headers: { ...headers, 'last-event-id': '3' },
          })
          expect(response.headers.get('content-type')).toContain('text/event-stream')
          const frames = (await response.text()).split('\n\n').filter((frame) => frame.includes('data: '))
          expect(frames.map((frame) => /^id: (\d+)$/m.exec(frame)?.[1])).toEqual(['4', '5', '6'])
        }
      })
    })

    describe('3.5.3 push notifications', () => {
      const seqOf = ({ headers }: { headers: Record<string, unknown> }) => Number(headers['webhook-seq'])
      const isEnd = ({ body }: { body: string }) => body.includes(COMPLETED)

      test('every configuration of a task is told everything, in order, with what it asked for', async () => {
        const [one, two] = await Promise.all([startReceiver(), startReceiver()])
        // The second is not well at first: nobody waits for it, and it misses nothing.
        two.queue(500, 'cut')
        const message = aMessage('delay')
        const speaker = at().speaker()
        const working = at().world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const { task } = await speaker.must('gRPC', 'SendMessage', {
          message,
          configuration: { ...now, taskPushNotificationConfig: { id: 'first', url: one.url, token: 'tok-1' } },
        })
        await working
        await speaker.must('HTTP+JSON', 'CreateTaskPushNotificationConfig', {
          taskId: task.id,
          id: 'second',
          url: two.url,
          authentication: { scheme: 'Bearer', credentials: 'cred-2' },
        })
        at().agent.release(message.messageId)
        await Promise.all([one.next(isEnd), two.next((got) => isEnd(got) && got.status === 200)])
        const told = [one, two].map(({ log }) => log.entries.filter(({ status }) => status === 200))
        expect(told[0]?.map(seqOf)).toEqual([2, 3, 4])
        expect(told[1]?.map(seqOf)).toEqual([3, 4])
        expect(told[0]?.[0]?.headers).toMatchObject({
          'x-a2a-notification-token': 'tok-1',
          'content-type': 'application/a2a+json',
        })
        expect(told[1]?.[0]?.headers.authorization).toBe('Bearer cred-2')
        // The same event is the same body for everybody, and a StreamResponse by the book.
        expect(told[0]?.slice(1).map(({ body }) => body)).toEqual(told[1]?.map(({ body }) => body))
        for (const { json } of told[0] ?? []) expect(canonical('event', json as never)).toEqual(json)
        await Promise.all([one.stop(), two.stop()])
      })

      test('a configuration that was deleted is told no more', async () => {
        const receiver = await startReceiver()
        const message = aMessage('delay')
        const speaker = at().speaker()
        const config = { id: 'short', url: receiver.url }
        const { task } = await speaker.must('JSON-RPC', 'SendMessage', {
          message,
          configuration: { ...now, taskPushNotificationConfig: config },
        })
        await receiver.next()
        await speaker.must('JSON-RPC', 'DeleteTaskPushNotificationConfig', { taskId: task.id, id: 'short' })
        const finished = at().world.next('task.finished', (fact) => fact.task === task.id)
        at().agent.release(message.messageId)
        await finished
        // Another webhook of the same receiver, later: had there been one of the first task, it would have come before.
        const later = aMessage('complete')
        await speaker.must('JSON-RPC', 'SendMessage', {
          message: later,
          configuration: { taskPushNotificationConfig: { url: `${receiver.url}later` } },
        })
        await receiver.next(({ path }) => path === '/later')
        expect(receiver.log.entries.filter(({ path, body }) => path !== '/later' && body.includes(COMPLETED))).toEqual(
          [],
        )
        await receiver.stop()
      })

      test('header injection by a token or a credential is refused', async () => {
        const speaker = at().speaker()
        const { task } = await speaker.must('JSON-RPC', 'SendMessage', { message: aMessage('input') })
        const config = { taskId: task.id, url: 'http://127.0.0.1:8123/' }
        for (const way of WAYS)
          for (const more of [
            { token: 'a\r\nx-evil: 1' },
            { authentication: { scheme: 'Bearer', credentials: 'a\nb' } },
            { authentication: { scheme: 'Bea rer\r\n', credentials: 'a' } },
          ])
            expect(
              (await speaker.refused(way, 'CreateTaskPushNotificationConfig', { ...config, ...more })).reason,
            ).toBe('INVALID_PARAMS')
      })
    })
  },
  { onBoth: true },
)
