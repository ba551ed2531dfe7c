/** An agent that collects: lease, report, settle, and what happens when the gateway forgets that it has answered. */
import { EXTENSION, must, type Scenario, textOf } from './scenario.ts'

const box = 'box' as const

export const COLLECTS: readonly Scenario[] = [
  {
    name: 'mailbox: take and complete',
    async run(act) {
      const task = await act.send(box, 'hello')
      const { lease } = await act.lease()
      await act.settle(lease, 'complete', { text: 'done' })
      const again = await act.settle(lease, 'complete', { text: 'done' })
      must(again.json.settled === 'complete', 'said again it has another answer')
      must(textOf(await act.reaches(box, task.id, 'COMPLETED')) === 'done', 'not the result')
    },
  },
  {
    name: 'mailbox: reports on the way',
    async run(act) {
      const task = await act.send(box, 'hello')
      const { lease } = await act.lease()
      await act.settle(lease, 'update', { progress: 10, checkpoint: { at: 1 } })
      await act.settle(lease, 'update', { artifact: { artifactId: 'a', text: 'one ' }, lastChunk: true })
      await act.settle(lease, 'renew', { leaseSeconds: 60 })
      await act.settle(lease, 'complete', { text: 'two' })
      must(textOf(await act.reaches(box, task.id, 'COMPLETED')).endsWith('two'), 'not the result')
    },
  },
  {
    name: 'mailbox: fail and try again',
    async run(act) {
      const task = await act.send(box, 'hello')
      const first = await act.lease()
      await act.settle(first.lease, 'fail', { text: 'no', retry: true, delaySeconds: 0 }, [409])
      const second = await act.lease()
      must(second.lease !== first.lease, 'the same lease twice')
      await act.settle(second.lease, 'complete', { text: 'yes' })
      await act.reaches(box, task.id, 'COMPLETED')
    },
  },
  {
    name: 'mailbox: give back',
    async run(act) {
      const task = await act.send(box, 'hello')
      const first = await act.lease()
      await act.settle(first.lease, 'release', {}, [409])
      const second = await act.lease()
      await act.settle(second.lease, 'reject', { text: 'not mine' })
      await act.reaches(box, task.id, 'REJECTED')
    },
  },
  {
    name: 'mailbox: a question and its answer',
    without: ['C3', 'C11'],
    async run(act) {
      const task = await act.send(box, 'hello')
      const { lease } = await act.lease()
      await act.settle(lease, 'ask', { text: 'which?' })
      await act.reaches(box, task.id, 'INPUT_REQUIRED')
      await act.send(box, 'that one', { taskId: task.id, contextId: task.contextId ?? '', nth: 1 })
      const second = await act.lease()
      must(second.text === 'that one', `the answer is ${second.text}`)
      await act.settle(second.lease, 'complete', { text: 'done' })
      await act.reaches(box, task.id, 'COMPLETED')
    },
  },
  {
    name: 'mailbox: a worker falls silent',
    counts: ['deliveries.reap'],
    async run(act) {
      const task = await act.send(box, 'hello')
      const silent = await act.lease({ worker: 'silent' })
      await act.sql`update deliveries set leased_until = now() where task_id = ${task.id} and state = 1`
      const second = await act.until('another lease', async () => {
        const offer = await act.lease({ worker: 'w2' })
        return offer.lease !== silent.lease && offer
      })
      const late = await act.settle(silent.lease, 'complete', { text: 'late' }, [409])
      must(late.status === 409, `who fell silent was answered ${late.status}`)
      await act.settle(second.lease, 'complete', { text: 'second' })
      must(textOf(await act.reaches(box, task.id, 'COMPLETED')) === 'second', 'not the result of the second')
    },
  },
  {
    name: 'mailbox: a worker restarts',
    async run(act) {
      const task = await act.send(box, 'hello')
      const before = await act.lease()
      const after = await act.lease()
      must(after.delivery === before.delivery, 'it did not get its own back')
      const old = await act.settle(before.lease, 'complete', { text: 'old' }, [409])
      must(old.status === 409, `its former self was answered ${old.status}`)
      await act.settle(after.lease, 'complete', { text: 'new' })
      must(textOf(await act.reaches(box, task.id, 'COMPLETED')) === 'new', 'not the result')
    },
  },
  {
    name: 'mailbox: the sender says more',
    without: ['C3', 'C11'],
    async run(act) {
      const task = await act.send(box, 'hello')
      const { lease } = await act.lease()
      await act.send(box, 'and more', { taskId: task.id, contextId: task.contextId ?? '', nth: 1 })
      const refused = await act.settle(lease, 'complete', { text: 'done' }, [409])
      must(refused.status === 409, 'it could end without what its sender had said')
      const more = refused.json.newMessages?.[0]?.message.messageId
      await act.settle(lease, 'renew', { take: [more] })
      await act.settle(lease, 'complete', { text: 'done' })
      await act.reaches(box, task.id, 'COMPLETED')
    },
  },
  {
    name: 'mailbox: canceled while it is held',
    async run(act) {
      const task = await act.send(box, 'hello')
      const { lease } = await act.lease()
      const cancel = act.rpc(box, 'CancelTask', { id: task.id })
      await act.until('the wish to cancel', async () => {
        const { json } = await act.settle(lease, 'renew', {}, [409])
        return json.cancelRequested || json.status === 409
      })
      await act.settle(lease, 'release', {}, [409])
      await cancel
      await act.reaches(box, task.id, 'CANCELED')
    },
  },
  {
    name: 'mailbox: canceled while it waits',
    async run(act) {
      const task = await act.send(box, 'hello', { metadata: { [EXTENSION]: { priority: 'low' } } })
      await act.rpc(box, 'CancelTask', { id: task.id })
      await act.reaches(box, task.id, 'CANCELED')
    },
  },
  {
    name: 'mailbox: all attempts spent',
    async run(act) {
      const task = await act.send(box, 'hello')
      await act.until('the end of its attempts', async () => {
        const now = await act.get(box, task.id)
        if (now.status.state === 'TASK_STATE_FAILED') return true
        const { lease } = await act.lease({ leaseSeconds: 60 }).catch(() => ({ lease: undefined }))
        if (lease) await act.settle(lease, 'fail', { text: 'no', retry: true, delaySeconds: 0 }, [409])
        return undefined
      })
    },
  },
]
