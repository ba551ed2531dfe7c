/** The listeners: who answers on that for HTTP, the sockets on it, and that for gRPC. */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Parties, Queue } from './assembly.ts'
import type { Ground } from './ground.ts'
import { createHostCheck } from './http/hosts.ts'
import { createInboxSockets, type InboxSockets } from './http/inboxSockets.ts'
import { problem, traceIdOf, writeProblem } from './http/problem.ts'
import { grpcCertificate } from './httpListener.ts'
import type { Service } from './platform/service.ts'
import type { GrpcServerTools } from './wire/bindings/grpc/server.ts'

/**
 * The half that speaks, as a server on a listener of its own, and what renews its certificate; its libraries are loaded by who
 * has one. Rejects with a ConfigError for a certificate that is of no use.
 */
export async function buildGrpc(
  ground: Ground,
  parties: Parties,
  tools: Pick<GrpcServerTools, 'execute' | 'places'>,
): Promise<Service[]> {
  const { authenticate, presentCard } = parties
  const { config, clock, signals, limits, url, draining } = ground
  const named = /\{agent\}\.([^:]+)/.exec(config.grpcPublicAddress ?? '')?.[1]
  const certificate = grpcCertificate(ground)
  const { createGrpcServer } = await import('./wire/bindings/grpc/server.ts')
  const server = createGrpcServer({
    ...{ ...tools, authenticate, presentCard, signals, clock, limits },
    host: config.host,
    port: config.grpcPort,
    publicHostnames: [new URL(url()).hostname, ...(named ? [named] : [])],
    draining: () => draining.signal.aborted,
    ...(config.rootAgent && { rootAgent: config.rootAgent }),
    ...(config.quirks && { quirks: config.quirks }),
    ...(certificate && { tls: certificate.tls }),
  })
  return certificate ? [server, certificate.renewed(server.renew)] : [server]
}

/** Where agents without a server stay connected. */
export const buildSockets = (ground: Ground, { agents, authenticate }: Parties, { mailbox }: Queue): InboxSockets =>
  createInboxSockets({
    ...ground,
    authenticate,
    mailbox,
    findAgent: agents.find,
    checkHost: createHostCheck({ publicUrl: ground.url, bind: ground.config.host }),
    draining: ground.draining.signal,
  })

/** Begins to answer. */
export function serve(server: Server, { answer, sockets }: { answer: RequestListener; sockets: InboxSockets }): void {
  server.on('request', answer)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const hasBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers
    if (request.headers.upgrade?.toLowerCase() === 'websocket' && !hasBody)
      return sockets.upgrade(request, socket, head)
    // Who offers another protocol (as HTTP/1 clients that know HTTP/2 do, with a body too) is answered in this one: its
    // request is read once more, without the offer.
    socket.unshift(Buffer.concat([headWithoutOffer(request), head]))
    server.emit('connection', socket)
  })
}

const OFFERS = new Set(['upgrade', 'http2-settings'])

/** The request's head as it came, but for what offers another protocol. */
function headWithoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at] as string, rawHeaders[at + 1] as string]
    if (OFFERS.has(name.toLowerCase())) continue
    if (name.toLowerCase() !== 'connection') lines.push(`${name}: ${value}`)
    else {
      const tokens = value.split(',').filter((token) => !OFFERS.has(token.trim().toLowerCase()))
      if (tokens.length > 0) lines.push(`${name}: ${tokens.join(',')}`)
    }
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

/** Node drops what is beyond its count without a word, and so the one header that another reader would go by. */
export function refuseHeaders(request: IncomingMessage, response: ServerResponse): void {
  writeProblem(response, problem(431, 'TOO_MANY_HEADERS', 'the request has too many headers', traceIdOf(request)))
}
