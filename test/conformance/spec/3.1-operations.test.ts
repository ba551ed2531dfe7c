/** A2A 1.0 §3.1: what each operation does, beyond what the official kit asks. */
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { startBusyAgent } from './busyAgent.ts'
import { now, section } from './section.ts'
import { WAYS } from './ways.ts'

const ids = (page: Loose): string[] => (page.tasks ?? []).map(({ id }: Loose) => id)

section(
  '3.1 operations',
  (at) => {
    describe('3.1.1 SendMessage', () => {
      test.each(WAYS)('a task that has ended takes no message, whatever it ended as: %s', async (way) => {
        const speaker = at().speaker()
        for (const words of ['complete', 'fail', 'reject']) {
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage(words) })
          const refusal = await speaker.refused(way, 'SendMessage', { message: aMessage('more', { taskId: task.id }) })
          expect([refusal.reason, refusal.domain]).toEqual(['UNSUPPORTED_OPERATION', 'a2a-protocol.org'])
          expect(await speaker.must(way, 'GetTask', { id: task.id })).toEqual(task)
        }
      })

      test.each(WAYS)(
        'a task that waits for authorization is answered, and goes on with the next message: %s',
        async (way) => {
          const speaker = at().speaker()
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('auth') })
          expect(task.status.state).toBe('TASK_STATE_AUTH_REQUIRED')
          const next = await speaker.must(way, 'SendMessage', { message: aMessage('complete', { taskId: task.id }) })
          expect([next.task.id, next.task.status.state]).toEqual([task.id, 'TASK_STATE_COMPLETED'])
        },
      )
    })

    describe('3.1.2 SendStreamingMessage', () => {
      test.each(WAYS)(
        'a stream that asks back tells so; the answer opens a new one on the same task: %s',
        async (way) => {
          const speaker = at().speaker()
          const asked = (event: Loose) => event.statusUpdate?.status.state === 'TASK_STATE_INPUT_REQUIRED'
          const first = await speaker.stream(way, 'SendStreamingMessage', { message: aMessage('input') }, asked)
          const { id } = first[0].task
          const rest = await speaker.stream(way, 'SendStreamingMessage', {
            message: aMessage('complete', { taskId: id }),
          })
          expect(rest[0].task.id).toBe(id)
          expect(rest.at(-1).statusUpdate).toMatchObject({ taskId: id, status: { state: 'TASK_STATE_COMPLETED' } })
        },
      )
    })

    describe('3.1.4 ListTasks', () => {
      const several = async (n: number, words = 'complete') => {
        const contextId = uuidv7()
        const speaker = at().speaker()
        const made: string[] = []
        for (let k = 0; k < n; k++) {
          const message = aMessage(words, { contextId })
          made.push((await speaker.must('JSON-RPC', 'SendMessage', { message })).task.id)
        }
        return { contextId, made, speaker }
      }

      test.each(WAYS)(
        'newest status first, in pages that neither repeat nor miss, also while others arrive: %s',
        async (way) => {
          const { contextId, made, speaker } = await several(5)
          const seen: string[] = []
          let pageToken = ''
          do {
            const page = await speaker.must(way, 'ListTasks', {
              contextId,
              pageSize: 2,
              ...(pageToken && { pageToken }),
            })
            expect([page.pageSize, page.totalSize >= 5]).toEqual([2, true])
            seen.push(...ids(page))
            pageToken = page.nextPageToken ?? ''
            const late = aMessage('complete', { contextId })
            await speaker.must('JSON-RPC', 'SendMessage', { message: late, configuration: now })
          } while (pageToken && seen.length < 9)
          // What came later is newer than every page that was still to come.
          expect(seen).toEqual([...made].reverse())
        },
      )

      test('a task moves to the front when its status changes', async () => {
        const { contextId, made, speaker } = await several(2, 'input')
        await speaker.must('JSON-RPC', 'SendMessage', { message: aMessage('input', { taskId: made[0] }) })
        expect(ids(await speaker.must('JSON-RPC', 'ListTasks', { contextId }))).toEqual([made[0], made[1]])
      })

      test.each(WAYS)('filters by status and by the time of the status, all of them together: %s', async (way) => {
        const { contextId, made, speaker } = await several(2)
        const { task: asked } = await speaker.must(way, 'SendMessage', { message: aMessage('input', { contextId }) })
        const list = async (more: object) => ids(await speaker.must(way, 'ListTasks', { contextId, ...more }))
        expect(await list({ status: 'TASK_STATE_INPUT_REQUIRED' })).toEqual([asked.id])
        expect(await list({ status: 'TASK_STATE_COMPLETED' })).toEqual([...made].reverse())
        const { timestamp } = (await speaker.must(way, 'GetTask', { id: made[1] })).status
        // Inclusive.
        expect(await list({ statusTimestampAfter: timestamp })).toEqual([asked.id, made[1]])
        expect(await list({ statusTimestampAfter: timestamp, status: 'TASK_STATE_COMPLETED' })).toEqual([made[1]])
        expect(await list({ status: 'TASK_STATE_FAILED' })).toEqual([])
        expect(await speaker.must(way, 'ListTasks', { contextId: uuidv7() })).toMatchObject({ pageSize: 50 })
      })

      test.each(WAYS)('artifacts only when asked for, and no more history than asked for: %s', async (way) => {
        const { contextId, speaker } = await several(1, 'input')
        const [id] = ids(await speaker.must(way, 'ListTasks', { contextId }))
        await speaker.must(way, 'SendMessage', { message: aMessage('artifact', { taskId: id }) })
        const only = async (more: object) => (await speaker.must(way, 'ListTasks', { contextId, ...more })).tasks[0]
        expect((await only({})).artifacts).toBeUndefined()
        expect((await only({ includeArtifacts: true })).artifacts[0].parts[0].text).toBe('Generated text content')
        expect((await only({ historyLength: 0 })).history).toBeUndefined()
        expect((await only({ historyLength: 1 })).history.map(({ parts }: Loose) => parts[0].text)).toEqual([
          'artifact',
        ])
        expect((await only({})).history.length).toBeGreaterThan(1)
      })

      test.each(WAYS)('what cannot be asked is refused by the name of its field: %s', async (way) => {
        const speaker = at().speaker()
        for (const [params, field] of [
          [{ pageSize: 101 }, 'pageSize'],
          [{ pageSize: -1 }, 'pageSize'],
          [{ pageToken: 'made.up' }, 'pageToken'],
          [{ historyLength: -1 }, 'historyLength'],
        ] as const) {
          const refusal = await speaker.refused(way, 'ListTasks', params)
          expect([refusal.reason, refusal.fields]).toEqual(['INVALID_PARAMS', [field]])
        }
      })

      test('a page token belongs to the filters that it was given for', async () => {
        const { contextId, speaker } = await several(2)
        const { nextPageToken } = await speaker.must('JSON-RPC', 'ListTasks', { contextId, pageSize: 1 })
        const other = { contextId: uuidv7(), pageSize: 1, pageToken: nextPageToken }
        expect((await speaker.refused('JSON-RPC', 'ListTasks', other)).reason).toBe('INVALID_PARAMS')
        // Over another binding it is the same list.
        const next = await speaker.must('gRPC', 'ListTasks', { contextId, pageSize: 1, pageToken: nextPageToken })
        expect([next.tasks.length, next.nextPageToken ?? '']).toEqual([1, ''])
      })
    })

    describe('3.1.5 CancelTask', () => {
      test.each(WAYS)('is idempotent, and final: %s', async (way) => {
        const speaker = at().speaker('away')
        const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('x'), configuration: now })
        const finished = at().world.next('task.finished', (fact) => fact.task === task.id)
        // Asked for while somebody just dials the agent, it is done when that is over.
        await speaker.must(way, 'CancelTask', { id: task.id })
        await finished
        const canceled = await speaker.must(way, 'GetTask', { id: task.id })
        expect(canceled.status.state).toBe('TASK_STATE_CANCELED')
        expect(await speaker.must(way, 'CancelTask', { id: task.id })).toEqual(canceled)
        const refusal = await speaker.refused(way, 'SendMessage', { message: aMessage('y', { taskId: task.id }) })
        expect(refusal.reason).toBe('UNSUPPORTED_OPERATION')
      })

      test.each(WAYS)(
        'a message that comes back undelivered while its cancel waits is not sent again: %s',
        async (way) => {
          const { agent, arrived, refuse, stop } = await startBusyAgent()
          const name = `busy-${WAYS.indexOf(way)}`
          await at().world.register({ name, connector: { kind: 'a2a', url: agent } })
          const speaker = at().speaker(name)
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('x'), configuration: now })
          await arrived.next()
          const canceling = speaker.must(way, 'CancelTask', { id: task.id })
          // Other requests of the same gateway: the cancel has been noted when they have been answered.
          for (let n = 0; n < 5; n++) await speaker.must(way, 'GetTask', { id: task.id })
          refuse()
          expect((await canceling).status.state).toBe('TASK_STATE_CANCELED')
          expect(arrived.entries.length).toBe(1)
          await stop()
        },
      )

      test.each(WAYS)('refuses what has ended otherwise: %s', async (way) => {
        const speaker = at().speaker()
        for (const words of ['complete', 'fail', 'reject']) {
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage(words) })
          expect((await speaker.refused(way, 'CancelTask', { id: task.id })).reason).toBe('TASK_NOT_CANCELABLE')
        }
      })
    })

    describe('3.1.6 SubscribeToTask', () => {
      test.each(WAYS)('begins with the task as it is and misses nothing after it: %s', async (way) => {
        const speaker = at().speaker()
        const message = aMessage('delay')
        const working = at().world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const { task } = await speaker.must(way, 'SendMessage', { message, configuration: now })
        await working
        const events = await speaker.stream(way, 'SubscribeToTask', { id: task.id }, (event) => {
          if (event.task) at().agent.release(message.messageId)
          return false
        })
        expect(events[0].task).toMatchObject({ id: task.id, status: { state: 'TASK_STATE_WORKING' } })
        expect(events.slice(1).map((event) => Object.keys(event)[0])).toEqual(['artifactUpdate', 'statusUpdate'])
        expect(events.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED')
        expect((await speaker.refused(way, 'SubscribeToTask', { id: task.id })).reason).toBe('UNSUPPORTED_OPERATION')
        expect((await speaker.refused(way, 'SubscribeToTask', { id: uuidv7() })).reason).toBe('TASK_NOT_FOUND')
      })
    })

    describe('3.1.7–3.1.10 push notification configurations', () => {
      test.each(WAYS)(
        'several of one task, each by its name; deleting is idempotent, getting is not: %s',
        async (way) => {
          const speaker = at().speaker()
          const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
          const url = 'http://127.0.0.1:8123/hook'
          for (const id of ['b', 'a', 'c']) {
            const made = await speaker.must(way, 'CreateTaskPushNotificationConfig', { taskId: task.id, id, url })
            expect(made).toMatchObject({ id, taskId: task.id, url })
          }
          const unnamed = await speaker.must(way, 'CreateTaskPushNotificationConfig', { taskId: task.id, url })
          expect(unnamed.id).toBeTruthy()
          const list = async () =>
            (await speaker.must(way, 'ListTaskPushNotificationConfigs', { taskId: task.id })).configs.map(
              ({ id }: Loose) => id,
            )
          expect((await list()).sort()).toEqual(['a', 'b', 'c', unnamed.id].sort())
          for (let twice = 0; twice < 2; twice++)
            await speaker.must(way, 'DeleteTaskPushNotificationConfig', { taskId: task.id, id: 'b' })
          expect((await list()).sort()).toEqual(['a', 'c', unnamed.id].sort())
          const gone = await speaker.refused(way, 'GetTaskPushNotificationConfig', { taskId: task.id, id: 'b' })
          expect(gone.reason).toBe('TASK_NOT_FOUND')
        },
      )

      test.each(WAYS)('secrets are kept, not shown: %s', async (way) => {
        const speaker = at().speaker()
        const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
        const authentication = { scheme: 'Bearer', credentials: 'hush-hush' }
        const config = { taskId: task.id, id: 's', url: 'http://127.0.0.1:8123/', token: 'tok', authentication }
        await speaker.must(way, 'CreateTaskPushNotificationConfig', config)
        const got = await speaker.must(way, 'GetTaskPushNotificationConfig', { taskId: task.id, id: 's' })
        expect(JSON.stringify(got)).not.toContain('hush-hush')
        expect(got.authentication.scheme).toBe('Bearer')
      })

      test('pages of a list of configurations', async () => {
        const speaker = at().speaker()
        const { task } = await speaker.must('JSON-RPC', 'SendMessage', { message: aMessage('input') })
        for (const id of ['p1', 'p2', 'p3'])
          await speaker.must('JSON-RPC', 'CreateTaskPushNotificationConfig', {
            taskId: task.id,
            id,
            url: 'http://127.0.0.1:8123/',
          })
        const seen: string[] = []
        let pageToken = ''
        do {
          const asked = { taskId: task.id, pageSize: 2, ...(pageToken && { pageToken }) }
          const page = await speaker.must('HTTP+JSON', 'ListTaskPushNotificationConfigs', asked)
          seen.push(...page.configs.map(({ id }: Loose) => id))
          pageToken = page.nextPageToken ?? ''
        } while (pageToken)
        expect(seen.sort()).toEqual(['p1', 'p2', 'p3'])
      })
    })

    test.each(WAYS)('3.1.11 GetExtendedAgentCard of an agent that declares none: %s', async (way) => {
      expect((await at().speaker().refused(way, 'GetExtendedAgentCard', {})).reason).toBe('UNSUPPORTED_OPERATION')
    })
  },
  { onBoth: true },
)
