/** The gRPC listener: HTTP/2, with TLS or without; one service for each version. What is refused here is refused before the library has seen it. */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
} from 'node:http2'
import { createContextValues } from '@connectrpc/connect'
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node'
import { A2AError } from '../../../a2a/errors.ts'
import type { HappeningSignals } from '../../../happenings.ts'
import { LIMITS, type Limits } from '../../../limits.ts'
import type { Clock } from '../../../platform/clock.ts'
import { listen } from '../../../platform/listen.ts'
import type { Service } from '../../../platform/service.ts'
import type { Authenticate, Execute, PresentCard } from '../../../ports.ts'
import { LATEST } from '../../versions/table.ts'
import type { Quirks } from '../errors.ts'
import { createPlaces, type StreamPlaces } from '../places.ts'
import { type GrpcTools, RPC, type Rpc, served } from './call.ts'
import { createHandlers } from './service.ts'
import { tellPlainly, toStatus } from './status.ts'

export interface GrpcServerTools {
  readonly execute: Execute
  readonly authenticate: Authenticate
  readonly presentCard: PresentCard
  readonly signals: HappeningSignals
  readonly clock: Clock
  readonly limits?: Partial<Limits>
  readonly host: string
  readonly port: number
  /** `{agent}.<one of these>` as the authority names that agent. */
  readonly publicHostnames: readonly string[]
  readonly rootAgent?: string
  readonly quirks?: Quirks
  /** Shared with other listeners; default: its own. */
  readonly places?: StreamPlaces
  /** PEM. Default: HTTP/2 in the clear. */
  readonly tls?: GrpcCertificate & {
    readonly requestCert?: boolean
    readonly rejectUnauthorized?: boolean
  }
  readonly draining: () => boolean
}

export interface GrpcCertificate {
  readonly cert: Buffer
  readonly key: Buffer
  /** Whose client certificates count. */
  readonly ca?: Buffer
}

export interface GrpcServer extends Service {
  /** For the connections that come from now on. */
  renew(certificate: GrpcCertificate): void
}

/** Rpcs side by side on one connection (L-09). */
const STREAMS_PER_CONNECTION = 100
/** Mebibytes of one connection that Node keeps; its 10 are two messages of the largest size. */
const SESSION_MEMORY_MIB = 64

/** Whoever offers no HTTP/2 in the handshake is hung up on. */
const TLS = { minVersion: 'TLSv1.2', ALPNProtocols: ['h2'], handshakeTimeout: LIMITS.headersTimeoutMs } as const

/** `start` rejects with PortInUseError. */
export function createGrpcServer(given: GrpcServerTools): GrpcServer {
  const tools = toolsOf(given)
  const handlers = new Map(createHandlers(tools).map((handler) => [handler.requestPath, handler]))
  const sessions = new Set<Http2Session>()
  const bounds = { settings: { maxConcurrentStreams: STREAMS_PER_CONNECTION }, maxSessionMemory: SESSION_MEMORY_MIB }
  const secure = given.tls && createSecureServer({ ...bounds, ...TLS, ...given.tls })
  const server = secure ?? createServer(bounds)
  server.maxConnections = tools.limits.connectionsMax
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    void keepAlive(session, tools)
  })
  // A connection that breaks is the peer's affair.
  server.on('sessionError', () => {})
  server.on('request', (request, response) => serve(request, response, handlers, tools))
  return {
    name: 'grpc',
    renew(certificate) {
      secure?.setSecureContext({ ...certificate, minVersion: TLS.minVersion })
    },
    async start() {
      await listen(server, given.host, given.port, 'GRPC_PORT=4291')
    },
    async stop() {
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const session of sessions) session.close()
      const grace = new AbortController()
      await Promise.race([closed, tools.clock.sleep(tools.limits.stopGraceMs, grace.signal)])
      grace.abort()
      for (const session of sessions) session.destroy()
    },
  }
}

/** Pings unanswered in a row after which nobody is there. */
const MISSED_MAX = 2

/** Proxies drop what is silent; and who has gone without a word holds a connection and its streams no longer than this. */
async function keepAlive(session: Http2Session, { clock, limits }: GrpcTools): Promise<void> {
  const closed = new AbortController()
  session.once('close', () => closed.abort())
  let missed = 0
  while (missed <= MISSED_MAX) {
    await clock.sleep(limits.heartbeatMs, closed.signal)
    if (session.destroyed) return
    missed += 1
    session.ping((error) => {
      if (!error) missed = 0
    })
  }
  session.destroy()
}

