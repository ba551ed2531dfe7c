/** A line to one agent: which interface, binding and version we use, and with which headers. */
import type { AgentCard, AgentInterface } from '../../../a2a/agentCard.ts'
import type { Verdict } from '../../../delivery.ts'
import { LIMITS, type Limits } from '../../../limits.ts'
import { bareOrigin, isSameHost, isSameOrigin, originOf } from '../../../platform/origins.ts'
import type { AgentTarget, FetchCard, Nudged, PeerSend } from '../../../ports.ts'
import { codecFor } from '../../versions/table.ts'
import { type AgentClient, type AgentFace, type ClientTools, createAgentClient } from '../agentClient.ts'
import { grpcOrigin } from '../grpc/address.ts'
import { speakJsonRpc } from '../jsonrpc/client.ts'
import { speakRest } from '../rest/client.ts'

/** Bindings that we speak as a client, by the name that a card uses. */
const SPEECHES: Readonly<Record<string, (face: AgentFace, tools: ClientTools) => AgentClient | Promise<AgentClient>>> =
  {
    JSONRPC: (face, tools) => createAgentClient(face, speakJsonRpc(face), tools),
    'HTTP+JSON': (face, tools) => createAgentClient(face, speakRest(face), tools),
    // Loaded by who needs it.
    GRPC: async (face, tools) => (await import('../grpc/client.ts')).createGrpcClient(face, tools),
  }

export interface Line {
  readonly client: AgentClient
  readonly tenant: { readonly tenant?: string }
  /** The agent says that it streams and that it pushes. */
  readonly streams: boolean
  readonly pushes: boolean
  /** The version has ListTasks. */
  readonly lists: boolean
  readonly signal: AbortSignal
  readonly limits: Limits
  /** The agent pushes: then a poll need not wait for its time. */
  readonly nudged?: Nudged
}

export interface LineTools extends ClientTools {
  readonly fetchCard?: FetchCard
}

const NOBODY: Pick<PeerSend, 'extensions'> = { extensions: [] }

export async function openLine(
  tools: LineTools,
  target: AgentTarget,
  signal: AbortSignal,
  request: Pick<PeerSend, 'extensions'> & Partial<PeerSend> = NOBODY,
): Promise<{ kind: 'line'; line: Line } | { kind: 'closed'; verdict: Verdict }> {
  const card = target.card ?? (await cardOf(tools, target, signal))
  if ('kind' in card) return { kind: 'closed', verdict: card }
  const face = chooseFace(card, target, request)
  if (!face)
    return {
      kind: 'closed',
      verdict: {
        kind: 'refused',
        code: 'FAILED',
        retry: false,
        reason: 'the agent offers no interface at its registered origin in a binding and version that we speak',
      },
    }
  const line: Line = {
    client: await face.speak(face, tools),
    tenant: face.tenant === undefined ? {} : { tenant: face.tenant },
    streams: card.capabilities.streaming === true,
    pushes: card.capabilities.pushNotifications === true,
    lists: face.codec.names.ListTasks !== undefined,
    signal,
    limits: tools.limits ?? LIMITS,
    ...(request.push && { nudged: request.push.nudged }),
  }
  return { kind: 'line', line }
}

async function cardOf(
  { fetchCard }: LineTools,
  target: AgentTarget,
  signal: AbortSignal,
): Promise<AgentCard | Verdict> {
  const unknown = {
    kind: 'refused',
    code: 'UNREACHABLE',
    retry: true,
    reason: "the agent's card is not known",
  } as const
  if (!fetchCard) return unknown
  const fetched = await fetchCard(target, signal)
  return fetched.kind === 'fetched' ? fetched.card : fetched.verdict
}

/** The first entry that we can speak with: the order is the agent's preference (A2A 1.0 §8.3.2), unless one was chosen. */
function chooseFace(card: AgentCard, target: AgentTarget, request: Pick<PeerSend, 'extensions'> & Partial<PeerSend>) {
  for (const offered of card.supportedInterfaces) {
    const binding = offered.protocolBinding.toUpperCase()
    const speak = SPEECHES[binding]
    const codec = codecFor(offered.protocolVersion)
    if (!speak || !codec || (target.binding !== undefined && target.binding !== binding)) continue
    const url = addressAtHome(offered, target)
    if (url === undefined) continue
    const face: AgentFace = { url, ...tenantOf(offered), codec, headers: headersOf(codec.version, target, request) }
    return { ...face, speak }
  }
  return undefined
}

const atHome = new WeakMap<AgentInterface, { readonly target: Home; readonly address: string | undefined }>()
type Home = Pick<AgentTarget, 'url' | 'origins'>

/**
 * Where to call, if our credentials may go there. Remembered beside the card's entry: four URLs were parsed for each send.
 */
function addressAtHome(offered: AgentInterface, { url, origins }: Home): string | undefined {
  const known = atHome.get(offered)
  if (known?.target.url === url && known.target.origins === origins) return known.address
  const grpc = offered.protocolBinding.toUpperCase() === 'GRPC'
  const address = grpc ? grpcOrigin(offered.url, url) : offered.url
  const origin = grpc ? bareOrigin(offered.url) : originOf(offered.url)
  const approved = origin !== undefined && (origins?.includes(origin) ?? false)
  const own = address !== undefined && (grpc ? isSameHost(address, url) : isSameOrigin(address, url))
  const found = own || approved ? address : undefined
  atHome.set(offered, { target: { url, ...(origins && { origins }) }, address: found })
  return found
}

// The JS SDK up to 1.3.0 writes `tenant: ''` into its cards.
const tenantOf = ({ tenant }: AgentInterface) => (tenant ? { tenant } : {})

function headersOf(version: string, target: AgentTarget, request: Partial<PeerSend>): Record<string, string> {
  const { extensions = [], trace, idempotencyKey } = request
  const asked = extensions.join(', ')
  return {
    'a2a-version': version,
    // The second name is that of versions before 1.0; nobody minds both.
    ...(asked !== '' && { 'a2a-extensions': asked, 'x-a2a-extensions': asked }),
    ...(trace && { traceparent: trace.traceparent }),
    ...(trace?.tracestate && { tracestate: trace.tracestate }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    ...target.headers,
  }
}
