/** Whose tokens are taken, as the operator says it: one document per issuer (OpenID Connect, or a bare JWKS). */
import { z } from 'zod'
import { DEFAULT_TENANT } from '../../ports.ts'
import { grantsOf, isGrant } from './permits.ts'

/** Signatures by a public key only: never `none`, never a shared secret (SR-07). */
export const TOKEN_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'] as const
const TENANT_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/

/** What callers of our own are called before the colon. */
const OWN_NAMES = new Set(['agent', 'key', 'tls', 'channel', 'webhook', 'operator', 'local', 'anonymous', 'gateway'])

const address = z
  .string()
  .max(2_048)
  .refine((url) => URL.canParse(url) && (url.startsWith('https://') || LOOPBACK.test(url)), {
    error: 'an https:// URL, or http:// on this machine',
  })
const words = z.array(z.string().refine(isGrant, { error: 'a permit or a scope of a key' })).max(100)
const claim = z.string().min(1).max(128)

export const IssuerDocument = z
  .strictObject({
    /** Exactly as tokens say it in `iss`; no slash more or less. */
    issuer: address,
    /** One of them must be in `aud`. */
    audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(16)]),
    /** Where its keys are; default: where its OpenID Connect discovery document says. */
    jwks: address.optional(),
    /** What stands before the subject in a caller's id; default: the issuer's host. */
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, { error: 'a–z, 0–9, then also . -' })
      .refine((name) => !OWN_NAMES.has(name), { error: 'this name is not for issuers' })
      .optional(),
    /** The tenant of all its callers … */
    tenant: z.string().regex(TENANT_NAME, { error: 'the name of a tenant' }).optional(),
    /** … or the claim that says it. */
    tenantClaim: claim.optional(),
    /** The claim that says who it is; default: `sub`. */
    callerClaim: claim.optional(),
    /** The claim with the scopes, a text with blanks or a list; default: `scope`, else `scp`. */
    scopeClaim: claim.optional(),
    /** What the issuer's own scopes and roles mean here. Administrators and operators are made by these only. */
    scopes: z.record(z.string().min(1).max(256), words).optional(),
    /** What every caller of it may, whatever the token says. */
    permits: words.optional(),
    algorithms: z.array(z.enum(TOKEN_ALGORITHMS)).min(1).optional(),
    /** No token older than this, whatever it says of its end. */
    maxAgeSeconds: z.int().min(60).max(604_800).default(86_400),
  })
  .refine(({ tenant, tenantClaim }) => tenant === undefined || tenantClaim === undefined, {
    error: 'either tenant or tenantClaim',
  })
  .refine(
    ({ tenant = DEFAULT_TENANT, tenantClaim, ...more }) =>
      !makesOperators(more) || (tenant === DEFAULT_TENANT && !tenantClaim),
    {
      error: 'operators belong to no tenant: leave out tenant and tenantClaim, or give "admin"',
    },
  )

interface Mapping {
  readonly scopes?: Readonly<Record<string, readonly string[]>> | undefined
  readonly permits?: readonly string[] | undefined
}
const makesOperators = ({ scopes = {}, permits = [] }: Mapping): boolean =>
  [permits, ...Object.values(scopes)].some((some) => some.includes('operator'))

export interface Issuer extends z.infer<typeof IssuerDocument> {
  readonly name: string
  readonly audience: string[]
}

/** One document or a list of them, as JSON text. Throws a TypeError that says what is wrong. */
export function parseIssuers(text: string): Issuer[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new TypeError('not JSON')
  }
  const parsed = z
    .array(IssuerDocument)
    .min(1)
    .max(32)
    .safeParse(Array.isArray(json) ? json : [json])
  if (!parsed.success) {
    const [first] = parsed.error.issues
    throw new TypeError(`${first?.path.join('.') || 'the document'}: ${first?.message}`)
  }
  const issuers = parsed.data.map((document) => ({
    ...document,
    name: document.name ?? new URL(document.issuer).hostname,
    audience: [document.audience].flat(),
  }))
  for (const member of ['issuer', 'name'] as const)
    if (new Set(issuers.map((one) => one[member])).size < issuers.length)
      throw new TypeError(`two issuers have the same ${member}`)
  return issuers
}

/** The tenant that its tokens' callers belong to, as far as the operator has fixed it; undefined: a claim says it. */
export const tenantOf = ({ tenant, tenantClaim }: Issuer): string | undefined =>
  tenantClaim === undefined ? (tenant ?? DEFAULT_TENANT) : undefined

/** Words that make whoever has them more than a client: only the operator's own mapping gives them. */
const GIVEN_ONLY = new Set(['operator', 'admin', 'agent', 'observe'])

/** What these words of a token permit here. */
export const grantsFor = ({ scopes = {}, permits = [] }: Mapping, said: readonly string[]) =>
  grantsOf([
    ...permits,
    ...said.flatMap((word) =>
      Object.hasOwn(scopes, word) ? (scopes[word] ?? []) : GIVEN_ONLY.has(word) ? [] : [word],
    ),
  ])

/** What to ask the issuer for, in its own words, so that one may do these; what everybody may is not among them. */
export function scopesToAsk({ scopes = {}, permits = [] }: Mapping, wanted: readonly string[]): string[] {
  const covers = (given: readonly string[], word: string) => {
    const [has, needs] = [grantsOf(given), grantsOf([word])]
    const sends = !needs.sendTo || !has.sendTo || [...needs.sendTo].every((name) => has.sendTo?.has(name))
    return [...needs.permits].every((permit) => has.permits.has(permit)) && sends
  }
  const missing = wanted.filter((word) => !covers(permits, word))
  return [...new Set(missing.map((word) => Object.keys(scopes).find((own) => covers(scopes[own] ?? [], word)) ?? word))]
}
