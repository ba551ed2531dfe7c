/** The canonical agent card, read liberally: cards in the field lack required members and leak SDK internals. */
import { AgentCard } from '../../a2a/agentCard.ts'
import { type Fields, isFields, mapFields, readAs, shallow } from './liberal.ts'

/** @throws A2AError INVALID_AGENT_RESPONSE when it is no card even so. */
export function readCard(json: unknown): AgentCard {
  const fields = shallow(json)
  const card: Fields = {
    description: '',
    version: '',
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    capabilities: {},
    ...fields,
    skills: Array.isArray(fields.skills) ? fields.skills.map(withNames) : [],
  }
  if (!webAddress(card.iconUrl)) delete card.iconUrl
  if (!webAddress(card.documentationUrl)) delete card.documentationUrl
  if (!isFields(card.provider) || typeof card.provider.organization !== 'string') delete card.provider
  else card.provider = { url: '', ...shallow(card.provider) }
  if (isFields(card.securitySchemes)) card.securitySchemes = mapFields(card.securitySchemes, oneofScheme)
  return readAs(AgentCard, dropEmptyLists(card), 'agent', 'agent card')
}

/** A `javascript:` link in a card ends up in a console (K-15). */
export const webAddress = (value: unknown): boolean => typeof value === 'string' && /^https?:\/\//i.test(value)

const withNames = (skill: unknown): unknown => {
  const fields = shallow(skill)
  return { description: '', name: fields.id, ...fields }
}

/** `{ scheme: { $case, value } }`, as the JS SDK up to 1.3.0 writes its oneofs, becomes `{ [case]: value }`. */
function oneofScheme(scheme: unknown): unknown {
  const fields = unwrapOneof(shallow(scheme), 'scheme')
  const oauth = fields.oauth2SecurityScheme
  if (!isFields(oauth)) return fields
  const flows = shallow(shallow(oauth).flows)
  return { ...fields, oauth2SecurityScheme: { ...shallow(oauth), flows: unwrapOneof(flows, 'flow') } }
}

function unwrapOneof(fields: Fields, name: string): Fields {
  const inner = isFields(fields[name]) ? fields[name] : fields
  if (typeof inner.$case !== 'string') return fields
  const { [name]: _, $case: __, value: ___, ...rest } = fields
  return { ...rest, [inner.$case]: inner.value }
}

/** Optional lists that say nothing, as ts-proto emits them. */
function dropEmptyLists(card: Fields): Fields {
  const { signatures, securityRequirements, securitySchemes, ...rest } = card
  return {
    ...rest,
    ...(Array.isArray(signatures) && signatures.length > 0 && { signatures }),
    ...(Array.isArray(securityRequirements) && securityRequirements.length > 0 && { securityRequirements }),
    ...(isFields(securitySchemes) && Object.keys(securitySchemes).length > 0 && { securitySchemes }),
  }
}
