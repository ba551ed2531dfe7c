/** Who sends too often is told so, in the form of every binding and version, and nothing of it is kept. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as old from '../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import * as modern from '../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { freePort } from '../support/databases.ts'
import { aGrpcWorld, ask as askGrpc, type GrpcWorld, text } from '../wire/bindings/grpc/world.ts'
import { ask, makeKey, reasonOf, requestFor, SURFACES, type Surface } from './surfaces.ts'

/** One message, and then none for a thousand seconds. */
const ONE = '0.001/1'
let world: GrpcWorld

beforeAll(async () => {
  const nobody = `http://127.0.0.1:${await freePort()}/`
  world = await aGrpcWorld({
    env: { WAYPOST_SEND_RATE: ONE, WAYPOST_REQUEST_RATE: '0.001/2', WAYPOST_TENANT_SEND_RATE: 'off' },
    cards: { away: { connector: { kind: 'a2a', url: nobody } } },
  })
})
afterAll(() => world?.stop())

const tasksOf = async (key: string) => {
  const response = await fetch(`${world.gateway.url}/v1/tasks`, { headers: { authorization: `Bearer ${key}` } })
  return ((await response.json()) as { items: object[] }).items
}
const fresh = (surface: Surface, name: 'SendMessage' | 'SendStreamingMessage' = 'SendMessage') => {
  const asked = requestFor(surface, name, '')
  const body = asked.body as { params?: object }
  const now = surface.endsWith('1.0') ? { returnImmediately: true } : { blocking: false }
  // So that the send that is let through does not wait for the agent, which is away.
  const sent = body.params
    ? { ...body, params: { ...body.params, configuration: now } }
    : { ...body, configuration: now }
  return { ...asked, body: sent }
}
const metric = async (line: string) => {
  const response = await fetch(`${world.gateway.url}/metrics`)
  return Number(
    (await response.text())
      .split('\n')
      .find((found) => found.startsWith(line))
      ?.split(' ')
      .at(-1) ?? 0,
  )
}

test.each(SURFACES)('%s: the second message is refused with Retry-After, and is not there', async (surface) => {
  const { key } = await makeKey(world, {})
  expect((await ask(world, 'away', fresh(surface), key)).status).toBe(200)
  const counted = 'waypost_rate_limited_total{scope="caller",operation="SendMessage"}'
  const before = await metric(counted)
  for (const name of ['SendMessage', 'SendStreamingMessage'] as const) {
    const refused = await ask(world, 'away', fresh(surface, name), key)
    expect(refused.status, refused.text).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(600)
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(1_000)
    const told = JSON.parse(refused.text)
    if (surface.startsWith('JSON-RPC')) expect(told).toMatchObject({ jsonrpc: '2.0', id: 1, error: { code: -32000 } })
    if (surface === 'HTTP+JSON 1.0') expect(told.error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' })
    expect(reasonOf(refused)).toBe('RATE_LIMITED')
    expect(refused.text).toMatch(/"retryDelay":"([6-9]\d\d|1000)s"/)
  }
  expect(await metric(counted)).toBe(before + 1)
  expect(await tasksOf(key)).toHaveLength(1)
})

const part = { content: { case: 'text' as const, value: 'x' } }
const send10 = (): Uint8Array => {
  const message: MessageInitShape<typeof modern.MessageSchema> = {
    messageId: crypto.randomUUID(),
    role: modern.Role.USER,
    parts: [part],
  }
  const configuration = { returnImmediately: true }
  const request = create(modern.SendMessageRequestSchema, { tenant: 'away', message, configuration })
  return toBinary(modern.SendMessageRequestSchema, request)
}
const send03 = (): Uint8Array => {
  const request: MessageInitShape<typeof old.MessageSchema> = {
    messageId: crypto.randomUUID(),
    role: old.Role.USER,
    content: [{ part: { case: 'text', value: 'x' } }],
  }
  return toBinary(
    old.SendMessageRequestSchema,
    create(old.SendMessageRequestSchema, { request, configuration: { blocking: false } }),
  )
}

test.each([
  ['1.0', 'lf.a2a.v1.A2AService', send10],
  ['0.3', 'a2a.v1.A2AService', send03],
] as const)('gRPC %s: the second message is RESOURCE_EXHAUSTED with RetryInfo', async (version, service, write) => {
  const { key } = await makeKey(world, {})
  const metadata = { authorization: `Bearer ${key}`, 'a2a-version': version, 'x-waypost-agent': 'away' }
  const asking = { service, metadata, onReply: () => true }
  const send = () => askGrpc(world.address, 'SendMessage', write(), asking)
  const first = await send()
  expect(first.code, first.message).toBe('OK')
  const refused = await send()
  expect(refused.code).toBe('RESOURCE_EXHAUSTED')
  expect(text(refused.details.ErrorInfo, 1)).toBe('RATE_LIMITED')
  const delay = fromBinary(DurationSchema, refused.details.RetryInfo?.[1]?.[0] as Buffer)
  expect(Number(delay.seconds)).toBeGreaterThan(600)
  expect(await tasksOf(key)).toHaveLength(1)
})

test('what is not a send has a quota of its own; an operator has none', async () => {
  const { key } = await makeKey(world, {})
  const read = async (by: string) => (await world.client('away', by).rpc('ListTasks', {})).error
  expect([await read(key), await read(key)]).toEqual([undefined, undefined])
  expect((await read(key)).data[0].reason).toBe('RATE_LIMITED')
  for (let sent = 0; sent < 5; sent++)
    await world.client('away').send('x', { configuration: { returnImmediately: true } })
})

test('a key made with a rate has that one, and its list shows it', async () => {
  const made = await makeKey(world, { rate: '0.001/3' })
  const send = async () => (await ask(world, 'away', fresh('JSON-RPC 1.0'), made.key)).status
  expect([await send(), await send(), await send(), await send()]).toEqual([200, 200, 200, 429])
  const free = await makeKey(world, { rate: 'off' })
  for (let sent = 0; sent < 3; sent++)
    expect((await ask(world, 'away', fresh('JSON-RPC 1.0'), free.key)).status).toBe(200)
  const headers = { authorization: `Bearer ${world.gateway.adminKey}`, 'content-type': 'application/json' }
  const list = (await (await fetch(`${world.gateway.url}/v1/keys`, { headers })).json()) as { items: { id: string }[] }
  expect(list.items.find(({ id }) => id === made.id)).toMatchObject({ rate: '0.001/3' })
  expect(list.items.find(({ id }) => id === free.id)).toMatchObject({ rate: 'off' })
  for (const rate of ['0', 'fast', '5/0', 5]) {
    const init = { method: 'POST', headers, body: JSON.stringify({ rate }) }
    expect((await fetch(`${world.gateway.url}/v1/keys`, init)).status).toBe(400)
  }
})
