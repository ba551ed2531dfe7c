/** Sending, following, canceling. */
import { EXTENSION, must, mustBeTheLog, type Scenario, textOf } from './scenario.ts'

const END = ['COMPLETED', 'FAILED', 'CANCELED', 'REJECTED']

const sentAs = (
  name: string,
  surface: 'JSON-RPC 1.0' | 'JSON-RPC 0.3' | 'HTTP+JSON 1.0',
  immediately: boolean,
): Scenario => ({
  name,
  async run(act) {
    const task = await act.send('dedupes', 'artifact', { surface, immediately })
    const done = await act.reaches('dedupes', task.id, ...END)
    must(textOf(done) === 'Generated text content', `${name}: the result is ${textOf(done)}`)
  },
})

const through = (name: string, agent: 'polls' | 'old' | 'rest'): Scenario => ({
  name,
  async run(act) {
    const task = await act.send(agent, 'artifact')
    const done = await act.reaches(agent, task.id, ...END)
    must(done.status.state === 'TASK_STATE_COMPLETED', `${name}: ${done.status.state}`)
  },
})

const ends = (name: string, script: string, state: string): Scenario => ({
  name,
  async run(act) {
    const task = await act.send('dedupes', script, { immediately: false })
    await act.reaches('dedupes', task.id, state)
  },
})

