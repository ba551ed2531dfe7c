/** RFC 8785 (JCS): one text for one value, for hashes and signatures. */
import canonicalizeModule from 'canonicalize'

const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined

export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('no JSON value')
  return text
}
