import { describe, expect, test } from 'vitest'
import { clip, faultOfCode, faultOfStatus, retryAfterMs, verdictOf } from '../../../src/wire/bindings/faults.ts'

const clock = { now: () => new Date('2026-11-20T12:00:00Z') }

test.each([
  [undefined, undefined],
  ['', undefined],
  ['soon', undefined],
  ['1.5', undefined],
  ['0', 1_000],
  ['-5', 1_000],
  [' 30 ', 30_000],
  ['1000000000', 3_600_000],
  ['99999999999999999999999', 3_600_000],
  ['Fri, 20 Nov 2026 12:01:00 GMT', 60_000],
  ['Fri, 20 Nov 2020 12:00:00 GMT', 1_000],
  ['Fri, 20 Nov 2099 12:00:00 GMT', 3_600_000],
])('Retry-After %j is %j ms', (header, ms) => expect(retryAfterMs(header, clock)).toBe(ms))

describe('errors of an agent', () => {
  test.each([-32700, -32600, -32601, -32602, -32001, -32004, -32009, -32010, -32099])('%i is a refusal', (code) =>
    expect(faultOfCode(code, 'no')).toMatchObject({ cause: 'rejected', reason: 'no' }),
  )
  test.each([-32603, -32000, 1, 500])('%i may have come from the midst of the work', (code) =>
    expect(faultOfCode(code, 'boom')).toMatchObject({ cause: 'unknown', reason: 'boom' }),
  )
  test.each([
    ['Task agent-7 not found', 'TASK_NOT_FOUND'],
    ['Task cannot be canceled - current state: completed', 'TASK_NOT_CANCELABLE'],
    ['Streaming is not supported by the agent', 'UNSUPPORTED_OPERATION'],
  ])('-32603 %j means %s', (message, error) =>
    expect(faultOfCode(-32603, message)).toMatchObject({ cause: 'rejected', error }),
  )
  test('Go says who are you inside HTTP 200', () => expect(faultOfCode(-31401, 'unauthenticated').cause).toBe('auth'))
  test('no code at all is no error of the protocol', () => expect(faultOfCode('x', 'm').cause).toBe('invalid'))
  test('its words are clipped and without control characters', () => {
    expect(faultOfCode(-32600, `a\u0000\r\nb${'x'.repeat(2_000)}`).reason).toMatch(/^a bx{490,500}…$/)
    expect(clip(42)).toBe('')
  })
})

test.each([
  [401, 'auth'],
  [408, 'busy'],
  [425, 'busy'],
  [429, 'busy'],
  [503, 'busy'],
  [500, 'unknown'],
  [502, 'unknown'],
  [504, 'unknown'],
  [307, 'failed'],
  [418, 'rejected'],
])('HTTP %i is %s', (status, cause) => expect(faultOfStatus(status, undefined).cause).toBe(cause))

test('a definite error under HTTP 500 is a refusal; 503 from a gateway that does not know is unknown', () => {
  const said = faultOfCode(-32006, 'garbage from my agent')
  expect(faultOfStatus(500, undefined, said)).toMatchObject({ cause: 'rejected', error: 'INVALID_AGENT_RESPONSE' })
  const lost = { ...faultOfCode(-32603, 'who knows'), error: 'OUTCOME_UNKNOWN' as const }
  expect(faultOfStatus(503, 5_000, lost)).toMatchObject({ cause: 'unknown' })
})

test('what was garbage is not asked again, what was not sent is', () => {
  const invalid = verdictOf({ kind: 'fault', cause: 'invalid', reason: 'r' })
  expect(invalid).toEqual({ kind: 'refused', code: 'INVALID_AGENT_RESPONSE', reason: 'r', retry: false })
  expect(verdictOf({ kind: 'fault', cause: 'unsent', reason: 'r' })).toMatchObject({ code: 'UNREACHABLE', retry: true })
  expect(verdictOf({ kind: 'fault', cause: 'unknown', reason: 'r' })).toEqual({ kind: 'unknown', reason: 'r' })
})
