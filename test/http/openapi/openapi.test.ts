/** What this gateway says of itself is what it does: routes, checks, answers, files. One started gateway for all of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { z } from 'zod'
import { SETTINGS } from '../../../src/config.ts'
import { Registration } from '../../../src/gateway/agents/registration.ts'
import { DEMANDS } from '../../../src/http/demands.ts'
import { createConverter } from '../../../src/http/openapi/convert.ts'
import { createDocument, ENTRIES, type OpenApi, type Operation } from '../../../src/http/openapi/document.ts'
import { generatedFiles, schemaFiles } from '../../../src/http/openapi/schemas.ts'
import { VERSION } from '../../../src/version.ts'
import { aMessage, aWorld, type World } from '../../support/world.ts'

/** Every schema that a route has checked something with, in order. */
const seen = vi.hoisted(() => [] as unknown[])
vi.mock('../../../src/http/face.ts', async (original) => {
  const real = (await original()) as { checked: (schema: unknown, input: unknown) => unknown }
  const checked = (schema: unknown, input: unknown) => {
    seen.push(schema)
    return real.checked(schema, input)
  }
  return { ...real, checked }
})

const ROOT = join(import.meta.dirname, '../../..')
const document = createDocument(VERSION, '')

let world: World
let token: string
let room: string
let task: string
let contextId: string
let lease: string

