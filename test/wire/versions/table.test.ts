/** Which version is meant; and the corners of the translations that golden documents do not show. */
import { describe, expect, test } from 'vitest'
import type { AgentCard } from '../../../src/a2a/agentCard.ts'
import { A2AError } from '../../../src/a2a/errors.ts'
import type { VersionCodec } from '../../../src/wire/versions/codec.ts'
import { codecFor, decodeAnyCard, negotiate, VERSIONS } from '../../../src/wire/versions/table.ts'
import { toMilliseconds } from '../../../src/wire/versions/timestamps.ts'
import { CARD, entry, status, TASK } from '../bindings/served.ts'

const { '0.3': v0_3, '1.0': v1_0 } = VERSIONS as Record<'0.3' | '1.0', VersionCodec>
const reasonOf = (run: () => unknown): string | undefined => {
  try {
    run()
  } catch (error) {
    return error instanceof A2AError ? error.reason : String(error)
  }
  return undefined
}

test.each([
  ['', '0.3'],
  ['0.3', '0.3'],
  ['0.3.0', '0.3'],
  [' 1.0 ', '1.0'],
  ['1.0.17', '1.0'],
])('A2A-Version %j is %s', (asked, version) => expect(negotiate(asked).version).toBe(version))
test.each([['1'], ['2.0'], ['1.1'], ['0.2'], ['abc'], ['1.0.0.0'], ['__proto__'], ['toString'], ['1,0']])(
  'A2A-Version %j is not spoken',
  (asked) => expect(reasonOf(() => negotiate(asked))).toBe('VERSION_NOT_SUPPORTED'),
)
test.each<[string, string | undefined]>([
  ['0.2', '0.3'],
  ['0.2.6', undefined],
  ['0.3.0', '0.3'],
  ['1.0.1', '1.0'],
  ['1.1', undefined],
  ['', undefined],
  ['valueOf', undefined],
])('a card that says %j is spoken to in %s', (said, version) =>
  expect(codecFor(said)?.version).toBe(said === '0.2.6' ? '0.3' : version),
)

describe('0.3', () => {
  test('final is true where we close and nowhere else', () => {
    const one = entry(1, status('TASK_STATE_WORKING'))
    expect(JSON.parse(v0_3.encodeEvent(one, 'JSONRPC', false)).final).toBe(false)
    expect(JSON.parse(v0_3.encodeEvent(one, 'JSONRPC', true)).final).toBe(true)
    expect(JSON.parse(v0_3.encodeEvent(entry(1, { task: TASK }), 'JSONRPC', true))).not.toHaveProperty('final')
  })
  test('webhooks get the whole task, or the lone message', async () => {
    const pushed = await v0_3.encodePush(JSON.stringify(status('TASK_STATE_COMPLETED')), async () => TASK)
    expect(pushed.contentType).toBe('application/json')
    expect(JSON.parse(pushed.body)).toEqual({ kind: 'task', ...TASK, status: { ...TASK.status, state: 'completed' } })
    const never = () => Promise.reject(new Error('not asked for'))
    const message = await v0_3.encodePush(
      '{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}',
      never,
    )
    expect(JSON.parse(message.body)).toMatchObject({ kind: 'message', role: 'agent' })
    const json = JSON.stringify(status('TASK_STATE_COMPLETED'))
    expect(await v1_0.encodePush(json, never)).toEqual({ body: json, contentType: 'application/a2a+json' })
  })
  test('pushes of every shape are understood, garbage is not', () => {
    expect(v0_3.decodePush({ kind: 'task', id: 't', contextId: 'c', status: { state: 'working' } })).toHaveProperty(
      'task',
    )
    expect(v0_3.decodePush({ kind: 'status-update', taskId: 't', status: { state: 'working' }, final: false })).toEqual(
      {
        statusUpdate: { taskId: 't', contextId: '', status: { state: 'TASK_STATE_WORKING' } },
      },
    )
    expect(v0_3.decodePush({ statusUpdate: { taskId: 't', status: { state: 'TASK_STATE_WORKING' } } })).toHaveProperty(
      'statusUpdate',
    )
    for (const garbage of [null, 5, 'x', [], {}, { kind: 'task' }, { kind: 'constructor' }])
      expect([garbage, v0_3.decodePush(garbage), v1_0.decodePush(garbage)]).toEqual([garbage, undefined, undefined])
  })
  test('an agent that says nothing says it in one empty part; an artifact may be empty', () => {
    const { event } = v0_3.decodeEvent({ kind: 'message', messageId: 'm', role: 'agent', parts: [] }, 'JSONRPC')
    expect(event).toEqual({ message: { messageId: 'm', role: 'ROLE_AGENT', parts: [{ text: '' }] } })
    const caller = { message: { kind: 'message', messageId: 'm', role: 'user', parts: [] } }
    expect(reasonOf(() => v0_3.decodeParams('SendMessage', caller, 'JSONRPC'))).toBe('INVALID_PARAMS')
  })
  test('blocking: only an explicit false is not', () => {
    const message = { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'text', text: 'x' }] }
    const immediately = (configuration?: object) =>
      v0_3.decodeParams('SendMessage', { message, configuration }, 'JSONRPC').configuration?.returnImmediately
    expect([immediately(), immediately({}), immediately({ blocking: true }), immediately({ blocking: false })]).toEqual(
      [undefined, undefined, false, true],
    )
    expect(reasonOf(() => immediately({ blocking: 'no' }))).toBe('INVALID_PARAMS')
    // The proto form leaves false out.
    const overRest = (configuration?: object) =>
      v0_3.decodeParams('SendMessage', { message, configuration }, 'HTTP+JSON').configuration?.returnImmediately
    expect([overRest(), overRest({}), overRest({ blocking: true })]).toEqual([undefined, true, false])
  })
  test('has no lists, neither way', () => {
    expect(v0_3.names.ListTasks).toBeUndefined()
    expect(reasonOf(() => v0_3.decodeResult('ListTasks', {}, 'JSONRPC'))).toBe('UNSUPPORTED_OPERATION')
  })
})

