/** 0.3 security schemes (OpenAPI's, told apart by `type`) and requirements (`{name: [scope]}`). */
import type { SecurityRequirement, SecurityScheme } from '../../../a2a/security.ts'
import { type Fields, isFields, mapFields, shallow } from '../liberal.ts'

/** Undefined: 0.3 cannot say it, so its readers are not told of the scheme (lossy case L7). */
export function encodeScheme(scheme: SecurityScheme): Fields | undefined {
  if (scheme.apiKeySecurityScheme) {
    const { location, ...rest } = scheme.apiKeySecurityScheme
    return { type: 'apiKey', in: location, ...rest }
  }
  if (scheme.httpAuthSecurityScheme) return { type: 'http', ...scheme.httpAuthSecurityScheme }
  if (scheme.openIdConnectSecurityScheme) return { type: 'openIdConnect', ...scheme.openIdConnectSecurityScheme }
  if (scheme.mtlsSecurityScheme) return { type: 'mutualTLS', ...scheme.mtlsSecurityScheme }
  if (!scheme.oauth2SecurityScheme) return undefined
  const { deviceCode: _, ...known } = scheme.oauth2SecurityScheme.flows
  if (Object.keys(known).length === 0) return undefined
  const flows = mapFields(known, (flow) => {
    const { pkceRequired: _, ...rest } = shallow(flow)
    return rest
  })
  return { type: 'oauth2', ...scheme.oauth2SecurityScheme, flows }
}

export const encodeRequirement = (requirement: SecurityRequirement): Fields =>
  mapFields(requirement.schemes, (scopes) => (scopes as { list?: string[] }).list ?? [])

export const decodeRequirement = (json: unknown): Fields => {
  const fields = shallow(json)
  if (isFields(fields.schemes)) return fields
  return { schemes: mapFields(fields, (list) => ({ list })) }
}

const MEMBERS: Readonly<Record<string, string>> = {
  apiKey: 'apiKeySecurityScheme',
  http: 'httpAuthSecurityScheme',
  oauth2: 'oauth2SecurityScheme',
  openIdConnect: 'openIdConnectSecurityScheme',
  mutualTLS: 'mtlsSecurityScheme',
}

export interface DecodedSchemes {
  readonly schemes: Fields
  /** Scheme name → the names that stand for it now. */
  readonly split: ReadonlyMap<string, readonly string[]>
}

/** A 1.0 scheme has one OAuth flow: several become several schemes, any of which will do (lossy case L8). */
export function decodeSchemes(json: unknown): DecodedSchemes {
  const schemes: Fields = {}
  const split = new Map<string, string[]>()
  if (!isFields(json)) return { schemes, split }
  for (const [name, value] of Object.entries(json)) {
    const { type, in: location, ...rest } = shallow(value)
    const member = Object.hasOwn(MEMBERS, String(type)) ? MEMBERS[String(type)] : undefined
    if (!member) {
      // Already in the canonical form (the 0.3 proto's is the same), or nothing that we know.
      if (Object.values(MEMBERS).some((known) => known in rest) || 'scheme' in rest) schemes[name] = rest
      continue
    }
    if (type === 'oauth2' && isFields(rest.flows) && Object.keys(rest.flows).length > 1) {
      const names = Object.keys(rest.flows).map((flow, at) => (at === 0 ? name : `${name}-${flow}`))
      Object.entries(rest.flows).forEach(([flow, content], at) => {
        schemes[names[at] as string] = { [member]: { ...rest, flows: { [flow]: content } } }
      })
      split.set(name, names)
    } else {
      schemes[name] = { [member]: { ...rest, ...(location !== undefined && { location }) } }
    }
  }
  return { schemes, split }
}

/** One requirement that names a split scheme becomes one per name: the list is an OR. */
export function splitRequirements(requirements: readonly Fields[], split: DecodedSchemes['split']): Fields[] {
  let all = requirements.map((requirement) => shallow(requirement.schemes))
  for (const [name, names] of split) {
    all = all.flatMap((schemes) => {
      if (!(name in schemes)) return [schemes]
      const { [name]: scopes, ...others } = schemes
      return names.map((one) => ({ ...others, [one]: scopes }))
    })
  }
  return all.map((schemes) => ({ schemes }))
}
