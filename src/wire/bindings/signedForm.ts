/** The bytes that a card's signature covers: RFC 8785 over the card without its signatures (A2A 1.0 §8.4.1). */
import type { AgentCard } from '../../a2a/agentCard.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'

/** Members that the specification neither requires nor tracks the presence of: left out when they hold their default. */
const OMITTED_WHEN_EMPTY: ReadonlySet<string> = new Set([
  ...['tenant', 'extensions', 'securitySchemes', 'securityRequirements', 'examples', 'inputModes', 'outputModes'],
  ...['bearerFormat', 'oauth2MetadataUrl', 'refreshUrl', 'required', 'pkceRequired'],
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

/** The official JS and Python SDKs leave out every empty value, required ones too. */
const bySdk: Keep = (name, value, owner) => bySpecification(name, value, owner) && !isEmpty(value)

const formOf = ({ signatures: _, ...card }: AgentCard, keep: Keep): Buffer =>
  Buffer.from(canonicalJson(prune(card, keep)))

/** What we sign. A card without empty required members has the same bytes for every verifier that we know. */
export const signedForm = (card: AgentCard): Buffer => formOf(card, bySpecification)

/** What others may have signed: by the specification, by the SDKs, or the document as it stands. They mean the same. */
export const acceptedForms = (card: AgentCard): Buffer[] => [
  signedForm(card),
  formOf(card, bySdk),
  formOf(card, (_name, value) => value !== undefined),
]
