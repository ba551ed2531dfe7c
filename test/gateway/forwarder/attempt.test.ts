/** What one attempt leaves behind for the next: whether the agent may have the message must never be forgotten. */
import { describe, expect, test } from 'vitest'
import type { Verdict } from '../../../src/delivery.ts'
import { runAttempt } from '../../../src/gateway/forwarder/attempt.ts'
import type { AttemptTools, SettleRequest } from '../../../src/gateway/forwarder/tools.ts'
import type { TaskRecord } from '../../../src/gateway/tasks/record.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { EventSink, FindAnswer } from '../../../src/ports.ts'
import type { Db } from '../../../src/store/db.ts'
import type { Leased, MessageLoad } from '../../../src/store/deliveries.ts'
import { heldClock } from '../../support/heldClock.ts'

const message = { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'hello' }] }
const unreachable: Verdict = { kind: 'refused', code: 'UNREACHABLE', reason: 'nobody there', retry: true }

interface Given {
  /** How the attempt before ended. */
  readonly code: string | null
  /** 2: a further message to a task that the agent knows. */
  readonly seq?: number
  readonly paused?: boolean
  readonly card?: Verdict
  readonly holds?: boolean
  readonly found?: FindAnswer
  readonly send?: (sink: EventSink) => Promise<Verdict>
  readonly follow?: Verdict
  readonly record?: (change: TaskRecord) => Promise<never>
}

/** Runs it; gives what was asked of the agent, and how its delivery was settled. */
async function attempt(given: Given) {
  const id = uuidv7()
  const { code, seq = 1 } = given
  const opening = { task: { id, contextId: 'c', status: { state: 'TASK_STATE_SUBMITTED' }, history: [message] } }
  const leased: Leased = {
    ...{ tenant: 't', id, kind: 'a2a', destination: 'agent:a', orderingKey: 'k', taskId: id, seq, configId: null },
    ...{ attempt: 1, lease: uuidv7(), dueAt: 0, createdAt: 0, expiresAt: null, code },
  }
  const load: MessageLoad = {
    ...{
      taskId: id,
      seq,
      agent: 'a',
      caller: 'alice',
      contextId: 'c',
      state: 1,
      deadline: null,
      upstreamContext: null,
    },
    ...{ upstreamTask: seq > 1 ? 'up-1' : null, trace: null, createdAt: 0, request: null },
    ...{ body: JSON.stringify(opening), history: JSON.stringify([message]) },
  }
  const asked: string[] = []
  const settled: (Pick<SettleRequest, 'state' | 'code'> | { failed: string | undefined })[] = []
  const agent = {
    policy: { redelivery: 'atMostOnce', maxAttempts: 20, backoff: { firstMs: 1, longestMs: 1 } },
    ...(given.paused && { pausedAt: new Date() }),
  }
  const tools = {
    db: { query: async () => [{ seq: 1, kind: 0, body: JSON.stringify(opening), history: null }] } as unknown as Db,
    clock: heldClock(),
    now: () => new Date(),
    agents: {
      find: async () => agent,
      ensureCard: async () => (given.card ? { kind: 'failed', verdict: given.card } : { kind: 'ready', agent }),
      target: () => ({ tenant: 't', name: 'a', url: 'http://a/', headers: {} }),
    },
    peer: {
      async send(_: unknown, __: unknown, sink: EventSink) {
        asked.push('send')
        return given.send ? given.send(sink) : unreachable
      },
      async follow() {
        asked.push('follow')
        return given.follow ?? unreachable
      },
      async find() {
        asked.push('find')
        return given.found ?? { kind: 'unclear', reason: 'nobody there', unreachable: true }
      },
    },
    async record(change: TaskRecord) {
      if (given.record) return given.record(change)
      if (change.settle) settled.push({ failed: change.settle.code })
      return { kind: 'appended', lastSeq: 2, cancelRequested: false }
    },
    async settle(_: unknown, { state, code }: SettleRequest) {
      settled.push({ state, code })
      return true
    },
    signals: createSignals<Happenings>(),
    pushes: { of: () => ({ url: '', token: '', nudged: () => new Promise(() => {}) }) },
    holds: () => given.holds ?? true,
    stopping: new AbortController().signal,
  } as unknown as AttemptTools
  await runAttempt({ leased, load, startedAt: 0 }, tools, new AbortController().signal)
  return { asked, settled }
}

const waits = (code: string) => [{ state: 'waiting', code }]

describe('nobody knows whether the agent has the message', () => {
  test.each(['UNKNOWN', 'LEASE_LOST'])('%s outlives an attempt for a paused agent', async (code) => {
    expect(await attempt({ code, paused: true })).toEqual({ asked: [], settled: waits(code) })
  })

  test('… and one whose card cannot be had', async () => {
    expect(await attempt({ code: 'UNKNOWN', card: unreachable })).toEqual({ asked: [], settled: waits('UNKNOWN') })
  })

  test('… and one in which it could not be asked', async () => {
    expect(await attempt({ code: 'UNKNOWN' })).toEqual({ asked: ['find'], settled: waits('UNKNOWN') })
  })

  test('it is over when the agent is sure: then what comes of the new sending counts', async () => {
    const { asked, settled } = await attempt({ code: 'UNKNOWN', found: { kind: 'absent' } })
    expect(asked).toEqual(['find', 'send'])
    expect(settled).toEqual(waits('UNREACHABLE'))
  })

  test('an agent that cannot tell is not sent it again', async () => {
    const { asked, settled } = await attempt({ code: 'UNKNOWN', found: { kind: 'unclear', reason: 'no way to look' } })
    expect(asked).not.toContain('send')
    expect(settled).toEqual([{ failed: 'DELIVERY_UNKNOWN' }])
  })
})

test('a further message that the agent works on is not sent again because the agent is away for a while', async () => {
  expect(await attempt({ code: 'FOLLOW', seq: 2 })).toEqual({ asked: ['follow'], settled: waits('FOLLOW') })
})

test('an id that was heard and could not be written down is not known to the next: it has to ask', async () => {
  const { settled } = await attempt({
    code: null,
    record: () => Promise.reject(new Error('the database is gone')),
    async send(sink) {
      await sink({ task: { id: 'up-1', contextId: 'c', status: { state: 'TASK_STATE_WORKING' } } } as never, 10).catch(
        () => {},
      )
      return { kind: 'refused', code: 'STOPPED', reason: 'nobody takes the events any more', retry: true }
    },
  })
  expect(settled).toEqual(waits('UNKNOWN'))
})

// Simulation, seed 103593: the line broke, the agent knew the message, and it was away before it was followed.
test.each([1, 2])(
  'what the agent was found to have is not sent again because it is away a moment later (%s)',
  async (seq) => {
    const task = { id: 'up-1', contextId: 'c', status: { state: 'TASK_STATE_WORKING' }, history: [message] }
    const { asked, settled } = await attempt({
      ...{ code: null, seq },
      send: async () => ({ kind: 'unknown', reason: 'the connection broke' }),
      found: { kind: 'found', task } as FindAnswer,
    })
    expect(asked).toEqual(['send', 'find', 'follow'])
    expect(settled).toEqual(waits('UNKNOWN'))
  },
)

test('who was silent for longer than a lease sends nothing', async () => {
  expect(await attempt({ code: null, holds: false })).toEqual({ asked: [], settled: waits('UNSENT') })
  expect((await attempt({ code: 'UNKNOWN', holds: false, found: { kind: 'absent' } })).asked).toEqual(['find'])
})
