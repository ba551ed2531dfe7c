/** The OpenAPI document, from the tables that requests walk through: demands, checks, names of operations. */
import type { z } from 'zod'
import { REASONS, type Reason } from '../../a2a/errors.ts'
import { Registration } from '../../gateway/agents/registration.ts'
import { DEMANDS, type Demand } from '../demands.ts'
import { PROBLEM_TYPE } from '../problem.ts'
import { A2A_CODES, A2A_MODELS, type A2aRoute, a2aRoutes, RestError, RpcError } from './a2a.ts'
import * as shown from './answers.ts'
import { type Converter, createConverter, type JsonSchema } from './convert.ts'
import { type Answer, type Code, type Entry, type Group, OWN_CODES } from './entry.ts'
import { AGENTS, KEYS } from './groups/agents.ts'
import { CHANNELS, CONVERSATIONS, ROOMS } from './groups/channels.ts'
import { GATEWAY, MCP, PUBLISHED } from './groups/gateway.ts'
import { MAILBOXES } from './groups/mailbox.ts'
import { DELIVERIES, RECORDS, TASKS } from './groups/tasks.ts'

export const GROUPS: readonly Group[] = [
  ...[AGENTS, MAILBOXES, TASKS, DELIVERIES, CHANNELS, CONVERSATIONS, ROOMS, KEYS, RECORDS, GATEWAY, PUBLISHED, MCP],
]
export const ENTRIES: Readonly<Record<string, Entry>> = Object.assign({}, ...GROUPS.map(({ entries }) => entries))

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string
  readonly schema: JsonSchema
}
interface Content {
  readonly schema?: JsonSchema
  readonly example?: unknown
}
interface Said {
  readonly description: string
  readonly content?: Readonly<Record<string, Content>>
  /** Then the description alone is its own. */
  readonly $ref?: string
}
export interface Operation {
  readonly operationId: string
  readonly tags: readonly [string]
  readonly summary: string
  readonly description?: string
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Content>> }
  readonly responses: Readonly<Record<string, Said>>
}
export interface OpenApi {
  readonly openapi: string
  readonly info: Readonly<Record<string, unknown>>
  readonly servers: readonly { readonly url: string; readonly description?: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly responses: Readonly<Record<string, Said>>
    readonly securitySchemes: Readonly<Record<string, unknown>>
  }
}

const responseRef = (name: string): string => `#/components/responses/${name}`
const A2A_TAG = 'A2A'
const A2A_ABOUT =
  'What an agent is asked, in the words of the A2A specification: by JSON-RPC, or by HTTP+JSON. The same surface stands at the root of the host `{agent}.<host>`, and that of the root agent at `/`. Media types `application/a2a+json` and `application/json` are both taken.'
const ABOUT =
  'A gateway for A2A agents that keeps every task in Postgres before it answers. Errors of the A2A surface are A2A’s; all others are problem documents (RFC 9457) with a stable `code`, a `hint` and a `traceId`. An operator names another tenant in `X-Waypost-Tenant`.'

/** `version`: this program's. `url`: where it is reached, without a trailing slash; '': wherever the document comes from. */
export function createDocument(version: string, url: string): OpenApi {
  const converter = createConverter({ ...A2A_MODELS, ...shown, Registration }, '#/components/schemas/')
  const paths: Record<string, Record<string, Operation>> = {}
  const add = (method: string, path: string, operation: Operation) => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation }
  }
  for (const route of a2aRoutes()) add(route.method, route.path, a2aOperation(route, converter))
  for (const { name: tag, entries } of GROUPS)
    for (const [route, entry] of Object.entries(entries)) {
      const [method = '', path = ''] = route.split(' ')
      const demand = DEMANDS[route] as Demand
      add(method, path.replace(/:(\w+)/g, '{$1}'), operationOf({ tag, method, path, demand, entry }, converter))
    }
  add('GET', '/v1/inbox/ws', socket())
  const failure = (about: string, media: string, schema: z.ZodType): Said => ({
    ...{ description: about, content: { [media]: { schema: converter.convert(schema) } } },
  })
  const responses = {
    problem: failure('a problem document (RFC 9457)', PROBLEM_TYPE, shown.Problem),
    rpcError: failure('an error of JSON-RPC', 'application/json', RpcError),
    httpError: failure('an error of A2A over HTTP+JSON (AIP-193)', 'application/json', RestError),
  }
  return {
    openapi: '3.1.1',
    info: {
      ...{ title: 'Waypost', version, description: ABOUT },
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: url === '' ? '/' : url }],
    tags: [
      { name: A2A_TAG, description: A2A_ABOUT },
      ...GROUPS.map(({ name, about }) => ({ name, description: about })),
    ],
    paths,
    components: {
      responses,
      schemas: converter.named(),
      securitySchemes: {
        bearer: {
          ...{ type: 'http', scheme: 'bearer' },
          description: 'A key `wp_<id>_<secret>`, an agent’s token, or a JWT of an issuer that is trusted here.',
        },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same keys.' },
      },
    },
  }
}

/** One of several permits is enough: each is an alternative. */
export function securityOf(demand: Demand, mayName = false): Operation['security'] {
  const anybody = demand === 'here' || mayName ? [{}] : []
  if (demand === 'anyone' && !mayName) return []
  const permits = typeof demand === 'string' ? [[]] : demand.map((permit) => [permit])
  return [...anybody, ...['bearer', 'apiKey'].flatMap((scheme) => permits.map((scopes) => ({ [scheme]: scopes })))]
}

interface Route {
  readonly tag: string
  readonly method: string
  readonly path: string
  readonly demand: Demand
  readonly entry: Entry
}

