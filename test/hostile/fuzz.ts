/**
 * Generated requests on somebody's running gateway: never a 5xx, never a hang, nothing stored of what is refused, and what
 * is accepted reads back as it was. The seed is printed; `npm run fuzz -- --runs N --seed S` runs it longer, or again.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { damage, damaged, type Mutation, message, mutated, mutation, splitAt, splits } from './mutants.ts'
import { DOORS, shapeOf, statusesOf, taskIn } from './play.ts'
import { type Fields, isSpokenIn, type Operation, SURFACES, type Surface, toGrpc, toRest } from './speech.ts'
import { count } from './tally.ts'
import type { Heard, HostileWorld } from './world.ts'

export interface FuzzOptions {
  readonly runs: number
  readonly seed: number
}
/** Of one request, on a busy machine. */
const HANGS_MS = 15_000

const isServed = ({ status, code }: Heard): boolean => (status === 200 || status === 204) && code === undefined
/** Codes of gRPC that say that the server is at fault. */
const FAULTS = /^(UNKNOWN|INTERNAL|UNAVAILABLE|DATA_LOSS|DEADLINE_EXCEEDED)$/

function expectDefinite(kind: string, heard: Heard, title: string): void {
  count(kind, isServed(heard) ? 'served' : String(heard.reason))
  expect(heard.status, title).toBeLessThan(500)
  if (typeof heard.code === 'string') expect(heard.code, title).not.toMatch(FAULTS)
  if (heard.code === -32603) expect.fail(title)
  if (!isServed(heard)) expect(heard.reason, title).toMatch(/^[A-Z_]+$/)
  expect(heard.ms, title).toBeLessThan(HANGS_MS)
  expect(heard.text, title).not.toMatch(/\bat .*\.(ts|js):\d+|node:internal|SELECT|select .* from /)
}

const sent = (said: Fields): Fields => ({
  message: { messageId: uuidv7(), role: 'ROLE_USER', ...said },
  configuration: { returnImmediately: true },
})

async function kept({ say }: HostileWorld, heard: Heard): Promise<Fields | undefined> {
  const { result } = await say('JSON-RPC 1.0', 'GetTask', { id: taskIn(heard.text) })
  return (result as { history?: Fields[] }).history?.[0]
}

/** What of it must come back. */
const meant = ({ parts, metadata, extensions }: Fields): Fields => ({
  parts,
  ...(metadata !== undefined && { metadata }),
  ...(extensions !== undefined && { extensions }),
})

/** Whether the binding has a way to say it. */
function sayable(surface: Surface, params: Fields, operation: Operation = 'SendMessage'): boolean {
  try {
    if (surface.startsWith('gRPC')) toGrpc(surface, operation, params)
    // A path cannot hold half of a pair.
    else if (surface.startsWith('HTTP')) toRest(surface, operation, params)
    return true
  } catch {
    return false
  }
}

