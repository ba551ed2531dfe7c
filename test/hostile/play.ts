/** Plays a row over every binding that it is about, and holds each answer to the table and to the standing rules. */
import { expect } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { answerOf } from './answers.ts'
import { type Body, type Case, type Change, given, type Raw, type Row, type Say, type Shape } from './rows.ts'
import { type Fields, isSpokenIn, SURFACES, type Surface } from './speech.ts'
import { CANARY, type Heard, type HostileWorld } from './world.ts'

/** What is expected of a busy machine; the measured times are in the report. */
const ANSWER_MS = 5_000

export interface Tally {
  /** Requests by section and surface. */
  readonly played: Map<string, number>
  slowest: { readonly ms: number; readonly row: string }
  requests: number
}
export const aTally = (): Tally => ({ played: new Map(), slowest: { ms: 0, row: '' }, requests: 0 })

interface Stage {
  readonly world: HostileWorld
  readonly tally: Tally
  readonly row: Row
}

export async function playRow(row: Row, world: HostileWorld, tally: Tally): Promise<void> {
  const stage = { world, tally, row }
  const before = await world.stored()
  const cases = row.cases ?? []
  const stores = cases.some((one) => (one.kind === 'raw' ? one.status === 200 : one.reason === undefined))
  for (const one of cases) await playCase(one, stage)
  if (row.scene) await row.scene(world)
  else if (!stores) expect(await world.stored(), 'something was stored').toEqual(before)
  expect((await world.http({ method: 'GET', path: '/healthz', key: null })).status, 'alive').toBe(200)
}

async function playCase(one: Case, stage: Stage): Promise<void> {
  if (one.kind === 'raw') return playRaw(one, stage)
  const surfaces = one.on ?? SURFACES
  for (const surface of surfaces) {
    if (one.kind === 'body') await playBody(one, surface, stage)
    else if (isSpokenIn(one.operation, surface)) await playSay(one, surface, stage)
  }
}

async function playSay(one: Say, surface: Surface, stage: Stage): Promise<void> {
  const { world } = stage
  const { fixtures } = world
  const before = one.reason === undefined ? undefined : await world.stored()
  const heard = await world.say(surface, one.operation, given(one.params, fixtures), one)
  note(stage, surface, heard.ms)
  const title = `${stage.row.id} ${one.what}, ${surface}: ${heard.text.slice(0, 400)}`
  // Readers of 0.3's tasks/resubscribe want an event stream, whatever there is to say.
  const inStream = one.operation === 'SubscribeToTask' && surface === 'JSON-RPC 0.3' && one.reason !== 'UNAUTHENTICATED'
  hold(one.reason, surface, heard, title, inStream ? { status: 200 } : {})
  expectNoSecret(heard, stage, title)
  if (before) expect(await world.stored(), `${title} stored something`).toEqual(before)
  if (one.kept) expect(await partsOf(heard, surface, one, stage), title).toEqual(one.kept)
}

/** Exactly the table's answer, in the binding's form. */
function hold(
  reason: Say['reason'],
  surface: Surface,
  heard: Heard,
  title: string,
  own: { readonly status?: number; readonly code?: number },
): void {
  if (reason === undefined) {
    expect([heard.status === 204 ? 200 : heard.status, heard.code, heard.reason], title).toEqual([
      200,
      undefined,
      undefined,
    ])
    return
  }
  const [usual, number] = answerOf(reason, surface)
  const { status = usual, code = number } = own
  expect([heard.status, heard.code, heard.reason], title).toEqual([status, code, reason])
  expect(heard.text.length, title).toBeLessThan(8_192)
  if (surface.startsWith('gRPC')) return
  const { headers } = heard
  expect(headers['content-type'], title).toMatch(/json|event-stream/)
  if (status === 401) expect(headers['www-authenticate'], title).toMatch(/Bearer.*ApiKey/)
  if (status === 429) expect(headers['retry-after'], title).toMatch(/^\d+$/)
}

function expectNoSecret({ text, headers, ms }: Heard, { world }: Stage, title: string): void {
  const said = text + JSON.stringify(headers)
  for (const secret of [...Object.values(world.fixtures.keys), CANARY])
    expect(said.includes(secret), `${title}: a secret is told`).toBe(false)
  expect(ms, title).toBeLessThan(ANSWER_MS)
}

/** The first id of ours in a text. */
export const taskIn = (text: string): string | undefined =>
  /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(text)?.[0]

