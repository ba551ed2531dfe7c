/** A way to the gateway that does harm on demand: loses answers, answers in the gateway's place, cuts, holds. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLog, type Log } from './log.ts'

/** `lose`: the gateway does it and its answer is lost. `cut`: it never hears of it. */
export type Harm = 'lose' | 'cut' | { status: number; headers?: Record<string, string>; body?: unknown }
export interface Asked {
  readonly path: string
  readonly body: string
}
export interface FaultyLine {
  readonly url: string
  /** Every request, as it came in. */
  readonly asked: Log<Asked>
  /** What is done to a request; undefined: nothing. */
  harm(rule: (asked: Asked) => Harm | undefined): void
  close(): Promise<void>
}

export async function aFaultyLine(gateway: () => string): Promise<FaultyLine> {
  const asked = createLog<Asked>()
  let rule: (asked: Asked) => Harm | undefined = () => undefined
  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const request = { path: incoming.url ?? '', body: Buffer.concat(chunks).toString() }
    const harm = rule(request)
    asked.add(request)
    if (harm === 'cut') return incoming.socket.destroy()
    if (harm && harm !== 'lose') {
      outgoing.writeHead(harm.status, harm.headers)
      return outgoing.end(JSON.stringify(harm.body ?? {}))
    }
    const gone = new AbortController()
    outgoing.once('close', () => gone.abort())
    const { authorization = '', 'content-type': type = 'application/json' } = incoming.headers
    const answer = await fetch(gateway() + request.path, {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body: request.body,
      signal: gone.signal,
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (harm === 'lose') return incoming.socket.destroy()
    outgoing.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
    return outgoing.end(bytes)
  }
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    harm(next) {
      rule = next
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
