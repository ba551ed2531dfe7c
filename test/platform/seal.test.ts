import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSeal, SealError } from '../../src/platform/seal.ts'

const key = () => randomBytes(32).toString('base64')
const place = 'default/agents/echo/credentials'

test('what was sealed opens in its place, and looks different each time', () => {
  const seal = createSeal(key())
  for (const text of ['', 'Bearer s3cret', 'ü€😀'.repeat(1000)]) {
    const sealed = seal.seal(text, place)
    expect(sealed).not.toContain('s3cret')
    expect(seal.seal(text, place)).not.toBe(sealed)
    expect(seal.open(sealed, place)).toBe(text)
  }
})

test('it does not open in another place, edited, cut, or under another key', () => {
  const seal = createSeal(key())
  const sealed = seal.seal('s3cret', place)
  const parts = sealed.split('.')
  const body = Buffer.from(parts[3]!, 'base64url')
  body[0]! ^= 1
  const edited = [...parts.slice(0, 3), body.toString('base64url')].join('.')
  const cut = [...parts.slice(0, 3), Buffer.from(parts[3]!, 'base64url').subarray(0, 17).toString('base64url')].join(
    '.',
  )
  expect(() => seal.open(sealed, 'default/agents/other/credentials')).toThrow(SealError)
  for (const bad of [edited, cut, '', 'plain', 'v1.a.b.c', `${sealed}.x`, sealed.replace('v1', 'v2')]) {
    expect(() => seal.open(bad, place)).toThrow(SealError)
  }
  expect(() => createSeal(key()).open(sealed, place)).toThrow(SealError)
})

test('a ring opens what its older keys sealed, and seals with the first', () => {
  const [older, newer] = [key(), key()]
  const sealed = createSeal(older).seal('s3cret', place)
  const ring = createSeal(newer, older)
  expect(ring.open(sealed, place)).toBe('s3cret')
  expect(createSeal(newer).open(ring.seal('again', place), place)).toBe('again')
})

test('a key of another length is refused', () => {
  expect(() => createSeal('c2hvcnQ=')).toThrow(SealError)
})