/** The parts of the message as they are kept, read in 1.0. */
async function partsOf(heard: Heard, surface: Surface, one: Say, { world }: Stage): Promise<unknown> {
  const id = taskIn(heard.text)
  expect(id, `${surface} ${heard.text}`).toBeDefined()
  const task = await world.say('JSON-RPC 1.0', 'GetTask', { id }, one.agent ? { agent: one.agent } : {})
  const { history } = task.result as { history?: { parts: Fields[] }[] }
  return history?.[0]?.parts
}

const PATHS: { readonly [S in Surface]?: string } = {
  'JSON-RPC 1.0': '',
  'JSON-RPC 0.3': '',
  'HTTP+JSON 1.0': '/message:send',
  'HTTP+JSON 0.3': '/v1/message:send',
}

async function playBody(one: Body, surface: Surface, stage: Stage): Promise<void> {
  const { world } = stage
  const headers = {
    'content-type': one.type ?? 'application/json',
    'a2a-version': surface.endsWith('1.0') ? '1.0' : '0.3',
    ...one.headers,
  }
  const path = `/agents/${one.agent ?? 'box'}${PATHS[surface]}`
  const heard = await world.http({ ...one, path, headers, body: given(one.body, world.fixtures) })
  note(stage, surface, heard.ms)
  const title = `${stage.row.id} ${one.what}, ${surface}: ${heard.text.slice(0, 400)}`
  hold(one.reason, surface, heard, title, one)
  expectNoSecret(heard, stage, title)
  const id = one.id ?? (one.reason === 'JSON_PARSE' ? 'null' : undefined)
  if (id !== undefined && surface.startsWith('JSON-RPC')) expect(heard.text, title).toContain(`"id":${id},`)
}

/** The listener's doors: both bindings of both versions, and the management interface. */
export const DOORS = {
  'JSON-RPC': '/agents/box',
  'HTTP+JSON 1.0': '/agents/box/message:send',
  'HTTP+JSON 0.3': '/agents/box/v1/message:send',
  management: '/v1/match',
} as const

async function playRaw(one: Raw, stage: Stage): Promise<void> {
  for (const [door, target] of Object.entries(DOORS)) {
    const bytes = one.bytes(shapeOf(target, stage.world))
    const before = await stage.world.stored()
    const { text, ms } = await stage.world.raw(bytes, { end: one.end ?? false })
    note(stage, door, ms)
    const title = `${stage.row.id} ${one.what}, ${door}: ${text.slice(0, 300)}`
    const statuses = statusesOf(text)
    expect(statuses, title).toEqual(one.status === undefined ? [] : [one.status])
    for (const words of one.says ?? []) expect(text.toLowerCase(), title).toContain(words)
    expect(text.includes(stage.world.fixtures.keys.owner as string), title).toBe(false)
    expect(ms, title).toBeLessThan(ANSWER_MS)
    if (one.status !== 200) expect(await stage.world.stored(), title).toEqual(before)
  }
}

export const statusesOf = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code))

/** A send that this door takes, in the version that it speaks. */
export function goodBody(target: string, version: '1.0' | '0.3' = versionAt(target)): string {
  const message = { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }] }
  const said = { ...message, kind: 'message', role: 'user', parts: [{ kind: 'text', text: 'x' }] }
  const params =
    version === '1.0'
      ? { message, configuration: { returnImmediately: true } }
      : { message: said, configuration: { blocking: false } }
  if (target.startsWith('/v1/')) return '{"text":"x"}'
  if (target.endsWith('message:send')) return JSON.stringify(params)
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method: version === '1.0' ? 'SendMessage' : 'message/send', params })
}

/** A path of 0.3 says so. */
const versionAt = (target: string): '1.0' | '0.3' => (/^\/agents\/[^/]+\/v1\//.test(target) ? '0.3' : '1.0')

export function shapeOf(target: string, { fixtures }: HostileWorld): Shape {
  const request = ({ method = 'POST', version = 'HTTP/1.1', more = '', ...change }: Change = {}): string => {
    const { host = `Host: 127.0.0.1:${fixtures.port}\r\n`, body = goodBody(target) } = change
    const length = change.length ?? `Content-Length: ${Buffer.byteLength(body)}\r\n`
    const spoken = versionAt(change.target ?? target)
    const own = `Authorization: Bearer ${fixtures.keys.owner}\r\nA2A-Version: ${spoken}\r\nContent-Type: application/json\r\n`
    return `${method} ${change.target ?? target} ${version}\r\n${host}${own}Connection: close\r\n${more}${length}\r\n${body}`
  }
  return { target, request }
}

function note({ tally, row }: Stage, surface: string, ms: number): void {
  const key = `${row.id[0]} ${surface}`
  tally.played.set(key, (tally.played.get(key) ?? 0) + 1)
  tally.requests += 1
  if (ms > tally.slowest.ms) tally.slowest = { ms, row: row.id }
}
