/** Who may what over gRPC, in both versions' services: as over HTTP, a refusal tells nothing of what is there. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as old from '../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import * as modern from '../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { freePort } from '../support/databases.ts'
import { type Answer, aGrpcWorld, ask, type GrpcWorld, text } from '../wire/bindings/grpc/world.ts'
import { makeKey, revokeKey } from './surfaces.ts'

const CANARY = 'canary7f3a'
const HOOK = 'http://127.0.0.1:8123/hook'
let world: GrpcWorld
let keys: Record<string, string>
let task: { id: string; contextId: string }

type Write = (id: string) => Uint8Array
const name = (id: string) => `tasks/${id}`
const config = (id: string, of = 'mine') => `${name(id)}/pushNotificationConfigs/${of}`
const part = { content: { case: 'text' as const, value: 'x' } }
const message = (taskId: string): MessageInitShape<typeof modern.MessageSchema> => ({
  messageId: crypto.randomUUID(),
  role: modern.Role.USER,
  parts: [part],
  taskId,
})
const oldMessage = (taskId: string): MessageInitShape<typeof old.MessageSchema> => ({
  messageId: crypto.randomUUID(),
  role: old.Role.USER,
  content: [{ part: { case: 'text', value: 'x' } }],
  taskId,
})

const MODERN: readonly (readonly [rpc: string, write: Write])[] = [
  ['GetTask', (id) => toBinary(modern.GetTaskRequestSchema, create(modern.GetTaskRequestSchema, { id }))],
  ['CancelTask', (id) => toBinary(modern.CancelTaskRequestSchema, create(modern.CancelTaskRequestSchema, { id }))],
  [
    'SubscribeToTask',
    (id) => toBinary(modern.SubscribeToTaskRequestSchema, create(modern.SubscribeToTaskRequestSchema, { id })),
  ],
  ...['SendMessage', 'SendStreamingMessage'].map(
    (rpc) =>
      [
        rpc,
        (id: string) =>
          toBinary(modern.SendMessageRequestSchema, create(modern.SendMessageRequestSchema, { message: message(id) })),
      ] as const,
  ),
  [
    'CreateTaskPushNotificationConfig',
    (taskId) =>
      toBinary(
        modern.TaskPushNotificationConfigSchema,
        create(modern.TaskPushNotificationConfigSchema, { taskId, id: 'another', url: HOOK }),
      ),
  ],
  [
    'GetTaskPushNotificationConfig',
    (taskId) =>
      toBinary(
        modern.GetTaskPushNotificationConfigRequestSchema,
        create(modern.GetTaskPushNotificationConfigRequestSchema, { taskId, id: 'mine' }),
      ),
  ],
  [
    'ListTaskPushNotificationConfigs',
    (taskId) =>
      toBinary(
        modern.ListTaskPushNotificationConfigsRequestSchema,
        create(modern.ListTaskPushNotificationConfigsRequestSchema, { taskId }),
      ),
  ],
  [
    'DeleteTaskPushNotificationConfig',
    (taskId) =>
      toBinary(
        modern.DeleteTaskPushNotificationConfigRequestSchema,
        create(modern.DeleteTaskPushNotificationConfigRequestSchema, { taskId, id: 'mine' }),
      ),
  ],
]
const OLD: readonly (readonly [rpc: string, write: Write])[] = [
  ['GetTask', (id) => toBinary(old.GetTaskRequestSchema, create(old.GetTaskRequestSchema, { name: name(id) }))],
  [
    'CancelTask',
    (id) => toBinary(old.CancelTaskRequestSchema, create(old.CancelTaskRequestSchema, { name: name(id) })),
  ],
  [
    'TaskSubscription',
    (id) => toBinary(old.TaskSubscriptionRequestSchema, create(old.TaskSubscriptionRequestSchema, { name: name(id) })),
  ],
  ...['SendMessage', 'SendStreamingMessage'].map(
    (rpc) =>
      [
        rpc,
        (id: string) =>
          toBinary(old.SendMessageRequestSchema, create(old.SendMessageRequestSchema, { request: oldMessage(id) })),
      ] as const,
  ),
  [
    'CreateTaskPushNotificationConfig',
    (id) =>
      toBinary(
        old.CreateTaskPushNotificationConfigRequestSchema,
        create(old.CreateTaskPushNotificationConfigRequestSchema, {
          parent: name(id),
          configId: 'another',
          config: { name: config(id, 'another'), pushNotificationConfig: { url: HOOK } },
        }),
      ),
  ],
  [
    'GetTaskPushNotificationConfig',
    (id) =>
      toBinary(
        old.GetTaskPushNotificationConfigRequestSchema,
        create(old.GetTaskPushNotificationConfigRequestSchema, { name: config(id) }),
      ),
  ],
  [
    'ListTaskPushNotificationConfig',
    (id) =>
      toBinary(
        old.ListTaskPushNotificationConfigRequestSchema,
        create(old.ListTaskPushNotificationConfigRequestSchema, { parent: name(id) }),
      ),
  ],
  [
    'DeleteTaskPushNotificationConfig',
    (id) =>
      toBinary(
        old.DeleteTaskPushNotificationConfigRequestSchema,
        create(old.DeleteTaskPushNotificationConfigRequestSchema, { name: config(id) }),
      ),
  ],
]
const CASES = [
  ...MODERN.map(([rpc, write]) => [`1.0 ${rpc}`, 'lf.a2a.v1.A2AService', rpc, write] as const),
  ...OLD.map(([rpc, write]) => [`0.3 ${rpc}`, 'a2a.v1.A2AService', rpc, write] as const),
]

beforeAll(async () => {
  const nobody = `http://127.0.0.1:${await freePort()}/`
  world = await aGrpcWorld({
    limits: { authFailuresPerMinute: 100_000 },
    cards: {
      away: { connector: { kind: 'a2a', url: nobody } },
      other: { connector: { kind: 'a2a', url: nobody } },
    },
  })
  const made = async (wish: Parameters<typeof makeKey>[1]) => await makeKey(world, wish)
  const revoked = await made({ caller: `owner-${CANARY}` })
  keys = {
    owner: (await made({ caller: `owner-${CANARY}` })).key,
    stranger: (await made({ caller: 'stranger' })).key,
    reader: (await made({ caller: 'reader', permits: ['read'] })).key,
    elsewhere: (await made({ caller: 'elsewhere', agents: ['other'] })).key,
    revoked: revoked.key,
  }
  const owner = world.client('away', keys.owner)
  const { id, contextId } = await owner.send(CANARY, { configuration: { returnImmediately: true } })
  task = { id, contextId: contextId as string }
  const hook = { taskId: id, id: 'mine', url: `http://127.0.0.1:8123/${CANARY}`, token: CANARY }
  expect((await owner.rpc('CreateTaskPushNotificationConfig', hook)).error).toBeUndefined()
  await revokeKey(world, revoked.id)
})
afterAll(() => world?.stop())

const asked = (service: string, rpc: string, bytes: Uint8Array, key: string | undefined, agent = 'away') =>
  ask(world.address, rpc, bytes, {
    service,
    deadlineMs: 5_000,
    metadata: { 'x-waypost-agent': agent, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    onReply: () => false,
  })
const told = ({ code, details }: Answer) => `${code} ${text(details.ErrorInfo, 1)}`
const everything = (answer: Answer) => JSON.stringify({ ...answer, replies: answer.replies.map(String) })

describe.each(CASES)('%s', (_title, service, rpc, write) => {
  test.each([['none'], ['wrong'], ['revoked']])('with a key that is %s: UNAUTHENTICATED', async (which) => {
    const key = { none: undefined, wrong: `wp_nobody_${'x'.repeat(40)}`, revoked: keys.revoked }[which]
    expect(told(await asked(service, rpc, write(task.id), key))).toBe('UNAUTHENTICATED UNAUTHENTICATED')
  })

  test("a stranger sees of another's task what there is of no task: nothing", async () => {
    const foreign = await asked(service, rpc, write(task.id), keys.stranger)
    const unknown = await asked(service, rpc, write(crypto.randomUUID()), keys.stranger)
    expect(told(foreign)).toBe(told(unknown))
    expect([foreign.code, foreign.message, foreign.replies.length]).toEqual([
      unknown.code,
      unknown.message,
      unknown.replies.length,
    ])
    expect(everything(foreign)).not.toContain(CANARY)
    if (!rpc.startsWith('Delete')) expect(told(foreign)).toBe('NOT_FOUND TASK_NOT_FOUND')
  })

  test('a key for another agent reaches none here, and one for reading does no more', async () => {
    const elsewhere = await asked(service, rpc, write(task.id), keys.elsewhere)
    expect(elsewhere.code).not.toBe('OK')
    expect(everything(elsewhere)).not.toContain(CANARY)
    const reader = await asked(service, rpc, write(task.id), keys.reader)
    const reads = rpc === 'GetTask' || rpc === 'SubscribeToTask' || rpc === 'TaskSubscription'
    expect(reader.code).toBe(reads ? 'NOT_FOUND' : 'PERMISSION_DENIED')
  })
})

test('the owner sees it in both versions', async () => {
  const [[, write]] = MODERN as [(typeof MODERN)[0]]
  const [[, writeOld]] = OLD as [(typeof OLD)[0]]
  const now = await asked('lf.a2a.v1.A2AService', 'GetTask', write(task.id), keys.owner)
  expect(fromBinary(modern.TaskSchema, now.replies[0] as Buffer)).toMatchObject(task)
  const before = await asked('a2a.v1.A2AService', 'GetTask', writeOld(task.id), keys.owner)
  expect(fromBinary(old.TaskSchema, before.replies[0] as Buffer)).toMatchObject(task)
})