export function fuzzSuite(given: () => HostileWorld, { runs, seed }: FuzzOptions): void {
  const settings = { numRuns: runs, seed, endOnFailure: true }
  console.info(`fuzz: ${runs} runs a property, seed ${seed}`)
  // The time of one run is bounded above; of all of them by their number.
  const ms = 30_000 + runs * 2_000

  test('a right message is taken over every binding of both versions, and kept as it is', { timeout: ms }, () =>
    fc.assert(
      fc.asyncProperty(message, async (said) => {
        for (const surface of SURFACES) {
          const heard = await given().say(surface, 'SendMessage', sent(said))
          expectDefinite('right messages', heard, `${surface} ${JSON.stringify(said)} ${heard.text}`)
          expect([surface, heard.code, heard.reason], heard.text).toEqual([surface, undefined, undefined])
          expect(await kept(given(), heard), surface).toMatchObject(JSON.parse(JSON.stringify(meant(said))))
        }
      }),
      settings,
    ),
  )

  test('a message with one mistake is taken or refused, alike over the bindings of a version', { timeout: ms }, () =>
    fc.assert(
      fc.asyncProperty(message, mutation, async (said, mistake: Mutation) => {
        const params = mutated(sent(said), mistake) as Fields
        const told: Record<string, string> = {}
        for (const surface of SURFACES) {
          if (!sayable(surface, params)) continue
          const before = await given().stored()
          const heard = await given().say(surface, 'SendMessage', withOwnId(params, surface))
          const title = `${surface} ${JSON.stringify(params).slice(0, 2_000)} ${heard.text.slice(0, 500)}`
          expectDefinite('messages with a mistake', heard, title)
          if (!isServed(heard)) expect(await given().stored(), title).toEqual(before)
          told[surface] = heard.reason ?? 'served'
        }
        expect(told['HTTP+JSON 1.0'], JSON.stringify(params)).toBe(told['JSON-RPC 1.0'])
        expect(told['HTTP+JSON 0.3'], JSON.stringify(params)).toBe(told['JSON-RPC 0.3'])
      }),
      settings,
    ),
  )

  const others: Readonly<Partial<Record<Operation, (world: HostileWorld) => Fields>>> = {
    GetTask: ({ fixtures }) => ({ id: fixtures.ended, historyLength: 2 }),
    ListTasks: ({ fixtures }) => ({ contextId: fixtures.context, pageSize: 3, includeArtifacts: true }),
    CancelTask: ({ fixtures }) => ({ id: fixtures.ended, metadata: { a: 1 } }),
    SubscribeToTask: ({ fixtures }) => ({ id: fixtures.ended }),
    CreateTaskPushNotificationConfig: ({ fixtures }) => ({
      taskId: fixtures.foreign,
      url: 'https://h.example/',
      token: 't',
    }),
    GetTaskPushNotificationConfig: ({ fixtures }) => ({ taskId: fixtures.ended, id: 'c' }),
    ListTaskPushNotificationConfigs: ({ fixtures }) => ({ taskId: fixtures.ended, pageSize: 2 }),
    DeleteTaskPushNotificationConfig: ({ fixtures }) => ({ taskId: fixtures.ended, id: 'c' }),
  }
  test('everything else that may be asked, with mistakes', { timeout: ms }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...(Object.keys(others) as Operation[])),
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        async (operation, mistakes) => {
          const right = others[operation]?.(given()) ?? {}
          const params = mistakes.reduce<unknown>(mutated, right) as Fields
          for (const surface of SURFACES) {
            if (!isSpokenIn(operation, surface) || !sayable(surface, params, operation)) continue
            const before = await given().stored()
            const heard = await given().say(surface, operation, params, { agent: 'echo' })
            expectDefinite('other operations', heard, `${surface} ${operation} ${JSON.stringify(params)} ${heard.text}`)
            expect(await given().stored(), `${surface} ${operation} ${JSON.stringify(params)}`).toEqual(before)
          }
        },
      ),
      settings,
    ),
  )

  test('bytes that were damaged, split, hurried and cut short: an answer or a closed door', { timeout: ms }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.values(DOORS)),
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        splits,
        fc.integer({ min: 1, max: 3 }),
        async (door, harms, places, times) => {
          const { request } = shapeOf(door, given())
          const good = Buffer.from(request().replace('Connection: close\r\n', ''))
          const bad = harms.reduce(damaged, Buffer.concat(Array<Buffer>(times).fill(good)))
          const { text, ms } = await given().raw(bad, { end: true, pieces: splitAt(bad, places) })
          const title = `${door} ${JSON.stringify(bad.toString('latin1')).slice(0, 1_500)} ${text.slice(0, 500)}`
          const statuses = statusesOf(text)
          for (const status of statuses.length > 0 ? statuses : ['none']) count('damaged HTTP', String(status))
          for (const status of statuses) expect(status, title).toBeLessThan(500)
          expect(ms, title).toBeLessThan(HANGS_MS)
          expect(text.includes(given().fixtures.keys.owner as string), title).toBe(false)
        },
      ),
      { ...settings, numRuns: runs * 4 },
    ),
  )

  test('messages of protobuf that were damaged: a status, and nothing stored of what is refused', { timeout: ms }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom<Surface>('gRPC 1.0', 'gRPC 0.3'),
        message,
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        async (surface, said, harms) => {
          const { service, rpc, bytes } = toGrpc(surface, 'SendMessage', sent(said))
          const before = await given().stored()
          const heard = await given().grpc(service, rpc, harms.reduce(damaged, Buffer.from(bytes)))
          expectDefinite('damaged protobuf', heard, `${surface} ${heard.text}`)
          if (!isServed(heard)) expect(await given().stored()).toEqual(before)
        },
      ),
      settings,
    ),
  )

  describe('our own face', () => {
    const documents = [
      '/v1/agents',
      '/v1/keys',
      '/v1/match',
      '/v1/channels',
      '/v1/inbox/lease',
      '/v1/deliveries/replay',
    ]
    const RIGHT: Readonly<Record<string, unknown>> = {
      '/v1/agents': { name: 'fuzzed', connector: { kind: 'mailbox' }, skills: [{ id: 's', tags: ['t'] }] },
      '/v1/keys': { name: 'k', caller: 'c', permits: ['read'], agents: ['box'], rate: '5/5', ttlSeconds: 5 },
      '/v1/match': { text: 'x', skills: ['s'], tags: ['t'], inputModes: ['text/plain'], limit: 3 },
      '/v1/channels': { name: 'fuzzed', mode: 'all', policy: { post: 'members', join: 'anyone' } },
      '/v1/inbox/lease': { max: 1, leaseSeconds: 30, worker: 'w', contextId: 'c' },
      '/v1/deliveries/replay': { agent: 'none', limit: 1 },
    }

    test('documents with mistakes', { timeout: ms }, () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...documents),
          fc.array(mutation, { minLength: 1, maxLength: 3 }),
          fc.constantFrom('operator', 'owner', 'reader'),
          async (path, mistakes, key) => {
            const body = JSON.stringify(mistakes.reduce<unknown>(mutated, RIGHT[path]))
            const heard = await given().http({ path, key, body })
            count('documents of our own face', String(heard.status))
            expect(heard.status, `${path} ${body} ${heard.text}`).toBeLessThan(500)
            expect(heard.text).not.toMatch(/\bat .*\.(ts|js):\d+|node:internal/)
          },
        ),
        { ...settings, numRuns: runs * 2 },
      ),
    )

    test('a text that no database keeps is the caller’s mistake', async () => {
      for (const [path, right] of Object.entries(RIGHT)) {
        for (const [name, value] of Object.entries(right as Fields)) {
          if (typeof value !== 'string') continue
          const body = JSON.stringify({ ...(right as Fields), [name]: `a\0b` })
          const { status } = await given().http({ path, key: 'operator', body })
          expect([path, name, status < 500]).toEqual([path, name, true])
        }
      }
    })

    const lists = ['/v1/tasks', '/v1/agents', '/v1/keys', '/v1/deliveries', '/v1/webhooks', '/v1/audit', '/v1/channels']
    const names = ['limit', 'cursor', 'pageSize', 'pageToken', 'agent', 'caller', 'state', 'contextId', 'q', 'x', 'all']
    const value = fc.oneof(
      fc.constantFrom('-1', '0', '1e3', '%00', '%', '%ff', '%F0%9F%98%80', 'a'.repeat(3_000), '[]', '../..', "'--"),
      fc.string({ maxLength: 12 }).map(encodeURIComponent),
    )
    const query = fc.array(fc.tuple(fc.constantFrom(...names), value), { minLength: 1, maxLength: 4 })
    test('questions with odd values', { timeout: ms }, () =>
      fc.assert(
        fc.asyncProperty(fc.constantFrom(...lists, '/agents/box/tasks'), query, async (path, asked) => {
          const target = `${path}?${asked.map((pair) => pair.join('=')).join('&')}`
          const heard = await given().http({
            method: 'GET',
            path: target,
            key: 'operator',
            headers: { 'a2a-version': '1.0' },
          })
          count('questions to our own face', String(heard.status))
          expect(heard.status, `${target} ${heard.text}`).toBeLessThan(500)
        }),
        { ...settings, numRuns: runs * 2 },
      ),
    )
  })

  test('afterwards it is alive and quick', async () => {
    const { status, ms } = await given().http({ method: 'GET', path: '/readyz', key: null })
    expect(status).toBe(200)
    expect(ms).toBeLessThan(HANGS_MS)
  })
}

/** A message of its own on every surface: else the second would be the first again. */
function withOwnId(params: Fields, surface: Surface): Fields {
  const said = params.message as Fields | undefined
  if (typeof said !== 'object' || said === null || Array.isArray(said)) return params
  const { messageId } = said
  const own =
    typeof messageId === 'string' && messageId.length === 36 ? `${messageId}${surface.length}${surface[0]}` : messageId
  return { ...params, message: { ...said, ...(own !== undefined && { messageId: own }) } }
}
