/** The service of 0.3, byte by byte: what the official clients do not show, and what 1.0 has no place for. */
import {
  create,
  type DescMessage,
  fromBinary,
  type JsonObject,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CancelTaskRequestSchema,
  GetTaskPushNotificationConfigRequestSchema,
  GetTaskRequestSchema,
  type MessageSchema,
  Role,
  SendMessageRequestSchema,
  SendMessageResponseSchema,
  StreamResponseSchema,
  TaskPushNotificationConfigSchema,
  TaskSchema,
  TaskSubscriptionRequestSchema,
} from '../../../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import { type ScriptedAgent, startAgent } from '../../../support/agent.ts'
import { type Asking, aGrpcWorld, ask, type GrpcWorld, text } from './world.ts'

const SERVICE = 'a2a.v1.A2AService'
let world: GrpcWorld
let agent: ScriptedAgent
const rpc = (method: string, message: Uint8Array, more: Asking = {}) =>
  ask(world.address, method, message, {
    service: SERVICE,
    ...more,
    metadata: { authorization: `Bearer ${world.gateway.adminKey}`, 'x-waypost-agent': 'echo', ...more.metadata },
  })

/** What a message is made of, never one that is made. */
type Init<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, MessageShape<Schema>>
const sendOf = (
  words: string,
  more: Init<typeof SendMessageRequestSchema> = {},
  message: Init<typeof MessageSchema> = {},
) =>
  toBinary(
    SendMessageRequestSchema,
    create(SendMessageRequestSchema, {
      request: {
        messageId: crypto.randomUUID(),
        role: Role.USER,
        content: [{ part: { case: 'text', value: words } }],
        ...message,
      },
      ...more,
    }),
  )
const taskIn = (reply: Buffer | undefined) => {
  const { payload } = fromBinary(SendMessageResponseSchema, reply as Buffer)
  if (payload.case !== 'task') throw new Error(`no task but ${payload.case}`)
  return toJson(TaskSchema, payload.value) as JsonObject & { id: string; status: { state: string } }
}
const getOf = (id: string, historyLength = 0) =>
  toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { name: `tasks/${id}`, historyLength }))

