import { expect, test } from 'vitest'
import { A2AError } from '../../../src/a2a/errors.ts'
import {
  authorize,
  authorizeSkill,
  grantsOf,
  isGrant,
  overviewFilter,
  ownerFilter,
} from '../../../src/gateway/callers/permits.ts'
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
    expect.objectContaining({
      reason: 'PERMISSION_DENIED',
      detail: { metadata: { permit: 'send', scope: 'agent:echo:send' } },
    }),
  )
})

test('an agent that it may not address looks like none, whatever the permits', () => {
  expect(() => authorize(caller(['send'], ['echo']), 'send', 'ECHO')).not.toThrow()
  for (const permits of [['send'], []] as Permit[][])
    expect(() => authorize(caller(permits, ['echo']), 'send', 'other')).toThrow(
      expect.objectContaining({ reason: 'AGENT_NOT_FOUND' }),
    )
})

test('a scope permits just what it says', () => {
  const scoped = (...words: string[]): Caller => ({ tenant: 't', id: 'a', kind: 'key', ...grantsOf(words) })
  const narrow = scoped('agent:echo:send', 'task:read')
  expect(() => authorize(narrow, 'send', 'Echo')).not.toThrow()
  expect(() => authorize(narrow, 'send', 'other')).toThrow(
    expect.objectContaining({
      reason: 'PERMISSION_DENIED',
      detail: { metadata: { permit: 'send', scope: 'agent:other:send' } },
    }),
  )
  expect(() => authorize(narrow, 'read', 'other')).not.toThrow()
  for (const permit of ['card', 'cancel', 'push', 'agent', 'observe', 'admin', 'operator'] as const)
    expect(() => authorize(narrow, permit)).toThrow(expect.objectContaining({ reason: 'PERMISSION_DENIED' }))
  expect(() => authorize(scoped('agent:echo:send', 'send'), 'send', 'other')).not.toThrow()
  expect(scoped('mailbox:inbox').mailboxes).toEqual(new Set(['inbox']))
  expect(scoped('read').permits).toEqual(new Set(['read', 'card']))
  expect(scoped('toString', '__proto__', 'agent:../x:send', 'Operator').permits).toEqual(new Set())
  expect(['send', 'agent:*:send', 'mailbox:x', 'card:read'].every(isGrant)).toBe(true)
  expect(['toString', 'agent:*', 'mailbox:*', ''].some(isGrant)).toBe(false)
})

test('a scope of a skill permits what asks for it alone', () => {
  const scoped = (...words: string[]): Caller => ({ tenant: 't', id: 'a', kind: 'key', ...grantsOf(words) })
  const narrow = scoped('agent:pay:skill:refund', 'agent:pay:skill:look/up')
  expect(() => authorize(narrow, 'send', 'Pay', ['refund'])).not.toThrow()
  expect(() => authorize(narrow, 'send', 'pay', ['refund', 'look/up'])).not.toThrow()
  for (const [agent, said, scope] of [
    ['pay', [], 'agent:pay:skill:<id>'],
    ['pay', ['refund', 'charge'], 'agent:pay:skill:refund'],
    ['pay', ['charge'], 'agent:pay:skill:charge'],
    ['other', ['refund'], 'agent:other:send'],
  ] as const)
    expect(() => authorize(narrow, 'send', agent, said)).toThrow(
      expect.objectContaining({ reason: 'PERMISSION_DENIED', detail: { metadata: { permit: 'send', scope } } }),
    )
  expect(() => authorize(scoped('agent:pay:skill:refund', 'send'), 'send', 'pay')).not.toThrow()
  expect(() => authorizeSkill(scoped('send', 'agent:pay:send'), 'pay', ['refund'])).toThrow(A2AError)
  expect(() => authorizeSkill(scoped('admin'), 'pay', [])).not.toThrow()
  expect(['agent:pay:skill:refund', 'agent:a.b:skill:A_1'].every(isGrant)).toBe(true)
  expect(['agent:pay:skill:', 'agent:*:skill:x', 'agent:pay:skill:a b'].some(isGrant)).toBe(false)
})

test('an administrator may everything in its tenant but what concerns the gateway', () => {
  const admin: Caller = { tenant: 't', id: 'a', kind: 'key', ...grantsOf(['admin']) }
  expect(() => authorize(admin, 'push', 'other')).not.toThrow()
  expect(() => authorize(admin, 'operator')).toThrow(expect.objectContaining({ reason: 'PERMISSION_DENIED' }))
  expect(ownerFilter(admin)).toEqual({})
  const watcher: Caller = { ...admin, ...grantsOf(['observe']) }
  expect([overviewFilter(watcher), ownerFilter(watcher)]).toEqual([{}, { caller: 'a' }])
})

test('an operator may everything in its tenant, and sees everybody’s', () => {
  expect(() => authorize(caller(['operator'], ['echo']), 'push', 'other')).not.toThrow()
  expect(ownerFilter(caller(['operator']))).toEqual({})
  expect(ownerFilter(caller(['read']))).toEqual({ caller: 'alice' })
})
