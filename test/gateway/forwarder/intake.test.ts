import { describe, expect, test } from 'vitest'
import type { StreamResponse } from '../../../src/a2a/events.ts'
import type { Message, Task, TaskState } from '../../../src/a2a/tasks.ts'
import { createIntake } from '../../../src/gateway/forwarder/intake.ts'
import { LIMITS } from '../../../src/limits.ts'

const now = () => new Date('2026-01-01T00:00:00.000Z')
const ours = { taskId: 'ours', contextId: 'our-context' }
const theirs = { taskId: 'up-1', contextId: 'up-context' }
const intake = (more: object = {}) => {
  const made = createIntake({ ...ours, now, ...more })
  return { ...made, take: (event: StreamResponse, bytes = 100) => made.take(event, bytes) }
}
const message = (text: string, messageId = text): Message => ({
  messageId,
  role: 'ROLE_AGENT',
  parts: [{ text }],
  ...theirs,
})
const status = (state: TaskState, said?: Message): StreamResponse => ({
  statusUpdate: { ...theirs, status: { state, ...(said && { message: said }) } },
})
const task = (state: TaskState, more: Partial<Task> = {}): StreamResponse => ({
  task: { id: theirs.taskId, contextId: theirs.contextId, status: { state }, ...more },
})
const states = (events: ReturnType<ReturnType<typeof createIntake>['take']>) =>
  events.map(({ event }) =>
    'statusUpdate' in event ? event.statusUpdate.status.state : event.artifactUpdate.artifact.artifactId,
  )

describe('what an agent says becomes events of ours', () => {
  test('with our ids everywhere, and theirs learned', () => {
    const one = intake()
    const [made] = one.take(status('TASK_STATE_WORKING', message('hello')))
    expect(made?.event).toMatchObject({
      statusUpdate: { ...ours, status: { state: 'TASK_STATE_WORKING', message: { ...ours, messageId: 'hello' } } },
    })
    expect([one.upstreamTask(), one.upstreamContext()]).toEqual(['up-1', 'up-context'])
  })

  test('more bytes of artifacts than a task may hold are told', () => {
    const one = intake()
    const chunk = { artifactUpdate: { ...theirs, artifact: { artifactId: 'a', parts: [{ text: 'x' }] } } }
    one.take(chunk, LIMITS.bytesPerTaskMax)
    expect(one.overLimit()).toBeUndefined()
    one.take(chunk, 1)
    expect(one.overLimit()).toContain('bytes')
  })

  test('K-07 artifacts: what is added to one that is not there begins it; the thousand and first is told', () => {
    const one = intake()
    const add = (artifactId: string, text: string) =>
      one.take({
        artifactUpdate: { ...theirs, artifact: { artifactId, parts: [{ text }] }, append: true, lastChunk: false },
      })
    expect(add('a', 'x')[0]?.event).toMatchObject({ artifactUpdate: { ...ours, artifact: { artifactId: 'a' } } })
    expect(add('a', 'y')).toHaveLength(1)
    for (let n = 1; n < LIMITS.artifactsPerTaskMax; n++) add(`a${n}`, 'x')
    expect(one.overLimit()).toBeUndefined()
    add('more', 'x')
    expect(one.overLimit()).toContain('artifacts')
  })

  test('a snapshot is only what is new in it, the status last', () => {
    const one = intake()
    const artifact = { artifactId: 'a', parts: [{ text: 'x' }] }
    expect(states(one.take(task('TASK_STATE_WORKING', { artifacts: [artifact] })))).toEqual(['a', 'TASK_STATE_WORKING'])
    expect(one.take(task('TASK_STATE_WORKING', { artifacts: [artifact] }))).toEqual([])
    const longer = { artifactId: 'a', parts: [{ text: 'x' }, { text: 'y' }] }
    expect(states(one.take(task('TASK_STATE_COMPLETED', { artifacts: [longer] })))).toEqual([
      'a',
      'TASK_STATE_COMPLETED',
    ])
    expect(one.ended()).toBe(true)
  })

  test('K-03 a state does not go back to SUBMITTED, and an unknown one changes nothing', () => {
    const one = intake()
    one.take(status('TASK_STATE_WORKING'))
    expect(one.take(status('TASK_STATE_SUBMITTED'))).toEqual([])
    expect(one.take(status('TASK_STATE_UNSPECIFIED'))).toEqual([])
  })

  test('K-06 nothing follows an end', () => {
    const one = intake()
    one.take(status('TASK_STATE_FAILED'))
    expect(one.take(status('TASK_STATE_COMPLETED'))).toEqual([])
  })

  test('K-05 a lone Message is the result, marked as an answer; after other words it is only the last word', () => {
    const lone = intake().take({ message: message('hi') })
    expect(states(lone)).toEqual(['answer-hi', 'TASK_STATE_COMPLETED'])
    expect(JSON.stringify(lone[1])).toContain('answeredWith')
    const late = intake()
    late.take(status('TASK_STATE_WORKING'))
    expect(JSON.stringify(late.take({ message: message('hi') }))).not.toContain('answeredWith')
  })

  test('a question from before a further message is no answer to it; a new one is', () => {
    const known: Task = {
      id: 'ours',
      contextId: 'our-context',
      status: { state: 'TASK_STATE_SUBMITTED' },
      history: [message('which?')],
    }
    const stale = intake({ known, followUp: true })
    expect(
      stale.take(
        task('TASK_STATE_INPUT_REQUIRED', {
          status: { state: 'TASK_STATE_INPUT_REQUIRED', message: message('which?') },
        }),
      ),
    ).toEqual([])
    expect(stale.ended()).toBe(false)
    expect(states(stale.take(status('TASK_STATE_INPUT_REQUIRED', message('and where?'))))).toEqual([
      'TASK_STATE_INPUT_REQUIRED',
    ])
    expect(stale.ended()).toBe(true)
  })
})