beforeAll(async () => {
  agent = await startAgent({ dedupe: true })
  world = await aGrpcWorld({
    env: { WAYPOST_ROOT_AGENT: 'echo' },
    cards: { echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' } },
  })
  expect(world.gateway.cardProblems).toEqual([])
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})

describe('the card', () => {
  const cardFor = async (name: string, version: string) =>
    (
      await fetch(`${world.gateway.url}/agents/${name}/.well-known/agent-card.json`, {
        headers: { 'a2a-version': version },
      })
    ).json() as Promise<{ additionalInterfaces?: { url: string; transport: string }[] }>

  test('names the port for the root agent, which needs no name there', async () => {
    const { additionalInterfaces } = await cardFor('echo', '0.3')
    const url = world.address.replace('127.0.0.1', 'localhost')
    expect(additionalInterfaces).toContainEqual({ url, transport: 'GRPC' })
    expect((await rpc('GetTask', getOf('none'), { metadata: { 'x-waypost-agent': 'echo' } })).code).toBe('NOT_FOUND')
  })
})

describe('a send', () => {
  test('without a configuration waits for the end, with one that does not say blocking it does not', async () => {
    const waited = taskIn((await rpc('SendMessage', sendOf('artifact'))).replies[0])
    expect(waited.status.state).toBe('TASK_STATE_COMPLETED')
    const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
    const begun = taskIn((await rpc('SendMessage', sendOf('delay', { configuration: {} }))).replies[0])
    expect(begun.status.state).toMatch(/SUBMITTED|WORKING/)
    await working
    const cancel = toBinary(CancelTaskRequestSchema, create(CancelTaskRequestSchema, { name: `tasks/${begun.id}` }))
    const canceled = toJson(TaskSchema, fromBinary(TaskSchema, (await rpc('CancelTask', cancel)).replies[0] as Buffer))
    // A double L on this wire.
    expect(canceled).toMatchObject({ id: begun.id, status: { state: 'TASK_STATE_CANCELLED' } })
    expect((await world.client('echo').get(begun.id)).status.state).toBe('TASK_STATE_CANCELED')
  })

  test('no history length is all of the history, and so is 0', async () => {
    const { id } = taskIn((await rpc('SendMessage', sendOf('input'))).replies[0])
    const history = async (length: number) =>
      (
        toJson(TaskSchema, fromBinary(TaskSchema, (await rpc('GetTask', getOf(id, length))).replies[0] as Buffer)) as {
          history?: object[]
        }
      ).history?.length
    expect(await history(0)).toBeGreaterThan(0)
    expect(await history(1)).toBe(1)
  })

  test('a file keeps its name and a part its metadata, beyond what 0.3.0 has fields for', async () => {
    const content: Init<typeof MessageSchema>['content'] = [
      { part: { case: 'text', value: 'artifact' }, metadata: { of: 'text' } },
      {
        part: {
          case: 'file',
          value: { file: { case: 'fileWithBytes', value: Buffer.from([0, 255]) }, mimeType: 'text/plain', name: 'a' },
        },
      },
      { part: { case: 'data', value: { data: { n: 1, deep: { list: [null, 'x'] } } } } },
    ]
    const { id } = taskIn((await rpc('SendMessage', sendOf('', {}, { content }))).replies[0])
    expect((await world.client('echo').get(id)).history?.[0]?.parts).toEqual([
      { text: 'artifact', metadata: { of: 'text' } },
      { raw: 'AP8=', mediaType: 'text/plain', filename: 'a' },
      { data: { n: 1, deep: { list: [null, 'x'] } } },
    ])
    const told = fromBinary(TaskSchema, (await rpc('GetTask', getOf(id))).replies[0] as Buffer)
    expect(told.history[0]?.content.map(({ part }) => part.case)).toEqual(['text', 'file', 'data'])
    expect(told.history[0]?.content[1]?.part.value).toMatchObject({ name: 'a', mimeType: 'text/plain' })
    expect(told.history[0]?.content[0]?.metadata).toEqual({ of: 'text' })
  })

  test('what 1.0 says and 0.3 has no field for comes as metadata, and a lone value wrapped', async () => {
    const reference = crypto.randomUUID()
    const sent = await world.client('echo').send('artifact', {
      message: { parts: [{ text: 'artifact' }, { data: [1, 2] }], referenceTaskIds: [reference] },
    })
    const told = toJson(
      TaskSchema,
      fromBinary(TaskSchema, (await rpc('GetTask', getOf(sent.id))).replies[0] as Buffer),
    ) as JsonObject & { history: JsonObject[] }
    expect(told.history[0]).toMatchObject({
      content: [{ text: 'artifact' }, { data: { data: { value: [1, 2] } }, metadata: { data_part_compat: true } }],
      metadata: { 'urn:x-waypost:referenceTaskIds': [reference] },
    })
  })
})

describe('a stream', () => {
  const eventsOf = (replies: readonly Buffer[]) =>
    replies.map((reply) => toJson(StreamResponseSchema, fromBinary(StreamResponseSchema, reply)) as JsonObject)

  test('appends where it appends, and says final once, at its end', async () => {
    const { code, replies } = await rpc('SendStreamingMessage', sendOf('chunks:2'))
    const events = eventsOf(replies)
    expect(code).toBe('OK')
    const chunks = events.flatMap(({ artifactUpdate }) => (artifactUpdate ? [artifactUpdate as JsonObject] : []))
    expect(chunks.map(({ append }) => append === true)).toEqual([false, true])
    const finals = events.map(({ statusUpdate }) => (statusUpdate as JsonObject | undefined)?.final === true)
    expect(finals).toEqual([...finals.slice(1).map(() => false), true])
  })

  test('that asks back says final, and ends', async () => {
    const { code, replies } = await rpc('SendStreamingMessage', sendOf('input'))
    const events = eventsOf(replies)
    expect(code).toBe('OK')
    expect(events.at(-1)).toMatchObject({
      statusUpdate: { final: true, status: { state: 'TASK_STATE_INPUT_REQUIRED', message: { role: 'ROLE_AGENT' } } },
    })
  })

  test("an agent's Message is the only thing in it", async () => {
    const { replies } = await rpc('SendStreamingMessage', sendOf('message'))
    expect(eventsOf(replies)).toEqual([{ message: expect.objectContaining({ role: 'ROLE_AGENT' }) }])
  })
})

describe('what cannot be', () => {
  const reasonOf = async (method: string, message: Uint8Array, more?: Asking) => {
    const { code, details } = await rpc(method, message, more)
    return `${code} ${text(details.ErrorInfo, 1)}`
  }

  test('is told with the codes that 0.3 clients know', async () => {
    const { id } = taskIn((await rpc('SendMessage', sendOf('artifact'))).replies[0])
    const name = `tasks/${id}`
    const subscribe = toBinary(TaskSubscriptionRequestSchema, create(TaskSubscriptionRequestSchema, { name }))
    const cancel = toBinary(CancelTaskRequestSchema, create(CancelTaskRequestSchema, { name }))
    expect(await reasonOf('TaskSubscription', subscribe)).toBe('UNIMPLEMENTED UNSUPPORTED_OPERATION')
    expect(await reasonOf('CancelTask', cancel)).toBe('FAILED_PRECONDITION TASK_NOT_CANCELABLE')
    expect(await reasonOf('GetTask', getOf('none'))).toBe('NOT_FOUND TASK_NOT_FOUND')
    expect(await reasonOf('SendMessage', sendOf('x', {}, { content: [] }))).toBe('INVALID_ARGUMENT INVALID_PARAMS')
  })

  test.each(['', 'tasks/', 'task/1', 'tasks/1/2', '1'])('a resource of no task: %j', async (name) => {
    const message = toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { name }))
    expect(await reasonOf('GetTask', message)).toBe('INVALID_ARGUMENT INVALID_PARAMS')
  })

  test('an operation that came later is not there, and no other version either', async () => {
    expect(await reasonOf('ListTasks', Buffer.alloc(0))).toBe('UNIMPLEMENTED METHOD_NOT_FOUND')
    expect(await reasonOf('SubscribeToTask', Buffer.alloc(0))).toBe('UNIMPLEMENTED METHOD_NOT_FOUND')
    const newer = { metadata: { 'a2a-version': '1.0' } }
    expect(await reasonOf('GetTask', getOf('none'), newer)).toBe('UNIMPLEMENTED METHOD_NOT_FOUND')
    const patch = { metadata: { 'a2a-version': '0.3.0' } }
    expect(await reasonOf('GetTask', getOf('none'), patch)).toBe('NOT_FOUND TASK_NOT_FOUND')
  })
})

