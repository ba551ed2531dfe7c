/**
 * Who may what: every operation on every binding, and every route of our own face, by every kind of principal. Made from the
 * product's own tables, so that what is new and not decided here fails; every byte that comes back is searched for what its
 * reader must not see (E-01, H-13, SR-20 to SR-24).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPERATION_NAMES } from '../../src/a2a/operations.ts'
import { DEMANDS } from '../../src/http/demands.ts'
import { LIMITS } from '../../src/limits.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { A2AService as Old } from '../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import { A2AService as New } from '../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { RPCS } from '../../src/wire/bindings/grpc/rpcs.ts'
import { ALL_VERSIONS } from '../../src/wire/versions/table.ts'
import { makeKey, revokeKey } from '../e2e/surfaces.ts'
import { freePort, openServer } from '../support/databases.ts'
import { aWorld } from '../support/world.ts'
import { aGrpcWorld, type GrpcWorld } from '../wire/bindings/grpc/world.ts'
import { answerOf, type Reason } from './answers.ts'
import {
  CANARY,
  ELSEWHERE,
  type Keys,
  makePrincipals,
  PRINCIPALS,
  PRIVATE,
  type Principal,
  UNKNOWN,
} from './principals.ts'
import { ROUTES } from './routes.ts'
import { isSpokenIn, OPERATIONS, type Operation, SURFACES, type Surface } from './speech.ts'
import { type Heard, type Speech, speech } from './world.ts'

const HOOK = 'http://127.0.0.1:8123/hook'
const now = { returnImmediately: true }

let world: GrpcWorld
let keys: Keys
let talk: Speech
let task: { id: string; contextId: string }
/** Of the task, held by the agent that it is for. */
let lease: string
const seen = { bytes: 0, answers: 0, cells: 0 }
const ratios: string[] = []

beforeAll(async () => {
  const nobody = `http://127.0.0.1:${await freePort()}/`
  world = await aGrpcWorld({
    limits: { authFailuresPerMinute: 1_000_000 },
    cards: {
      box: { connector: { kind: 'mailbox' } },
      other: { connector: { kind: 'mailbox' } },
      away: { connector: { kind: 'a2a', url: nobody } },
      hidden: { connector: { kind: 'mailbox' }, visibility: 'private', description: PRIVATE },
    },
  })
  keys = await makePrincipals(world)
  talk = speech(world, keys)
  const owner = world.client('box', keys.owner)
  task = (await owner.send(CANARY, { configuration: now, metadata: { secret: CANARY } })) as typeof task
  const hook = { taskId: task.id, id: 'mine', url: `http://127.0.0.1:8123/${CANARY}`, token: CANARY }
  expect((await owner.rpc('CreateTaskPushNotificationConfig', hook)).error).toBeUndefined()
  const leased = await talk.http({ path: '/v1/inbox/lease', key: 'agent', body: '{"leaseSeconds":600}' })
  lease = (leased.result as { lease: string }).lease
  await until(async () => (await world.client('box', keys.expired).rpc('GetTask', { id: task.id })).status === 401)
})
afterAll(async () => {
  await world?.stop()
  console.info(
    `matrix: ${seen.cells} cells, ${seen.answers} answers and ${seen.bytes} bytes searched, no canary; foreign to unknown, ratio of medians: ${ratios.join(', ')}`,
  )
})

/** Asks again until it is so: at most as long as a credential is trusted unasked, and a bit for the last answer. */
async function until(holds: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await holds())) expect(performance.now() - began).toBeLessThan(LIMITS.credentialCacheMs + 5_000)
  return performance.now() - began
}

/** May read what everybody wrote; and the agent that the task is for. */
const READERS: ReadonlySet<Principal> = new Set(['owner', 'operator', 'admin'])

