/** What everybody may read of the gateway itself: its public keys, and the catalogue of its public agents. */
import { A2AError } from '../a2a/errors.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Agents } from '../gateway/agents/registry.ts'
import { LIMITS } from '../limits.ts'
import { sha256 } from '../platform/ids.ts'
import type { PresentCard } from '../ports.ts'
import { type Face, newFace } from './face.ts'

export interface WellKnownTools {
  readonly agents: Agents
  readonly presentCard: PresentCard
  readonly publicUrl: () => string
  /** Public keys for card signatures and webhook JWTs. */
  readonly jwks: () => object
  /** Protected-resource metadata (RFC 9728) of a resource; undefined: nobody else's tokens are taken. */
  readonly metadataOf?: (resource: string) => object | undefined
}

export const RESOURCE_METADATA = '/.well-known/oauth-protected-resource'

/** The AI Catalog specification's, major and minor; it has nothing to do with A2A's. */
const CATALOGUE_VERSION = [1, 0].join('.')
/** A catalogue is one document; who has more agents is searched by /v1/agents. */
const CATALOGUE_MAX = 1_000

export function wellKnownRoutes({ agents, presentCard, publicUrl, jwks, metadataOf }: WellKnownTools): Face {
  const face = newFace()
  // As RFC 9728 §3.1 has it: the path of the resource comes behind the well-known one.
  for (const path of ['', '/mcp'])
    face.get(`${RESOURCE_METADATA}${path}`, (context) => {
      const document = metadataOf?.(`${publicUrl()}${path}`)
      if (!document) throw new A2AError('METHOD_NOT_FOUND', 'no authorization server is configured')
      return context.json(document, 200, { 'Cache-Control': `public, max-age=${LIMITS.cardMaxAgeSeconds}` })
    })
  // Never served stale: a key signs a few seconds after it is published.
  face.get('/.well-known/jwks.json', (context) => {
    const text = JSON.stringify(jwks())
    const etag = `"${sha256(text).slice(0, 27)}"`
    const headers = { 'Cache-Control': 'public, no-cache', 'Content-Type': 'application/jwk-set+json', ETag: etag }
    const known = context.req.header('if-none-match') ?? ''
    const unchanged = known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
    return unchanged ? context.body(null, 304, headers) : context.body(text, 200, headers)
  })
  face.get('/.well-known/ai-catalog.json', async (context) => {
    const listed = await agents.list({ visibility: 'public', limit: CATALOGUE_MAX })
    const entries = await Promise.all(listed.map((agent) => entryOf(agent, presentCard, publicUrl())))
    const document = {
      specVersion: CATALOGUE_VERSION,
      host: { displayName: 'Waypost', identifier: new URL(publicUrl()).hostname },
      entries: entries.filter((entry) => entry !== undefined),
    }
    const headers = {
      'Cache-Control': `public, max-age=${LIMITS.cardMaxAgeSeconds}`,
      'Content-Type': 'application/ai-catalog+json',
    }
    return context.json(document, 200, headers)
  })
  return face
}

/** What the card says itself (name, description, version) is left to the card, as the catalogue's specification asks. */
async function entryOf(agent: Agent, presentCard: PresentCard, publicUrl: string) {
  const presented = await presentCard(agent.name, undefined)
  if (!presented) return undefined
  const { card, modifiedAt } = presented
  return {
    identifier: `urn:air:${new URL(publicUrl).hostname}:agent:${agent.name}`,
    type: 'application/a2a-agent-card+json',
    url: `${publicUrl}/agents/${agent.name}/.well-known/agent-card.json`,
    tags: [...new Set(card.skills.flatMap(({ tags }) => tags))].slice(0, 32),
    updatedAt: modifiedAt.toISOString(),
  }
}