test('a config that nobody named has the name of its task, and is found by any name that means none', async () => {
  const { id } = taskIn((await rpc('SendMessage', sendOf('artifact'))).replies[0])
  await world.client('echo').rpc('CreateTaskPushNotificationConfig', {
    taskId: id,
    id,
    url: 'http://127.0.0.1:8123/hook',
  })
  for (const config of [id, 'default']) {
    const name = `tasks/${id}/pushNotificationConfigs/${config}`
    const asked = create(GetTaskPushNotificationConfigRequestSchema, { name })
    const { replies } = await rpc(
      'GetTaskPushNotificationConfig',
      toBinary(GetTaskPushNotificationConfigRequestSchema, asked),
    )
    const found = fromBinary(TaskPushNotificationConfigSchema, replies[0] as Buffer)
    expect(found.name).toBe(`tasks/${id}/pushNotificationConfigs/${id}`)
    expect(found.pushNotificationConfig?.url).toBe('http://127.0.0.1:8123/hook')
  }
})

test('an agent that declares no extended card has none', async () => {
  const { code, details } = await rpc('GetAgentCard', Buffer.alloc(0))
  expect([code, text(details.ErrorInfo, 1)]).toEqual(['UNIMPLEMENTED', 'UNSUPPORTED_OPERATION'])
})