function search(principal: Principal, { text, headers }: Heard, title: string): void {
  const all = text + JSON.stringify(headers)
  seen.answers += 1
  seen.bytes += all.length
  for (const [name, key] of Object.entries(keys))
    expect(key !== undefined && all.includes(key), `${title}: the key of ${name}`).toBe(false)
  const outside = UNKNOWN.has(principal) || ELSEWHERE.has(principal) || principal === 'for another agent'
  if (outside) expect(all.includes(PRIVATE), `${title}: what is private in ${text.slice(0, 500)}`).toBe(false)
  if (!READERS.has(principal)) expect(all.includes(CANARY), `${title}: the canary in ${text.slice(0, 500)}`).toBe(false)
}

const message = (taskId?: string) => ({
  message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }], ...(taskId && { taskId }) },
  configuration: now,
})
const PARAMS: { readonly [N in Operation]: (id: string) => Record<string, unknown> } = {
  SendMessage: message,
  SendStreamingMessage: message,
  GetTask: (id) => ({ id }),
  ListTasks: () => ({}),
  CancelTask: (id) => ({ id }),
  SubscribeToTask: (id) => ({ id }),
  CreateTaskPushNotificationConfig: (taskId) => ({ taskId, id: 'another', url: HOOK }),
  GetTaskPushNotificationConfig: (taskId) => ({ taskId, id: 'mine' }),
  ListTaskPushNotificationConfigs: (taskId) => ({ taskId }),
  DeleteTaskPushNotificationConfig: (taskId) => ({ taskId, id: 'mine' }),
  GetExtendedAgentCard: () => ({}),
}
const PERMIT: { readonly [N in Operation]: 'send' | 'read' | 'cancel' | 'push' | 'card' } = {
  SendMessage: 'send',
  SendStreamingMessage: 'send',
  GetTask: 'read',
  ListTasks: 'read',
  CancelTask: 'cancel',
  SubscribeToTask: 'read',
  CreateTaskPushNotificationConfig: 'push',
  GetTaskPushNotificationConfig: 'push',
  ListTaskPushNotificationConfigs: 'push',
  DeleteTaskPushNotificationConfig: 'push',
  GetExtendedAgentCard: 'card',
}
/** What narrow keys may; the others may send, read, cancel and push. */
const NARROW: { readonly [P in Principal]?: readonly string[] } = {
  reader: ['read'],
  observer: [],
  'only cards': ['card'],
}

/** The answer for the owner's task, asked for at the agent that it is of. */
function expected(operation: Operation, principal: Principal): Reason | undefined {
  if (UNKNOWN.has(principal)) return 'UNAUTHENTICATED'
  if (ELSEWHERE.has(principal) || principal === 'for another agent') return 'AGENT_NOT_FOUND'
  const narrow = NARROW[principal]
  if (narrow && !narrow.includes(PERMIT[operation])) return 'PERMISSION_DENIED'
  if (operation === 'ListTasks' || operation === 'GetExtendedAgentCard') return undefined
  return principal === 'owner' ? undefined : 'TASK_NOT_FOUND'
}

/** Of the same form: one id is as good as the other. */
const bare = ({ status, code, reason, headers: { date: _, ...headers }, text }: Heard, id: string) => ({
  ...{ status, code, reason, headers },
  text: text.replaceAll(id, 'ID'),
})

