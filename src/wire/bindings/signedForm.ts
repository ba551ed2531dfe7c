/** The bytes that a card's signature covers: RFC 8785 over the card without its signatures (A2A 1.0 §8.4.1). */
import type { AgentCard } from '../../a2a/agentCard.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'

/** Members that the specification neither requires nor tracks the presence of: left out when they hold their default. */
const OMITTED_WHEN_EMPTY: ReadonlySet<string> = new Set([
  ...['tenant', 'extensions', 'securitySchemes', 'securityRequirements', 'examples', 'inputModes', 'outputModes'],
  ...['bearerFormat', 'oauth2MetadataUrl', 'refreshUrl', 'required', 'pkceRequired', 'list'],
])

const isEmpty = (value: unknown): boolean =>
  value === '' ||
  value === null ||
  value === undefined ||
  (typeof value === 'object' && Object.keys(value).length === 0)

type Fields = Record<string, unknown>
type Keep = (name: string, value: unknown, owner: Fields) => boolean

/** Free-form `params` are the author's and stay as they are. */
function prune(value: unknown, keep: Keep): unknown {
  if (Array.isArray(value)) return value.map((one) => prune(one, keep))
  if (typeof value !== 'object' || value === null) return value
  const owner = value as Fields
  const kept = Object.entries(owner).flatMap(([name, inner]): [string, unknown][] => {
    const pruned = name === 'params' ? inner : prune(inner, keep)
    return keep(name, pruned, owner) ? [[name, pruned]] : []
  })
  return Object.fromEntries(kept)
}

const bySpecification: Keep = (name, value, owner) => {
  if (value === undefined) return false
  // Cards and skills require a description; extensions and schemes do not.
  if (name === 'description' && !('version' in owner || 'tags' in owner)) return value !== ''
  return !(OMITTED_WHEN_EMPTY.has(name) && (value === false || isEmpty(value)))
}

/** The official JS and Python SDKs leave out every empty value, required ones and those in lists and `params` too. */
function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned).filter((one) => !isEmpty(one))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).map(([name, inner]): [string, unknown] => [name, cleaned(inner)])
  return Object.fromEntries(kept.filter(([, inner]) => !isEmpty(inner)))
}

/**
 * The same card as its verifiers write it, without repetition: by the specification, by the SDKs, and as the document
 * stands. They mean the same, so one signature over each is what every verifier finds its own in.
 */
export function signedForms({ signatures: _, ...card }: AgentCard): Buffer[] {
  const specified = prune(card, bySpecification)
  const forms = [specified, cleaned(specified), card].map((form) => canonicalJson(form))
  return [...new Set(forms)].map((text) => Buffer.from(text))
}

/** What makes a 0.3 security scheme the kind that its `type` says, by the members that no other kind has. */
const kindOf = (scheme: Fields): string =>
  'flows' in scheme
    ? 'oauth2'
    : 'openIdConnectUrl' in scheme
      ? 'openIdConnect'
      : 'scheme' in scheme
        ? 'http'
        : 'in' in scheme
          ? 'apiKey'
          : 'mutualTLS'

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The 0.3 Python SDK leaves out what equals its default: only where that says nothing that the rest does not say. */
function withoutDefaults({ protocolVersion, preferredTransport, securitySchemes, ...said }: Fields): Fields {
  const schemes = isFields(securitySchemes)
    ? Object.entries(securitySchemes).map(([name, scheme]) => {
        if (!isFields(scheme) || scheme.type !== kindOf(scheme)) return [name, scheme]
        const { type: _, ...rest } = scheme
        return [name, rest]
      })
    : undefined
  return {
    ...said,
    ...(protocolVersion !== '0.3.0' && { protocolVersion }),
    ...(preferredTransport !== 'JSONRPC' && { preferredTransport }),
    securitySchemes: schemes ? Object.fromEntries(schemes) : securitySchemes,
  }
}

/** As Python's `json.dumps` writes what is not ASCII. */
const inAscii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)

/**
 * What the signer of somebody else's card may have signed: the document as it stands, in the version that it has, or the
 * card that we read out of it; each also as the SDKs write it. All of them say what we have read.
 */
export function acceptedForms(document: Readonly<Record<string, unknown>>, card: AgentCard): Buffer[] {
  const { signatures: _, ...said } = document
  const texts = [said, cleaned(said), cleaned(withoutDefaults(said))].map((form) => canonicalJson(form))
  const all = [...texts, ...signedForms(card).map(String)]
  return [...new Set([...all, ...all.map(inAscii)])].map((text) => Buffer.from(text))
}
