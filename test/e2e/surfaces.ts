/** The four ways to ask the same thing of a running gateway, as bytes: for tests that compare answers. */
import { uuidv7 } from '../../src/platform/ids.ts'
import type { World } from '../support/world.ts'

export const SURFACES = ['JSON-RPC 1.0', 'JSON-RPC 0.3', 'HTTP+JSON 1.0', 'HTTP+JSON 0.3'] as const
export type Surface = (typeof SURFACES)[number]

/** The operations that name a task, and what a caller must be permitted for each. */
export const TASK_OPERATIONS = {
  GetTask: 'read',
  CancelTask: 'cancel',
  SubscribeToTask: 'read',
  SendMessage: 'send',
  SendStreamingMessage: 'send',
  CreateTaskPushNotificationConfig: 'push',
  GetTaskPushNotificationConfig: 'push',
  ListTaskPushNotificationConfigs: 'push',
  DeleteTaskPushNotificationConfig: 'push',
} as const
export type TaskOperation = keyof typeof TASK_OPERATIONS

export interface Asked {
  readonly method: string
  /** Below `/agents/{agent}`. */
  readonly path: string
  readonly version: '1.0' | '0.3'
  readonly body?: unknown
}

const HOOK = 'http://127.0.0.1:8123/hook'

const message10 = (taskId?: string) => ({
  messageId: uuidv7(),
  role: 'ROLE_USER',
  parts: [{ text: 'complete' }],
  ...(taskId && { taskId }),
})
const message03 = (taskId?: string) => ({
  kind: 'message',
  messageId: uuidv7(),
  role: 'user',
  parts: [{ kind: 'text', text: 'complete' }],
  ...(taskId && { taskId }),
})

/** Method names of JSON-RPC 0.3, and parameters of both versions. */
function rpc(name: TaskOperation, id: string, configId: string) {
  const config = { id: 'another', url: HOOK }
  const named03 = { id, pushNotificationConfigId: configId }
  const rows: Record<TaskOperation, readonly [method03: string, params10: object, params03: object]> = {
    GetTask: ['tasks/get', { id }, { id }],
    CancelTask: ['tasks/cancel', { id }, { id }],
    SubscribeToTask: ['tasks/resubscribe', { id }, { id }],
    SendMessage: ['message/send', { message: message10(id) }, { message: message03(id) }],
    SendStreamingMessage: ['message/stream', { message: message10(id) }, { message: message03(id) }],
    CreateTaskPushNotificationConfig: [
      'tasks/pushNotificationConfig/set',
      { taskId: id, ...config },
      { taskId: id, pushNotificationConfig: config },
    ],
    GetTaskPushNotificationConfig: ['tasks/pushNotificationConfig/get', { taskId: id, id: configId }, named03],
    ListTaskPushNotificationConfigs: ['tasks/pushNotificationConfig/list', { taskId: id }, { id }],
    DeleteTaskPushNotificationConfig: ['tasks/pushNotificationConfig/delete', { taskId: id, id: configId }, named03],
  }
  return rows[name]
}

function rest(name: TaskOperation, id: string, configId: string, version: '1.0' | '0.3'): Asked {
  const base = version === '1.0' ? '' : '/v1'
  const configs = `${base}/tasks/${id}/pushNotificationConfigs`
  const config = { id: 'another', url: HOOK }
  const send = { message: version === '1.0' ? message10(id) : message03(id) }
  const rows: Record<TaskOperation, readonly [method: string, path: string, body?: object]> = {
    GetTask: ['GET', `${base}/tasks/${id}`],
    CancelTask: ['POST', `${base}/tasks/${id}:cancel`, {}],
    SubscribeToTask: ['POST', `${base}/tasks/${id}:subscribe`, {}],
    SendMessage: ['POST', `${base}/message:send`, send],
    SendStreamingMessage: ['POST', `${base}/message:stream`, send],
    CreateTaskPushNotificationConfig: [
      'POST',
      configs,
      version === '1.0' ? config : { taskId: id, pushNotificationConfig: config },
    ],
    GetTaskPushNotificationConfig: ['GET', `${configs}/${configId}`],
    ListTaskPushNotificationConfigs: ['GET', configs],
    DeleteTaskPushNotificationConfig: ['DELETE', `${configs}/${configId}`],
  }
  const [method, path, body] = rows[name]
  return { method, path, version, ...(body && { body }) }
}

/** The operation on this task as a request of this surface. */
export function requestFor(surface: Surface, name: TaskOperation, id: string, configId = 'mine'): Asked {
  const version = surface.endsWith('1.0') ? '1.0' : '0.3'
  if (surface.startsWith('HTTP')) return rest(name, id, configId, version)
  const [method03, params10, params03] = rpc(name, id, configId)
  const [method, params] = version === '1.0' ? [name, params10] : [method03, params03]
  return { method: 'POST', path: '', version, body: { jsonrpc: '2.0', id: 1, method, params } }
}

export interface Answered {
  readonly status: number
  /** Without the date. */
  readonly headers: Readonly<Record<string, string>>
  /** Of a stream: its first frame. */
  readonly text: string
}

/** `key` undefined: no credential. */
export async function ask(world: World, agent: string, asked: Asked, key?: string): Promise<Answered> {
  const gone = new AbortController()
  const response = await fetch(`${world.gateway.url}/agents/${agent}${asked.path}`, {
    method: asked.method,
    signal: gone.signal,
    headers: {
      'a2a-version': asked.version,
      ...(asked.body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    ...(asked.body !== undefined && { body: JSON.stringify(asked.body) }),
  })
  const { date: _, ...headers } = Object.fromEntries(response.headers)
  const { status } = response
  if (!response.headers.get('content-type')?.includes('event-stream'))
    return { status, headers, text: await response.text() }
  let text = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString('utf8')
    if (text.includes('\n\n')) break
  }
  gone.abort()
  return { status, headers, text }
}

/** The reason of the error in an answer of any surface; undefined: it is none. */
export const reasonOf = ({ text }: Answered): string | undefined => /"reason":"([A-Z_]+)"/.exec(text)?.[1]

/** A key made by the operator. */
export async function makeKey(
  world: World,
  wish: {
    tenant?: string
    caller?: string
    permits?: string[]
    scopes?: string[]
    agents?: string[]
    ttlSeconds?: number
    rate?: string
  },
): Promise<{ id: string; key: string }> {
  const response = await fetch(`${world.gateway.url}/v1/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${world.gateway.adminKey}` },
    body: JSON.stringify(wish),
  })
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { id: string; key: string }
}

export async function revokeKey(world: World, id: string): Promise<void> {
  const response = await fetch(`${world.gateway.url}/v1/keys/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${world.gateway.adminKey}` },
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}
