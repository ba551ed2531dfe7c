/** The public agent card under its well-known paths (spec §8.2), with everything a cache wants to know (§8.6). */

import type { AgentCard, AgentCardSignature } from '../../a2a/agentCard.ts'
import { A2AError } from '../../a2a/errors.ts'
import { sha256 } from '../../platform/ids.ts'
import type { Authenticate, Caller, Credentials, PresentCard, PresentedCard } from '../../ports.ts'
import type { VersionCodec } from '../versions/codec.ts'
import { LATEST, negotiate } from '../versions/table.ts'
import { type Exchange, type Headers, SECURITY_HEADERS, served } from './exchange.ts'
import { versionOf } from './parameters.ts'

export const CARD_PATHS: ReadonlySet<string> = new Set(['/.well-known/agent-card.json', '/.well-known/agent.json'])

export interface CardTools {
  readonly presentCard: PresentCard
  readonly authenticate: Authenticate
  /** Signs a document as it stands. */
  readonly sign?: ((document: Readonly<Record<string, unknown>>) => Promise<AgentCardSignature>) | undefined
}

interface WrittenCard {
  readonly body: Buffer
  readonly etag: string
}
const written = new WeakMap<AgentCard, Map<VersionCodec, Promise<WrittenCard>>>()

function writeCard(card: AgentCard, codec: VersionCodec, sign: CardTools['sign']): Promise<WrittenCard> {
  let versions = written.get(card)
  if (!versions) {
    versions = new Map()
    written.set(card, versions)
  }
  let found = versions.get(codec)
  if (!found) {
    found = write(card, codec, sign)
    versions.set(codec, found)
    found.catch(() => versions.delete(codec))
  }
  return found
}

/**
 * A hybrid is another document than the card whose signature it would carry: it is signed as it stands, and bears the
 * card's own signature as well, which holds for readers that drop the members they do not know.
 */
async function write(card: AgentCard, codec: VersionCodec, sign: CardTools['sign']): Promise<WrittenCard> {
  const encoded = codec.encodeCard(card) as Record<string, unknown> & Pick<AgentCard, 'signatures'>
  const ours = sign && card.signatures && !encoded.signatures ? [await sign(encoded), ...card.signatures] : undefined
  const { signatures = ours, ...content } = encoded
  if (!signatures) {
    const text = JSON.stringify(content)
    return { body: Buffer.from(text), etag: `"${digest(text)}"` }
  }
  // Two replicas sign the same card differently: the same in meaning, not in bytes. The header says by which key.
  const by = signatures.map((signature) => signature.protected)
  const etag = `W/"${digest(JSON.stringify([content, by]))}"`
  return { body: Buffer.from(JSON.stringify({ ...content, signatures })), etag }
}

const digest = (text: string): string => sha256(text).slice(0, 27)

/** @throws A2AError AGENT_NOT_FOUND, for an agent that is not there as for one that this caller may not see */
export async function serveCard(exchange: Exchange, tools: CardTools, credentials: Credentials): Promise<void> {
  const { request, response, agent } = exchange
  const { presented, isPrivate } = await find(tools, agent, credentials)
  if (!presented) throw new A2AError('AGENT_NOT_FOUND', 'no such agent')
  const codec = codecOf(exchange)
  const { body, etag } = await writeCard(presented.card, codec, tools.sign)
  const modifiedAt = presented.modifiedAt
  const headers: Headers = {
    ...SECURITY_HEADERS,
    ETag: etag,
    'Last-Modified': modifiedAt.toUTCString(),
    'Cache-Control': `${isPrivate ? 'private' : 'public'}, max-age=${exchange.tools.limits.cardMaxAgeSeconds}`,
    Vary: isPrivate ? 'A2A-Version, Authorization, X-API-Key' : 'A2A-Version',
  }
  if (isUnchanged(request.headers, etag, modifiedAt)) response.writeHead(304, headers).end()
  else {
    const type = { 'Content-Type': 'application/json', 'Content-Length': body.length }
    response.writeHead(200, { ...headers, ...type }).end(request.method === 'HEAD' ? undefined : body)
  }
  served(exchange, 'OK')
}

/** Nobody needs credentials for a public card, and bad ones are no reason to hide it. */
async function find(
  { presentCard, authenticate }: CardTools,
  agent: string,
  credentials: Credentials,
): Promise<{ presented: PresentedCard | undefined; isPrivate: boolean }> {
  const open = await presentCard(agent, undefined)
  if (open) return { presented: open, isPrivate: false }
  let caller: Caller
  try {
    caller = await authenticate(credentials)
  } catch (error) {
    if (error instanceof A2AError && error.reason === 'UNAUTHENTICATED')
      return { presented: undefined, isPrivate: true }
    throw error
  }
  return { presented: await presentCard(agent, caller), isPrivate: true }
}

/** Without a version the oldest reader must understand it; one that we do not know yet gets the newest we have. */
function codecOf({ request, query, tools }: Exchange): VersionCodec {
  const parameter = query === '' ? null : new URLSearchParams(query).get('A2A-Version')
  const asked = versionOf(request.headers['a2a-version'], parameter)
  // Conformance kits check a card that they fetch without a version against the pure schema.
  if (asked === '' && tools.quirks === '1.0.0') return LATEST
  try {
    return negotiate(asked)
  } catch {
    return LATEST
  }
}

/** By weak comparison (RFC 9110 §8.8.3.2). */
const isSameTag = (one: string, other: string): boolean => one.replace(/^W\//, '') === other.replace(/^W\//, '')

/** If-None-Match decides alone when it is there (RFC 9110 §13.2.2). */
function isUnchanged(
  headers: { 'if-none-match'?: string | undefined; 'if-modified-since'?: string | undefined },
  etag: string,
  modifiedAt: Date,
): boolean {
  const known = headers['if-none-match']
  if (known !== undefined) return known.trim() === '*' || known.split(',').some((tag) => isSameTag(tag.trim(), etag))
  const since = headers['if-modified-since']
  if (since === undefined) return false
  const at = Date.parse(since)
  return Number.isFinite(at) && Math.floor(modifiedAt.getTime() / 1_000) <= Math.floor(at / 1_000)
}
