/**
 * One operation of A2A 1.0 over any of its three bindings, and what came of it in one form. Nothing of ours is in between:
 * HTTP is written by hand, gRPC goes through Connect's client with the messages of the .proto file.
 */
import { create, type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf'
import { Code, type Client as ConnectClient, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import type { OperationName } from '../../../src/a2a/operations.ts'
import * as pb from '../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { fieldsOf, text } from '../../wire/bindings/grpc/world.ts'

export const WAYS = ['JSON-RPC', 'HTTP+JSON', 'gRPC'] as const
export type Way = (typeof WAYS)[number]

export type Unary = Exclude<OperationName, 'SendStreamingMessage' | 'SubscribeToTask'>
export type Streaming = 'SendStreamingMessage' | 'SubscribeToTask'

export interface Result {
  readonly kind: 'result'
  readonly result: Loose
  readonly headers: Readonly<Record<string, string>>
}
export interface Refusal {
  readonly kind: 'refusal'
  /** `ErrorInfo.reason`. */
  readonly reason: string
  readonly domain: string
  /** JSON-RPC's number, HTTP's status, gRPC's name. */
  readonly code: number | string
  /** Fields of `BadRequest`. */
  readonly fields: readonly string[]
  readonly message: string
}
export type Answer = Result | Refusal

export interface Speaker {
  ask(way: Way, name: Unary, params: Loose, headers?: Record<string, string>): Promise<Answer>
  /** Must succeed. */
  must(way: Way, name: Unary, params: Loose, headers?: Record<string, string>): Promise<Loose>
  /** Must be refused. */
  refused(way: Way, name: OperationName, params: Loose, headers?: Record<string, string>): Promise<Refusal>
  /** `until`: stops reading there; otherwise to the end. */
  stream(way: Way, name: Streaming, params: Loose, until?: (event: Loose) => boolean): Promise<Loose[]>
}

const RESULTS: Readonly<Record<Unary, DescMessage>> = {
  SendMessage: pb.SendMessageResponseSchema,
  GetTask: pb.TaskSchema,
  ListTasks: pb.ListTasksResponseSchema,
  CancelTask: pb.TaskSchema,
  CreateTaskPushNotificationConfig: pb.TaskPushNotificationConfigSchema,
  GetTaskPushNotificationConfig: pb.TaskPushNotificationConfigSchema,
  ListTaskPushNotificationConfigs: pb.ListTaskPushNotificationConfigsResponseSchema,
  DeleteTaskPushNotificationConfig: pb.GetExtendedAgentCardRequestSchema,
  GetExtendedAgentCard: pb.AgentCardSchema,
}

/**
 * What a document says, whatever way it came: read strictly by the .proto and written again. A member that A2A does not
 * define, or a value in another form than ProtoJSON's, fails here.
 */
export function canonical(name: Unary | 'event', json: JsonValue): Loose {
  const schema = name === 'event' ? pb.StreamResponseSchema : RESULTS[name]
  return toJson(schema, fromJson(schema, json, { ignoreUnknownFields: false }))
}

interface Built {
  readonly method: string
  readonly path: string
  readonly body?: string
}

const ROUTES: Readonly<Record<OperationName, readonly [method: string, path: string]>> = {
  SendMessage: ['POST', '/message:send'],
  SendStreamingMessage: ['POST', '/message:stream'],
  GetTask: ['GET', '/tasks/{id}'],
  ListTasks: ['GET', '/tasks'],
  CancelTask: ['POST', '/tasks/{id}:cancel'],
  SubscribeToTask: ['POST', '/tasks/{id}:subscribe'],
  CreateTaskPushNotificationConfig: ['POST', '/tasks/{taskId}/pushNotificationConfigs'],
  GetTaskPushNotificationConfig: ['GET', '/tasks/{taskId}/pushNotificationConfigs/{id}'],
  ListTaskPushNotificationConfigs: ['GET', '/tasks/{taskId}/pushNotificationConfigs'],
  DeleteTaskPushNotificationConfig: ['DELETE', '/tasks/{taskId}/pushNotificationConfigs/{id}'],
  GetExtendedAgentCard: ['GET', '/extendedAgentCard'],
}

export function restRequest(name: OperationName, params: Loose): Built {
  const [method, template] = ROUTES[name]
  const rest = { ...params }
  const path = template.replace(/\{(\w+)\}/g, (_, member: string) => {
    const value = String(rest[member])
    delete rest[member]
    return encodeURIComponent(value)
  })
  if (method === 'POST') return { method, path, body: JSON.stringify(rest) }
  const query = new URLSearchParams(
    Object.entries(rest).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString()
  return { method, path: query ? `${path}?${query}` : path }
}

export const rpcRequest = (method: string, params: Loose): Built => ({
  method: 'POST',
  path: '',
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
})

export interface Place {
  /** Of the agent: `http://…/agents/name`. */
  readonly url: string
  /** `host:port` of the gRPC listener. */
  readonly grpc: string
  readonly agent: string
  /** undefined: nobody. */
  readonly key: string | undefined
}

/** Which HTTP media type a request has; bodies only. */
const TYPES = { 'JSON-RPC': 'application/json', 'HTTP+JSON': 'application/a2a+json' }

export function aSpeaker(place: Place): Speaker {
  const own = { 'a2a-version': '1.0', ...(place.key !== undefined && { authorization: `Bearer ${place.key}` }) }
  const client = createClient(pb.A2AService, createGrpcTransport({ baseUrl: `http://${place.grpc}` }))

  const overHttp = async (way: 'JSON-RPC' | 'HTTP+JSON', name: OperationName, params: Loose, headers: object) => {
    const built = way === 'JSON-RPC' ? rpcRequest(name, params) : restRequest(name, params)
    return fetch(place.url + built.path, {
      method: built.method,
      headers: { ...own, ...(built.body !== undefined && { 'content-type': TYPES[way] }), ...headers },
      ...(built.body !== undefined && { body: built.body }),
    })
  }
  const ask: Speaker['ask'] = async (way, name, params, headers = {}) => {
    if (way === 'gRPC') return unaryOverGrpc(client, name, { ...params, tenant: place.agent }, { ...own, ...headers })
    const response = await overHttp(way, name, params, headers)
    return answerOf(way, response, await response.text(), name)
  }
  return {
    ask,
    async must(way, name, params, headers) {
      const answer = await ask(way, name, params, headers)
      if (answer.kind === 'result') return answer.result
      throw new Error(`${name} over ${way}: ${JSON.stringify(answer)}`)
    },
    async refused(way, name, params, headers = {}) {
      if (name === 'SendStreamingMessage' || name === 'SubscribeToTask') {
        if (way === 'gRPC')
          return refusedStream(client, name, { ...params, tenant: place.agent }, { ...own, ...headers })
        const response = await overHttp(way, name, params, headers)
        const body = await response.text()
        // A refusal before the first event may come as a frame.
        const framed = /^data: (.*)$/m.exec(body)?.[1]
        return mustBeRefusal(answerOf(way, response, framed ?? body, 'GetTask'), `${name} over ${way}`)
      }
      return mustBeRefusal(await ask(way, name, params, headers), `${name} over ${way}`)
    },
    async stream(way, name, params, until = () => false) {
      const events: Loose[] = []
      const take = (event: Loose): boolean => {
        events.push(canonical('event', event))
        return until(events.at(-1))
      }
      if (way === 'gRPC') {
        for await (const event of openStream(client, name, { ...params, tenant: place.agent }, own))
          if (take(toJson(pb.StreamResponseSchema, event))) break
        return events
      }
      const response = await overHttp(way, name, params, { accept: 'text/event-stream' })
      for await (const data of framesOf(response)) {
        const json = JSON.parse(data)
        if (take(way === 'JSON-RPC' ? json.result : json)) break
      }
      return events
    },
  }
}

function mustBeRefusal(answer: Answer, what: string): Refusal {
  if (answer.kind === 'refusal') return answer
  throw new Error(`${what} was not refused: ${JSON.stringify(answer.result)}`)
}

function answerOf(way: 'JSON-RPC' | 'HTTP+JSON', response: Response, body: string, name: Unary): Answer {
  const json = JSON.parse(body || '{}') as Loose
  const { error } = json
  const headers = Object.fromEntries(response.headers)
  if (!error) return { kind: 'result', result: canonical(name, way === 'JSON-RPC' ? json.result : json), headers }
  const details = (way === 'JSON-RPC' ? error.data : error.details) as Loose[]
  const info = details.find((detail) => detail['@type'].endsWith('ErrorInfo'))
  const bad = details.find((detail) => detail['@type'].endsWith('BadRequest'))
  return {
    kind: 'refusal',
    reason: info.reason,
    domain: info.domain,
    code: way === 'JSON-RPC' ? error.code : response.status,
    fields: (bad?.fieldViolations ?? []).map(({ field }: Loose) => field),
    message: error.message,
  }
}

async function* framesOf(response: Response): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    rest += Buffer.from(chunk).toString('utf8')
    const frames = rest.split('\n\n')
    rest = frames.pop() as string
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1]
      if (data !== undefined) yield data
    }
  }
}