export const SENDS: readonly Scenario[] = [
  sentAs('send, immediate', 'JSON-RPC 1.0', true),
  sentAs('send, blocking', 'JSON-RPC 1.0', false),
  sentAs('send by HTTP+JSON', 'HTTP+JSON 1.0', false),
  sentAs('send by 0.3', 'JSON-RPC 0.3', false),
  through('to an agent that is asked', 'polls'),
  through('to an agent of 0.3', 'old'),
  through('to an agent by HTTP+JSON', 'rest'),
  ends('the agent refuses', 'reject', 'REJECTED'),
  ends('the agent fails', 'fail', 'FAILED'),
  ends('the agent completes at once', 'complete', 'COMPLETED'),
  {
    name: 'stream',
    async run(act) {
      const read = await act.stream('dedupes', 'chunks:5')
      await mustBeTheLog(act, read)
      const made = textOf(await act.get('dedupes', read.taskId))
      must(made === 'c1 c2 c3 c4 c5 ', `the chunks are ${made}`)
    },
  },
  {
    name: 'stream with pauses, two readers',
    async run(act) {
      const [one, two] = await Promise.all([act.stream('dedupes', 'slow:60'), act.stream('dedupes', 'slow:30')])
      await mustBeTheLog(act, one)
      await mustBeTheLog(act, two)
    },
  },
  {
    name: 'Idempotency-Key',
    async run(act) {
      const options = { messageId: 'not-a-uuid', headers: { 'idempotency-key': `key-${act.dice.below(1e9)}` } }
      const task = await act.send('dedupes', 'artifact', options)
      const again = await act.send('dedupes', 'artifact', options)
      must(again.id === task.id, `one key made ${task.id} and ${again.id}`)
      await act.reaches('dedupes', task.id, 'COMPLETED')
    },
  },
  {
    name: 'answered with a message',
    async run(act) {
      const { id, answer } = await act.send('dedupes', 'message', { immediately: false })
      if (answer) return
      const done = await act.reaches('dedupes', id, 'COMPLETED')
      must(textOf(done) === 'Direct message response', `the message became ${textOf(done)}`)
    },
  },
  {
    name: 'an agent that must not be asked twice',
    async run(act) {
      const task = await act.send('once', 'artifact')
      const done = await act.reaches('once', task.id, ...END)
      const { state, message } = done.status
      const unknown = JSON.stringify(message ?? '').includes('DELIVERY_UNKNOWN')
      must(state === 'TASK_STATE_COMPLETED' || unknown, `it ended ${state}: ${JSON.stringify(message)}`)
    },
  },
  {
    name: 'a conversation of three',
    async run(act) {
      const first = await act.send('dedupes', 'slow:20', { nth: 0 })
      const contextId = act.sent[0]?.contextId ?? ''
      const tasks = [first]
      for (const nth of [1, 2]) tasks.push(await act.send('dedupes', 'complete', { contextId, nth }))
      for (const { id } of tasks) await act.reaches('dedupes', id, 'COMPLETED')
    },
  },
  {
    name: 'a question and its answer',
    async run(act) {
      const task = await act.send('dedupes', 'input')
      await act.reaches('dedupes', task.id, 'INPUT_REQUIRED')
      const { contextId = '' } = task
      await act.send('dedupes', 'complete', { taskId: task.id, contextId, nth: 1 })
      const done = await act.reaches('dedupes', task.id, 'COMPLETED')
      const said = (done.history ?? []).filter(({ role }) => role === 'ROLE_USER').length
      must(said === 2, `${said} messages of the user in its history`)
    },
    without: ['C3', 'C11'],
  },
  {
    name: 'the agent comes later',
    async run(act) {
      await act.agents.dedupes.stop()
      const task = await act.send('dedupes', 'artifact')
      await act.agents.dedupes.start()
      await act.reaches('dedupes', task.id, 'COMPLETED')
    },
  },
  {
    name: 'the agent is busy, then a dead letter, then replayed',
    async run(act) {
      const task = await act.send('few', 'status:503 artifact')
      await act.reaches('few', task.id, 'FAILED')
      const [dead] = (await act.sql`select id::text from deliveries where task_id = ${task.id}`) as unknown as {
        id: string
      }[]
      const { json } = await act.sure(`/v1/deliveries/${dead?.id}/replay`, { body: {} })
      const again = await act.sure(`/v1/deliveries/${dead?.id}/replay`, { body: {} })
      must(again.json.taskId === json.taskId, `one dead letter became ${json.taskId} and ${again.json.taskId}`)
      await act.reaches('few', json.taskId, 'FAILED')
    },
    without: ['C3', 'C4', 'C11'],
  },
  {
    name: 'cancel of what waits',
    async run(act) {
      await act.agents.dedupes.stop()
      const task = await act.send('dedupes', 'artifact')
      const message = act.sent[0]
      must(message !== undefined, 'nothing was sent')
      message.cancelAsked = true
      const { json } = await act.rpc('dedupes', 'CancelTask', { id: task.id })
      message.canceled = json.result.status.state === 'TASK_STATE_CANCELED'
      await act.agents.dedupes.start()
      await act.reaches('dedupes', task.id, 'CANCELED')
      // What comes after it comes; it does not.
      const next = await act.send('dedupes', 'complete')
      await act.reaches('dedupes', next.id, 'COMPLETED')
      must(act.agents.dedupes.executionsOf(message.messageId) === 0, 'it was canceled and then sent')
    },
  },
  {
    name: 'cancel of what runs',
    async run(act) {
      const task = await act.send('dedupes', 'delay')
      await act.reaches('dedupes', task.id, 'WORKING')
      for (const message of act.sent) message.cancelAsked = true
      await act.rpc('dedupes', 'CancelTask', { id: task.id })
      await act.reaches('dedupes', task.id, 'CANCELED')
    },
  },
  {
    name: 'too old',
    counts: ['deliveries.leaseExpired', 'deliveries.void'],
    async run(act) {
      await act.agents.dedupes.stop()
      const task = await act.send('dedupes', 'artifact', { metadata: { [EXTENSION]: { ttlSeconds: 3600 } } })
      await act.sql`update deliveries set expires_at = now() where task_id = ${task.id}`
      for (const message of act.sent) message.cancelAsked = true
      await act.reaches('dedupes', task.id, 'FAILED')
      await act.agents.dedupes.start()
    },
  },
  {
    name: 'too late',
    counts: ['deliveries.void'],
    async run(act) {
      const deadline = new Date(Date.now() + 3_600_000).toISOString()
      const task = await act.send('dedupes', 'delay', { metadata: { [EXTENSION]: { deadline } } })
      await act.reaches('dedupes', task.id, 'WORKING')
      await act.sql`update tasks set deadline = now() where id = ${task.id}`
      await act.reaches('dedupes', task.id, 'FAILED')
      act.agents.dedupes.release(act.sent[0]?.messageId)
    },
  },
  {
    name: 'not yet',
    async run(act) {
      const notBefore = new Date(Date.now() + 300).toISOString()
      const task = await act.send('dedupes', 'artifact', {
        metadata: { [EXTENSION]: { notBefore, priority: 'urgent' } },
      })
      await act.reaches('dedupes', task.id, 'COMPLETED')
    },
  },
  {
    name: 'while the replica says that it lives',
    counts: ['replicas.beat'],
    limits: { leaseHeartbeatMs: 100 },
    async run(act) {
      const task = await act.send('dedupes', 'slow:150', { immediately: false })
      await act.reaches('dedupes', task.id, 'COMPLETED')
    },
  },
  {
    name: 'drained in the middle',
    counts: ['replicas.leave'],
    async run(act) {
      const task = await act.send('dedupes', 'delay')
      await act.reaches('dedupes', task.id, 'WORKING')
      act.terminate()
      await act.until('the agent is listened to by another', async () => true)
      act.agents.dedupes.release(act.sent[0]?.messageId)
      await act.reaches('dedupes', task.id, 'COMPLETED')
    },
  },
  {
    name: 'another replica takes over',
    survivor: true,
    counts: ['deliveries.reap'],
    async run(act) {
      const read = await act.stream('dedupes', 'chunks:3')
      await mustBeTheLog(act, read)
      const task = await act.send('polls', 'artifact', { immediately: false })
      await act.reaches('polls', task.id, 'COMPLETED')
    },
  },
  {
    name: 'the first start',
    fromNothing: true,
    counts: ['replicas.join', 'migration', 'lanes', 'ready'],
    async run(act) {
      const task = await act.send('dedupes', 'complete')
      await act.reaches('dedupes', task.id, 'COMPLETED')
    },
  },
  {
    name: 'the embedded database',
    embedded: true,
    async run(act) {
      const task = await act.send('dedupes', 'artifact')
      await act.reaches('dedupes', task.id, 'COMPLETED')
      const [message] = act.sent
      const times = act.agents.dedupes.executionsOf(message?.messageId ?? '')
      must(times === 1 && message?.taskIds.size === 1, `executed ${times} times as ${message?.taskIds.size} tasks`)
    },
  },
]