interface Heard {
  readonly status: number
  readonly type: string
  readonly headers: Headers
  readonly text: string
}
async function ask(
  method: string,
  path: string,
  { key, body }: { key?: string | null; body?: unknown } = {},
): Promise<Heard> {
  const stop = new AbortController()
  const response = await fetch(`${world.gateway.url}${path}`, {
    method,
    headers: {
      ...(key !== null && { authorization: `Bearer ${key ?? world.gateway.adminKey}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    signal: stop.signal,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const type = (response.headers.get('content-type') ?? '').split(';')[0] as string
  const { status, headers } = response
  if (type !== 'text/event-stream') return { status, type, headers, text: await response.text() }
  stop.abort()
  return { status, type, headers, text: '' }
}

beforeAll(async () => {
  world = await aWorld({
    cards: { box: { connector: { kind: 'mailbox' } }, other: { connector: { kind: 'mailbox' } } },
    env: { WAYPOST_DEMO_ROOMS: 'on' },
    limits: { authFailuresPerMinute: 1e6 },
  })
  token = JSON.parse((await ask('POST', '/v1/agents/box/rotate-key')).text).token
  room = JSON.parse((await ask('POST', '/api/rooms', { body: {} })).text).roomId
  expect((await ask('POST', '/v1/channels', { body: { name: 'builds', members: ['box'] } })).status).toBe(201)
  const sent = await world.client('box').send('hello', { configuration: { returnImmediately: true } })
  task = sent.id
  contextId = sent.contextId as string
  lease = JSON.parse((await ask('POST', '/v1/inbox/lease', { key: token, body: {} })).text).lease
})
afterAll(() => world?.stop())

const collects = (path: string) => /^\/v1\/(inbox|leases|contacts)/.test(path)
const keyFor = (path: string) => (collects(path) ? { key: token } : {})
const placeOf = (path: string): string =>
  path
    .replace('/rooms/:id', `/rooms/${room}`)
    .replace('/v1/tasks/:id', `/v1/tasks/${task}`)
    .replace(':agent/rotate-key', 'other/rotate-key')
    .replace('/conversations/:id', `/conversations/${contextId}`)
    .replace(':lease', encodeURIComponent(lease))
    .replace(':agent', 'box')
    .replace('/channels/:name', '/channels/builds')
    .replace(/:(\w+)/g, 'nothing-of-that-name')

describe('the document', () => {
  test('is an OpenAPI 3.1 document, by the official schema', () => {
    const official = new Ajv2020({ strict: false, validateFormats: false })
    // Ajv finds the dynamic anchor in the wrong place; there is but this one.
    const text = readFileSync(join(ROOT, 'test/fixtures/openapi/schema.json'), 'utf8')
    const validate = official.compile(JSON.parse(text.replaceAll('"$dynamicRef": "#meta"', '"$ref": "#/$defs/schema"')))
    validate(document)
    expect(validate.errors ?? []).toEqual([])
  })

  test('has an entry for every route, and no entry without one', () => {
    expect(Object.keys(ENTRIES).sort()).toEqual(Object.keys(DEMANDS).sort())
  })

  test('names each operation once, and refers to nothing that is not there', () => {
    const ids = Object.values(document.paths).flatMap((at) => Object.values(at).map(({ operationId }) => operationId))
    expect(new Set(ids).size).toBe(ids.length)
    const refs = new Set([...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)].map(String))
    const known = document.components as unknown as Record<string, Record<string, unknown>>
    for (const ref of refs) {
      const [, kind = '', name = ''] = /components\/(\w+)\/([^",]+)/.exec(ref) ?? []
      expect(known[kind]?.[name], ref).toBeDefined()
    }
  })

  test('every example is one that its route would take', () => {
    for (const [route, { body, example }] of Object.entries(ENTRIES))
      if (example !== undefined) expect(body?.safeParse(example).error, route).toBeUndefined()
  })
})

/** The same members with the same bounds: forms that depend on limits are made anew for each gateway. */
const formOf = (schema: unknown) => createConverter({}, '').convert(schema as z.ZodType)

describe('what a route checks with is what is told of it', () => {
  const stubborn = new Set(['GET /metrics'])
  test.each(Object.entries(ENTRIES).filter(([route]) => !stubborn.has(route)))('%s', async (route, { query, body }) => {
    const [method = '', path = ''] = route.split(' ')
    const place = placeOf(path)
    seen.length = 0
    // In the query, then in the body, what no schema knows.
    await ask(method, `${place}?limit=nonsense`, keyFor(path))
    const byQuery = seen.splice(0)
    if (method !== 'GET')
      await ask(method, place, { ...keyFor(path), body: { zzz: 1, name: 7, agentName: 7, jsonrpc: 7 } })
    // What stands in a path is a string.
    const all = [...byQuery, ...seen].map(formOf).filter(({ type }) => type !== 'string')
    const told = [...(query ? [query] : []), ...(body ? [body] : [])].map(formOf)
    for (const one of all) expect(told).toContainEqual(one)
    if (query && route !== 'GET /readyz') expect(all).toContainEqual(formOf(query))
    // A registration is parsed by the registry, and MCP by its library.
    if (body && body !== Registration && path !== '/mcp') expect(all).toContainEqual(formOf(body))
  })

  test('a registration is refused for what its schema does not know', async () => {
    const { status, text } = await ask('POST', '/v1/agents', { body: { name: 'x', zzz: 1 } })
    expect([status, text]).toEqual([400, expect.stringContaining('zzz')])
  })
})

/** Undocumented members are mistakes of the document: what is an object there has no others. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const found = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]))
  const open = 'additionalProperties' in found || found.type !== 'object' || !found.properties
  return open ? found : { ...found, additionalProperties: false }
}
const strict = new Ajv2020({ strict: false, validateFormats: false })
strict.addSchema(closed(document) as object, 'doc')

function told(path: string, method: string, status: number): Operation['responses'][string] | undefined {
  const operation = (document as OpenApi).paths[path]?.[method.toLowerCase()]
  const said = operation?.responses[status]
  const name = said?.$ref?.split('/').at(-1)
  return name ? (document.components.responses[name] as Operation['responses'][string]) : said
}

async function holds(method: string, path: string, template: string, more: Parameters<typeof ask>[2] = {}) {
  const heard = await ask(method, path, more)
  const title = `${method} ${path}: ${heard.status} ${heard.text.slice(0, 300)}`
  const said = told(template, method, heard.status)
  expect(said, title).toBeDefined()
  const schema = Object.values(said?.content ?? {})[0]?.schema
  if (heard.text !== '' && schema && /[/+]json$/.test(heard.type)) {
    const validate = strict.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"doc#/')))
    validate(JSON.parse(heard.text))
    expect(validate.errors ?? [], title).toEqual([])
  }
  return heard
}

describe('what is answered is what is told', () => {
  test.each(Object.keys(ENTRIES).filter((route) => route.startsWith('GET ')))('%s', async (route) => {
    const [, path = ''] = route.split(' ')
    await holds(
      'GET',
      placeOf(path) + (path === '/v1/search' ? '?q=hello' : ''),
      path.replace(/:(\w+)/g, '{$1}'),
      keyFor(path),
    )
  })

  test('what is made, changed and settled', async () => {
    await holds('POST', '/v1/agents', '/v1/agents', { body: { name: 'another' } })
    await holds('PATCH', '/v1/agents/another', '/v1/agents/{agent}', { body: { description: 'new' } })
    await holds('POST', '/v1/agents/another/pause', '/v1/agents/{agent}/pause', { body: { reason: 'why not' } })
    await holds('POST', '/v1/agents/another/resume', '/v1/agents/{agent}/resume')
    await holds('POST', '/v1/match', '/v1/match', { body: { text: 'hello box' } })
    await holds('POST', '/v1/keys', '/v1/keys', { body: { name: 'k', permits: ['send'] } })
    await holds('POST', '/v1/deliveries/replay', '/v1/deliveries/replay', { body: { dryRun: true } })
    await holds('POST', '/v1/erase', '/v1/erase', { body: { caller: 'nobody', dryRun: true } })
    await holds('POST', '/v1/channels', '/v1/channels', { body: { name: 'more', members: ['box'] } })
    await holds('DELETE', '/v1/channels/more', '/v1/channels/{name}', {})
    await holds('POST', '/api/rooms', '/api/rooms', { body: { name: 'r' } })
    const said = { body: { content: 'hello', sender: 'ann' } }
    await holds('POST', `/api/rooms/${room}/messages`, '/api/rooms/{id}/messages', said)
    await holds('GET', `/api/rooms/${room}/messages`, '/api/rooms/{id}/messages')
    await holds('POST', '/v1/keys', '/v1/keys', { key: null, body: {} })
    await holds('POST', '/v1/keys', '/v1/keys', { body: { zzz: 1 } })
    const held = `/v1/leases/${encodeURIComponent(lease)}`
    await holds('POST', `${held}/renew`, '/v1/leases/{lease}/renew', { key: token, body: {} })
    await holds('POST', `${held}/update`, '/v1/leases/{lease}/update', { key: token, body: { text: 'half' } })
    await holds('POST', `${held}/complete`, '/v1/leases/{lease}/complete', { key: token, body: { text: 'HELLO' } })
    await holds('POST', `${held}/fail`, '/v1/leases/{lease}/fail', { key: token, body: {} })
    for (const more of ['', '/explain', '/receipts', '/events'])
      await holds('GET', `/v1/tasks/${task}${more}`, `/v1/tasks/{id}${more}`)
  })

  test('A2A, in both versions and bindings', async () => {
    const bare = '/agents/box'
    const rpc = (method: string, params: object) => ({ body: { jsonrpc: '2.0', id: 1, method, params } })
    await holds('POST', bare, '/agents/{agent}', rpc('GetTask', { id: task }))
    await holds('POST', bare, '/agents/{agent}', rpc('tasks/get', { id: task }))
    await holds('POST', bare, '/agents/{agent}', rpc('tasks/get', { id: 'none' }))
    await holds('GET', `${bare}/tasks/${task}`, '/agents/{agent}/tasks/{id}')
    await holds('GET', `${bare}/v1/tasks/${task}`, '/agents/{agent}/v1/tasks/{id}')
    await holds('GET', `${bare}/tasks/none`, '/agents/{agent}/tasks/{id}')
    await holds('GET', `${bare}/tasks`, '/agents/{agent}/tasks')
    const sent = { body: { message: aMessage('x'), configuration: { returnImmediately: true } } }
    await holds('POST', `${bare}/message:send`, '/agents/{agent}/message:send', sent)
  })

  test('every route of A2A is there', async () => {
    for (const [path, methods] of Object.entries(document.paths))
      for (const method of Object.keys(methods).filter(() => path.startsWith('/agents/'))) {
        const place = path.replace('{agent}', 'box').replace(/\{\w+\}/g, 'none')
        const { status, text } = await ask(method.toUpperCase(), place)
        expect(`${status} ${text}`, place).not.toMatch(/METHOD_NOT_(FOUND|ALLOWED)|nothing at this path/)
      }
  })
})

describe('the pages', () => {
  const paths = [
    '/openapi.json',
    '/docs',
    '/schemas',
    '/schemas/',
    ...schemaFiles().map(({ path }) => `/schemas/${path}`),
  ]
  test.each(paths)('%s: without a key, by HEAD, and again by its ETag', async (path) => {
    const { status, headers, text } = await ask('GET', path, { key: null })
    expect([status, text.length > 100]).toEqual([200, true])
    expect((await ask('HEAD', path, { key: null })).status).toBe(200)
    const again = await fetch(world.gateway.url + path, { headers: { 'if-none-match': headers.get('etag') ?? '' } })
    expect([again.status, await again.text()]).toEqual([304, ''])
  })

  test('/docs has every route, loads nothing and runs nothing', async () => {
    const { text, headers } = await ask('GET', '/docs', { key: null })
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(policy).not.toContain('unsafe')
    expect(text).not.toMatch(/<script|<link|<img|\ssrc=|\son\w+=|style=|url\(/i)
    for (const methods of Object.values(document.paths))
      for (const { operationId } of Object.values(methods)) expect(text).toContain(`<article id="${operationId}">`)
  })

  test('the files in schemas/ are these', () => {
    for (const [path, text] of generatedFiles(VERSION))
      expect(readFileSync(join(ROOT, 'schemas', path), 'utf8') === text, `${path}: node scripts/schemas.mjs`).toBe(true)
  })

  test('the schema of settings has every setting; that of registrations takes the examples', () => {
    const schemaAt = (wanted: string) =>
      schemaFiles().find(({ path }) => path === wanted)?.schema as { properties: object }
    const { properties } = schemaAt('config.schema.json')
    expect(Object.keys(properties)).toEqual(['$schema', ...Object.keys(SETTINGS)])
    const takes = new Ajv2020({ strict: false, validateFormats: false }).compile(schemaAt('agent.schema.json'))
    expect(takes({ name: 'shout', connector: { kind: 'mailbox' }, skills: [{ id: 'shout' }] })).toBe(true)
    expect(takes({ name: 'shout', conector: {} })).toBe(false)
  })
})
