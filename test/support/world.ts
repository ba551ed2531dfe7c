/** A whole gateway in this process, on a database of its own, with a small A2A client: for tests that go end to end. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { Task } from '../../src/a2a/tasks.ts'
import { readConfig } from '../../src/config.ts'
import type { Happening, Happenings } from '../../src/happenings.ts'
import { type Gateway, type Overrides, startGateway } from '../../src/main.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { framesOf } from './frames.ts'

export interface WorldOptions extends Overrides {
  readonly databaseUrl?: string
  readonly env?: Record<string, string>
  /** Registration documents by agent name, as a folder of cards has them. */
  readonly cards?: Record<string, Record<string, unknown>>
  /** Reuse another world's data directory: a restart. */
  readonly directory?: string
}

export interface World {
  readonly gateway: Gateway
  readonly directory: string
  /** The next happening of that name that fits. */
  next<Name extends Happening>(name: Name, fits?: (fact: Happenings[Name]) => boolean): Promise<Happenings[Name]>
  register(document: Record<string, unknown>): Promise<void>
  client(agent: string, key?: string): Client
  stop(options?: { keep?: boolean }): Promise<void>
}

export interface Rpc {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of many forms
  readonly result?: any
  // biome-ignore lint/suspicious/noExplicitAny: and into errors
  readonly error?: any
}

export interface Client {
  rpc(method: string, params: unknown, headers?: Record<string, string>): Promise<Rpc>
  send(
    text: string,
    more?: { configuration?: unknown; message?: Record<string, unknown>; metadata?: unknown },
  ): Promise<Task>
  get(id: string): Promise<Task>
  /** Reads a stream to its end. */
  stream(
    method: string,
    params: unknown,
    headers?: Record<string, string>,
  ): AsyncGenerator<{ id: number; event: StreamResponse }>
}

export const aMessage = (text: string, more: Record<string, unknown> = {}) => ({
  messageId: uuidv7(),
  role: 'ROLE_USER',
  parts: [{ text }],
  ...more,
})

const MASTER_KEY = Buffer.alloc(32, 7).toString('base64')

export async function aWorld(options: WorldOptions = {}): Promise<World> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'waypost-'))
  mkdirSync(join(directory, 'cards'), { recursive: true })
  for (const [name, document] of Object.entries(options.cards ?? {}))
    writeFileSync(join(directory, 'cards', `${name}.json`), JSON.stringify(document))
  const config = readConfig({
    file: join(directory, 'none.json'),
    env: {
      WAYPOST_DATA: directory,
      WAYPOST_CARDS: join(directory, 'cards'),
      PORT: '0',
      GRPC_PORT: '0',
      ...(options.databaseUrl && {
        DATABASE_URL: options.databaseUrl,
        WAYPOST_MASTER_KEY: MASTER_KEY,
        WAYPOST_EGRESS_ALLOW: '127.0.0.0/8',
      }),
      ...options.env,
    },
  })
  const gateway = await startGateway(config, options)
  return {
    gateway,
    directory,
    next: (name, fits = () => true) =>
      new Promise((resolve) => {
        const stop = gateway.signals.on(name, (fact) => {
          if (!fits(fact)) return
          stop()
          resolve(fact)
        })
      }),
    async register(document) {
      const response = await fetch(`${gateway.url}/v1/agents`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.adminKey}` },
        body: JSON.stringify(document),
      })
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    },
    client: (agent, key = gateway.adminKey) => aClient(`${gateway.url}/agents/${agent}`, key),
    async stop({ keep = false } = {}) {
      await gateway.stop()
      if (!keep) rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function aClient(url: string, key: string): Client {
  const headers = { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${key}` }
  const post = (method: string, params: unknown, more: Record<string, string> = {}) =>
    fetch(url, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
  const rpc: Client['rpc'] = async (method, params, more) => {
    const response = await post(method, params, more)
    return { status: response.status, ...((await response.json()) as object) }
  }
  const must = async (method: string, params: unknown) => {
    const { result, error } = await rpc(method, params)
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  }
  return {
    rpc,
    send: async (text, { configuration, message, metadata } = {}) => {
      const result = await must('SendMessage', {
        message: aMessage(text, message),
        ...(configuration ? { configuration } : {}),
        ...(metadata ? { metadata } : {}),
      })
      if (!result.task) throw new Error(`not a task: ${JSON.stringify(result)}`)
      return result.task
    },
    get: (id) => must('GetTask', { id }),
    async *stream(method, params, more) {
      const response = await post(method, params, { accept: 'text/event-stream', ...more })
      if (!response.headers.get('content-type')?.includes('event-stream'))
        throw new Error(`no stream: ${await response.text()}`)
      for await (const { id, result } of framesOf<StreamResponse>(response)) yield { id, event: result }
    },
  }
}
