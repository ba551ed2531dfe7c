import { expect, test } from 'vitest'
import type { TaskState } from '../../src/a2a/tasks.ts'
import { explainTask } from '../../src/http/admin/explain.ts'
import type { DeliveryRow, TaskFacts } from '../../src/store/inspect.ts'

const now = Date.parse('2026-01-01T12:00:00Z')
const delivery = (given: Partial<DeliveryRow> = {}): DeliveryRow => ({
  id: 'd1',
  kind: 'a2a',
  destination: 'agent:echo',
  taskId: 't1',
  sequence: 1,
  configId: null,
  state: 'waiting',
  attempt: 0,
  priority: 2,
  dueAt: now - 1_000,
  expiresAt: now + 60_000,
  createdAt: now - 5_000,
  settledAt: null,
  leasedUntil: null,
  code: null,
  reason: null,
  ...given,
})
function facts(
  state: TaskState,
  one: Partial<DeliveryRow> | undefined,
  given: Partial<TaskFacts> = {},
  cancelAt: number | null = null,
): TaskFacts {
  const times = { statusAt: now - 2_000, createdAt: now - 5_000, deadline: null, cancelAt }
  return {
    head: {
      tenant: 't',
      id: 't1',
      agent: 'echo',
      caller: 'alice',
      contextId: 'c',
      state,
      lastSeq: 1,
      ...times,
      upstreamTask: null,
      upstreamContext: null,
    },
    now,
    agent: { connector: 'a2a', pausedAt: null, pausedReason: null, pending: null },
    ahead: 0,
    deliveries: one ? [delivery(one)] : [],
    attempts: [],
    truncated: false,
    ...given,
  }
}
const lane = {
  closedAt: now - 200_000,
  reason: 'connection refused',
  failures: 6,
  probeAt: now + 12_000,
  seenAt: now - 300_000,
}
const attempt = {
  deliveryId: 'd1',
  taskId: 't1',
  destination: 'agent:echo',
  attempt: 2,
  endedAt: now - 3_000,
  durationMs: 9,
  outcome: 'retry',
  status: 503,
  code: 'BUSY',
  reason: 'HTTP 503',
}
const SUBMITTED = 'TASK_STATE_SUBMITTED'
const WORKING = 'TASK_STATE_WORKING'

const CASES: [string, TaskFacts, { codes: string[]; next: RegExp; nextAt?: number; try?: string[] }][] = [
  [
    'offline',
    facts(SUBMITTED, {}, { lane, ahead: 14 }),
    { codes: ['AGENT_OFFLINE'], next: /tried again/, nextAt: now + 12_000, try: ['waypost agent probe echo'] },
  ],
  [
    'paused before offline',
    facts(SUBMITTED, {}, { lane, agent: { connector: 'a2a', pausedAt: now, pausedReason: 'lunch', pending: null } }),
    { codes: ['AGENT_PAUSED'], next: /resumed/, try: ['waypost agent resume echo'] },
  ],
  [
    'backing off',
    facts(SUBMITTED, { attempt: 2, dueAt: now + 30_000 }, { attempts: [attempt] }),
    { codes: ['BACKING_OFF', 'BUSY'], next: /attempt 3/, nextAt: now + 30_000 },
  ],
  [
    'not before',
    facts(SUBMITTED, { dueAt: now + 9_000 }),
    { codes: ['NOT_BEFORE'], next: /attempt 1/, nextAt: now + 9_000 },
  ],
  ['in line', facts(SUBMITTED, {}, { ahead: 3 }), { codes: ['IN_LINE'], next: /room/ }],
  [
    'a mailbox',
    facts(SUBMITTED, {}, { agent: { connector: 'mailbox', pausedAt: null, pausedReason: null, pending: null } }),
    { codes: ['NOT_COLLECTED'], next: /asks for work/ },
  ],
  [
    'collected',
    facts(
      WORKING,
      { state: 'leased', attempt: 1, leasedUntil: now + 60_000 },
      { agent: { connector: 'mailbox', pausedAt: null, pausedReason: null, pending: null } },
    ),
    { codes: ['IN_HAND'], next: /lease runs out/, nextAt: now + 60_000 },
  ],
  [
    'being sent',
    facts(SUBMITTED, { state: 'leased', attempt: 3 }, { attempts: [attempt] }, now),
    { codes: ['CANCEL_ASKED', 'IN_HAND', 'BUSY'], next: /answers/ },
  ],
  ['delivered', facts(WORKING, { state: 'done', settledAt: now }), { codes: ['DELIVERED'], next: /reports/ }],
  [
    'asked back',
    facts('TASK_STATE_INPUT_REQUIRED', { state: 'done' }),
    { codes: ['INPUT_REQUIRED'], next: /caller sends/ },
  ],
  ['completed', facts('TASK_STATE_COMPLETED', { state: 'done' }), { codes: ['ENDED'], next: /nothing/, try: [] }],
  [
    'failed',
    facts('TASK_STATE_FAILED', { state: 'dead', attempt: 20, code: 'DELIVERY_ATTEMPTS_EXHAUSTED', reason: 'HTTP 503' }),
    { codes: ['ENDED', 'DELIVERY_ATTEMPTS_EXHAUSTED'], next: /nothing/, try: ['waypost dlq replay d1'] },
  ],
  [
    'canceled',
    facts('TASK_STATE_CANCELED', { state: 'void', reason: 'canceled' }),
    { codes: ['ENDED', 'VOID'], next: /nothing/, try: [] },
  ],
  ['nothing owed', facts(WORKING, undefined), { codes: ['NOTHING_OWED'], next: /nothing/ }],
]

test.each(CASES)('%s', (_, given, expected) => {
  const told = explainTask(given)
  expect(told.reasons.map(({ code }) => code)).toEqual(expected.codes)
  expect(told.next).toMatch(expected.next)
  expect(told.nextAt).toBe(expected.nextAt === undefined ? undefined : new Date(expected.nextAt).toISOString())
  if (expected.try) expect(told.try).toEqual(expected.try)
  expect(told.why).toEqual(told.reasons.map(({ text }) => text))
})

test('an agent that is gone', () => {
  const { agent: _, ...rest } = facts(SUBMITTED, {})
  expect(explainTask(rest).reasons).toMatchObject([{ code: 'AGENT_GONE' }])
})

test('what is before it and when it ends are told while it waits', () => {
  const told = explainTask(facts(SUBMITTED, {}, { ahead: 14, lane }))
  expect(told).toMatchObject({
    delivery: 'waiting',
    attempt: 0,
    ahead: '14 deliveries to the same agent',
    expiresAt: '2026-01-01T12:01:00.000Z',
  })
  expect(explainTask(facts(SUBMITTED, {}, { ahead: 1_000 })).ahead).toContain('more than')
})

test('webhooks are told beside, and a follow-up in hand comes before what was delivered', () => {
  const webhook = { kind: 'webhook' as const, destination: 'w' }
  const deliveries = [
    delivery({ state: 'done' }),
    delivery({ id: 'd2', state: 'waiting' }),
    delivery({ ...webhook, id: 'd3', state: 'dead' }),
    delivery({ ...webhook, id: 'd4' }),
  ]
  const told = explainTask(facts(WORKING, {}, { deliveries }))
  expect(told.delivery).toBe('waiting')
  expect(told.reasons.map(({ code }) => code)).toEqual(['IN_LINE', 'WEBHOOKS_WAIT', 'WEBHOOKS_DEAD'])
})
