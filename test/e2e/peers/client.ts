/** One face for the clients of all official SDK versions: what was asked in their words is told in ours, at a glance. */
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'

export interface SeenTask {
  readonly kind: 'task'
  readonly id: string
  readonly contextId: string
  /** As in `TASK_STATE_…`, without the prefix. */
  readonly state: string
  /** The texts of the artifacts. */
  readonly made: readonly string[]
  /** The text of the status message; '' if there is none. */
  readonly said: string
  /** `ROLE text` of each message. */
  readonly history: readonly string[]
}
export interface SeenMessage {
  readonly kind: 'message'
  readonly text: string
}
export interface SeenEvent {
  /** `task WORKING`, `WORKING`, `message`, or an artifact's text, with `+` before it when it is appended. */
  readonly glance: string
  /** '' for a message that belongs to none. */
  readonly taskId: string
  readonly contextId: string
}

export interface SendOptions {
  readonly taskId?: string
  readonly contextId?: string
  readonly messageId?: string
  /** Answers at once. */
  readonly now?: boolean
  readonly push?: PushWish
  readonly signal?: AbortSignal
}
export interface PushWish {
  readonly url: string
  readonly id?: string
  readonly token?: string
  readonly bearer?: string
}
export interface SeenConfig {
  readonly id: string
  readonly url: string
}

export interface PeerClient {
  send(text: string, options?: SendOptions): Promise<SeenTask | SeenMessage>
  stream(text: string, options?: SendOptions): AsyncGenerator<SeenEvent>
  get(id: string): Promise<SeenTask>
  cancel(id: string): Promise<SeenTask>
  subscribe(id: string): AsyncGenerator<SeenEvent>
  /** Of one context; absent where the version has no such operation. */
  readonly list?: (contextId: string) => Promise<string[]>
  readonly push: {
    create(taskId: string, wish: PushWish): Promise<SeenConfig>
    get(taskId: string, id: string): Promise<SeenConfig>
    list(taskId: string): Promise<SeenConfig[]>
    delete(taskId: string, id: string): Promise<void>
  }
  /** The name of the card, as the SDK understood it. */
  cardName(): Promise<string>
}

export type PeerBinding = 'JSONRPC' | 'HTTP+JSON' | 'GRPC'
export interface PeerKind {
  readonly sdk: string
  /** What it speaks to the gateway. */
  readonly version: '0.2' | '0.3' | '1.0'
  readonly binding: PeerBinding
  /** `base` ends with '/'. */
  connect(base: string, access: Access): Promise<PeerClient>
}

/** Who is calling: all that the SDKs need to be told of the gateway. */
export interface Access {
  readonly fetch: typeof fetch
  /** The same for calls that are no fetch. */
  readonly metadata: Readonly<Record<string, string>>
}

export const ANYBODY: Access = { fetch, metadata: {} }

export const withKey = (key: string): Access => ({
  metadata: { authorization: `Bearer ${key}` },
  fetch(input, init) {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    headers.set('authorization', `Bearer ${key}`)
    return fetch(input, { ...init, headers })
  },
})

/** The gateway's gRPC port, as a card of its says, and how a call there names the agent without a tenant. */
export async function grpcDoor(base: string, { fetch: get, metadata }: Access) {
  const card = await get(`${base}.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } })
  const { supportedInterfaces } = (await card.json()) as { supportedInterfaces: Record<string, string>[] }
  const way = supportedInterfaces.find(({ protocolBinding }) => protocolBinding === 'GRPC')
  const named = { ...metadata, 'x-waypost-agent': way?.tenant ?? '' }
  return { address: way?.url ?? '', callOptions: (all = metadata) => ({ interceptors: [saying(all)] }), named }
}

const saying =
  (metadata: Readonly<Record<string, string>>): Interceptor =>
  (options, next) =>
    new InterceptingCall(next(options), {
      start(sent, listener, go) {
        for (const [name, value] of Object.entries(metadata)) sent.set(name, value)
        go(sent, listener)
      },
    })

export async function all(events: AsyncGenerator<SeenEvent>): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = []
  for await (const event of events) seen.push(event)
  return seen
}

export function mustBeTask(answer: SeenTask | SeenMessage): SeenTask {
  if (answer.kind === 'task') return answer
  throw new Error(`a message, not a task: ${answer.text}`)
}
