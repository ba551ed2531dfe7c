/** A line to one agent: which interface, binding and version we use, and with which headers. */
import type { AgentCard, AgentInterface } from '../../../a2a/agentCard.ts'
import type { Verdict } from '../../../delivery.ts'
import { LIMITS, type Limits } from '../../../limits.ts'
import { isSameOrigin, originOf } from '../../../platform/origins.ts'
import type { AgentTarget, FetchCard, Nudged, PeerSend } from '../../../ports.ts'
import { codecFor } from '../../versions/table.ts'
import { type AgentClient, type AgentFace, type ClientTools, createAgentClient, type Speech } from '../agentClient.ts'
import { speakJsonRpc } from '../jsonrpc/client.ts'
import { speakRest } from '../rest/client.ts'

/** Bindings that we speak as a client, by the name that a card uses. */
const SPEECHES: Readonly<Record<string, (face: AgentFace) => Speech>> = {
  JSONRPC: speakJsonRpc,
  'HTTP+JSON': speakRest,
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
    client: createAgentClient(face, face.speech, tools),
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

/** The first entry that we can speak with: the order is the agent's preference (A2A 1.0 §8.3.2). */
function chooseFace(card: AgentCard, target: AgentTarget, request: Pick<PeerSend, 'extensions'> & Partial<PeerSend>) {
  for (const offered of card.supportedInterfaces) {
    const speak = SPEECHES[offered.protocolBinding.toUpperCase()]
    const codec = codecFor(offered.protocolVersion)
    if (!speak || !codec || !isAtHome(offered, target)) continue
    const face: AgentFace = {
      url: offered.url,
      ...tenantOf(offered),
      codec,
      headers: headersOf(codec.version, target, request),
    }
    return { ...face, speech: speak(face) }
  }
  return undefined
}

const atHome = new WeakMap<AgentInterface, { readonly target: Home; readonly home: boolean }>()
type Home = Pick<AgentTarget, 'url' | 'origins'>

/** Remembered beside the card's entry: four URLs were parsed for each send. */
function isAtHome(offered: AgentInterface, { url, origins }: Home): boolean {
  const known = atHome.get(offered)
  if (known?.target.url === url && known.target.origins === origins) return known.home
  const origin = originOf(offered.url)
  const home = isSameOrigin(offered.url, url) || (origin !== undefined && (origins?.includes(origin) ?? false))
  atHome.set(offered, { target: { url, ...(origins && { origins }) }, home })
  return home
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
