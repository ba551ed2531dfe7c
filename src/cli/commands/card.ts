/** `card get`: an agent's card, as it is and in words. */
import { AgentCard } from '../../a2a/agentCard.ts'
import type { A2AClient } from '../a2aClient.ts'
import type { FoundCard } from '../agentRef.ts'
import type { SignatureOutcome } from '../cardSignature.ts'
import { mustBeAdvertised } from '../connecting.ts'
import { CliError } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'

export const cardGet: Run = async (call) => {
  const client = await call.agent(async () => call.args[0] ?? '')
  const card = call.has('extended') ? await extended(client, call) : client.agent.card
  if (call.has('validate')) validate(card, client.agent.source)
  const signature = await signatureOf(card, client, call)
  if (call.out.json && call.has('stream')) call.out.line(card)
  else if (call.out.json) call.out.document(card)
  else renderCard(card, { client, signature }, call)
  if (signature.kind === 'unverifiable') call.out.warn(`warning: the card is not verified: ${signature.why}`)
  return 0
}

async function extended(client: A2AClient, call: Invocation): Promise<FoundCard> {
  const { capabilities } = client.agent.card
  if (capabilities?.extendedAgentCard) mustBeAdvertised(client.agent.card, call, client.agent.ref)
  return client.call('GetExtendedAgentCard', {})
}

/** Loaded for signed cards only: most are not. */
async function signatureOf(card: FoundCard, client: A2AClient, call: Invocation): Promise<SignatureOutcome> {
  if (!Array.isArray(card.signatures) || card.signatures.length === 0) return { kind: 'absent' }
  const { checkSignature } = await import('../cardSignature.ts')
  return checkSignature(card, client.agent.source, call)
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

/** Present is not verified, and must not be told as such (a2a-cli §10.1). */
const SIGNATURE: { readonly [Kind in SignatureOutcome['kind']]: (outcome: never) => string } = {
  absent: () => 'absent',
  verified: ({ by }: { by: string }) => `verified, by a key of ${by}`,
  unverifiable: ({ why }: { why: string }) => `unverifiable: ${why}`,
}

interface Shown {
  readonly client: A2AClient
  readonly signature: SignatureOutcome
}

/** Members are looked at with care: a card of another version or with errors must still be shown. */
function renderCard(card: FoundCard, { client, signature }: Shown, { out }: Invocation): void {
  out.fields([
    ['Name', card.name ?? ''],
    ['Description', card.description],
    ['Version', card.version],
    ['Card', client.agent.source],
    ['Provider', card.provider?.organization],
    ['Streaming', yesNo(card.capabilities?.streaming)],
    ['Push notifications', yesNo(card.capabilities?.pushNotifications)],
    ['Extended card', yesNo(card.capabilities?.extendedAgentCard)],
    ['Signature', SIGNATURE[signature.kind](signature as never)],
  ])
  for (const { uri, required } of card.capabilities?.extensions ?? []) {
    out.fields([['Extension', `${uri}${required ? ' (required)' : ''}`]])
  }
  for (const { protocolBinding, protocolVersion, url, tenant } of card.supportedInterfaces ?? []) {
    const at = tenant ? `${url} tenant ${tenant}` : url
    out.fields([['Interface', `${protocolBinding} ${protocolVersion} ${at}`]])
  }
  out.fields([['Transport', transportOf(client)]])
  for (const [name, scheme] of Object.entries(card.securitySchemes ?? {})) {
    out.fields([['Security', `${name} (${Object.keys(scheme as object)[0] ?? 'unknown'})`]])
  }
  for (const { id, name, description } of card.skills ?? []) {
    out.fields([['Skill', `${id}: ${name}${description ? ` – ${description}` : ''}`]])
  }
}

/** What the other commands would use. */
function transportOf(client: A2AClient): string {
  try {
    const { binding, url } = client.chosen()
    return `${binding} ${url}`
  } catch (error) {
    return `none: ${(error as Error).message}`
  }
}