type Service = ConnectClient<typeof pb.A2AService>
type Rpc = (
  message: MessageShape<DescMessage>,
  options: { headers: Record<string, string> },
) => Promise<MessageShape<DescMessage>>
const lower = (name: string): string => name[0]?.toLowerCase() + name.slice(1)

/** JSON as anybody writes it becomes the message of the .proto. */
function messageFor(name: OperationName, params: Loose): MessageShape<DescMessage> {
  const schema: DescMessage = pb.A2AService.method[lower(name) as keyof typeof pb.A2AService.method].input
  return params === undefined ? create(schema) : fromJson(schema, params)
}

async function unaryOverGrpc(
  client: Service,
  name: Unary,
  params: Loose,
  headers: Record<string, string>,
): Promise<Answer> {
  const rpc = client[lower(name) as keyof Service] as unknown as Rpc
  let seen: Record<string, string> = {}
  const options = { headers, onHeader: (got: Headers) => (seen = Object.fromEntries(got)) }
  try {
    const message = await rpc(messageFor(name, params), options)
    if (name === 'DeleteTaskPushNotificationConfig') return { kind: 'result', result: {}, headers: seen }
    return { kind: 'result', result: toJson(RESULTS[name], message), headers: seen }
  } catch (error) {
    return refusalOf(error)
  }
}

