/**
 * The A2A surface of all agents on one HTTP listener, below any framework: works on Node's raw request and response,
 * and gives back false for what is not its own. Order of every request: path, credentials, everything else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Authenticate, Caller, Credentials, Execute, PresentCard } from '../../ports.ts'
import { LATEST } from '../versions/table.ts'
import { ClientGone } from './body.ts'
import { httpStatus, type Quirks } from './errors.ts'
import { type Exchange, type ExchangeTools, refuse, served, toA2AError } from './exchange.ts'
import { serveJsonRpc } from './jsonrpc/server.ts'
import { credentialsOf } from './parameters.ts'
import type { HttpPerformer } from './perform.ts'
import { createPlaces, type StreamPlaces } from './places.ts'
import { matchRest } from './rest/routes.ts'
import { serveRest } from './rest/server.ts'
import { createSilence } from './silence.ts'
import { createStreams } from './sse.ts'
import { locator, segmentsOf } from './targets.ts'
import { CARD_PATHS, type CardTools, serveCard } from './wellKnown.ts'

export interface A2aServerTools {
  readonly execute: Execute
  readonly authenticate: Authenticate
  readonly presentCard: PresentCard
  /** Signs hybrid cards, as they stand. */
  readonly sign?: CardTools['sign']
  readonly signals: HappeningSignals
  readonly clock: Clock
  readonly limits?: Partial<Limits>
  /** `host[:port]` of the public URL: `{agent}.<public host>` is that agent's own host. */
  readonly publicHost: string
  /** Whose surface is also served at `/`. */
  readonly rootAgent?: string
  readonly quirks?: Quirks
  /** Shared with other listeners; default: its own. */
  readonly places?: StreamPlaces
  readonly draining: () => boolean
}

export interface A2aServer {
  /** Takes the request if its path is one of A2A's and answers it, now or later; false: it is somebody else's. */
  serve(request: IncomingMessage, response: ServerResponse): boolean
}

export function createA2aServer(tools: A2aServerTools): A2aServer {
  const { signals, clock, draining, quirks } = tools
  const shared: ExchangeTools = { signals, clock, draining, quirks, limits: { ...LIMITS, ...tools.limits } }
  const performer: HttpPerformer = {
    execute: tools.execute,
    presentCard: tools.presentCard,
    places: tools.places ?? createPlaces(shared),
    streams: createStreams(shared),
    silence: createSilence(shared),
  }
  const locate = locator(tools.publicHost, tools.rootAgent)
  return {
    serve(request, response) {
      const target = locate(request)
      if (!target) return false
      const exchange: Exchange = {
        request,
        response,
        tools: shared,
        agent: target.agent,
        query: target.query,
        startedAt: clock.elapsed(),
        binding: target.path === '' || target.path === '/' ? 'JSONRPC' : 'HTTP+JSON',
        codec: LATEST,
        idText: 'null',
        operation: '',
        activated: [],
      }
      void answer(exchange, target.path, tools, performer)
      return true
    },
  }
}

/** Never rejects. */
async function answer(
  exchange: Exchange,
  path: string,
  tools: A2aServerTools,
  performer: HttpPerformer,
): Promise<void> {
  try {
    await dispatch(exchange, path, tools, performer)
  } catch (error) {
    if (error instanceof ClientGone) served(exchange, 'CLIENT_GONE')
    else refuse(exchange, error)
  }
}

async function dispatch(
  exchange: Exchange,
  path: string,
  tools: A2aServerTools,
  performer: HttpPerformer,
): Promise<void> {
  const opened = openRequest(exchange, path)
  if (!opened) return
  if (CARD_PATHS.has(path)) {
    exchange.operation = 'GetAgentCard'
    refuseMethod(exchange, ['GET', 'HEAD'])
    return serveCard(exchange, tools, opened.credentials)
  }
  if (exchange.binding === 'JSONRPC') {
    refuseMethod(exchange, ['POST'])
    const caller = await identify(exchange, tools.authenticate, opened.credentials)
    return serveJsonRpc(exchange, performer, caller)
  }
  const match = matchRest(exchange.request.method ?? '', opened.segments)
  if (match.kind !== 'absent') {
    exchange.codec = match.route.codec
    exchange.operation = match.route.name
  }
  if (match.kind === 'other method') throw wrongMethod(match.allow)
  const caller = await identify(exchange, tools.authenticate, opened.credentials)
  if (match.kind === 'absent') throw new A2AError('METHOD_NOT_FOUND', 'there is nothing at this path')
  return serveRest(exchange, performer, caller, match)
}

interface Opened {
  readonly segments: readonly string[]
  readonly credentials: Credentials
}

/** What is wrong here is wrong as HTTP, whatever the binding: answered with the HTTP status, and undefined comes back. */
function openRequest(exchange: Exchange, path: string): Opened | undefined {
  try {
    return { segments: segmentsOf(path), credentials: credentialsOf(exchange.request, exchange.agent) }
  } catch (cause) {
    const error = toA2AError(exchange, cause)
    refuse(exchange, error, httpStatus(error, exchange.tools.quirks))
    return undefined
  }
}

function refuseMethod({ request }: Exchange, allowed: readonly string[]): void {
  if (!allowed.includes(request.method ?? '')) throw wrongMethod(allowed.join(', '))
}

const wrongMethod = (allow: string): A2AError =>
  new A2AError('METHOD_NOT_ALLOWED', `this path takes ${allow}`, { metadata: { allow } })

/**
 * Fails closed: whatever goes wrong in there, nobody gets in (SR-05).
 * @throws A2AError UNAUTHENTICATED and what else Authenticate says; UNAVAILABLE when it broke; AGENT_NOT_FOUND
 */
async function identify(exchange: Exchange, authenticate: Authenticate, credentials: Credentials): Promise<Caller> {
  let caller: Caller
  try {
    caller = await authenticate(credentials)
  } catch (error) {
    if (error instanceof A2AError) throw error
    toA2AError(exchange, error)
    throw new A2AError('UNAVAILABLE', 'credentials cannot be checked at the moment')
  }
  if (!caller?.id) throw new A2AError('UNAUTHENTICATED', 'a credential is needed')
  exchange.proveAgain = () => authenticate(credentials)
  if (exchange.agent === '') throw new A2AError('AGENT_NOT_FOUND', 'no such agent')
  return caller
}
