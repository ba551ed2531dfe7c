/**
 * A small A2A client: the eleven operations over the binding that the card prefers, JSON-RPC, HTTP+JSON or gRPC. Answers are
 * the protocol's own objects, unmodified; errors have the protocol's own names.
 */

import type { StreamResponse } from '../a2a/events.ts'
import type { OperationName, Params, Result } from '../a2a/operations.ts'
import { LOOPBACK, type ResolvedAgent } from './agentRef.ts'
import type { Http } from './client.ts'
import { CliError } from './errors.ts'
import { httpSpeech } from './httpSpeech.ts'
import { speaks } from './protocolVersion.ts'
import type { Interface, Speech, StreamPlace } from './speech.ts'
import type { TlsOptions } from './tls.ts'

export interface StreamedEvent {
  /** The SSE id, for resuming. */
  readonly id?: string
  readonly event: StreamResponse
}

type Unary = Exclude<OperationName, 'SendStreamingMessage' | 'SubscribeToTask'>
type Streaming = 'SendStreamingMessage' | 'SubscribeToTask'

export interface A2AClient {
  readonly agent: ResolvedAgent
  /** The interface that is spoken to. @throws CliError VersionNotSupportedError if there is none for us */
  chosen(): Interface
  /** The same client, signaling another version: to see what the agent says. */
  signaling(version: string): A2AClient
  /** `signal`: gives up on the answer; beside the call's own. */
  call<N extends Unary>(name: N, params: Params<N>, signal?: AbortSignal): Promise<Result<N>>
  stream<N extends Streaming>(name: N, params: Params<N>, where?: StreamPlace): AsyncGenerator<StreamedEvent>
}

export interface A2AClientSettings {
  readonly agent: ResolvedAgent
  readonly http: Http
  /** Credentials and service parameters. */
  readonly headers: Readonly<Record<string, string>>
  /** A credential that the card's scheme wants in the query (A2A §4.5.2). */
  readonly query?: Readonly<Record<string, string>>
  /** Whether a credential is in headers or query: a refusal then means that it was not good. */
  readonly authorized: boolean
  readonly version: string
  /** Extensions that the agent requires and nobody here knows. */
  readonly missingExtensions: readonly string[]
  /** Bindings in order of preference; empty: the card's order. */
  readonly transports: readonly string[]
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal
  readonly tls?: TlsOptions | undefined
  /** Told each event of a stream as it came, for --debug. */
  readonly trace?: ((line: string) => void) | undefined
}

export function createA2AClient(settings: A2AClientSettings): A2AClient {
  const { agent, signal, headers, query = {}, tls, trace } = settings
  let found: Interface | undefined
  // Not before it is needed: a card that nobody can speak to may still be looked at.
  const chosen = () => {
    found ??= chooseInterface(agent, settings.transports)
    return found
  }
  const facts = {
    headers: { 'A2A-Version': settings.version, ...headers },
    hadKey: settings.authorized || 'authorization' in headers,
    trace,
  }
  // gRPC is loaded only for who speaks it. It has no query; a credential that belongs there is metadata.
  const speechOf = async (at: Interface): Promise<Speech> => {
    if (at.binding !== 'GRPC') return httpSpeech(at, { ...settings, ...facts, query })
    const { createGrpcClient } = await import('./grpcClient.ts')
    return createGrpcClient({ url: at.url, tls, ...facts, headers: { ...facts.headers, ...query } })
  }
  let speech: Promise<Speech> | undefined
  const asking = async (name: OperationName, params: object) => {
    const at = chosen()
    mayAsk(name, settings)
    speech ??= speechOf(at)
    // Exactly as the interface declares it, and absent if it declares none (a2a-cli §13.1).
    return { speech: await speech, params: at.tenant ? { ...params, tenant: at.tenant } : params }
  }

  return {
    agent,
    chosen,
    signaling: (version) => createA2AClient({ ...settings, version }),
    async call(name, params, reading) {
      const asked = await asking(name, params)
      return (await asked.speech.call(name, asked.params, reading ?? signal)) as never
    },
    async *stream(name, params, where = {}) {
      const asked = await asking(name, params)
      const place = { ...where, signal: where.signal ?? signal } as StreamPlace
      for await (const one of asked.speech.stream(name, asked.params, place)) yield one as StreamedEvent
    },
  }
}

