import { expect, test } from 'vitest'
import { A2AError } from '../../../src/a2a/errors.ts'
import { policyOf } from '../../../src/gateway/agents/agent.ts'
import { nearest, parseRegistration, plainText } from '../../../src/gateway/agents/registration.ts'

const refusal = (document: unknown): A2AError => {
  try {
    parseRegistration(document)
  } catch (error) {
    if (error instanceof A2AError) return error
    throw error
  }
  throw new Error(`was taken: ${JSON.stringify(document)}`)
}
const url = 'http://127.0.0.1:9100/'

test('the documents of the guide are taken', () => {
  const documents = [
    { name: 'invoices', connector: { kind: 'a2a', url }, redelivery: 'atLeastOnce' },
    { name: 'quick', connector: { kind: 'a2a', url, binding: 'GRPC' } },
    {
      name: 'shout',
      connector: { kind: 'mailbox' },
      skills: [{ id: 'shout', name: 'Shout', description: 'Upper case', tags: ['text'] }],
    },
    { name: 'shout' },
    { $schema: './x.json', name: 'm', connector: { kind: 'mcp', url }, backoff: { firstMs: 100, longestMs: 1_000 } },
  ]
  for (const document of documents) expect(parseRegistration(document).registration.name).toBe(document.name)
  expect(parseRegistration({ name: 'shout' }).registration.connector).toEqual({ kind: 'mailbox' })
})

test('K-17 names are folded, of plain characters, and not ours', () => {
  expect(parseRegistration({ name: 'Billing.EU_2-a' }).registration.name).toBe('billing.eu_2-a')
  for (const name of [
    '',
    '-a',
    '.a',
    'a b',
    'a/b',
    '../a',
    'Вilling',
    'ａ',
    'a'.repeat(64),
    'v1',
    'TASKS',
    'directory',
    7,
    null,
  ])
    expect(refusal({ name }).reason, String(name)).toBe('INVALID_PARAMS')
})

test('an unknown member is refused with what was meant', () => {
  const error = refusal({ name: 'a', maxInFlight: 3, redelivry: 'x', zzz: 1, conector: {} })
  expect(error.detail.violations).toEqual([
    { field: 'maxInFlight', description: 'unknown; did you mean "maxInflight"?' },
    { field: 'redelivry', description: 'unknown; did you mean "redelivery"?' },
    { field: 'zzz', description: expect.stringMatching(/^unknown; known are /) },
    { field: 'conector', description: 'unknown; did you mean "connector"?' },
  ])
  expect(refusal({ name: 'a', connector: { kind: 'a2a', uri: url } }).message).toContain('connector')
  expect(
    refusal({ name: 'a', backoff: { first: 1 } }).detail.violations?.some(({ field }) => field === 'backoff.first'),
  ).toBe(true)
})

test('values out of bounds are refused where they are', () => {
  const bad = [
    { connector: { kind: 'a2a' } },
    { connector: { kind: 'a2a', url: 'file:///etc/passwd' } },
    { connector: { kind: 'a2a', url, binding: 'grpc' } },
    { connector: { kind: 'ftp' } },
    { connector: { kind: 'mcp' } },
    { connector: { kind: 'mcp', url, command: ['x'] } },
    { maxInflight: 0 },
    { ttlSeconds: 1.5 },
    { backoff: { firstMs: 100, longestMs: 50 } },
    { description: 'a\u202eb' },
    { description: 'a\u0000b' },
    { skills: [{ name: 'no id' }] },
    { credentials: { header: 'Host', value: 'x' } },
    { credentials: { header: 'X-Key', value: 'a\r\nb' } },
    { credentials: { scheme: 'Bearer' } },
    { access: 'everyone' },
  ]
  for (const members of bad)
    expect(refusal({ name: 'a', ...members }).detail.violations?.length, JSON.stringify(members)).toBeGreaterThan(0)
  expect(refusal([]).reason).toBe('INVALID_PARAMS')
  expect(refusal(null).reason).toBe('INVALID_PARAMS')
})

test('at most twenty violations are told, and of a member’s name no more than is needed', () => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`${'x'.repeat(500)}${at}`, 1]))
  const { violations = [] } = refusal({ name: 'a', ...many }).detail
  expect(violations).toHaveLength(20)
  expect(violations.every(({ field }) => field.length <= 64)).toBe(true)
})

test('credentials are taken out of the document', () => {
  const { registration, credentials } = parseRegistration({
    name: 'a',
    connector: { kind: 'a2a', url },
    credentials: { scheme: 'Bearer', token: 's3cret' },
  })
  expect(credentials).toEqual({ scheme: 'Bearer', token: 's3cret' })
  expect(JSON.stringify(registration)).not.toContain('s3cret')
})

test('what the document leaves open follows from the kind', () => {
  const policy = (document: object) => policyOf(parseRegistration({ name: 'a', ...document }).registration)
  expect(policy({ connector: { kind: 'a2a', url } })).toMatchObject({
    redelivery: 'atMostOnce',
    maxAttempts: 20,
    idempotency: 'uuid',
    whenOffline: 'queue',
    access: 'keys',
  })
  expect(policy({})).toMatchObject({
    redelivery: 'atLeastOnce',
    maxAttempts: 5,
    leaseSeconds: 60,
    visibility: 'public',
  })
  expect(policy({ maxAttempts: 3, access: 'anonymous' })).toMatchObject({ maxAttempts: 3, access: 'anonymous' })
})

test('the nearest word, or none', () => {
  expect(nearest('agnet', ['agent', 'task'])).toBe('agent')
  expect(nearest('zzzzzz', ['agent', 'task'])).toBeUndefined()
})

test('what deceives is taken out of a stranger’s text', () => {
  expect(plainText('a\u0000b\u202ec\u{e0041}d\ud800\n')).toBe('abcd\ufffd\n')
})
