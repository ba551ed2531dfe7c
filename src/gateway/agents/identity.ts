/**
 * Who an agent is, as far as its card tells: where it is, how one proves oneself to it, who signs for it. What an operator
 * has seen of it stays right; a card that says otherwise is put aside until somebody has looked at it (SR-43). Pure.
 */
import type { AgentCard } from '../../a2a/agentCard.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import { sha256 } from '../../platform/ids.ts'
import { bareOrigin, isSameHost, isSameOrigin, originOf } from '../../platform/origins.ts'
import type { CardSignatures } from '../../ports.ts'

export interface Identity {
  /** Where its interfaces are. */
  readonly origins: readonly string[]
  /** Origins beside the registered one that an operator has approved: there, too, it is spoken to. */
  readonly approved: readonly string[]
  /** Its security schemes and what it demands of them, one text each. */
  readonly auth: readonly string[]
  readonly signatures: CardSignatures
  /** By which rules the signatures were judged. */
  readonly rules: string
}

export interface CardChange {
  readonly what: 'origin' | 'auth' | 'key'
  readonly from: readonly string[]
  readonly to: readonly string[]
}

/** A card that waits for an operator. */
export interface Pending {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Names this very change: what is approved is what was looked at. */
  readonly change: string
  readonly changes: readonly CardChange[]
  readonly identity: Identity
}

const NO_SIGNATURES: CardSignatures = { state: 'unsigned', verified: [], claimed: [] }

export function identityOf(
  card: AgentCard,
  { signatures = NO_SIGNATURES, rules }: { signatures?: CardSignatures | undefined; rules: string },
): Identity {
  const origins = card.supportedInterfaces.flatMap(
    ({ url, protocolBinding }) => (protocolBinding.toUpperCase() === 'GRPC' ? bareOrigin(url) : originOf(url)) ?? [],
  )
  return { origins: sorted(origins), approved: [], auth: authOf(card), signatures, rules }
}

const sorted = (texts: readonly string[]): string[] => [...new Set(texts)].sort()

/** Beyond this a scheme is known by its digest. */
const AUTH_CHARS_MAX = 300

/** Descriptions are for people and may change. */
function authOf({ securitySchemes = {}, securityRequirements = [] }: AgentCard): string[] {
  const text = (value: unknown): string => {
    const whole = canonicalJson(withoutDescriptions(value))
    return whole.length <= AUTH_CHARS_MAX ? whole : `${whole.slice(0, 100)}… sha256:${sha256(whole)}`
  }
  return [
    ...Object.entries(securitySchemes).map(([name, scheme]) => `${name}: ${text(scheme)}`),
    ...securityRequirements.map(({ schemes }) => `required: ${text(schemes)}`),
  ].sort()
}

function withoutDescriptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDescriptions)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => name !== 'description')
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutDescriptions(inner)]))
}

/**
 * What an operator has to look at before `now` may take the place of `known`; undefined `known`: the first card, which is
 * taken as it is if it leads where the agent was registered (`home`). An origin that is no longer named, and a further
 * key beside a known one, are no reason to stop.
 */
export function changesBetween(known: Identity | undefined, now: Identity, home: string): CardChange[] {
  const changes: CardChange[] = []
  const approved = known?.approved ?? []
  const isUsable = now.origins.some((origin) => approved.includes(origin) || isAtHome(origin, home))
  const seen = known ? [...known.origins, ...approved, originOf(home) ?? ''] : now.origins
  if (!isUsable || now.origins.some((origin) => !seen.includes(origin)))
    changes.push({ what: 'origin', from: known?.origins ?? sorted([originOf(home) ?? home]), to: now.origins })
  if (!known) return changes
  if (canonicalJson(known.auth) !== canonicalJson(now.auth))
    changes.push({ what: 'auth', from: known.auth, to: now.auth })
  const [before, after] = [known.signatures, now.signatures]
  if (!isSameSigner(before, after)) changes.push({ what: 'key', from: signersOf(before), to: signersOf(after) })
  return changes
}

/** gRPC has a port of its own: whoever serves the card speaks for its host. */
const isAtHome = (origin: string, home: string): boolean =>
  origin.startsWith('//') ? isSameHost(origin, home) : isSameOrigin(origin, home)

/** One key in common is a rotation; a card that was verified must stay so. */
function isSameSigner(before: CardSignatures, after: CardSignatures): boolean {
  const [old, now] = before.verified.length > 0 ? [before.verified, after.verified] : [before.claimed, after.claimed]
  return old.length === 0 || old.some((key) => now.includes(key))
}

const signersOf = ({ verified, claimed }: CardSignatures): readonly string[] =>
  verified.length > 0 ? verified.map((key) => `${key} (verified)`) : claimed

/** The next card's identity keeps what was seen and approved before. */
export const following = (known: Identity | undefined, now: Identity): Identity =>
  known ? { ...now, origins: sorted([...known.origins, ...now.origins]), approved: known.approved } : now

/** What an operator has looked at: it is spoken to wherever it says that it is. */
export const approvedAs = (now: Identity): Identity => ({ ...now, approved: now.origins })

export function pendingOf(identity: Identity, changes: readonly CardChange[], at: Date): Pending {
  const change = sha256(canonicalJson({ origins: identity.origins, auth: identity.auth, by: identity.signatures }))
  return { at: at.getTime(), change: change.slice(0, 16), changes, identity }
}

/** In one line. */
export const changedText = (changes: readonly Pick<CardChange, 'what'>[]): string =>
  changes.map(({ what }) => CHANGED[what]).join(', ')
const CHANGED: Record<CardChange['what'], string> = {
  origin: 'where it is',
  auth: 'how one proves oneself to it',
  key: 'who signs for it',
}
