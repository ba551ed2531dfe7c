/** Whose tokens this gateway takes, how its cards and documents say so, and what tenants may have here. */
import { readFileSync } from 'node:fs'
import type { SecurityRequirement, SecurityScheme } from './a2a/security.ts'
import { type Config, ConfigError } from './config.ts'
import { type CertificateTools, parseIdentities, parseProxies } from './gateway/callers/certificates.ts'
import { type Issuer, parseIssuers, scopesToAsk, tenantOf } from './gateway/callers/issuers.ts'
import { parseTenantQuotas, quotaOf, type TenantQuotas } from './gateway/callers/usage.ts'
import type { Ground } from './ground.ts'
import type { PlacesTools } from './wire/bindings/places.ts'

/** Throws a ConfigError for a file that is not there and a document that says something else. */
export function issuersIn({ oidcIssuers }: Pick<Config, 'oidcIssuers'>): Issuer[] {
  return oidcIssuers === undefined ? [] : read('WAYPOST_OIDC_ISSUERS', oidcIssuers, parseIssuers)
}

/** By tenant. Throws a ConfigError likewise. */
export const quotasIn = ({ tenantQuotas }: Pick<Config, 'tenantQuotas'>): TenantQuotas =>
  tenantQuotas === undefined ? {} : read('WAYPOST_TENANT_QUOTAS', tenantQuotas, parseTenantQuotas)

/** How many streams may be open, in all and of each. */
export function roomFor({ config, limits, draining }: Pick<Ground, 'config' | 'limits' | 'draining'>): PlacesTools {
  const quotas = quotasIn(config)
  return {
    limits,
    tenantMax: (tenant) => quotaOf(quotas, tenant)?.streams,
    draining: () => draining.signal.aborted,
  }
}

/** Who is known by a client certificate, and whose word on certificates is taken. Throws a ConfigError likewise. */
export function certificatesIn({ clientIdentities, trustedProxies = [] }: Config): CertificateTools | undefined {
  if (clientIdentities === undefined) return undefined
  const identities = read('WAYPOST_CLIENT_IDENTITIES', clientIdentities, parseIdentities)
  try {
    return { identities, proxies: parseProxies(trustedProxies) }
  } catch (error) {
    throw new ConfigError([{ setting: 'WAYPOST_TRUSTED_PROXIES', problem: (error as Error).message }])
  }
}

/** A document, or the file that holds it. */
function read<T>(setting: string, text: string, parse: (document: string) => T): T {
  try {
    return parse(/^\s*[[{]/.test(text) ? text : readFileSync(text, 'utf8'))
  } catch (error) {
    throw new ConfigError([{ setting, problem: (error as Error).message }])
  }
}

/** Further ways to prove who one is to an agent, beside the gateway's own keys. */
export interface Ways {
  readonly schemes: Readonly<Record<string, SecurityScheme>>
  readonly requirements: readonly SecurityRequirement[]
}

interface WaysTo {
  readonly tenant: string
  readonly name: string
  /** Each of which takes a scope of its own; undefined: one scope is for all that it does. */
  readonly skills?: readonly string[] | undefined
}

/** What the card of an agent says of the issuers whose callers may reach it, and what to ask them for. */
export const waysBy =
  (issuers: readonly Issuer[]) =>
  ({ tenant, name, skills }: WaysTo): Ways => {
    const schemes: Record<string, SecurityScheme> = {}
    const requirements: SecurityRequirement[] = []
    const sends = skills?.map((id) => `agent:${name}:skill:${id}`) ?? [`agent:${name}:send`]
    for (const issuer of issuers) {
      if ((tenantOf(issuer) ?? tenant) !== tenant) continue
      const scheme = `oidc-${issuer.name}`
      schemes[scheme] = schemeOf(issuer)
      requirements.push({ schemes: { [scheme]: { list: scopesToAsk(issuer, [...sends, 'task:read']) } } })
    }
    return { schemes, requirements }
  }

function schemeOf({ issuer, jwks, name }: Issuer): SecurityScheme {
  if (jwks !== undefined)
    return { httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT', description: `A token of ${name}` } }
  const openIdConnectUrl = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  return { openIdConnectSecurityScheme: { openIdConnectUrl, description: `A token of ${name}` } }
}

/** What may be asked for anywhere here. */
const SCOPES = ['agent:*:send', 'task:read', 'task:cancel', 'push:write', 'card:read']

/** Protected-resource metadata (RFC 9728) of a path below the public URL; undefined: there is no issuer to name. */
export function resourceMetadata(issuers: readonly Issuer[], resource: string): object | undefined {
  if (issuers.length === 0) return undefined
  return {
    resource,
    authorization_servers: issuers.map(({ issuer }) => issuer),
    scopes_supported: [...new Set(issuers.flatMap((issuer) => scopesToAsk(issuer, SCOPES)))],
    bearer_methods_supported: ['header'],
    resource_name: 'Waypost',
  }
}
