/** One rpc being answered: who calls which agent, and the one place that counts how it ended. */
import type { Http2ServerRequest } from 'node:http2'
import { Code, ConnectError, type ContextKey, createContextKey } from '@connectrpc/connect'
import { A2AError } from '../../../a2a/errors.ts'
import type { HappeningSignals } from '../../../happenings.ts'
import type { Limits } from '../../../limits.ts'
import type { Clock } from '../../../platform/clock.ts'
import { uuidv7 } from '../../../platform/ids.ts'
import type { Authenticate, Caller, Credentials } from '../../../ports.ts'
import type { VersionCodec } from '../../versions/codec.ts'
import { asA2AError, type Quirks } from '../errors.ts'
import type { Performer } from '../perform.ts'
import { agentName } from '../targets.ts'
import { refusedByLibrary, toStatus } from './status.ts'

export interface GrpcTools {
  readonly performer: Performer
  readonly authenticate: Authenticate
  readonly signals: HappeningSignals
  readonly clock: Clock
  readonly limits: Limits
  readonly quirks: Quirks | undefined
  /** `{agent}.<one of these>` as the authority names that agent. */
  readonly publicHostnames: readonly string[]
  /** Whom a request means that names no agent. */
  readonly rootAgent?: string
  readonly draining: () => boolean
}

export interface Rpc {
  readonly request: Http2ServerRequest
  readonly startedAt: number
  /** By name, case-folded; undefined: only the message itself can tell, and has not been read; '': no agent's name. */
  agent: string | undefined
  credentials: Credentials | undefined
  caller: Caller | undefined
  operation: string
  /** The version of the service; the latest as long as that is not known. */
  codec: VersionCodec
  served: boolean
}

/** Set for every rpc before it is handed to the library. */
export const RPC: ContextKey<Rpc | undefined> = createContextKey<Rpc | undefined>(undefined)

/** The agent by metadata or authority. */
export function agentBefore(
  { headers, authority }: Http2ServerRequest,
  hostnames: readonly string[],
): string | undefined {
  const said = headers['x-waypost-agent']
  if (said !== undefined) return agentName(String(said))
  const host = authority.replace(/:\d+$/, '').toLowerCase()
  const suffix = hostnames.map((name) => `.${name.toLowerCase()}`).find((ending) => host.endsWith(ending))
  return suffix === undefined ? undefined : agentName(host.slice(0, -suffix.length))
}

/**
 * Fails closed: whatever goes wrong in there, nobody gets in.
 * @throws A2AError UNAUTHENTICATED and what else Authenticate says; UNAVAILABLE when it broke
 */
export async function identify(rpc: Rpc, agent: string, tools: GrpcTools): Promise<Caller> {
  let caller: Caller
  try {
    caller = await tools.authenticate({ ...(rpc.credentials as Credentials), agent })
  } catch (error) {
    if (error instanceof A2AError) throw error
    reported(error, tools)
    throw new A2AError('UNAVAILABLE', 'credentials cannot be checked at the moment')
  }
  if (!caller?.id) throw new A2AError('UNAUTHENTICATED', 'a credential is needed')
  return caller
}

export function served(rpc: Rpc, code: string, { signals, clock }: GrpcTools): void {
  if (rpc.served) return
  rpc.served = true
  signals.emit('request.served', {
    binding: 'GRPC',
    operation: rpc.operation,
    code,
    ms: clock.elapsed() - rpc.startedAt,
  })
}

/** A bug is told to the operator in full and to the caller as a reference. */
const reported = (error: unknown, { signals }: GrpcTools): A2AError =>
  asA2AError(error, (bug) => {
    const reference = uuidv7()
    const text = bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)
    signals.emit('service.failed', { service: 'wire', error: `${reference}: ${text}` })
    return reference
  })

/** The status for whatever was thrown. `signal` is the rpc's: once it is aborted, why is all that counts. */
export function refusal(rpc: Rpc, cause: unknown, signal: AbortSignal, tools: GrpcTools): ConnectError {
  if (signal.aborted) {
    const late = signal.reason instanceof ConnectError && signal.reason.code === Code.DeadlineExceeded
    served(rpc, late ? 'DEADLINE_EXCEEDED' : 'CLIENT_GONE', tools)
    return late ? (signal.reason as ConnectError) : new ConnectError('the client went away', Code.Canceled)
  }
  const ours = cause instanceof ConnectError ? refusedByLibrary(cause, tools.limits.requestBytesMax) : cause
  if (ours === undefined) {
    served(rpc, 'INVALID_REQUEST', tools)
    return cause as ConnectError
  }
  const error = reported(ours, tools)
  served(rpc, error.reason, tools)
  return toStatus(error, rpc.codec, tools.quirks)
}