function toolsOf({ execute, presentCard, host: _, port: __, tls: ___, ...given }: GrpcServerTools): GrpcTools {
  const limits: Limits = { ...LIMITS, ...given.limits }
  const { quirks, draining, places = createPlaces({ limits, draining }) } = given
  return { ...given, quirks, limits, performer: { execute, presentCard, places } }
}

type Handlers = ReadonlyMap<string, UniversalHandler>

function serve(request: Http2ServerRequest, response: Http2ServerResponse, handlers: Handlers, tools: GrpcTools): void {
  const rpc: Rpc = {
    request,
    startedAt: tools.clock.elapsed(),
    agent: undefined,
    credentials: undefined,
    caller: undefined,
    operation: '',
    codec: LATEST,
    served: false,
  }
  // Streams break; whoever reads or writes one finds out by itself.
  request.on('error', () => {})
  response.on('error', () => {})
  try {
    const handler = handlers.get(request.url)
    if (!isGrpc(request)) {
      response.writeHead(415).end()
      return
    }
    refuseHeaders(request, tools.limits)
    if (!handler) throw new A2AError('METHOD_NOT_FOUND', 'there is no such service or method here')
    capDeadline(request)
    const values = createContextValues().set(RPC, rpc)
    void pass(handler, universalRequestFromNodeRequest(request, response, undefined, values), request, response)
  } catch (cause) {
    // The library finds no URL in an odd authority or path.
    const odd = () => new A2AError('INVALID_REQUEST', 'the authority or the path is not valid')
    refuse(rpc, cause instanceof A2AError ? cause : odd(), tools)
  }
}

async function pass(
  handler: UniversalHandler,
  asked: Parameters<UniversalHandler>[0],
  { stream }: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  try {
    const answer = await handler(asked)
    await universalResponseToNodeResponse({ ...answer, body: plainly(answer) }, response)
  } catch {
    // Every refusal is an answer, so this one could not be written: there is nobody to read another.
    if (!stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }
}

/** The body, and when it has ended, which is when the trailers are known, those in plain words. */
async function* plainly({ body, trailer }: UniversalServerResponse): AsyncGenerator<Uint8Array> {
  if (body) yield* body
  if (trailer) tellPlainly(trailer)
}

/** Messages are protobuf; the JSON that gRPC would also carry has a door of its own. */
const isGrpc = ({ method, headers }: Http2ServerRequest): boolean =>
  method === 'POST' && /^application\/grpc(\+proto)?(\s*;|$)/i.test(headers['content-type'] ?? '')

function refuseHeaders({ rawHeaders }: Http2ServerRequest, { headerBytesMax, headersCountMax }: Limits): void {
  const bytes = rawHeaders.reduce((sum, text) => sum + text.length, 0)
  if (bytes > headerBytesMax || rawHeaders.length > 2 * headersCountMax)
    throw new A2AError('PAYLOAD_TOO_LARGE', `the metadata is larger than ${headerBytesMax} bytes`, {
      metadata: { limit: String(headerBytesMax) },
    })
}

/** A timer of Node's counts milliseconds in 31 bits; beyond them it fires at once. */
const LONGEST_DEADLINE_S = 2_000_000
const SECONDS: Readonly<Record<string, number>> = { H: 3_600, M: 60, S: 1 }

function capDeadline({ headers }: Http2ServerRequest): void {
  const [, digits = '0', unit = ''] = /^(\d{1,8})([HMS])$/.exec(String(headers['grpc-timeout'] ?? '')) ?? []
  if (Number(digits) * (SECONDS[unit] ?? 0) > LONGEST_DEADLINE_S) headers['grpc-timeout'] = `${LONGEST_DEADLINE_S}S`
}

/** An answer of trailers only, before anything of the message was read. */
function refuse(rpc: Rpc, error: A2AError, tools: GrpcTools): void {
  served(rpc, error.reason, tools)
  const { stream } = rpc.request
  if (stream.destroyed || stream.headersSent) return
  const status = setTrailerStatus(new Headers(), toStatus(error, rpc.codec, tools.quirks))
  tellPlainly(status)
  const headers = { ':status': 200, 'content-type': 'application/grpc+proto', ...Object.fromEntries(status) }
  stream.respond(headers, { endStream: true })
  // What is still on its way is not wanted.
  stream.close(constants.NGHTTP2_NO_ERROR)
}
