/**
 * Whether somebody else's card is signed by a key that the operator trusts (A2A 1.0 §8.4.3). Keys come from the operator's
 * own list, or from the JWKS that a signature names, if its origin is on the operator's list: a `jku` is an attacker's as
 * likely as the card's owner's.
 */
import { calculateJwkThumbprint, decodeProtectedHeader, flattenedVerify, importJWK, type JWK } from 'jose'
import type { AgentCard, AgentCardSignature } from '../../a2a/agentCard.ts'
import { LIMITS } from '../../limits.ts'
import { originOf } from '../../platform/origins.ts'
import type { CardSignatures, SignatureRules } from '../../ports.ts'
import type { ClientTools } from './agentClient.ts'
import { readAgentJson } from './agentJson.ts'
import { clip } from './faults.ts'
import { acceptedForms } from './signedForm.ts'

/** Never `none`, never a shared secret. */
export const CARD_ALGORITHMS: readonly string[] = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256']

export type CardJudgement =
  | { readonly kind: 'judged'; readonly signatures: CardSignatures }
  /** The rules do not let this card be used; `reason` is for people. */
  | { readonly kind: 'refused'; readonly reason: string }

/** `document` is the card as it came, `card` what was read out of it. */
export type JudgeCard = (
  document: Readonly<Record<string, unknown>>,
  card: AgentCard,
  rules: SignatureRules | undefined,
  signal: AbortSignal,
) => Promise<CardJudgement>

export function createJudgeCard(tools: ClientTools): JudgeCard {
  const keysAt = createRemoteKeys(tools)
  return async (document, card, rules, signal) => {
    const signatures = signaturesOf(document).slice(0, LIMITS.cardSignaturesMax)
    const claimed = [...new Set(signatures.map(claimOf))].sort()
    const policy = rules?.policy ?? 'off'
    if (signatures.length === 0) {
      if (policy === 'required') return refused('the card is not signed, and must be')
      return { kind: 'judged', signatures: { state: 'unsigned', verified: [], claimed } }
    }
    const unverified = { kind: 'judged', signatures: { state: 'unverified', verified: [], claimed } } as const
    if (!rules || policy === 'off') return unverified
    const canJudge = rules.keys.length > 0 || rules.keyOrigins.length > 0
    if (!canJudge) return policy === 'required' ? refused('the card is signed, and no key is trusted') : unverified

    const forms = acceptedForms(document, card).map((form) => form.toString('base64url'))
    const verified = new Set<string>()
    const problems: string[] = []
    for (const signature of signatures) {
      const found = await judge(signature, forms, rules, (url) => keysAt(url, kidOf(signature), signal))
      if ('by' in found) verified.add(found.by)
      else problems.push(found.problem)
    }
    if (verified.size === 0) return refused(`no signature of the card is good: ${[...new Set(problems)].join('; ')}`)
    return { kind: 'judged', signatures: { state: 'verified', verified: [...verified].sort(), claimed } }
  }
}

export type CardTrust = 'verified' | 'unsigned' | 'invalid'

/** Whether one of a card's signatures is by one of these keys; for a card as it came, of any version. */
export async function verifyCard(
  card: Readonly<Record<string, unknown>>,
  trusted: { readonly keys: readonly JWK[] },
): Promise<CardTrust> {
  const signatures = signaturesOf(card)
  if (signatures.length === 0) return 'unsigned'
  const forms = acceptedForms(card, card as AgentCard).map((form) => form.toString('base64url'))
  const rules = { policy: 'required', keys: trusted.keys, keyOrigins: [] } as const
  for (const signature of signatures.slice(0, LIMITS.cardSignaturesMax)) {
    const found = await judge(signature, forms, rules, async () => ({ problem: '' }))
    if ('by' in found) return 'verified'
  }
  return 'invalid'
}

const refused = (reason: string): CardJudgement => ({ kind: 'refused', reason })

function signaturesOf({ signatures }: Readonly<Record<string, unknown>>): AgentCardSignature[] {
  if (!Array.isArray(signatures)) return []
  return signatures.filter(
    (one): one is AgentCardSignature =>
      typeof one === 'object' &&
      one !== null &&
      typeof one.protected === 'string' &&
      typeof one.signature === 'string' &&
      one.protected.length <= HEADER_CHARS_MAX,
  )
}
const HEADER_CHARS_MAX = 4_096

/** Several texts stand for the same bytes, and only one of them is the signature (RFC 7515 §2). */
const isCanonical = (text: string): boolean => Buffer.from(text, 'base64url').toString('base64url') === text

interface Header {
  readonly alg?: string
  readonly kid?: string
  readonly jku?: string
  /** It demands to be understood in a way that is not known here, such as an unencoded payload (RFC 7797). */
  readonly critical?: true
}

function headerOf({ protected: text }: AgentCardSignature): Header {
  try {
    const { alg, kid, jku, crit } = decodeProtectedHeader({ protected: text } as never)
    return {
      ...(crit !== undefined && { critical: true }),
      ...(typeof alg === 'string' && { alg }),
      ...(typeof kid === 'string' && { kid }),
      ...(typeof jku === 'string' && { jku: jku as string }),
    }
  } catch {
    return {}
  }
}

