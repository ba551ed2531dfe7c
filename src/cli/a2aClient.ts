/**
 * A small A2A client: the eleven operations over the binding that the card prefers, JSON-RPC or HTTP+JSON. Answers are
 * the protocol's own objects, unmodified; errors have the protocol's own names.
 */

import { REASONS } from '../a2a/errors.ts'
import type { StreamResponse } from '../a2a/events.ts'
import type { OperationName, Params, Result } from '../a2a/operations.ts'
import type { ResolvedAgent } from './agentRef.ts'
import { fromReason, type Http, readJson, withQuery } from './client.ts'
import { CliError } from './errors.ts'
import { readEvents } from './eventStream.ts'
import { speaks } from './protocolVersion.ts'

export interface StreamedEvent {
  /** The SSE id, for resuming. */
  readonly id?: string
  readonly event: StreamResponse
}

type Unary = Exclude<OperationName, 'SendStreamingMessage' | 'SubscribeToTask'>
type Streaming = 'SendStreamingMessage' | 'SubscribeToTask'

/** Where a stream begins, and until when it is read. */
export interface StreamPlace {
  readonly lastEventId?: string | undefined
  readonly signal?: AbortSignal
}

export interface A2AClient {
  readonly agent: ResolvedAgent
  call<N extends Unary>(name: N, params: Params<N>): Promise<Result<N>>
  stream<N extends Streaming>(name: N, params: Params<N>, where?: StreamPlace): AsyncGenerator<StreamedEvent>
}

export interface A2AClientSettings {
  readonly agent: ResolvedAgent
  readonly http: Http
  /** Credentials and service parameters. */
  readonly headers: Readonly<Record<string, string>>
  readonly version: string
  /** Bindings in order of preference; empty: the card's order. */
  readonly transports: readonly string[]
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal
}

interface Interface {
  readonly url: string
  readonly binding: 'JSONRPC' | 'HTTP+JSON'
  readonly tenant?: string
}

/** One operation in HTTP+JSON: verb and path; what is left of the parameters is the query or the body (A2A §11.3). */
const ROUTES: Readonly<Record<OperationName, readonly [method: 'GET' | 'POST' | 'DELETE', path: string]>> = {
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

export function createA2AClient(settings: A2AClientSettings): A2AClient {
  const { agent, http, signal, timeoutMs } = settings
  const chosen = chooseInterface(agent, settings.transports)
  const headers = { 'A2A-Version': settings.version, ...settings.headers }
  const hadKey = 'authorization' in headers || 'X-API-Key' in headers
  const addressed = <P extends object>(params: P) => (chosen.tenant ? { ...params, tenant: chosen.tenant } : params)

  const request = (name: OperationName, params: object, extra: Readonly<Record<string, string>>, reading = signal) => {
    const built = chosen.binding === 'JSONRPC' ? rpcRequest(chosen, name, params) : restRequest(chosen, name, params)
    return http(built.url, {
      ...built,
      headers: { ...headers, ...built.headers, ...extra },
      timeoutMs,
      signal: reading,
    })
  }
  const unwrap = (json: unknown) => (chosen.binding === 'JSONRPC' ? rpcResult(json, hadKey) : json)

  return {
    agent,
    async call(name, params) {
      const response = await request(name, addressed(params), { accept: 'application/json, application/a2a+json' })
      const json = await readJson(response)
      if (!response.ok) throw refusal(response.status, json, hadKey)
      if (json === undefined && response.status !== 204) throw notA2A(chosen.url, 'the answer is not JSON')
      return (unwrap(json ?? {}) ?? {}) as never
    },
    async *stream(name, params, { lastEventId, signal: reading } = {}) {
      const response = await request(
        name,
        addressed(params),
        {
          accept: 'text/event-stream',
          ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }),
        },
        reading,
      )
      const type = response.headers.get('content-type') ?? ''
      if (!response.ok || !type.startsWith('text/event-stream')) {
        const json = await readJson(response)
        if (!response.ok) throw refusal(response.status, json, hadKey)
        if (json === undefined) throw notA2A(chosen.url, `a stream was asked for, ${type || 'nothing'} came`)
        return yield { event: unwrap(json) as StreamResponse }
      }
      for await (const { id, event, data } of readEvents(response)) {
        const json: unknown = JSON.parse(data)
        if (event === 'error' && chosen.binding !== 'JSONRPC') throw refusal(500, json, hadKey)
        yield { ...(id !== undefined && { id }), event: unwrap(json) as StreamResponse }
      }
    },
  }
}

