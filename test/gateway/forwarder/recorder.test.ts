import { expect, test } from 'vitest'
import type { Task } from '../../../src/a2a/tasks.ts'
import { createIntake } from '../../../src/gateway/forwarder/intake.ts'
import { createRecorder } from '../../../src/gateway/forwarder/recorder.ts'
import type { Recorded, TaskRecord } from '../../../src/gateway/tasks/record.ts'
import { heldClock } from '../../support/heldClock.ts'

const task: Task = { id: 'theirs', contextId: 'their-context', status: { state: 'TASK_STATE_SUBMITTED' } }

function aRecorder(record: (change: TaskRecord) => Promise<Recorded>) {
  return createRecorder({
    after: 1,
    record,
    clock: heldClock(),
    intake: createIntake({ taskId: 'ours', contextId: 'our-context', now: () => new Date(0) }),
    base: {
      tenant: 'default',
      taskId: 'ours',
      agent: 'agent',
      acceptedAt: 0,
      under: { deliveryId: 'ours', lease: 'lease' },
    },
    onCancelWanted: () => {},
  })
}

test("an agent's id that could not be written down is not one that the next holder can follow", async () => {
  const recorder = aRecorder(() => Promise.reject(new Error('the connection was cut')))
  await recorder.sink({ task }, 100).catch(() => {})
  await expect(recorder.flush()).rejects.toThrow('the connection was cut')
  expect(recorder.end()).toBe('open')
  expect(recorder.recordedId()).toBe(false)
})

test("an agent's id is recorded even if it has said nothing new", async () => {
  const changes: TaskRecord[] = []
  const recorder = aRecorder(async (change) => {
    changes.push(change)
    return { kind: 'appended', lastSeq: 1, cancelRequested: false }
  })
  await recorder.sink({ task }, 100)
  await recorder.flush()
  expect(changes).toMatchObject([{ events: [], upstreamTask: 'theirs', upstreamContext: 'their-context' }])
  expect(recorder.recordedId()).toBe(true)
})
