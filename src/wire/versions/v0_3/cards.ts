/** The 0.3 agent card; what we serve is a hybrid that readers of both versions understand, as both official SDKs do. */
import type { AgentCard, AgentInterface, AgentSkill } from '../../../a2a/agentCard.ts'
import { readCard } from '../canonicalCard.ts'
import { type Fields, isFields, shallow } from '../liberal.ts'
import { decodeRequirement, decodeSchemes, encodeRequirement, encodeScheme, splitRequirements } from './security.ts'

const VERSION = '0.3'
const isOld = (face: AgentInterface): boolean => /^0\.[23](\.|$)/.test(face.protocolVersion)

/** Signatures cover another document and are left out (lossy case L13). */
export function encodeCard(card: AgentCard): Fields {
  const { signatures: _, ...shared } = card
  const faces = card.supportedInterfaces.some(isOld) ? card.supportedInterfaces.filter(isOld) : card.supportedInterfaces
  const main = faces.find((face) => face.protocolBinding === 'JSONRPC') ?? faces[0]
  const { extendedAgentCard } = card.capabilities
  const schemes = encodeSchemes(card)
  return {
    protocolVersion: VERSION,
    ...shared,
    ...(main && { url: addressOf(main), preferredTransport: main.protocolBinding }),
    ...(faces.length > 0 && {
      additionalInterfaces: faces.map((face) => ({ url: addressOf(face), transport: face.protocolBinding })),
    }),
    ...(extendedAgentCard !== undefined && { supportsAuthenticatedExtendedCard: extendedAgentCard }),
    ...(schemes && { securitySchemes: schemes }),
    ...(card.securityRequirements && { security: encodeRequirements(card.securityRequirements, schemes) }),
    skills: card.skills.map((skill) => encodeSkill(skill, schemes)),
  }
}

/** 0.3 knows no tenant: it becomes part of the path (lossy case L6). */
const addressOf = ({ url, tenant }: AgentInterface): string =>
  tenant === undefined ? url : `${url.replace(/\/$/, '')}/${encodeURIComponent(tenant)}`

/** Each scheme in both spellings, their members do not collide. */
function encodeSchemes(card: AgentCard): Fields | undefined {
  if (!card.securitySchemes) return undefined
  const schemes: Fields = {}
  for (const [name, scheme] of Object.entries(card.securitySchemes)) {
    const old = encodeScheme(scheme)
    if (old) schemes[name] = { ...scheme, ...old }
  }
  return schemes
}

function encodeRequirements(requirements: AgentCard['securityRequirements'], schemes: Fields = {}): Fields[] {
  const sayable = (requirement: Fields) => Object.keys(requirement).every((name) => name in schemes)
  return (requirements ?? []).map(encodeRequirement).filter(sayable)
}

const encodeSkill = (skill: AgentSkill, schemes: Fields | undefined): Fields => ({
  ...skill,
  ...(skill.securityRequirements && { security: encodeRequirements(skill.securityRequirements, schemes) }),
})

/** @throws A2AError INVALID_AGENT_RESPONSE when it is no card even to a liberal eye. */
export function decodeCard(json: unknown): AgentCard {
  const {
    url,
    preferredTransport,
    additionalInterfaces,
    protocolVersion,
    supportsAuthenticatedExtendedCard,
    security,
    securitySchemes,
    securityRequirements,
    supportedInterfaces: _,
    signatures: __,
    ...shared
  } = shallow(json)
  const { stateTransitionHistory: ___, ...capabilities } = shallow(shared.capabilities)
  const { schemes, split } = decodeSchemes(securitySchemes)
  const required = Array.isArray(security) ? security : securityRequirements
  return readCard({
    ...shared,
    supportedInterfaces: decodeInterfaces(url, preferredTransport, additionalInterfaces, protocolVersion),
    capabilities: {
      ...capabilities,
      ...(typeof supportsAuthenticatedExtendedCard === 'boolean' && {
        extendedAgentCard: supportsAuthenticatedExtendedCard,
      }),
    },
    skills: Array.isArray(shared.skills) ? shared.skills.map((skill) => decodeSkill(skill, split)) : [],
    securitySchemes: schemes,
    ...(Array.isArray(required) && { securityRequirements: splitRequirements(required.map(decodeRequirement), split) }),
  })
}

/** The main address first; `preferredTransport` left out means JSON-RPC, a version left out (before 0.2.5) this dialect. */
function decodeInterfaces(url: unknown, transport: unknown, additional: unknown, version: unknown): Fields[] {
  const protocolVersion = typeof version === 'string' && version !== '' ? version : VERSION
  const main = { url, protocolBinding: transport || 'JSONRPC', protocolVersion }
  const faces: Fields[] = typeof url === 'string' && url !== '' ? [main] : []
  for (const other of Array.isArray(additional) ? additional : []) {
    const { url: address, transport: binding } = shallow(other)
    const known = faces.some((face) => face.url === address && face.protocolBinding === binding)
    if (!known && typeof address === 'string') {
      faces.push({ url: address, protocolBinding: binding, protocolVersion })
    }
  }
  return faces
}

function decodeSkill(json: unknown, split: ReadonlyMap<string, readonly string[]>): unknown {
  if (!isFields(json)) return json
  const { security, ...skill } = shallow(json)
  if (!Array.isArray(security)) return skill
  return { ...skill, securityRequirements: splitRequirements(security.map(decodeRequirement), split) }
}
