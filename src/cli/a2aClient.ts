/**
 * A small A2A client: the eleven operations over the binding that the card prefers, JSON-RPC or HTTP+JSON. Answers are
 * the protocol's own objects, unmodified; errors have the protocol's own names.
 */

import type { StreamResponse } from '../a2a/events.ts'
import type { OperationName, Params, Result } from '../a2a/operations.ts'
import type { ResolvedAgent } from './agentRef.ts'
import { type Http, readJson, withQuery } from './client.ts'
import { CliError } from './errors.ts'
import { readEvents } from './eventStream.ts'
import { speaks } from './protocolVersion.ts'
import { notA2A, refusal, rpcResult } from './refusals.ts'

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
  /** The interface that is spoken to. @throws CliError VersionNotSupportedError if there is none for us */
  chosen(): Interface
  /** The same client, signaling another version: to see what the agent says. */
  signaling(version: string): A2AClient
  /** `signal`: gives up on the answer; beside the call's own. */
  call<N extends Unary>(name: N, params: Params<N>, signal?: AbortSignal): Promise<Result<N>>
  stream<N extends Streaming>(name: N, params: Params<N>, where?: StreamPlace): AsyncGenerator<StreamedEvent>
}

export interface A2AClientSettings {
  readonly agent: ResolvedAgent
  readonly http: Http
  /** Credentials and service parameters. */
  readonly headers: Readonly<Record<string, string>>
  /** A credential that the card's scheme wants in the query (A2A §4.5.2). */
  readonly query?: Readonly<Record<string, string>>
  /** Whether a credential is in headers or query: a refusal then means that it was not good. */
  readonly authorized: boolean
  readonly version: string
  /** Extensions that the agent requires and nobody here knows. */
  readonly missingExtensions: readonly string[]
  /** Bindings in order of preference; empty: the card's order. */
  readonly transports: readonly string[]
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal
  /** Told each event of a stream as it came, for --debug. */
  readonly trace?: (line: string) => void
}

export interface Interface {
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
  let found: Interface | undefined
  // Not before it is needed: a card that nobody can speak to may still be looked at.
  const interfaceOf = () => {
    found ??= chooseInterface(agent, settings.transports)
    return found
  }
  const headers = { 'A2A-Version': settings.version, ...settings.headers }
  const { query = {}, trace } = settings
  const hadKey = settings.authorized || 'authorization' in settings.headers

  const request = (name: OperationName, given: object, extra: Readonly<Record<string, string>>, reading = signal) => {
    const chosen = interfaceOf()
    mayAsk(name, settings)
    const params = chosen.tenant ? { ...given, tenant: chosen.tenant } : given
    const built = chosen.binding === 'JSONRPC' ? rpcRequest(chosen, name, params) : restRequest(chosen, name, params)
    return http(withQuery(built.url, query), {
      ...built,
      headers: { ...headers, ...built.headers, ...extra },
      timeoutMs,
      signal: reading,
    })
  }
  const unwrap = (json: unknown) => (interfaceOf().binding === 'JSONRPC' ? rpcResult(json, hadKey) : json)

  return {
    agent,
    chosen: interfaceOf,
    signaling: (version) => createA2AClient({ ...settings, version }),
    async call(name, params, reading) {
      const accept = { accept: 'application/json, application/a2a+json' }
      const response = await request(name, params, accept, reading ?? signal)
      const json = await readJson(response)
      if (!response.ok) throw refusal(response.status, json, hadKey)
      if (json === undefined && response.status !== 204) throw notA2A(interfaceOf().url, 'the answer is not JSON')
      return (unwrap(json ?? {}) ?? {}) as never
    },
    async *stream(name, params, { lastEventId, signal: reading } = {}) {
      const response = await request(
        name,
        params,
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
        if (json === undefined) throw notA2A(interfaceOf().url, `a stream was asked for, ${type || 'nothing'} came`)
        return yield { event: unwrap(json) as StreamResponse }
      }
      for await (const { id, event, data } of readEvents(response)) {
        trace?.(`< ${event ? `event: ${event} ` : ''}${id === undefined ? '' : `id: ${id} `}data: ${data}`)
        const json: unknown = parsed(data, interfaceOf().url)
        if (event === 'error' && interfaceOf().binding !== 'JSONRPC') throw refusal(500, json, hadKey)
        yield { ...(id !== undefined && { id }), event: unwrap(json) as StreamResponse }
      }
    },
  }
}

/** Capabilities are looked up in the card before they are used (a2a-cli §13.3), and required extensions must be known. */
function mayAsk(name: OperationName, { agent, missingExtensions }: A2AClientSettings): void {
  const { capabilities = {} } = agent.card
  if (/PushNotification/.test(name) && !capabilities.pushNotifications)
    throw new CliError('PushNotificationNotSupportedError', "the agent's card does not offer push notifications", {
      hint: 'follow it instead: waypost task subscribe <taskId>',
    })
  if (name === 'GetExtendedAgentCard') {
    if (capabilities.extendedAgentCard) return
    throw new CliError('UnsupportedOperationError', "the agent's card does not offer an extended card", {
      hint: 'what it has is its public card: the same command without --extended',
    })
  }
  if ((name === 'SubscribeToTask' || name === 'SendStreamingMessage') && !capabilities.streaming)
    throw new CliError('UnsupportedOperationError', "the agent's card does not offer streaming", {
      hint: 'wait for the task instead: waypost task get --wait <taskId>',
    })
  if (missingExtensions.length === 0) return
  throw new CliError('ExtensionSupportRequiredError', `the agent requires ${missingExtensions.join(', ')}`, {
    hint: `if you follow it, say so: --extension ${missingExtensions[0]}`,
  })
}

function parsed(data: string, url: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw notA2A(url, 'an event of the stream is not JSON')
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
