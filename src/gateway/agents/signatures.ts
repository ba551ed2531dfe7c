/** Whose signatures on an agent's card count: what its registration says, else what holds for the whole gateway. */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import { sha256 } from '../../platform/ids.ts'
import { originOf } from '../../platform/origins.ts'
import type { SignatureRules } from '../../ports.ts'

export const POLICIES = ['off', 'if-present', 'required'] as const

const member = z.string().min(1).max(4_096)
const publicKey = z
  .looseObject({
    kty: z.enum(['EC', 'RSA', 'OKP'], { error: 'EC, RSA or OKP: a public key' }),
    kid: z.string().min(1).max(256).optional(),
    alg: z.string().max(32).optional(),
  })
  .refine((key) => !('d' in key) && !('k' in key), { error: 'has a private part: give the public key only' })
  .transform(({ kty, kid, alg, crv, x, y, n, e, use }) => {
    const given = { kty, kid, alg, crv, x, y, n, e, use }
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  })
  .refine(({ kty, crv, x, y, n, e }) => isWhole(kty === 'EC' ? [crv, x, y] : kty === 'RSA' ? [n, e] : [crv, x]), {
    error: 'is not whole: EC has crv, x, y; RSA has n, e; OKP has crv, x',
  })
const isWhole = (members: readonly unknown[]): boolean => members.every((one) => member.safeParse(one).success)

/** A list of JWK, a JWKS, or one JWK. */
export const PublicKeys = z
  .unknown()
  .transform((given) => {
    if (Array.isArray(given)) return given
    const keys = (given as { keys?: unknown } | null)?.keys
    return Array.isArray(keys) ? keys : [given]
  })
  .pipe(z.array(publicKey).max(LIMITS.cardKeysMax))

export const KeyOrigins = z
  .array(
    z
      .string()
      .regex(/^https?:\/\/[^/?#@\s]+\/?$/, { error: 'an origin: https://keys.example' })
      .transform((url) => originOf(url) ?? ''),
  )
  .max(32)

/** The `signatures` member of a registration. */
export const Signatures = z.strictObject({
  policy: z.enum(POLICIES).optional(),
  keys: PublicKeys.optional(),
  keyOrigins: KeyOrigins.optional(),
})
export type Signatures = z.infer<typeof Signatures>

/** An agent's own keys stand in place of the gateway's: a key that is trusted for one agent signs for no other. */
export function rulesFor(own: Signatures | undefined, everywhere: SignatureRules): SignatureRules {
  const { policy = everywhere.policy, keys, keyOrigins } = own ?? {}
  const hasOwn = keys !== undefined || keyOrigins !== undefined
  return {
    policy,
    keys: hasOwn ? (keys ?? []) : everywhere.keys,
    keyOrigins: hasOwn ? (keyOrigins ?? []) : everywhere.keyOrigins,
  }
}

/** By which rules a card was found good; others, and it has to be looked at again. */
export const digestOf = ({ keys, keyOrigins }: SignatureRules): string =>
  sha256(canonicalJson({ keys, keyOrigins })).slice(0, 22)

export const NO_RULES: SignatureRules = { policy: 'off', keys: [], keyOrigins: [] }

/**
 * The gateway's own rules, from its settings; `keys` is the text of a JWK or JWKS document.
 * Throws INVALID_PARAMS for keys and origins that are none.
 */
export function rulesOf(settings: {
  readonly policy: SignatureRules['policy']
  readonly keys: string | undefined
  readonly keyOrigins: readonly string[] | undefined
}): SignatureRules {
  const { policy, keys, keyOrigins = [] } = settings
  const parsed = Signatures.safeParse({ policy, keyOrigins, keys: keys === undefined ? [] : jsonOf(keys) })
  if (parsed.success) return { keys: [], keyOrigins: [], policy, ...parsed.data } as SignatureRules
  const { path, message } = parsed.error.issues[0] as z.core.$ZodIssue
  throw new A2AError('INVALID_PARAMS', `${path.join('.')}: ${message}`)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new A2AError('INVALID_PARAMS', 'keys: not JSON')
  }
}