const kidOf = (signature: AgentCardSignature): string | undefined => headerOf(signature).kid
const claimOf = (signature: AgentCardSignature): string => clip(kidOf(signature) ?? '(no kid)', 200)

type RemoteKeys = (url: string) => Promise<readonly JWK[] | { problem: string }>

async function judge(
  { protected: protectedHeader, signature }: AgentCardSignature,
  forms: readonly string[],
  rules: SignatureRules,
  keysAt: RemoteKeys,
): Promise<{ by: string } | { problem: string }> {
  if (!isCanonical(protectedHeader) || !isCanonical(signature)) return { problem: 'a signature is not plain base64url' }
  const { alg, kid, jku, critical } = headerOf({ protected: protectedHeader, signature })
  if (critical) return { problem: 'a signature demands what is not known here (crit)' }
  if (alg === undefined || !CARD_ALGORITHMS.includes(alg))
    return { problem: `algorithm ${clip(alg ?? 'none', 40)} is not allowed` }
  let keys = await candidates(rules.keys as readonly JWK[], kid, alg)
  const origin = jku === undefined ? undefined : originOf(jku)
  if (keys.length === 0 && jku !== undefined && origin !== undefined && rules.keyOrigins.includes(origin)) {
    const found = await keysAt(jku)
    if ('problem' in found) return found
    keys = await candidates(found, kid, alg)
  }
  if (keys.length === 0) return { problem: `no trusted key is called ${clip(kid ?? '(nothing)', 100)}` }
  for (const { key, thumbprint } of keys) {
    for (const payload of forms) {
      const signed = { payload, protected: protectedHeader, signature }
      const good = await flattenedVerify(signed, key, { algorithms: [alg] }).catch(() => undefined)
      if (good) return { by: thumbprint }
    }
  }
  return { problem: `the signature of ${clip(kid ?? '(no kid)', 100)} does not fit the card` }
}

interface Candidate {
  readonly key: Awaited<ReturnType<typeof importJWK>>
  readonly thumbprint: string
}

/** Keys that may have made a signature: of the name that it gives, or without a name; for signing, and never shared secrets. */
async function candidates(keys: readonly JWK[], kid: string | undefined, alg: string): Promise<Candidate[]> {
  const found: Candidate[] = []
  for (const jwk of keys.slice(0, LIMITS.cardKeysMax)) {
    if (jwk.kty === 'oct' || (jwk.use ?? 'sig') !== 'sig' || (jwk.alg ?? alg) !== alg) continue
    try {
      const thumbprint = await calculateJwkThumbprint(jwk)
      if (kid !== undefined && jwk.kid !== undefined && jwk.kid !== kid && thumbprint !== kid) continue
      found.push({ key: await importJWK(publicPart(jwk), alg), thumbprint })
    } catch {
      // Not a key of this algorithm.
    }
  }
  return found
}

const publicPart = ({ kty, crv, x, y, n, e }: JWK): JWK => JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })) as JWK

interface Known {
  readonly at: number
  readonly keys: readonly JWK[]
}
/** JWKS documents that are remembered; all are forgotten together. */
const DOCUMENTS_MAX = 256

/** Keys by address: good for a while, asked for anew when one is missing, but not more often than every half minute. */
function createRemoteKeys({ egress, clock }: ClientTools) {
  const known = new Map<string, Known>()
  return async (url: string, kid: string | undefined, signal: AbortSignal) => {
    const before = known.get(url)
    const age = before ? clock.elapsed() - before.at : Number.POSITIVE_INFINITY
    const has = before?.keys.some((key) => key.kid === kid) ?? false
    if (before && age < (has ? LIMITS.jwksFreshMs : LIMITS.jwksAgainMs)) return before.keys
    const ms = LIMITS.jwksFetchMs
    const bytesMax = LIMITS.cardBytesMax
    const headers = { accept: 'application/jwk-set+json, application/json' }
    const answer = await egress.request({ url, headers, signal, headersMs: ms, totalMs: ms, bytesMax })
    const keys = answer.kind === 'answered' && answer.status === 200 ? keysIn(readAgentJson(answer.body)) : undefined
    if (!keys) {
      // What was good a while ago is better than none (SR-10).
      if (before && has && age < LIMITS.jwksStaleMs) return before.keys
      const why = answer.kind === 'answered' ? `HTTP ${answer.status}` : answer.reason
      return { problem: `its keys cannot be read (${why})` }
    }
    if (known.size >= DOCUMENTS_MAX) known.clear()
    known.set(url, { at: clock.elapsed(), keys })
    return keys
  }
}

function keysIn(json: unknown): readonly JWK[] | undefined {
  const keys = (json as { keys?: unknown } | null | undefined)?.keys
  if (!Array.isArray(keys)) return undefined
  return keys.filter((key): key is JWK => typeof key === 'object' && key !== null).slice(0, LIMITS.cardKeysMax)
}
