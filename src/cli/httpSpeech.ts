/** JSON-RPC and HTTP+JSON: how an operation is written, and how its answers and events are read. */
import type { OperationName } from '../a2a/operations.ts'
import { type Http, readJson, withQuery } from './client.ts'
import { readEvents } from './eventStream.ts'
import { notA2A, refusal, rpcResult } from './refusals.ts'
import type { Interface, Speech } from './speech.ts'

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

export interface HttpSettings {
  readonly http: Http
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly timeoutMs?: number | undefined
  readonly hadKey: boolean
  readonly trace?: ((line: string) => void) | undefined
}

export function httpSpeech(at: Interface, { http, headers, query, timeoutMs, trace, hadKey }: HttpSettings): Speech {
  const rpc = at.binding === 'JSONRPC'
  const request = (
    name: OperationName,
    params: object,
    extra: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ) => {
    const built = rpc ? rpcRequest(at, name, params) : restRequest(at, name, params)
    const sent = { ...headers, ...built.headers, ...extra }
    return http(withQuery(built.url, query), { ...built, headers: sent, timeoutMs, signal })
  }
  const unwrap = (json: unknown) => (rpc ? rpcResult(json, hadKey) : json)
  return {
    async call(name, params, signal) {
      const response = await request(name, params, { accept: 'application/json, application/a2a+json' }, signal)
      const json = await readJson(response)
      if (!response.ok) throw refusal(response.status, json, hadKey)
      if (json === undefined && response.status !== 204) throw notA2A(at.url, 'the answer is not JSON')
      return unwrap(json ?? {}) ?? {}
    },
    async *stream(name, params, { lastEventId, signal }) {
      const place = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }
      const response = await request(name, params, { accept: 'text/event-stream', ...place }, signal)
      const type = response.headers.get('content-type') ?? ''
      if (!response.ok || !type.startsWith('text/event-stream')) {
        const json = await readJson(response)
        if (!response.ok) throw refusal(response.status, json, hadKey)
        if (json === undefined) throw notA2A(at.url, `a stream was asked for, ${type || 'nothing'} came`)
        return yield { event: unwrap(json) }
      }
      for await (const { id, event, data } of readEvents(response)) {
        trace?.(`< ${event ? `event: ${event} ` : ''}${id === undefined ? '' : `id: ${id} `}data: ${data}`)
        const json = parsed(data, at.url)
        if (event === 'error' && !rpc) throw refusal(500, json, hadKey)
        yield { ...(id !== undefined && { id }), event: unwrap(json) }
      }
    },
  }
}

function parsed(data: string, url: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw notA2A(url, 'an event of the stream is not JSON')
  }
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
