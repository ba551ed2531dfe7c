/** The HTTP listener: its bounds, its certificate. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { type Config, ConfigError } from './config.ts'
import type { Ground } from './ground.ts'
import { problem, traceIdOf, writeProblem } from './http/problem.ts'
import { refuseUnparsed } from './http/unparsed.ts'
import type { Limits } from './limits.ts'
import { sha256 } from './platform/ids.ts'
import { loop, type Service } from './platform/service.ts'

/** Who waits to be asked for a body that is too large is refused without it (RFC 9110 §10.1.1). */
function askForBodies(server: Server, { requestBytesMax }: Limits): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (Number(request.headers['content-length'] ?? 0) <= requestBytesMax) response.writeContinue()
    server.emit('request', request, response)
  })
}

/** What Node would refuse without our headers (SR-53): an expectation that nobody has, and a request that names no host. */
function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const detail = 'only 100-continue may be expected'
  writeProblem(response, problem(417, 'EXPECTATION_FAILED', detail, traceIdOf(request)))
}

interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
  /** Who signs for clients. */
  readonly ca?: Buffer
}

/** What is in the files now. Throws a ConfigError for what is of no use. */
function certificateIn(
  setting: string,
  { cert, key, ca }: { cert: string; key: string; ca: string | undefined },
): Certificate {
  try {
    const tls = { cert: readFileSync(cert), key: readFileSync(key), ...(ca !== undefined && { ca: readFileSync(ca) }) }
    createSecureContext(tls)
    return tls
  } catch (error) {
    throw new ConfigError([{ setting, problem: (error as Error).message }])
  }
}

/** A certificate that is asked for and not had, or not good, is nobody's; with `required` there is no connection at all. */
const clientsOf = ({ tlsClientCa, tlsClients }: Config) =>
  tlsClientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: tlsClients === 'required' }

/**
 * That of the gRPC listener, which has files of its own, and what reads them again when they change. Throws a ConfigError
 * likewise.
 */
export function grpcCertificate(ground: Ground) {
  const { config } = ground
  const { grpcTlsCert: cert, grpcTlsKey: key, tlsClientCa: ca } = config
  if (!cert || !key) return undefined
  const read = () => certificateIn('GRPC_TLS_CERT, GRPC_TLS_KEY, WAYPOST_TLS_CLIENT_CA', { cert, key, ca })
  const tls = read()
  return {
    tls: { ...tls, ...clientsOf(config) },
    renewed: (take: (found: Certificate) => void) =>
      renewal({ name: 'grpc certificate', known: tls, read, take }, ground),
  }
}

interface Renewal {
  readonly name: string
  readonly known: Certificate
  readonly read: () => Certificate
  readonly take: (found: Certificate) => void
}

/** So that a certificate that is renewed needs no restart. One that is of no use is told, and the known one stays. */
function renewal({ name, known, read, take }: Renewal, { limits, loopTools }: Ground): Service {
  let digest = digestOf(known)
  return loop(
    name,
    async (signal) => {
      await loopTools.clock.sleep(limits.certificateEveryMs, signal)
      const found = signal.aborted ? undefined : read()
      if (!found || digestOf(found) === digest) return
      take(found)
      digest = digestOf(found)
    },
    loopTools,
  )
}

/** Node's defaults leave a slow body open for more than 100 s and slow headers for 79 s. */
const boundsOf = (limits: Limits) => ({
  headersTimeout: limits.headersTimeoutMs,
  requestTimeout: limits.requestTimeoutMs,
  keepAliveTimeout: limits.keepAliveTimeoutMs,
  connectionsCheckingInterval: limits.connectionsCheckMs,
  maxHeaderSize: limits.headerBytesMax,
  // It is asked for where hosts are looked at.
  requireHostHeader: false,
})

/** The HTTP listener, in the clear or over TLS (1.2 at least). Throws a ConfigError for a certificate that is of no use. */
export function bareListener({ config, limits }: Pick<Ground, 'config' | 'limits'>): {
  server: Server
  certificate?: { readonly known: Certificate; readonly read: () => Certificate }
} {
  const { tlsCert: cert, tlsKey: key, tlsClientCa: ca } = config
  const files = cert && key ? { cert, key, ca } : undefined
  const read = () => files && certificateIn('WAYPOST_TLS_CERT, WAYPOST_TLS_KEY, WAYPOST_TLS_CLIENT_CA', files)
  const tls = read()
  const server = tls
    ? createTlsServer({
        ...boundsOf(limits),
        ...tls,
        ...clientsOf(config),
        minVersion: 'TLSv1.2',
        handshakeTimeout: limits.headersTimeoutMs,
      })
    : createServer(boundsOf(limits))
  server.maxConnections = limits.connectionsMax
  server.maxHeadersCount = limits.headersCountMax
  server.maxRequestsPerSocket = limits.requestsPerSocketMax
  server.on('clientError', refuseUnparsed)
  server.on('checkExpectation', refuseExpectation)
  askForBodies(server as Server, limits)
  if (!tls) return { server: server as Server }
  return { server: server as unknown as Server, certificate: { known: tls, read: () => read() ?? tls } }
}

/** That listener, and what reads a changed certificate again, so that one that is renewed needs no restart. */
export function createListener(ground: Ground): { server: Server; services: Service[] } {
  const { server, certificate } = bareListener(ground)
  if (!certificate) return { server, services: [] }
  const take = (found: Certificate) =>
    (server as unknown as TlsServer).setSecureContext({ ...found, minVersion: 'TLSv1.2' })
  return { server, services: [renewal({ name: 'certificate', ...certificate, take }, ground)] }
}

const digestOf = ({ cert, key, ca }: Certificate): string =>
  sha256([cert, key, ca ?? ''].map((file) => sha256(file.toString('latin1'))).join())