/** Capabilities are looked up in the card before they are used (a2a-cli §13.3), and required extensions must be known. */
function mayAsk(name: OperationName, { agent, missingExtensions }: A2AClientSettings): void {
  const { capabilities = {} } = agent.card
  if (/PushNotification/.test(name) && !capabilities.pushNotifications)
    throw new CliError('PushNotificationNotSupportedError', "the agent's card does not offer push notifications", {
      hint: 'follow it instead: waypost task subscribe <taskId>',
    })
  if (name === 'GetExtendedAgentCard') {
    if (capabilities.extendedAgentCard) return
    throw new CliError('UnsupportedOperationError', "the agent's card does not offer an extended card", {
      hint: 'what it has is its public card: the same command without --extended',
    })
  }
  if ((name === 'SubscribeToTask' || name === 'SendStreamingMessage') && !capabilities.streaming)
    throw new CliError('UnsupportedOperationError', "the agent's card does not offer streaming", {
      hint: 'wait for the task instead: waypost task get --wait <taskId>',
    })
  if (missingExtensions.length === 0) return
  throw new CliError('ExtensionSupportRequiredError', `the agent requires ${missingExtensions.join(', ')}`, {
    hint: `if you follow it, say so: --extension ${missingExtensions[0]}`,
  })
}

function chooseInterface(agent: ResolvedAgent, transports: readonly string[]): Interface {
  const offered = Array.isArray(agent.card.supportedInterfaces) ? agent.card.supportedInterfaces : []
  const usable = offered.flatMap(({ url, protocolBinding, protocolVersion, tenant }) =>
    BINDINGS.has(protocolBinding) && speaks(protocolVersion ?? '')
      ? [
          {
            url: (protocolBinding === 'GRPC' ? grpcUrl : reachable)(url, agent).replace(/\/+$/, ''),
            binding: protocolBinding,
            ...(tenant && { tenant }),
          } as Interface,
        ]
      : [],
  )
  const wanted = transports.map((name) => name.toUpperCase().replace(/^(REST|HTTP|HTTP-JSON)$/, 'HTTP+JSON'))
  const preferred = wanted.map((name) => usable.find(({ binding }) => binding === name)).find(Boolean)
  const chosen = preferred ?? usable[0]
  if (chosen) return chosen
  const found = offered.map(({ protocolBinding, protocolVersion }) => `${protocolBinding} ${protocolVersion}`)
  const says = found.length > 0 ? `offers ${found.join(', ')}` : 'offers no interface of this version'
  throw new CliError('VersionNotSupportedError', `the agent at ${agent.source} ${says}`, {
    hint: `register it at the gateway, which translates: waypost agent add ${agent.ref.startsWith('@') ? '<url>' : agent.ref}`,
  })
}

const BINDINGS: ReadonlySet<string> = new Set(['JSONRPC', 'HTTP+JSON', 'GRPC'])

/** Cards say `host:port`: in the clear on this machine and at a gateway that is reached so, else with TLS. */
function grpcUrl(url: string, { reachedAt }: ResolvedAgent): string {
  const written = /^https?:\/\//i.test(url) ? url : `https://${url}`
  if (!URL.canParse(written)) return written
  const at = new URL(written)
  if (reachedAt !== undefined) at.hostname = new URL(reachedAt).hostname
  const open = reachedAt === undefined ? LOOPBACK.test(at.hostname) : reachedAt.startsWith('http:')
  if (open && written !== url) at.protocol = 'http:'
  return at.origin
}

/** The path is the gateway's to say, the way to the gateway is the user's. */
function reachable(url: string, { reachedAt }: ResolvedAgent): string {
  const at = url.indexOf('/agents/')
  return reachedAt === undefined || at < 0 ? url : `${reachedAt}${url.slice(at)}`
}