const idOf = (method: string, path: string): string =>
  `${method.toLowerCase()}${path.replace(/(.)\/$/, '$1/slash').replace(/[^a-zA-Z0-9]+([a-zA-Z0-9])?/g, (_, letter = '') => letter.toUpperCase())}`

const WHO: Readonly<Record<string, string>> = {
  anyone: 'anybody',
  own: 'any caller, for what is its own',
  here: 'any caller; on a loopback listener also whoever is on this machine',
}
const whoMay = (demand: Demand): string =>
  `Who may: ${typeof demand === 'string' ? WHO[demand] : `a credential with ${demand.map((one) => `\`${one}\``).join(' or ')}`}.`

function operationOf({ tag, method, path, demand, entry }: Route, converter: Converter): Operation {
  const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => inPath(name as string))
  const parameters = [...named, ...inQuery(entry.query, converter), ...inHeaders(entry.headers)]
  const { body, takes, example } = entry
  return {
    ...{ operationId: idOf(method, path), tags: [tag], summary: entry.summary },
    description: [entry.about, whoMay(demand)].filter(Boolean).join(' '),
    security: securityOf(demand, entry.mayName),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: body.safeParse({}).success === false,
        content: {
          'application/json': { schema: converter.convert(body), ...(example !== undefined && { example }) },
          ...Object.fromEntries(Object.keys(takes ?? {}).map((media) => [media, { schema: {} }])),
        },
      },
    }),
    responses: { ...answersOf(entry.answers, converter), ...refusals(codesOf(demand, entry)) },
  }
}

const inPath = (name: string): Parameter => ({ name, in: 'path', required: true, schema: { type: 'string' } })

function inQuery(query: z.ZodObject | undefined, converter: Converter): Parameter[] {
  if (!query) return []
  const { properties = {}, required = [] } = converter.convert(query) as {
    properties?: Record<string, JsonSchema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema },
  }))
}

const inHeaders = (headers: Entry['headers'] = {}): Parameter[] =>
  Object.entries(headers).map(([name, description]) => ({
    ...{ name, in: 'header', required: false, description, schema: { type: 'string' } },
  }))

const answersOf = (answers: Entry['answers'], converter: Converter): Record<string, Said> =>
  Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerOf(answer, converter)]))

function answerOf(answer: Answer, converter: Converter, media = 'application/json'): Said {
  if (typeof answer === 'string') return { description: answer }
  if (!('media' in answer)) return { description: 'done', content: { [media]: { schema: converter.convert(answer) } } }
  // OpenAPI 3.1 has no word for the events of a stream: the schema is that of each.
  const schema = answer.schema ? converter.convert(answer.schema) : { type: 'string' }
  return { description: answer.about, content: { [answer.media]: { schema } } }
}

/** What may be said no with: by what it demands, by what it takes, and its own. */
export function codesOf(demand: Demand, { query, body, codes = [] }: Entry): readonly Code[] {
  return [
    ...new Set<Code>([
      ...(demand === 'anyone' ? [] : (['UNAUTHENTICATED', 'RATE_LIMITED'] as const)),
      ...(typeof demand === 'string' ? [] : (['PERMISSION_DENIED'] as const)),
      ...(query ? (['INVALID_PARAMS'] as const) : []),
      ...(body ? (['INVALID_PARAMS', 'JSON_PARSE', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
      ...codes,
      ...(['INVALID_REQUEST', 'INVALID_HOST', 'MISDIRECTED', 'INTERNAL', 'UNAVAILABLE'] as const),
      ...(body ? (['OUTCOME_UNKNOWN'] as const) : []),
    ]),
  ]
}

export const statusOf = (code: Code): number =>
  code in OWN_CODES ? OWN_CODES[code as keyof typeof OWN_CODES] : REASONS[code as Reason].http

function refusals(codes: readonly Code[]): Record<string, Said> {
  const byStatus = new Map<number, Code[]>()
  for (const code of codes) byStatus.set(statusOf(code), [...(byStatus.get(statusOf(code)) ?? []), code])
  return Object.fromEntries(
    [...byStatus].map(([status, known]) => [status, { $ref: responseRef('problem'), description: known.join(', ') }]),
  )
}

function a2aOperation(route: A2aRoute, converter: Converter): Operation {
  const { method, path, summary, about, permit, query, body, media, answer, example } = route
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => inPath(name as string))
  const isRpc = method === 'POST' && /\{agent\}\/?$/.test(path)
  const parameters = [
    ...named,
    ...inQuery(query, converter),
    ...inHeaders({ 'A2A-Version': 'the version that is spoken' }),
  ]
  return {
    ...{ operationId: idOf(method, path), tags: [A2A_TAG], summary },
    ...(about && { description: about }),
    security: permit || isRpc ? securityOf(permit ? [permit] : 'own', true) : [],
    parameters,
    ...(body && {
      requestBody: {
        required: body.safeParse({}).success === false,
        content: { [media]: { schema: converter.convert(body), ...(example !== undefined && { example }) } },
      },
    }),
    responses: {
      200: answerOf(answer, converter, media),
      ...Object.fromEntries(
        Object.entries(A2A_CODES).map(([status, codes]) => [
          status,
          { $ref: responseRef(isRpc ? 'rpcError' : 'httpError'), description: codes.join(', ') },
        ]),
      ),
    },
  }
}

/** It is no route of the face: a connection that is made into another. */
const socket = (): Operation => ({
  ...{ operationId: 'getV1InboxWs', tags: ['Mailbox'], summary: 'A WebSocket with credit' },
  description:
    'Frames are JSON: `credit` asks for so many leases, verbs of `/v1/leases` settle them; what the gateway says is `lease`, `answer`, `error` or `hint`.',
  security: securityOf('own'),
  responses: { 101: { description: 'a WebSocket' }, 400: { description: 'this is for WebSockets only' } },
})
