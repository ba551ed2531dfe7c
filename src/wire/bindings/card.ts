/** Fetches an agent's card, wherever its version keeps it, and keeps of it only what stays at the registered origin. */

import type { AgentCard } from '../../a2a/agentCard.ts'
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import type { FetchCard, FetchedCard } from '../../ports.ts'
import { decodeAnyCard, LATEST } from '../versions/table.ts'
import type { ClientTools } from './agentClient.ts'
import { readAgentJson } from './agentJson.ts'
import { type Fault, fault, faultOfEgress, faultOfStatus, retryAfterMs, verdictOf } from './faults.ts'
import { isSameOrigin } from './origins.ts'

/** Where 1.0 and 0.3 keep the card, and where 0.2 did. */
const WELL_KNOWN = ['.well-known/agent-card.json', '.well-known/agent.json']

/**
 * Where the card of an agent registered as `url` may be, best first: the URL itself if it is a card's; below the URL;
 * beside its last segment, as `new URL()` resolves a base without a trailing slash; at the host's root.
 */
export function cardAddresses(url: string): string[] {
  const base = new URL(url)
  base.search = ''
  const slashed = base.href.endsWith('/') ? base.href : `${base.href}/`
  const isCard = base.pathname.endsWith('.json')
  const below = isCard ? [] : WELL_KNOWN.map((path) => slashed + path)
  const others = [base.href, base.origin].flatMap((from) => WELL_KNOWN.map((path) => new URL(path, from).href))
  return [...new Set([...(isCard ? [url] : []), ...below, ...others])]
}

export function createFetchCard({ egress, clock, limits = LIMITS }: ClientTools): FetchCard {
  return async function fetchCard(target, signal): Promise<FetchedCard> {
    if (!URL.canParse(target.url)) return failed(fault('blocked', 'not a URL'))
    const until = clock.elapsed() + limits.cardFetchMs
    let worst = NOWHERE
    for (const url of cardAddresses(target.url)) {
      const leftMs = until - clock.elapsed()
      if (leftMs <= 0) return failed(fault('unsent', `no agent card within ${limits.cardFetchMs} ms`))
      const response = await egress.request({
        url,
        headers: { accept: 'application/json', 'a2a-version': LATEST.version, ...target.headers },
        signal,
        headersMs: leftMs,
        totalMs: leftMs,
        bytesMax: limits.cardBytesMax,
      })
      // Who cannot be reached here cannot be reached at another path either.
      if (response.kind !== 'answered') return failed(harmless(faultOfEgress(response)))
      const found =
        response.status === 200
          ? cardIn(response.body, url, target.url)
          : faultOfStatus(response.status, retryAfterMs(response.headers['retry-after'], clock))
      if (found.kind === 'fetched') return found
      if (found.cause === 'busy' || found.cause === 'unknown') return failed(harmless(found))
      const telling = found.cause !== 'rejected' && (worst === NOWHERE || found.cause === 'blocked')
      if (telling) worst = found
    }
    return failed(worst)
  }
}

/** An agent that is being deployed answers 404 for a while. */
const NOWHERE = fault('failed', 'no agent card at this address')

type Fetched = Extract<FetchedCard, { kind: 'fetched' }>

const failed = (why: Fault): FetchedCard => ({ kind: 'failed', verdict: verdictOf(why) })

/** Asking for a card changes nothing: what is unknown may be asked again. */
const harmless = (why: Fault): Fault => (why.cause === 'unknown' ? { ...why, cause: 'unsent' } : why)

function cardIn(body: Buffer, url: string, registered: string): Fetched | Fault {
  const json = readAgentJson(body)
  if (typeof json !== 'object' || json === null) return fault('invalid', 'what is at the address is not an agent card')
  try {
    return pinned(decodeAnyCard(json), url, registered)
  } catch (error) {
    if (error instanceof A2AError) return fault('invalid', error.message)
    throw error
  }
}

/**
 * Only interfaces at the registered origin stay: a card that names another host would have our credentials sent there.
 * Relative URLs are read as relative to the card.
 */
function pinned(card: AgentCard, url: string, registered: string): Fetched | Fault {
  const supportedInterfaces = card.supportedInterfaces.flatMap((face) => {
    if (!URL.canParse(face.url, url)) return []
    const resolved = new URL(face.url, url).href
    return isSameOrigin(resolved, registered) ? [{ ...face, url: resolved }] : []
  })
  if (supportedInterfaces.length > 0) return { kind: 'fetched', card: { ...card, supportedInterfaces }, url }
  return card.supportedInterfaces.length === 0
    ? fault('invalid', 'the card names no interface')
    : fault('blocked', 'every interface of the card leads away from the registered origin')
}
