/** Two verifiers of card signatures that share no code: the official SDK's, and one made of node:crypto alone. */
import { createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { verifyAgentCardSignature } from '@a2a-js/sdk'

export interface Jwks {
  readonly keys: readonly (JsonWebKey & { kid?: string })[]
}
interface SignedCard {
  readonly signatures?: readonly { protected: string; signature: string }[]
  readonly [member: string]: unknown
}

/** By the official SDK, which reads the card into its own types first. */
export const sdkAccepts = (card: object, jwks: Jwks): Promise<boolean> =>
  verifyAgentCardSignature(async (kid) => {
    const key = jwks.keys.find((one) => one.kid === kid)
    if (!key) throw new Error('unknown key')
    return key as never
  })(structuredClone(card) as never).then(
    () => true,
    () => false,
  )

/** RFC 8785 for what cards hold: names by UTF-16 code units, strings and whole numbers as JSON has them. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}

const isBySome = (header: string, payload: string, signature: string, { keys }: Jwks): boolean => {
  const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg?: string; kid?: string }
  const key = keys.find((one) => one.kid === kid)
  if (alg !== 'ES256' || !key) return false
  const content = Buffer.from(`${header}.${payload}`)
  const options = { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
  return verify('sha256', content, options, Buffer.from(signature, 'base64url'))
}

/** By the document as it was served, whatever its members mean. */
export function cryptoAccepts({ signatures = [], ...card }: SignedCard, jwks: Jwks): boolean {
  const payload = Buffer.from(canonical(card)).toString('base64url')
  return signatures.some(({ protected: header, signature }) => isBySome(header, payload, signature, jwks))
}

/** A compact JWS: a webhook's JWT. */
export function cryptoAcceptsJwt(jwt: string, jwks: Jwks): boolean {
  const [header = '', payload = '', signature = ''] = jwt.split('.')
  return isBySome(header, payload, signature, jwks)
}
