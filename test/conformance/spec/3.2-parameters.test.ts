/** A2A 1.0 §3.2 and §3.3: modes of execution, history length, metadata, service parameters, idempotency, capabilities. */
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { aMessage } from '../../support/world.ts'
import { now, section } from './section.ts'
import { WAYS } from './ways.ts'

const texts = (task: Loose): string[] => (task.history ?? []).map(({ parts }: Loose) => parts[0].text)

section('3.2 parameters', (at) => {
  describe('3.2.2 modes of execution', () => {
    test.each(WAYS)('blocking ends at an interrupted state too; returnImmediately does not wait: %s', async (way) => {
      const speaker = at().speaker()
      const asked = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
      expect(asked.task.status.state).toBe('TASK_STATE_INPUT_REQUIRED')
      const message = aMessage('delay')
      const left = await speaker.must(way, 'SendMessage', { message, configuration: now })
      expect(['TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING']).toContain(left.task.status.state)
      at().agent.release(message.messageId)
    })

    test.each(WAYS)('returnImmediately changes nothing about a stream: %s', async (way) => {
      const events = await at()
        .speaker()
        .stream(way, 'SendStreamingMessage', { message: aMessage('artifact'), configuration: now })
      expect(events.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED')
    })
  })

  test.each(WAYS)(
    '3.2.4 historyLength on SendMessage and GetTask: unset is all, 0 is none, n the last n: %s',
    async (way) => {
      const speaker = at().speaker()
      const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input one') })
      const sent = await speaker.must(way, 'SendMessage', {
        message: aMessage('input two', { taskId: task.id }),
        configuration: { historyLength: 1 },
      })
      expect(sent.task.history.length).toBeLessThanOrEqual(1)
      const get = async (more: object) => texts(await speaker.must(way, 'GetTask', { id: task.id, ...more }))
      const all = await get({})
      expect(all).toEqual(expect.arrayContaining(['input one', 'input two']))
      expect(await get({ historyLength: 0 })).toEqual([])
      expect(await get({ historyLength: 2 })).toEqual(all.slice(-2))
      expect(await get({ historyLength: 1000 })).toEqual(all)
      const none = await speaker.must(way, 'SendMessage', {
        message: aMessage('complete'),
        configuration: { historyLength: 0 },
      })
      expect(none.task.history).toBeUndefined()
      expect((await speaker.refused(way, 'GetTask', { id: task.id, historyLength: -1 })).fields).toEqual([
        'historyLength',
      ])
    },
  )

  test.each(WAYS)('3.2.5 metadata of a message reaches the agent and the history as it was: %s', async (way) => {
    const metadata = { 'https://example.test/x': { deep: [1, { on: true }], none: null, text: 'ü' } }
    const message = aMessage('complete', { metadata })
    const { task } = await at().speaker().must(way, 'SendMessage', { message })
    expect(task.history[0].metadata).toEqual(metadata)
    const received = at().agent.log.entries.find(({ messageId }) => messageId === message.messageId)
    expect(JSON.parse(received?.body ?? '').params.message.metadata).toEqual(metadata)
  })

  test.each(WAYS)('3.3.1 the same message again is the same task, over whatever binding: %s', async (way) => {
    const message = aMessage('artifact')
    const first = await at().speaker().must(way, 'SendMessage', { message })
    for (const other of WAYS)
      expect((await at().speaker().must(other, 'SendMessage', { message })).task.id).toBe(first.task.id)
    expect(at().agent.executionsOf(message.messageId)).toBe(1)
    const changed = { ...message, parts: [{ text: 'other' }] }
    const refusal = await at().speaker().refused(way, 'SendMessage', { message: changed })
    expect([refusal.reason, refusal.domain]).toEqual(['MESSAGE_ID_REUSED', 'waypost'])
  })

  describe('3.3.4 capabilities', () => {
    test.each(WAYS)('an agent without streams and push has both behind the gateway: %s', async (way) => {
      await at().another(`plain-${WAYS.indexOf(way)}`, { streaming: false })
      const speaker = at().speaker(`plain-${WAYS.indexOf(way)}`)
      const events = await speaker.stream(way, 'SendStreamingMessage', { message: aMessage('artifact') })
      expect(Object.keys(events[0])).toEqual(['task'])
      expect(events.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED')
    })

    test.each(WAYS)('a required extension must be asked for, and is then echoed: %s', async (way) => {
      const uri = 'https://example.test/extensions/required'
      const name = `requiring-${WAYS.indexOf(way)}`
      await at().another(name, {
        card: (card) => ({
          ...card,
          capabilities: { ...(card.capabilities as object), extensions: [{ uri, required: true }] },
        }),
      })
      const speaker = at().speaker(name)
      const known = () =>
        speaker.ask(
          way,
          'SendMessage',
          { message: aMessage('complete') },
          { 'a2a-extensions': `${uri}, https://unknown.test/x` },
        )
      // The card is read in the background.
      let answer = await known()
      expect(answer.kind).toBe('result')
      const refusal = await speaker.refused(way, 'SendMessage', { message: aMessage('complete') })
      expect(refusal.reason).toBe('EXTENSION_SUPPORT_REQUIRED')
      answer = await known()
      expect(answer.kind === 'result' && answer.headers['a2a-extensions']).toBe(uri)
    })
  })
})

section('3.4 multi-turn', (at) => {
  test.each(WAYS)('3.4.1 contexts: made when absent, kept when given, one for many tasks: %s', async (way) => {
    const speaker = at().speaker()
    const send = async (more: Record<string, unknown>) =>
      (await speaker.must(way, 'SendMessage', { message: aMessage('complete', more) })).task
    const made = await send({})
    expect(made.contextId).toBeTruthy()
    const own = `conversation ${uuidv7()}`
    const [one, two] = [await send({ contextId: own }), await send({ contextId: own })]
    expect([one.contextId, two.contextId, one.id === two.id]).toEqual([own, own, false])
  })

  test.each(WAYS)('3.4.2 nobody chooses the id of a new task: %s', async (way) => {
    const message = aMessage('complete', { taskId: uuidv7() })
    expect((await at().speaker().refused(way, 'SendMessage', { message })).reason).toBe('TASK_NOT_FOUND')
    expect((await at().speaker().refused(way, 'SendStreamingMessage', { message })).reason).toBe('TASK_NOT_FOUND')
  })

  test.each(WAYS)('3.4.3 the context follows from the task; another one is refused: %s', async (way) => {
    const speaker = at().speaker()
    const { task } = await speaker.must(way, 'SendMessage', { message: aMessage('input') })
    const wrong = aMessage('x', { taskId: task.id, contextId: uuidv7() })
    expect((await speaker.refused(way, 'SendMessage', { message: wrong })).reason).toBe('INVALID_PARAMS')
    const next = await speaker.must(way, 'SendMessage', { message: aMessage('complete', { taskId: task.id }) })
    expect(next.task.contextId).toBe(task.contextId)
  })
})
