/** `card get`: an agent's card, as it is and in words. */
import { AgentCard } from '../../a2a/agentCard.ts'
import type { FoundCard } from '../agentRef.ts'
import { CliError } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'

export const cardGet: Run = async (call) => {
  const client = await call.agent(async () => call.args[0] ?? '')
  const card = call.has('extended') ? await client.call('GetExtendedAgentCard', {}) : client.agent.card
  if (call.has('validate')) validate(card, client.agent.source)
  if (call.out.json) call.out.document(card)
  else renderCard(card, client.agent.source, call)
  return 0
}

function validate(card: FoundCard, source: string): void {
  const { error } = AgentCard.safeParse(card)
  if (!error) return
  const told = error.issues.map(({ path, message }) => `${path.join('.') || '(the card)'}: ${message}`)
  throw new CliError('A2ACLI_ERR_CARD_INVALID', `the card at ${source} is not valid: ${told.join('; ')}`, {
    hint: 'see it as it is: the same command without --validate, with -o json',
  })
}

const yesNo = (value: boolean | undefined): string => (value ? 'yes' : 'no')

/** Members are looked at with care: a card of another version or with errors must still be shown. */
function renderCard(card: FoundCard, source: string, { out }: Invocation): void {
  out.fields([
    ['Name', card.name ?? ''],
    ['Description', card.description],
    ['Version', card.version],
    ['Card', source],
    ['Provider', card.provider?.organization],
    ['Streaming', yesNo(card.capabilities?.streaming)],
    ['Push notifications', yesNo(card.capabilities?.pushNotifications)],
    ['Extended card', yesNo(card.capabilities?.extendedAgentCard)],
    // Present is not verified, and must not be told as such (a2a-cli §8.1).
    ['Signature', card.signatures?.length ? 'present, not verified by this command' : 'absent'],
  ])
  for (const { protocolBinding, protocolVersion, url } of card.supportedInterfaces ?? []) {
    out.fields([['Interface', `${protocolBinding} ${protocolVersion} ${url}`]])
  }
  for (const [name, scheme] of Object.entries(card.securitySchemes ?? {})) {
    out.fields([['Security', `${name} (${Object.keys(scheme as object)[0] ?? 'unknown'})`]])
  }
  for (const { id, name, description } of card.skills ?? []) {
    out.fields([['Skill', `${id}: ${name}${description ? ` – ${description}` : ''}`]])
  }
}
