/** An agent without a server, as a test drives it: its token and the calls that it may make. */
import type { World } from './world.ts'

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of many forms
  readonly json: any
}

export interface Collector {
  readonly name: string
  readonly token: string
  call(path: string, body?: unknown, options?: CallOptions): Promise<Answered>
  /** The next piece of work; undefined: nothing came. Throws for any other answer. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  lease(body?: Record<string, unknown>, wait?: number): Promise<any>
  say(lease: string, verb: string, body?: unknown, options?: CallOptions): Promise<Answered>
}

export interface CallOptions {
  readonly method?: string
  readonly type?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
  readonly token?: string
}

const isBytes = (body: unknown): body is string | Uint8Array => typeof body === 'string' || body instanceof Uint8Array

/** Registers it as a program on this machine does, without a key. */
export async function aCollector(world: World, name: string, more: Record<string, unknown> = {}): Promise<Collector> {
  const response = await fetch(`${world.gateway.url}/v1/agents`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, ...more }),
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  const { token } = (await response.json()) as { token: string }
  const call: Collector['call'] = async (path, body = {}, options = {}) => {
    const { method = 'POST', type = 'application/json', signal } = options
    const answer = await fetch(world.gateway.url + path, {
      method,
      headers: { 'content-type': type, authorization: `Bearer ${options.token ?? token}`, ...options.headers },
      ...(method !== 'GET' && { body: isBytes(body) ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json')
    return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined }
  }
  return {
    name,
    token,
    call,
    async lease(body = {}, wait = 0) {
      const { status, json, text } = await call(`/v1/inbox/lease?wait=${wait}`, body)
      if (status === 204) return undefined
      if (status !== 200) throw new Error(`${status} ${text}`)
      return json
    },
    say: (lease, verb, body = {}, options = {}) => call(`/v1/leases/${lease}/${verb}`, body, options),
  }
}
