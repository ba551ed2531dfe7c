import { expect, test } from 'vitest'
import { isWellFormed, keyIdOf, makeKey, newAgentKey, sameText } from '../../../src/gateway/callers/apiKeys.ts'
import { sha256 } from '../../../src/platform/ids.ts'

test('keys are of the documented form, and no two are alike', () => {
  const keys = Array.from({ length: 200 }, makeKey)
  for (const { id, key } of keys) {
    expect(key).toMatch(/^wp_[A-Za-z0-9]{1,32}_[A-Za-z0-9_-]{32,}$/)
    expect(keyIdOf(key)).toBe(id)
    expect(isWellFormed(key)).toBe(true)
  }
  expect(new Set(keys.map(({ key }) => key)).size).toBe(200)
})

test('one wrong character anywhere is seen without asking anybody', () => {
  const { key } = makeKey()
  for (let at = 0; at < key.length; at++) {
    const wrong = `${key.slice(0, at)}${key[at] === 'x' ? 'y' : 'x'}${key.slice(at + 1)}`
    expect(isWellFormed(wrong), wrong).toBe(false)
  }
  for (const bad of ['', 'wp_', 'wp_a_b', key.slice(0, -1), `${key}x`, ` ${key}`, key.toUpperCase(), 'x'.repeat(9_000)])
    expect(isWellFormed(bad)).toBe(false)
})

test('texts are compared whole, whatever their lengths', () => {
  expect(sameText('abc', 'abc')).toBe(true)
  for (const [a, b] of [
    ['abc', 'abd'],
    ['abc', 'abcd'],
    ['', 'a'],
  ] as const)
    expect(sameText(a, b)).toBe(false)
})

test('an agent’s token is stored as its hash only', () => {
  const { token, key } = newAgentKey({ tenant: 't', name: 'shout', by: 'local' })
  expect(key).toMatchObject({ caller: 'agent:shout', kind: 'agent', agents: null, hash: sha256(token) })
  expect(key.permits).toEqual(['agent', 'send', 'read', 'cancel', 'push'])
  expect(JSON.stringify(key)).not.toContain(token)
})
