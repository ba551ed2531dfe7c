/** A2A 1.0 §7 and §13.1: who is asked for a credential, and that nobody sees what is not theirs. */
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { now, section } from './section.ts'
import { type Unary, WAYS } from './ways.ts'

/** Every operation on a task. */
const onTask = (id: string): readonly (readonly [Unary, Loose])[] => [
  ['GetTask', { id }],
  ['CancelTask', { id }],
  ['SendMessage', { message: aMessage('x', { taskId: id }), configuration: now }],
  ['CreateTaskPushNotificationConfig', { taskId: id, url: 'https://hooks.example.test/' }],
  ['GetTaskPushNotificationConfig', { taskId: id, id: 'c' }],
  ['ListTaskPushNotificationConfigs', { taskId: id }],
  ['DeleteTaskPushNotificationConfig', { taskId: id, id: 'c' }],
]

section(
  '7 authentication',
  (at) => {
    test.each(WAYS)('7.4 nobody gets in without a credential, and is told so before anything else: %s', async (way) => {
      const stranger = at().stranger()
      const said = way === 'gRPC' ? 'UNAUTHENTICATED' : way === 'JSON-RPC' ? -32000 : 401
      for (const [name, params] of [...onTask(uuidv7()), ['ListTasks', { pageSize: 999 }] as const]) {
        const refusal = await stranger.refused(way, name, params)
        expect([name, refusal.reason, refusal.code]).toEqual([name, 'UNAUTHENTICATED', said])
      }
    })

    test.each(WAYS)('an agent that takes anybody asks for none: %s', async (way) => {
      const { task } = await at()
        .stranger('open')
        .must(way, 'SendMessage', { message: aMessage('complete') })
      expect(task.status.state).toBe('TASK_STATE_COMPLETED')
    })

    describe('13.1 scoping', () => {
      test.each(WAYS)("another's task is no task, for every operation: %s", async (way) => {
        const [owner, other] = await Promise.all([at().as(`owner-${uuidv7()}`), at().as(`other-${uuidv7()}`)])
        const { task } = await owner.must(way, 'SendMessage', { message: aMessage('input') })
        for (const [at2, [name, params]] of onTask(task.id).entries()) {
          const foreign = await other.refused(way, name, params)
          const [, unknown] = onTask(uuidv7())[at2] as readonly [Unary, Loose]
          const { message: _, ...missing } = await other.refused(way, name, unknown)
          expect({ ...foreign, message: undefined }).toEqual({ ...missing, message: undefined })
          expect(foreign.reason).toBe('TASK_NOT_FOUND')
        }
        for (const name of ['SubscribeToTask'] as const)
          expect((await other.refused(way, name, { id: task.id })).reason).toBe('TASK_NOT_FOUND')
        // And it is none the worse.
        expect(await owner.must(way, 'GetTask', { id: task.id })).toEqual(task)
      })

      test.each(WAYS)('lists hold the own tasks only, without a filter and with one: %s', async (way) => {
        const [one, two] = await Promise.all([at().as(`one-${uuidv7()}`), at().as(`two-${uuidv7()}`)])
        // Each in a context that it named by hand: such ids are each caller's own, even if they are alike.
        const contextId = `by-hand-${uuidv7()}`
        const send = async (speaker: typeof one) =>
          (await speaker.must(way, 'SendMessage', { message: aMessage('complete', { contextId }) })).task.id
        const [first, second] = [await send(one), await send(two)]
        for (const [speaker, id] of [
          [one, first],
          [two, second],
        ] as const)
          for (const filter of [{}, { contextId }, { status: 'TASK_STATE_COMPLETED' }]) {
            const page = await speaker.must(way, 'ListTasks', filter)
            expect([page.tasks.map((task: Loose) => task.id), page.totalSize]).toEqual([[id], 1])
          }
      })
    })
  },
  { onBoth: true },
)
