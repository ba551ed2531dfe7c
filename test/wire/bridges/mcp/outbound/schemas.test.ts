/** A stranger's JSON Schema is of use, and costs no more than its size. */
import { expect, test } from 'vitest'
import { misfit, schemaValidator } from '../../../../../src/wire/bridges/mcp/outbound/schemas.ts'

const FORM = {
  type: 'object',
  properties: { n: { type: 'number' }, s: { type: 'string', maxLength: 3 } },
  required: ['n'],
}

test('what does not fit is told with its place', () => {
  expect(misfit(FORM, { n: 1, s: 'abc' })).toBeUndefined()
  expect(misfit(FORM, { s: 'abc' })).toContain('n')
  expect(misfit(FORM, { n: 1, s: 'abcd' })).toContain('s')
  expect(schemaValidator.getValidator(FORM)({ n: 'x' })).toMatchObject({
    valid: false,
    errorMessage: expect.any(String),
  })
  expect(schemaValidator.getValidator(FORM)({ n: 2 })).toMatchObject({ valid: true, data: { n: 2 } })
})

test('patterns that take for ever are not run', () => {
  const evil = {
    type: 'object',
    properties: { s: { type: 'string', pattern: '^(a+)+$' } },
    patternProperties: { '^(b+)+$': {} },
  }
  expect(misfit(evil, { s: `${'a'.repeat(60)}!`, [`${'b'.repeat(60)}!`]: 1 })).toBeUndefined()
  expect(misfit(evil, { s: 7 })).toContain('s')
})

test('an argument that is called pattern is judged like any other', () => {
  const schema = { type: 'object', properties: { pattern: { type: 'string' } }, required: ['pattern'] }
  expect(misfit(schema, { pattern: 1 })).toContain('pattern')
})

test('a schema that refers to itself is its server’s to judge', () => {
  const step = (n: number) => ({ anyOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] })
  const defs = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`d${n}`, n === 39 ? { type: 'null' } : step(n)]),
  )
  expect(misfit({ $ref: '#/$defs/d0', $defs: defs }, { n: 1 })).toBeUndefined()
  expect(misfit({ $ref: '#' }, {})).toBeUndefined()
})

test('what is no schema judges nothing', () => {
  expect(misfit({ type: 'nonsense' }, 1)).toBeUndefined()
})
