/**
 * A task is one task, whoever made it and whoever reads it: each official client reads what each other one has made, and
 * on the wire every version and binding tells the whole of it. What 0.3 cannot say it carries along (L1, L2, L3, L12), so
 * that nothing at all is lost on the way back.
 */
import { type DescMessage, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationName } from '../../../src/a2a/operations.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Binding } from '../../../src/ports.ts'
import * as pb03 from '../../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import * as pb10 from '../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import type { VersionCodec } from '../../../src/wire/versions/codec.ts'
import { VERSIONS } from '../../../src/wire/versions/table.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { withoutIdentity } from '../../conformance/spec/ways.ts'
import { type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { aGrpcWorld, type GrpcWorld } from '../../wire/bindings/grpc/world.ts'
import { withoutDefaults } from '../../wire/versions/arbitraries.ts'
import { mustBeTask, type PeerClient, withKey } from './client.ts'
import { CLIENTS, nameOf } from './suite.ts'

let world: GrpcWorld
let agent: ScriptedAgent

beforeAll(async () => {
  agent = await startAgent({ dedupe: true })
  world = await aGrpcWorld({ cards: { echo: { connector: { kind: 'a2a', url: agent.url } } } })
  expect(world.gateway.cardProblems).toEqual([])
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})

describe('official clients', () => {
  const clients = new Map<string, PeerClient>()
  beforeAll(async () => {
    for (const kind of CLIENTS)
      clients.set(
        nameOf(kind),
        await kind.connect(`${world.gateway.url}/agents/echo/`, withKey(world.gateway.adminKey)),
      )
  })

  test.each(CLIENTS.map(nameOf))('what %s makes, and goes on with, all others read alike', async (maker) => {
    const made = clients.get(maker) as PeerClient
    for (const words of ['artifact please', 'chunks:3', 'input']) {
      const task = mustBeTask(await made.send(words))
      for (const [reader, client] of clients) {
        const read = await client.get(task.id)
        expect([reader, { ...read, made: read.made.join('') }]).toEqual([reader, { ...task, made: task.made.join('') }])
      }
      if (task.state !== 'INPUT_REQUIRED') continue
      // Another client, of another version, answers it.
      const other = [...clients.keys()][([...clients.keys()].indexOf(maker) + 4) % clients.size] as string
      const answered = mustBeTask(
        await (clients.get(other) as PeerClient).send('artifact', { taskId: task.id, contextId: task.contextId }),
      )
      expect([answered.id, answered.contextId, answered.state]).toEqual([task.id, task.contextId, 'COMPLETED'])
      expect(await made.get(task.id)).toEqual(answered)
    }
  })
})

type Version = '1.0' | '0.3'
interface Surface {
  readonly name: string
  readonly codec: VersionCodec
  readonly binding: Binding
}
const SURFACES: readonly Surface[] = (['1.0', '0.3'] as Version[]).flatMap((version) =>
  (['JSONRPC', 'HTTP+JSON', 'GRPC'] as const).map((binding) => ({
    name: `${version} ${binding}`,
    codec: VERSIONS[version] as VersionCodec,
    binding,
  })),
)

/** Asks in the words of a version and binding; answers what it says, in the canonical form. */
async function speak({ codec, binding }: Surface, name: 'SendMessage' | 'GetTask', params: Loose): Promise<Loose> {
  const said = codec.encodeParams(name, params, binding) as Loose
  const answer = await { JSONRPC: overRpc, 'HTTP+JSON': overRest, GRPC: overGrpc }[binding](codec, name, said)
  return codec.decodeResult(name, answer as never, binding)
}

const headers = (version: string) => ({
  'content-type': 'application/json',
  'a2a-version': version,
  authorization: `Bearer ${world.gateway.adminKey}`,
})
const base = () => `${world.gateway.url}/agents/echo`

async function overRpc({ version, names }: VersionCodec, name: OperationName, params: Loose): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: names[name]?.jsonrpc, params })
  const { result, error } = (await (
    await fetch(base(), { method: 'POST', headers: headers(version), body })
  ).json()) as Loose
  expect(error).toBeUndefined()
  return result
}

