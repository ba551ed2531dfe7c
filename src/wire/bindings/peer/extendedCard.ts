/** An agent's extended card (A2A 1.0 §3.1.11), asked for with the gateway's credentials. */
import type { AgentCard } from '../../../a2a/agentCard.ts'
import { isSameOrigin } from '../../../platform/origins.ts'
import type { AgentTarget, ExtendedCardAnswer } from '../../../ports.ts'
import { codecFor } from '../../versions/table.ts'
import { createAgentClient } from '../agentClient.ts'
import type { JudgeCard } from '../cardTrust.ts'
import type { Fault } from '../faults.ts'
import { speakRest } from '../rest/client.ts'
import { quick } from './carry.ts'
import type { Line, LineTools } from './line.ts'

export async function askExtendedCard(
  line: Line,
  target: AgentTarget,
  tools: LineTools & { readonly judge: JudgeCard },
): Promise<ExtendedCardAnswer> {
  let answer = await line.client.call('GetExtendedAgentCard', { ...line.tenant }, quick(line))
  if (answer.kind === 'fault' && answer.error === 'METHOD_NOT_FOUND')
    answer = (await asOfOld(line, target, tools)) ?? answer
  if (answer.kind === 'fault') return answerOf(answer)
  const card = answer.result
  const judged = await tools.judge(card, card, target.signatures, line.signal)
  return judged.kind === 'judged' ? { kind: 'card', card } : { kind: 'invalid', reason: judged.reason }
}

/** Before 0.3 it was no method but a document beside the endpoint. */
function asOfOld(line: Line, { card, url: registered, headers }: AgentTarget, tools: LineTools) {
  for (const { url, protocolBinding, protocolVersion } of (card as AgentCard | undefined)?.supportedInterfaces ?? []) {
    const codec = codecFor(protocolVersion)
    if (protocolBinding.toUpperCase() !== 'JSONRPC' || !codec || !isSameOrigin(url, registered)) continue
    const face = { url: new URL('.', url).href, codec, headers }
    return createAgentClient(face, speakRest(face), tools).call('GetExtendedAgentCard', {}, quick(line))
  }
  return undefined
}

/** What it says of not having one: it was declared, so all of these mean that none is there for us. */
const NONE = new Set(['EXTENDED_AGENT_CARD_NOT_CONFIGURED', 'UNSUPPORTED_OPERATION', 'METHOD_NOT_FOUND'])

function answerOf({ cause, reason, error }: Fault): ExtendedCardAnswer {
  if (error !== undefined && NONE.has(error)) return { kind: 'none', reason }
  if (cause === 'auth') return { kind: 'refused', reason }
  if (cause === 'invalid' || cause === 'rejected' || cause === 'failed') return { kind: 'invalid', reason }
  return { kind: 'unreachable', reason }
}
