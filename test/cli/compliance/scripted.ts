/** An agent byte by byte, for what no proper agent does: it says what a test tells it to say. JSON-RPC. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Loose } from './loose.ts'

type Json = Record<string, Loose>

export interface Asked {
  readonly method: string
  readonly params: Json
  /** How often this method was asked before. */
  readonly before: number
}

export type Said =
  | { readonly result: unknown }
  | { readonly error: Json }
  /** Frames of a stream; then it is closed properly, cut off, or left open. */
  | { readonly frames: readonly unknown[]; readonly after: 'end' | 'cut' | 'stay' }
  | 'silence'

export interface ScriptedAgent {
  readonly url: string
  readonly asked: readonly Asked[]
  readonly taskOf: (state: string, more?: Json) => Json
  stop(): Promise<void>
}

export const aTask = (state: string, more: Json = {}): Json => ({
  id: 'task-1',
  contextId: 'context-1',
  status: { state: `TASK_STATE_${state}`, timestamp: '2026-01-01T00:00:00.000Z' },
  ...more,
})

export async function startScripted(
  say: (asked: Asked) => Said,
  card: Json | ((url: string) => Json | string) = {},
): Promise<ScriptedAgent> {
  const asked: Asked[] = []
  const open = new Set<ServerResponse>()
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') return serveCard(request, response)
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const { id, method, params } = JSON.parse(text) as Json
    const entry = { method, params, before: asked.filter((known) => known.method === method).length }
    asked.push(entry)
    answer(say(entry), id, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  function serveCard({ url: path }: IncomingMessage, response: ServerResponse) {
    if (path !== '/.well-known/agent-card.json') return response.writeHead(404).end()
    const own = typeof card === 'function' ? card(url) : { ...cardAt(url), ...card }
    return response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(typeof own === 'string' ? own : JSON.stringify(own))
  }
  function answer(said: Said, id: unknown, response: ServerResponse) {
    open.add(response)
    if (said === 'silence') return
    if (!('frames' in said)) {
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, ...said }))
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const frame of said.frames)
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, ...(frame as Json) })}\n\n`)
    // The frames shall have gone before the connection goes.
    if (said.after === 'cut') setTimeout(() => response.destroy(), 30)
    if (said.after === 'end') response.end()
  }
  return {
    url,
    asked,
    taskOf: aTask,
    stop: async () => {
      for (const response of open) response.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const cardAt = (url: string): Json => ({
  name: 'scripted',
  description: 'says what it is told to',
  version: '1',
  capabilities: { streaming: false },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
})