async function overRest({ version, names }: VersionCodec, name: OperationName, params: Loose): Promise<unknown> {
  const [method = '', template = ''] = (names[name]?.rest?.[0] ?? '').split(' ')
  const path = template.replace(/\{(\w+)\}/g, (_, member: string) => encodeURIComponent(params[member]))
  const response = await fetch(base() + path, {
    method,
    headers: headers(version),
    ...(method === 'POST' && { body: JSON.stringify(params) }),
  })
  expect(response.ok).toBe(true)
  return response.json()
}

async function overGrpc({ version }: VersionCodec, name: OperationName, params: Loose): Promise<unknown> {
  const pb = version === '0.3' ? pb03 : pb10
  const client = createClient(
    pb.A2AService as typeof pb10.A2AService,
    createGrpcTransport({ baseUrl: `http://${world.address}` }),
  )
  const method = pb.A2AService.method[name === 'GetTask' ? 'getTask' : 'sendMessage']
  // 0.3's .proto calls the message of a send its request.
  const { message, ...rest } = params
  const asked = version === '0.3' && message ? { request: message, ...rest } : params
  const rpc = client[name === 'GetTask' ? 'getTask' : 'sendMessage'] as (
    sent: unknown,
    options: object,
  ) => Promise<never>
  const { 'content-type': _, ...metadata } = headers(version)
  const answer = await rpc(fromJson(method.input as DescMessage, asked as JsonValue), {
    headers: { ...metadata, 'x-waypost-agent': 'echo' },
  })
  return toJson(method.output as DescMessage, answer)
}

/** Everything that a message can hold. */
const richMessage = () => ({
  messageId: uuidv7(),
  role: 'ROLE_USER',
  contextId: uuidv7(),
  parts: [
    { text: 'artifact', metadata: { k: [1.5, null, 'ü'] } },
    { text: 'a named text', filename: 'note.txt', mediaType: 'text/plain' },
    { raw: 'AP/+', filename: 'a.bin' },
    { url: 'https://files.example.test/b', filename: 'b' },
    { data: { deep: { list: [true, { n: 1 }] } } },
    { data: [1, 'two'], filename: 'list.json' },
    { data: 'just text' },
  ],
  metadata: { 'https://example.test/x': { on: true } },
  referenceTaskIds: ['one', 'two'],
  extensions: ['https://example.test/x'],
})

describe('on the wire', () => {
  test.each(SURFACES.map((surface) => [surface.name, surface] as const))('what is made over %s', async (_, maker) => {
    const message = richMessage()
    const { task } = await speak(maker, 'SendMessage', { message })
    expect(task.history[0]).toMatchObject({ ...message, taskId: task.id })
    const received = agent.log.entries.find(({ messageId }) => messageId === message.messageId)
    expect(JSON.parse(received?.body ?? '').params.message.parts).toEqual(message.parts)
    for (const reader of SURFACES) {
      const read = await speak(reader, 'GetTask', { id: task.id })
      expect([reader.name, withoutDefaults(read)]).toEqual([reader.name, withoutDefaults(task)])
    }
  })

  test('the same message makes the same task over each of them', async () => {
    const made = []
    for (const surface of SURFACES)
      made.push(
        withoutIdentity(withoutDefaults((await speak(surface, 'SendMessage', { message: richMessage() })).task)),
      )
    // Members stand in another order where protobuf has written them.
    for (const one of made) expect(Object.keys(one).sort()).toEqual(Object.keys(made[0]).sort())
    for (const one of made) expect(one.history[0].parts).toEqual(made[0].history[0].parts)
    for (const one of made) expect([one.status.state, one.artifacts.length]).toEqual(['TASK_STATE_COMPLETED', 1])
  })
})