function openStream(client: Service, name: Streaming, params: Loose, headers: Record<string, string>) {
  const message = messageFor(name, params) as never
  return name === 'SubscribeToTask'
    ? client.subscribeToTask(message, { headers })
    : client.sendStreamingMessage(message, { headers })
}

async function refusedStream(client: Service, name: Streaming, params: Loose, headers: Record<string, string>) {
  try {
    for await (const event of openStream(client, name, params, headers))
      throw new TypeError(
        `${name} over gRPC was not refused: ${JSON.stringify(toJson(pb.StreamResponseSchema, event))}`,
      )
  } catch (error) {
    if (error instanceof TypeError) throw error
    return refusalOf(error)
  }
  throw new Error(`${name} over gRPC was not refused`)
}

/** SCREAMING_CASE, as gRPC calls its codes. */
const codeName = (code: Code): string => (Code[code] ?? '').replace(/(?<!^)([A-Z])/g, '_$1').toUpperCase()

function refusalOf(error: unknown): Refusal {
  if (!(error instanceof ConnectError)) throw error
  const details = error.details as { type: string; value: Uint8Array }[]
  const find = (type: string) => details.find((detail) => detail.type === `google.rpc.${type}`)?.value
  const info = find('ErrorInfo') && fieldsOf(find('ErrorInfo') as Uint8Array)
  const violations = find('BadRequest') ? (fieldsOf(find('BadRequest') as Uint8Array)[1] ?? []) : []
  return {
    kind: 'refusal',
    reason: text(info, 1),
    domain: text(info, 2),
    code: codeName(error.code),
    fields: violations.map((violation) => text(fieldsOf(violation), 1)),
    message: error.rawMessage,
  }
}

/** Two answers say the same if only what is made anew for each differs: ids, times. They are numbered as they appear. */
export function withoutIdentity(json: Loose): Loose {
  const names = new Map<string, string>()
  const named = (id: string): string => {
    const name = names.get(id) ?? `id-${names.size + 1}`
    names.set(id, name)
    return name
  }
  const written = JSON.stringify(json)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|agent-\d+/g, named)
    .replace(/"\d{4}-\d\d-\d\dT[^"]*Z"/g, '"a time"')
  return JSON.parse(written)
}