describe('cards', () => {
  test('a hybrid is read by its newest members, and a reader of 0.3 finds its own', () => {
    const { signatures: _, ...unsigned } = CARD
    const hybrid = v0_3.encodeCard(CARD)
    expect(decodeAnyCard(JSON.parse(JSON.stringify(hybrid)))).toMatchObject({ ...unsigned, skills: [{ id: 's' }] })
    expect(v0_3.decodeCard(hybrid).supportedInterfaces).toEqual([
      { url: 'https://w.example/agents/echo/', protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ])
    expect(v0_3.decodeCard(hybrid).securityRequirements).toEqual(CARD.securityRequirements)
  })
  test('a scheme that 0.3 cannot say is not told, nor demanded (L7)', () => {
    const flows = {
      deviceCode: { deviceAuthorizationUrl: 'https://i.example/d', tokenUrl: 'https://i.example/t', scopes: {} },
    }
    const card: AgentCard = {
      ...CARD,
      securitySchemes: {
        device: { oauth2SecurityScheme: { flows } },
        key: { httpAuthSecurityScheme: { scheme: 'bearer' } },
      },
      securityRequirements: [{ schemes: { device: { list: [] } } }, { schemes: { key: { list: [] } } }],
    }
    const hybrid = v0_3.encodeCard(card) as { securitySchemes: object; security: object[] }
    expect(Object.keys(hybrid.securitySchemes)).toEqual(['key'])
    expect(hybrid.security).toEqual([{ key: [] }])
  })
  test('a tenant becomes part of the 0.3 address (L6)', () => {
    const supportedInterfaces = [
      { url: 'https://a.example/x/', protocolBinding: 'HTTP+JSON', protocolVersion: '0.3', tenant: 'acme' },
    ]
    expect(v0_3.encodeCard({ ...CARD, supportedInterfaces })).toMatchObject({
      url: 'https://a.example/x/acme',
      preferredTransport: 'HTTP+JSON',
    })
  })
  test('a 0.2 card without version or transport', () => {
    const card = {
      name: 'Old',
      description: 'd',
      version: '1',
      url: 'https://o.example',
      capabilities: {},
      defaultInputModes: [],
      defaultOutputModes: [],
      skills: [],
    }
    expect(decodeAnyCard(card).supportedInterfaces).toEqual([
      { url: 'https://o.example', protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ])
    expect(codecFor('0.2.6')).toBe(v0_3)
  })
  test.each([[null], [5], [[]], ['x'], [{ name: 5 }]])('%j is no card', (json) =>
    expect(reasonOf(() => decodeAnyCard(json))).toBe('INVALID_AGENT_RESPONSE'),
  )
})

test.each([
  ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000Z'],
  ['2026-01-31T12:00:00.5Z', '2026-01-31T12:00:00.500Z'],
  ['2026-01-31T12:00:00.123456+02:00', '2026-01-31T10:00:00.123Z'],
  ['2026-01-31T12:00:00.123456789Z', '2026-01-31T12:00:00.123Z'],
  ['2026-01-31 12:00:00', '2026-01-31T12:00:00.000Z'],
  ['2026-01-31T12:00:00+0100', '2026-01-31T11:00:00.000Z'],
  ['yesterday', undefined],
  [5, undefined],
])('the time %s is %s', (said, read) => expect(toMilliseconds(said)).toBe(read))
