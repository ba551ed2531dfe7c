/** The HTTP listener: its bounds, its certificate. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { type Config, ConfigError } from './config.ts'
import type { Ground } from './ground.ts'
import { refuseUnparsed } from './http/unparsed.ts'
import type { Limits } from './limits.ts'
import { sha256 } from './platform/ids.ts'
import { loop, type Service } from './platform/service.ts'
import type { GrpcServerTools } from './wire/bindings/grpc/server.ts'

/** Who waits to be asked for a body that is too large is refused without it (RFC 9110 §10.1.1). */
function askForBodies(server: Server, { requestBytesMax }: Limits): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (Number(request.headers['content-length'] ?? 0) <= requestBytesMax) response.writeContinue()
    server.emit('request', request, response)
  })
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

/** That of the gRPC listener, which has files of its own. Throws a ConfigError likewise. */
export function grpcCertificate(config: Config): GrpcServerTools['tls'] {
  const { grpcTlsCert: cert, grpcTlsKey: key, tlsClientCa: ca } = config
  if (!cert || !key) return undefined
  return {
    ...certificateIn('GRPC_TLS_CERT, GRPC_TLS_KEY, WAYPOST_TLS_CLIENT_CA', { cert, key, ca }),
    ...clientsOf(config),
  }
}

/** Node's defaults leave a slow body open for more than 100 s and slow headers for 79 s. */
const timersOf = (limits: Limits) => ({
  headersTimeout: limits.headersTimeoutMs,
  requestTimeout: limits.requestTimeoutMs,
  keepAliveTimeout: limits.keepAliveTimeoutMs,
  connectionsCheckingInterval: limits.connectionsCheckMs,
  maxHeaderSize: limits.headerBytesMax,
})

/**
 * The HTTP listener, in the clear or over TLS (1.2 at least); and what reads a changed certificate again, so that one that is
 * renewed needs no restart. Throws a ConfigError for a certificate that is of no use.
 */
export function createListener({ config, limits, loopTools }: Ground): {
  server: Server
  services: Service[]
} {
  const { tlsCert: cert, tlsKey: key, tlsClientCa: ca } = config
  const files = cert && key ? { cert, key, ca } : undefined
  const from = () => files && certificateIn('WAYPOST_TLS_CERT, WAYPOST_TLS_KEY, WAYPOST_TLS_CLIENT_CA', files)
  const tls = from()
  const server = tls
    ? createTlsServer({
        ...timersOf(limits),
        ...tls,
        ...clientsOf(config),
        minVersion: 'TLSv1.2',
        handshakeTimeout: limits.headersTimeoutMs,
      })
    : createServer(timersOf(limits))
  server.maxConnections = limits.connectionsMax
  server.maxHeadersCount = limits.headersCountMax
  server.maxRequestsPerSocket = limits.requestsPerSocketMax
  server.on('clientError', refuseUnparsed)
  askForBodies(server as Server, limits)
  if (!tls) return { server: server as Server, services: [] }
  let known = digestOf(tls)
  const look = loop(
    'certificate',
    async (signal) => {
      await loopTools.clock.sleep(limits.certificateEveryMs, signal)
      const found = signal.aborted ? undefined : from()
      if (!found || digestOf(found) === known) return
      ;(server as TlsServer).setSecureContext({ ...found, minVersion: 'TLSv1.2' })
      known = digestOf(found)
    },
    loopTools,
  )
  return { server: server as unknown as Server, services: [look] }
}

const digestOf = ({ cert, key, ca }: Certificate): string =>
  sha256([cert, key, ca ?? ''].map((file) => sha256(file.toString('latin1'))).join())
