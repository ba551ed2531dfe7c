/** A2A 1.0 §4: what a task, its messages, parts and artifacts are, and that they stay what they were. */
import { describe, expect, test } from 'vitest'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { section } from './section.ts'
import { canonical, WAYS } from './ways.ts'

/** Every kind of content, with everything that may stand beside it. */
const PARTS = [
  { text: '' },
  { text: 'ünï 🜁', mediaType: 'text/plain', metadata: { a: [null, 1.5, { b: false }] } },
  { raw: Buffer.from([0, 255, 254]).toString('base64'), filename: 'a.bin' },
  { url: 'https://files.example.test/a%20b?c=d', filename: 'a b' },
  { data: { list: [1, 'two', null], deep: { er: {} } } },
  { data: null },
  { data: 'just text' },
  { data: [1, [2, [3]]] },
]

section('4 data model', (at) => {
  test.each(WAYS)('4.1.6 parts of every kind are what they were, in history and at the agent: %s', async (way) => {
    const parts = [{ text: 'complete' }, ...PARTS]
    const message = aMessage('', { parts })
    const { task } = await at().speaker().must(way, 'SendMessage', { message })
    expect(task.history[0].parts).toEqual(parts)
    const received = at().agent.log.entries.find(({ messageId }) => messageId === message.messageId)
    expect(JSON.parse(received?.body ?? '').params.message.parts).toEqual(parts)
  })

  test.each(WAYS)('4.1.6 a part has exactly one content: %s', async (way) => {
    if (way === 'gRPC') return // A oneof cannot hold two, and one without content has none to be told of.
    const speaker = at().speaker()
    for (const part of [{ text: 'a', url: 'https://b.example.test' }, { mediaType: 'text/plain' }, {}])
      expect((await speaker.refused(way, 'SendMessage', { message: aMessage('x', { parts: [part] }) })).reason).toBe(
        'INVALID_PARAMS',
      )
    expect((await speaker.refused(way, 'SendMessage', { message: aMessage('x', { parts: [] }) })).reason).toBe(
      'INVALID_PARAMS',
    )
  })

  test.each(WAYS)(
    '4.1.4 messages keep references, extensions and metadata, and learn their task and context: %s',
    async (way) => {
      const said = { referenceTaskIds: ['a', 'b'], extensions: ['https://example.test/x'], metadata: { k: 'v' } }
      const { task } = await at()
        .speaker()
        .must(way, 'SendMessage', { message: aMessage('complete', said) })
      expect(task.history[0]).toMatchObject({ ...said, taskId: task.id, contextId: task.contextId, role: 'ROLE_USER' })
    },
  )

  test('4.1.3 every state of a task is told as it is', async () => {
    for (const [words, state] of [
      ['complete', 'COMPLETED'],
      ['fail', 'FAILED'],
      ['reject', 'REJECTED'],
      ['input', 'INPUT_REQUIRED'],
      ['auth', 'AUTH_REQUIRED'],
    ] as const)
      for (const way of WAYS) {
        const { task } = await at()
          .speaker()
          .must(way, 'SendMessage', { message: aMessage(words) })
        expect(task.status.state).toBe(`TASK_STATE_${state}`)
        expect(task.status.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/)
      }
  })

  describe('4.1.1 a task that has ended', () => {
    test.each([
      ['twice', 'TASK_STATE_COMPLETED', 'another end'],
      ['after', 'TASK_STATE_COMPLETED', 'an artifact after the end'],
      ['foreign', 'TASK_STATE_COMPLETED', "events of another's task"],
    ])('is not changed by its agent: %s', async (words, state) => {
      const events = await at()
        .speaker()
        .stream('JSON-RPC', 'SendStreamingMessage', { message: aMessage(words) })
      const { id } = events[0].task
      const task = await at().speaker().must('JSON-RPC', 'GetTask', { id })
      expect(task.status.state).toBe(state)
      expect(JSON.stringify([task, events])).not.toMatch(/second end|too late|not yours/)
      const ends = events.filter(({ statusUpdate }) => /COMPLETED|FAILED/.test(statusUpdate?.status.state ?? ''))
      expect(ends.length).toBe(1)
    })
  })

  test.each(WAYS)('4.2 every event of a stream is one StreamResponse with its task and context: %s', async (way) => {
    const events = await at()
      .speaker()
      .stream(way, 'SendStreamingMessage', { message: aMessage('artifact') })
    const { id, contextId } = events[0].task
    for (const event of events) {
      expect(Object.keys(event)).toHaveLength(1)
      expect(canonical('event', event)).toEqual(event)
      const update = event.statusUpdate ?? event.artifactUpdate
      if (update) expect([update.taskId, update.contextId]).toEqual([id, contextId])
    }
  })

  test.each(WAYS)('4.3.1 a configuration names its task, whoever asks: %s', async (way) => {
    const speaker = at().speaker()
    const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
    const config: Loose = { taskId: task.id, id: 'c', url: 'https://hooks.example.test/x?y=z', token: 'tok' }
    await speaker.must(way, 'CreateTaskPushNotificationConfig', config)
    for (const other of WAYS) {
      const got = await speaker.must(other, 'GetTaskPushNotificationConfig', { taskId: task.id, id: 'c' })
      expect(got).toMatchObject({ taskId: task.id, id: 'c', url: config.url })
    }
  })
})