describe('the tables', () => {
  test('every operation of every version and binding is asked below', () => {
    expect([...OPERATIONS].sort()).toEqual([...OPERATION_NAMES].sort())
    const spoken = (version: string) => OPERATIONS.filter((one) => isSpokenIn(one, `gRPC ${version}` as Surface)).sort()
    for (const { version, names } of ALL_VERSIONS) expect(Object.keys(names).sort()).toEqual(spoken(version))
    const rpcs = [Old, New].flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`))
    expect([...RPCS.keys()].sort()).toEqual(
      rpcs.filter((rpc) => !rpc.endsWith('v1.A2AService/ListTasks') || rpc.startsWith('lf.')).sort(),
    )
    expect(ALL_VERSIONS.map(({ version }) => version).sort()).toEqual(['0.3', '1.0'])
  })

  test('every route of our own face is decided here', () => {
    expect(Object.keys(DEMANDS).sort()).toEqual(Object.keys(ROUTES).sort())
  })
})

const CELLS = SURFACES.flatMap((surface) =>
  OPERATIONS.filter((one) => isSpokenIn(one, surface)).map((operation) => [surface, operation] as const),
)

describe.each(CELLS)('%s %s', (surface, operation) => {
  const ask = (principal: Principal, id: string, agent = 'box') =>
    talk.say(surface, operation, PARAMS[operation](id), { key: principal === 'nobody' ? null : principal, agent })

  test('by everybody', async () => {
    for (const principal of PRINCIPALS) {
      const reason = expected(operation, principal)
      // Its own, and anew each time: a cancel is for good, and a task takes no more than it may.
      const id =
        principal === 'owner'
          ? (await world.client('box', keys.owner).send('mine', { configuration: now })).id
          : task.id
      if (principal === 'owner')
        await world
          .client('box', keys.owner)
          .rpc('CreateTaskPushNotificationConfig', { taskId: id, id: 'mine', url: HOOK })
      const heard = await ask(principal, id)
      const title = `${surface} ${operation} by ${principal}`
      seen.cells += 1
      const [status, code] = reason ? answerOf(reason, surface) : [200, undefined]
      // Readers of 0.3's tasks/resubscribe want an event stream, whatever there is to say.
      const streamed = surface === 'JSON-RPC 0.3' && operation === 'SubscribeToTask' && reason !== 'UNAUTHENTICATED'
      const told = heard.status === 204 ? 200 : heard.status
      // The card of 0.3's gRPC is the public one: its rpc has no other.
      expect([title, told, heard.code, heard.reason], heard.text).toEqual([
        title,
        streamed ? 200 : status,
        code,
        reason,
      ])
      search(principal, heard, title)
    }
  })

  test.runIf(operation !== 'ListTasks' && operation !== 'GetExtendedAgentCard')(
    'what is another’s, of another agent, and not there at all: one answer to the letter',
    async () => {
      const unknown = uuidv7()
      const missing = bare(await ask('other owner', unknown), unknown)
      expect(missing.reason).toBe('TASK_NOT_FOUND')
      for (const principal of ['other owner', 'agent', 'other agent', 'admin', 'operator'] as const)
        expect([principal, bare(await ask(principal, task.id), task.id)]).toEqual([principal, missing])
      expect(bare(await ask('owner', task.id, 'other'), task.id)).toEqual(missing)
    },
  )

  test('an agent that is another’s, that one may not call, and none at all: one answer', async () => {
    for (const principal of ['for another agent', 'other tenant', 'other tenant’s admin'] as const) {
      const [there, none] = [await ask(principal, task.id, 'box'), await ask(principal, task.id, 'bax')]
      expect(there.reason).toBe('AGENT_NOT_FOUND')
      const alike = (heard: Heard) => JSON.stringify(bare(heard, task.id)).replaceAll('box', 'bax')
      expect([principal, alike(there)]).toEqual([principal, alike(none)])
    }
  })
})

describe('our own face', () => {
  /** Some path of that route; of the owner's task where there is one. */
  const pathOf = (path: string) =>
    path
      .replace('/v1/tasks/:id', `/v1/tasks/${task.id}`)
      .replace(':lease', lease)
      .replace('/v1/agents/:agent', '/v1/agents/away')
      .replace(/:[a-z]+/g, 'none')
  const call = (name: string, principal: Principal) => {
    const [method = '', path = ''] = name.split(' ')
    const body = method === 'GET' || method === 'DELETE' ? {} : { body: '{}' }
    return talk.http({ method, path: pathOf(path), key: principal === 'nobody' ? null : principal, ...body })
  }
  /** Routes that would end what the others need, or wait. */
  const HARMFUL =
    /^(DELETE \/v1\/agents|POST \/v1\/agents\/:agent\/(drain|rotate-key|pause)|.*\/(complete|fail|reject|ask|auth|release)$)/

  test.each(Object.entries(ROUTES))('%s', async (name, who) => {
    for (const principal of PRINCIPALS) {
      const allowed = who === 'anyone' || who.includes(principal)
      if (allowed && HARMFUL.test(name) && principal !== 'other owner' && principal !== 'other agent') continue
      const heard = await call(name, principal)
      const title = `${name} by ${principal}`
      seen.cells += 1
      if (UNKNOWN.has(principal) && who !== 'anyone') {
        expect([title, heard.status, heard.reason]).toEqual([title, 401, 'UNAUTHENTICATED'])
        expect(heard.headers['www-authenticate'], title).toContain('Bearer')
      } else if (!allowed) expect([title, heard.status, heard.reason]).toEqual([title, 403, 'PERMISSION_DENIED'])
      // Whose it is may still be asked: then it is another's, by name of the agent, or it is not there.
      else if (heard.status === 403)
        expect([title, heard.reason, typeof who]).toEqual([title, 'PERMISSION_DENIED', 'object'])
      else if (who !== 'anyone') expect(heard.status, `${title} ${heard.text}`).not.toBe(401)
      expect(heard.status, `${title} ${heard.text}`).toBeLessThan(500)
      if (!(principal === 'agent' && name.includes('/inbox'))) search(principal, heard, title)
    }
  })

  test('a wrong credential is no better than none where none is needed', async () => {
    const body = JSON.stringify({ name: 'late', connector: { kind: 'mailbox' } })
    for (const principal of ['made up', 'revoked', 'expired'] as const)
      expect((await talk.http({ path: '/v1/agents', key: principal, body })).status).toBe(401)
  })

  test.each(['', '/explain', '/events', '/receipts'])('/v1/tasks/{id}%s: foreign and unknown alike', async (path) => {
    for (const principal of ['other owner', 'reader', 'other tenant', 'other tenant’s admin', 'agent'] as const) {
      const look = async (id: string) => {
        const heard = await talk.http({ method: 'GET', path: `/v1/tasks/${id}${path}`, key: principal })
        const { text, ...rest } = bare(heard, id)
        return { ...rest, text: text.replace(/"traceId":"[^"]*"/, '') }
      }
      const foreign = await look(task.id)
      expect([principal, foreign.status]).toEqual([principal, 404])
      expect([principal, foreign]).toEqual([principal, await look(uuidv7())])
    }
    const own = await talk.http({ method: 'GET', path: `/v1/tasks/${task.id}${path}`, key: 'owner' })
    expect(own.status).toBe(200)
  })

  test.each(['renew', 'update', 'complete', 'fail', 'release'])(
    'a lease of another agent is none: %s',
    async (verb) => {
      const say = async (id: string) => {
        const heard = await talk.http({ path: `/v1/leases/${id}/${verb}`, key: 'other agent', body: '{}' })
        return { status: heard.status, text: heard.text.replaceAll(id, 'ID').replace(/"traceId":"[^"]*"/, '') }
      }
      const foreign = await say(lease)
      expect(foreign.status).toBe(404)
      expect(foreign).toEqual(await say(lease.replace(/^.{8}/, '00000000')))
    },
  )

  test('a private agent is there for those who may see it, and for others as if it were not', async () => {
    for (const principal of ['other tenant', 'other tenant’s admin', 'for another agent'] as const) {
      const look = async (name: string) => {
        const heard = await talk.http({ method: 'GET', path: `/v1/agents/${name}`, key: principal })
        return { status: heard.status, text: heard.text.replaceAll(name, 'NAME').replace(/"traceId":"[^"]*"/, '') }
      }
      expect([principal, await look('hidden')]).toEqual([principal, await look('hiddem')])
      expect((await look('hidden')).status).toBe(404)
    }
  })
})

describe('whatever else has an id: another’s and none at all are one answer', () => {
  /** What there is of each kind; none of it concerns those who ask. */
  const theirs: Record<string, string> = {}
  beforeAll(async () => {
    theirs.key = (await makeKey(world, { caller: 'owner' })).id
    const opened = await talk.http({
      path: '/v1/channels',
      key: 'owner',
      body: '{"name":"theirs","visibility":"members"}',
    })
    expect([opened.status, opened.text]).toEqual([201, opened.text])
    const room = await talk.http({ path: '/api/rooms', key: 'owner', body: '{"name":"Quiet"}' })
    expect([room.status, room.text]).toEqual([201, room.text])
    theirs.room = ((room.result as { roomId?: string; room?: { id: string } }).roomId ?? room.text) as string
    const sent = await world.client('away', keys.owner).send(CANARY, { configuration: now })
    Object.assign(theirs, {
      channel: 'theirs',
      delivery: sent.id,
      conversation: sent.contextId,
      agent: 'hidden',
      task: sent.id,
    })
  })
  const NONE: Readonly<Record<string, string>> = {
    ...{ key: '0123456789abcdef', channel: 'theirz', agent: 'hiddem' },
    ...{ delivery: uuidv7(), conversation: uuidv7(), task: uuidv7() },
  }
  const OUTSIDE = ['other tenant', 'other tenant’s admin', 'for another agent'] as const
  const OTHERS = ['other tenant', 'other owner'] as const
  const ADMIN = ['other tenant’s admin'] as const

  test.each<[string, string, readonly Principal[], string?]>([
    ['key', 'DELETE /v1/keys/ID', ADMIN],
    ['delivery', 'POST /v1/deliveries/ID/replay', ADMIN],
    ['agent', 'PATCH /v1/agents/ID', OUTSIDE, '{"description":"x"}'],
    ['agent', 'DELETE /v1/agents/ID', OUTSIDE],
    ...['probe', 'pause', 'resume', 'drain', 'rotate-key'].map((verb): [string, string, readonly Principal[]] => [
      'agent',
      `POST /v1/agents/ID/${verb}`,
      OUTSIDE,
    ]),
    ['agent', 'POST /v1/agents/ID/approve', ADMIN],
    ['channel', 'GET /v1/channels/ID', OTHERS],
    ['channel', 'PATCH /v1/channels/ID', OTHERS, '{"title":"x"}'],
    ['channel', 'DELETE /v1/channels/ID', OTHERS],
    ['channel', 'GET /v1/channels/ID/posts', OTHERS],
    ['channel', 'GET /v1/channels/ID/members', OTHERS],
    ['channel', 'POST /v1/channels/ID/members', OTHERS, '{"agent":"other"}'],
    ['channel', 'DELETE /v1/channels/ID/members/other', OTHERS],
    ['conversation', 'GET /v1/conversations/ID', [...OTHERS, 'reader']],
    ['conversation', 'GET /v1/conversations/ID/events', [...OTHERS, 'reader']],
    ['room', 'GET /api/rooms/ID', OTHERS],
    ['room', 'GET /api/rooms/ID/messages', OTHERS],
    ['room', 'GET /api/rooms/ID/history', OTHERS],
    ['room', 'POST /api/rooms/ID/messages', OTHERS, '{"text":"x"}'],
    ['room', 'DELETE /api/rooms/ID/messages', OTHERS],
    ['task', 'POST /v1/upstream/ID', ['nobody', 'other owner']],
    ['task', 'GET /v1/webhooks/attempts?task=ID', OTHERS],
    ['task', 'GET /v1/webhooks?task=ID', OTHERS],
  ])('%s: %s', async (kind, route, principals, body = '{}') => {
    const [method = '', pattern = ''] = route.split(' ')
    for (const principal of principals) {
      const look = async (id: string) => {
        const sent = { method, path: pattern.replace('ID', id), key: principal === 'nobody' ? null : principal }
        const heard = await talk.http(method === 'GET' || method === 'DELETE' ? sent : { ...sent, body })
        search(principal, heard, route)
        const { text, ...rest } = bare(heard, id)
        return { ...rest, text: text.replace(/"traceId":"[^"]*"/, '') }
      }
      const foreign = await look(theirs[kind] as string)
      const unknown = await look(NONE[kind] ?? (theirs[kind] as string).replace(/.{3}$/, 'zzz'))
      expect([principal, foreign]).toEqual([principal, unknown])
      expect([principal, foreign.status]).not.toEqual([principal, 401])
    }
  })
})

describe('scopes of skills (SR-13)', () => {
  const skill = (id: string) => ({ metadata: { 'urn:x-waypost:store-and-forward:1': { skill: id } } })
  const say = async (key: string, agent: string, more: object = {}, parts: object[] = [{ text: 'x' }]) => {
    const params = { message: { messageId: uuidv7(), role: 'ROLE_USER', parts, ...more }, configuration: now }
    const answers = []
    for (const surface of ['JSON-RPC 1.0', 'HTTP+JSON 1.0', 'gRPC 1.0'] as const) {
      const { status, reason, headers } = await talk.say(
        surface,
        'SendMessage',
        { ...params, message: { ...params.message, messageId: uuidv7() } },
        { key, agent },
      )
      if (surface === 'HTTP+JSON 1.0' && status === 403)
        expect(headers['www-authenticate']).toContain(`agent:${agent}:`)
      answers.push(reason)
    }
    expect(new Set(answers).size).toBe(1)
    return answers[0]
  }
  const PERMISSION = 'PERMISSION_DENIED'

  test('a caller may ask for the skills that it has, and for nothing else', async () => {
    const { key } = await makeKey(world, { scopes: ['agent:box:skill:refund', 'agent:box:skill:look', 'task:read'] })
    expect(await say(key, 'box', skill('refund'))).toBeUndefined()
    expect(await say(key, 'box', skill('pay'))).toBe(PERMISSION)
    expect(await say(key, 'box')).toBe(PERMISSION)
    expect(await say(key, 'other', skill('refund'))).toBe(PERMISSION)
    // Whatever place an agent may take it from.
    expect(await say(key, 'box', { metadata: { ...skill('refund').metadata, skill: 'pay' } })).toBe(PERMISSION)
    expect(await say(key, 'box', skill('refund'), [{ data: { tool: 'pay', arguments: {} } }])).toBe(PERMISSION)
    expect(await say(key, 'box', skill('refund'), [{ data: { tool: 'look' } }])).toBeUndefined()
    const { key: wide } = await makeKey(world, { scopes: ['agent:box:skill:refund', 'agent:box:send'] })
    expect(await say(wide, 'box')).toBeUndefined()
  })

  test('an agent may demand them of everybody; nobody comes round it by the directory or a channel', async () => {
    const strict = {
      name: 'strict',
      connector: { kind: 'mailbox' },
      skillScopes: true,
      skills: [{ id: 'audit', tags: ['audit'] }],
    }
    const made = await talk.http({ path: '/v1/agents', key: 'operator', body: JSON.stringify(strict) })
    expect([made.status, made.text]).toEqual([201, made.text])
    expect(await say('owner', 'strict', skill('audit'))).toBe(PERMISSION)
    expect(await say('operator', 'strict')).toBeUndefined()
    const { key } = await makeKey(world, { scopes: ['agent:strict:skill:audit', 'agent:directory:send'] })
    expect(await say(key, 'strict', skill('audit'))).toBeUndefined()
    expect(await say(key, 'strict')).toBe(PERMISSION)
    const delegate = async (by: string, words: string) => {
      const answer = await world.client('directory', keys[by as Principal] ?? by).rpc('SendMessage', {
        message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: words }] },
        configuration: now,
      })
      return answer.error?.data?.[0]?.reason ?? answer.result?.task?.status.state
    }
    expect(await delegate('owner', 'delegate @strict: do it')).toBe(PERMISSION)
    expect(await delegate('owner', 'delegate audit: do it')).toBe('TASK_STATE_REJECTED')
    // Nor does who may send to the directory alone reach others through it.
    const { key: narrow } = await makeKey(world, { scopes: ['agent:directory:send'] })
    expect(await delegate(narrow, 'delegate @box: do it')).toBe(PERMISSION)
    expect(await delegate(narrow, 'delegate audit: do it')).toBe('TASK_STATE_REJECTED')
    expect((await talk.http({ path: '/v1/channels', key: 'owner', body: '{"name":"round"}' })).status).toBe(201)
    const join = await talk.http({ path: '/v1/channels/round/members', key: 'owner', body: '{"agent":"strict"}' })
    expect([join.status, join.reason]).toEqual([403, PERMISSION])
  })
})

describe('afterwards', () => {
  test('nobody has left a trace on the task', async () => {
    const found = await world.client('box', keys.owner).get(task.id)
    expect(found.status.state).toMatch(/SUBMITTED|WORKING/)
    expect(found.history?.map(({ parts }) => parts[0]?.text)).toEqual([CANARY])
    const { result } = await world.client('box', keys.owner).rpc('ListTaskPushNotificationConfigs', { taskId: task.id })
    expect(result.configs.map(({ id }: { id: string }) => id)).toEqual(['mine'])
  })

  test('a page token is not passed on', async () => {
    const owner = world.client('box', keys.owner)
    const { result } = await owner.rpc('ListTasks', { pageSize: 1 })
    expect(result.nextPageToken).not.toBe('')
    for (const principal of ['other owner', 'operator', 'admin', 'agent'] as const) {
      const client = world.client('box', keys[principal])
      const { error } = await client.rpc('ListTasks', { pageSize: 1, pageToken: result.nextPageToken })
      expect([principal, error?.code]).toEqual([principal, -32602])
    }
  })

  test('what is another’s takes as long as what is not there', async () => {
    const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] as number
    for (const surface of SURFACES) {
      const [foreign, unknown]: number[][] = [[], []]
      for (let n = 0; n < 40; n++) {
        for (const [id, times] of [
          [task.id, foreign],
          [uuidv7(), unknown],
        ] as const)
          times?.push((await talk.say(surface, 'GetTask', { id }, { key: 'other owner', agent: 'box' })).ms)
      }
      const ratio = median(foreign as number[]) / median(unknown as number[])
      ratios.push(`${surface} ${ratio.toFixed(2)}`)
      expect(ratio, surface).toBeGreaterThan(0.2)
      expect(ratio, surface).toBeLessThan(5)
    }
  })

  test('a revoked key is dead on another replica within the time that a credential is trusted', async () => {
    const server = await openServer()
    const databaseUrl = await server.create()
    const limits = { authFailuresPerMinute: 1_000_000, credentialCacheMs: 1_000 }
    const cards = { box: { connector: { kind: 'mailbox' } } }
    const here = await aWorld({ databaseUrl, cards, limits })
    const there = await aWorld({ databaseUrl, cards, limits })
    const { id, key } = await makeKey(here, { caller: 'c' })
    const status = async () => (await there.client('box', key).rpc('ListTasks', {})).status
    expect(await status()).toBe(200)
    await revokeKey(here, id)
    await until(async () => (await status()) === 401)
    expect((await here.client('box', key).rpc('ListTasks', {})).status).toBe(401)
    await Promise.all([here.stop(), there.stop()])
    await server.stop()
  })
})