function chooseInterface(agent: ResolvedAgent, transports: readonly string[]): Interface {
  const offered = Array.isArray(agent.card.supportedInterfaces) ? agent.card.supportedInterfaces : []
  const usable = offered.flatMap(({ url, protocolBinding, protocolVersion, tenant }) =>
    (protocolBinding === 'JSONRPC' || protocolBinding === 'HTTP+JSON') && speaks(protocolVersion ?? '')
      ? [
          {
            url: reachable(url, agent).replace(/\/+$/, ''),
            binding: protocolBinding,
            ...(tenant && { tenant }),
          } as Interface,
        ]
      : [],
  )
  const wanted = transports.map((name) => name.toUpperCase().replace(/^(REST|HTTP|HTTP-JSON)$/, 'HTTP+JSON'))
  const preferred = wanted.map((name) => usable.find(({ binding }) => binding === name)).find(Boolean)
  const chosen = preferred ?? usable[0]
  if (chosen) return chosen
  const found = offered.map(({ protocolBinding, protocolVersion }) => `${protocolBinding} ${protocolVersion}`)
  const says = found.length > 0 ? `offers ${found.join(', ')}` : 'offers no interface of this version'
  throw new CliError('VersionNotSupportedError', `the agent at ${agent.source} ${says}`, {
    hint: `register it at the gateway, which translates: waypost agent add ${agent.ref.startsWith('@') ? '<url>' : agent.ref}`,
  })
}

/** The path is the gateway's to say, the way to the gateway is the user's. */
function reachable(url: string, { reachedAt }: ResolvedAgent): string {
  const at = url.indexOf('/agents/')
  return reachedAt === undefined || at < 0 ? url : `${reachedAt}${url.slice(at)}`
}

function rpcRequest({ url }: Interface, method: OperationName, params: object) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  return { url, method: 'POST', body, headers: { 'content-type': 'application/json' } }
}

function restRequest({ url, tenant }: Interface, name: OperationName, params: object) {
  const [method, template] = ROUTES[name]
  const rest: Record<string, unknown> = { ...params }
  delete rest.tenant
  const path = template.replace(/\{(\w+)\}/g, (_, field: string) => {
    const value = String(rest[field])
    delete rest[field]
    return encodeURIComponent(value)
  })
  const full = `${url}${tenant ? `/${encodeURIComponent(tenant)}` : ''}${path}`
  if (method !== 'POST') return { url: withQuery(full, rest as never), method, headers: {} }
  return { url: full, method, body: JSON.stringify(rest), headers: { 'content-type': 'application/a2a+json' } }
}

interface WireError {
  readonly code?: number
  readonly message?: string
  readonly status?: string
  readonly data?: unknown
  readonly details?: unknown
}

function rpcResult(json: unknown, hadKey: boolean): unknown {
  const { error, result } = (json ?? {}) as { error?: WireError; result?: unknown }
  if (error) throw wireError(error, 200, hadKey)
  if (result === undefined) throw notA2A('the agent', 'a JSON-RPC answer without result and error')
  return result
}

/** An answer that is no success: a JSON-RPC error, an AIP-193 error, a problem document, or nothing of these. */
function refusal(status: number, json: unknown, hadKey: boolean): CliError {
  const { error, code, detail, hint } = (json ?? {}) as {
    error?: WireError
    code?: string
    detail?: string
    hint?: string
  }
  if (error && typeof error === 'object') return wireError(error, status, hadKey)
  if (typeof code === 'string') return fromReason(code, detail ?? `HTTP ${status}`, { hint, status, hadKey })
  const reason = status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'PERMISSION_DENIED' : undefined
  if (reason) return fromReason(reason, `HTTP ${status}`, { status, hadKey })
  return notA2A('the agent', `HTTP ${status}`, status)
}

function wireError(error: WireError, status: number, hadKey: boolean): CliError {
  const details = [error.data, error.details].find(Array.isArray) as readonly { reason?: string }[] | undefined
  const reason =
    details?.find((detail) => typeof detail?.reason === 'string')?.reason ??
    reasonOfCode(error.code) ??
    byStatus(status)
  const violations = details?.flatMap((detail) => (detail as { fieldViolations?: Violation[] }).fieldViolations ?? [])
  const told = (violations ?? []).map(({ field, description }) => `${field}: ${description}`)
  const message = [error.message ?? `HTTP ${status}`, ...told].join('; ')
  return fromReason(reason, message, { a2aCode: error.code ?? status, status, hadKey })
}

interface Violation {
  readonly field: string
  readonly description: string
}

/** The protocol's own codes are one to one; the generic JSON-RPC codes are shared, and the first row is the general one. */
const reasonOfCode = (code: number | undefined): string | undefined =>
  code === undefined || code === -32000
    ? undefined
    : Object.entries(REASONS).find(([, row]) => row.jsonRpc === code)?.[0]

const byStatus = (status: number): string =>
  ({ 401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED', 404: 'TASK_NOT_FOUND', 503: 'UNAVAILABLE' })[status] ??
  'INTERNAL'

const notA2A = (who: string, what: string, a2aCode?: number): CliError =>
  new CliError('InvalidAgentResponseError', `${who} did not answer in A2A: ${what}`, {
    hint: 'see what it said: repeat the command with --debug',
    a2aCode,
  })
