/** The gRPC listener; that for HTTP is `main.ts`'s own. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Parties } from './assembly.ts'
import { type Config, ConfigError } from './config.ts'
import type { Ground } from './ground.ts'
import type { GrpcServerTools } from './wire/bindings/grpc/server.ts'

/**
 * The half that speaks, as a server on a listener of its own; its libraries are loaded by who has one. Rejects with a
 * ConfigError for a certificate that is of no use.
 */
export async function buildGrpc(ground: Ground, parties: Parties, tools: Pick<GrpcServerTools, 'execute' | 'places'>) {
  const { authenticate, presentCard } = parties
  const { config, clock, signals, limits, url, draining } = ground
  const named = /\{agent\}\.([^:]+)/.exec(config.grpcPublicAddress ?? '')?.[1]
  const tls = certificateOf(config)
  const { createGrpcServer } = await import('./wire/bindings/grpc/server.ts')
  return createGrpcServer({
    ...{ ...tools, authenticate, presentCard, signals, clock, limits },
    host: config.host,
    port: config.grpcPort,
    publicHostnames: [new URL(url()).hostname, ...(named ? [named] : [])],
    draining: () => draining.signal.aborted,
    ...(config.rootAgent && { rootAgent: config.rootAgent }),
    ...(config.quirks && { quirks: config.quirks }),
    ...(tls && { tls }),
  })
}

function certificateOf({ grpcTlsCert, grpcTlsKey }: Config): GrpcServerTools['tls'] {
  if (!grpcTlsCert || !grpcTlsKey) return undefined
  try {
    const tls = { cert: readFileSync(grpcTlsCert), key: readFileSync(grpcTlsKey) }
    createSecureContext(tls)
    return tls
  } catch (error) {
    throw new ConfigError([{ setting: 'GRPC_TLS_CERT, GRPC_TLS_KEY', problem: (error as Error).message }])
  }
}
