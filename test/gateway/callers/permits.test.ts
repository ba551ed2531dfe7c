import { expect, test } from 'vitest'
import { authorize, ownerFilter } from '../../../src/gateway/callers/permits.ts'
import type { Caller, Permit } from '../../../src/ports.ts'

const caller = (permits: Permit[], agents?: string[]): Caller => ({
  tenant: 't',
  id: 'alice',
  kind: 'key',
  permits: new Set(permits),
  ...(agents && { agents: new Set(agents) }),
})

test('a permit that is missing is named', () => {
  expect(() => authorize(caller(['read']), 'read')).not.toThrow()
  expect(() => authorize(caller(['read']), 'send', 'echo')).toThrow(
    expect.objectContaining({ reason: 'PERMISSION_DENIED', detail: { metadata: { permit: 'send' } } }),
  )
})

test('an agent that it may not address looks like none, whatever the permits', () => {
  expect(() => authorize(caller(['send'], ['echo']), 'send', 'ECHO')).not.toThrow()
  for (const permits of [['send'], []] as Permit[][])
    expect(() => authorize(caller(permits, ['echo']), 'send', 'other')).toThrow(
      expect.objectContaining({ reason: 'AGENT_NOT_FOUND' }),
    )
})

test('an operator may everything in its tenant, and sees everybody’s', () => {
  expect(() => authorize(caller(['operator'], ['echo']), 'push', 'other')).not.toThrow()
  expect(ownerFilter(caller(['operator']))).toEqual({})
  expect(ownerFilter(caller(['read']))).toEqual({ caller: 'alice' })
})
