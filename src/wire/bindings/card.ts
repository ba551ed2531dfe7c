/** Fetches an agent's card, wherever its version keeps it, and judges its signatures. */

import type { AgentCard, AgentInterface } from '../../a2a/agentCard.ts'
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { originOf } from '../../platform/origins.ts'
import type { FetchCard, FetchedCard } from '../../ports.ts'
import { decodeAnyCard, LATEST } from '../versions/table.ts'
import type { ClientTools } from './agentClient.ts'
import { readAgentJson } from './agentJson.ts'
import { createJudgeCard } from './cardTrust.ts'
import { type Fault, fault, faultOfEgress, faultOfStatus, retryAfterMs, verdictOf } from './faults.ts'
import { redactorFor } from './peer/redact.ts'

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

export function createFetchCard(tools: ClientTools): FetchCard {
  const { egress, clock, limits = LIMITS } = tools
  const judge = createJudgeCard(tools)
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
          ? cardIn(response.body, url)
          : faultOfStatus(response.status, retryAfterMs(response.headers['retry-after'], clock))
      if (found.kind === 'card') {
        const { document, read, card } = found
        const judged = await judge(document, read, target.signatures, signal)
        if (judged.kind === 'judged')
          return { kind: 'fetched', card: redactorFor(target).card(card), url, signatures: judged.signatures }
        const { reason } = judged
        return { kind: 'failed', verdict: { kind: 'refused', code: 'CARD_SIGNATURE', retry: true, reason } }
      }
      if (found.cause === 'busy' || found.cause === 'unknown') return failed(harmless(found))
      const telling = found.cause !== 'rejected' && (worst === NOWHERE || found.cause === 'blocked')
      if (telling) worst = found
    }
    return failed(worst)
  }
}

/** An agent that is being deployed answers 404 for a while. */
const NOWHERE = fault('failed', 'no agent card at this address')

const failed = (why: Fault): FetchedCard => ({ kind: 'failed', verdict: verdictOf(why) })

/** Asking for a card changes nothing: what is unknown may be asked again. */
const harmless = (why: Fault): Fault => (why.cause === 'unknown' ? { ...why, cause: 'unsent' } : why)

interface CardIn {
  readonly kind: 'card'
  /** As it came. */
  readonly document: Readonly<Record<string, unknown>>
  /** What was read out of it. */
  readonly read: AgentCard
  /** With its addresses resolved. */
  readonly card: AgentCard
}

function cardIn(body: Buffer, url: string): CardIn | Fault {
  const json = readAgentJson(body)
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return fault('invalid', 'what is at the address is not an agent card')
  try {
    const read = decodeAnyCard(json)
    const supportedInterfaces = read.supportedInterfaces.flatMap((face) => resolved(face, url))
    if (supportedInterfaces.length === 0) return fault('invalid', 'the card names no interface')
    const document = json as Record<string, unknown>
    return { kind: 'card', document, read, card: { ...read, supportedInterfaces } }
  } catch (error) {
    if (error instanceof A2AError) return fault('invalid', error.message)
    throw error
  }
}

/** Relative URLs are read as relative to the card; `host:port` is an address without a scheme, and stays one. */
function resolved(face: AgentInterface, url: string): AgentInterface[] {
  const bare = originOf(face.url)
  if (bare?.startsWith('//')) return [face]
  if (!URL.canParse(face.url, url)) return []
  const { href } = new URL(face.url, url)
  return originOf(href) === undefined ? [] : [{ ...face, url: href }]
}
