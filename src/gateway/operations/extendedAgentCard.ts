/**
 * GetExtendedAgentCard (A2A 1.0 §3.1.11): for those who have said who they are. It is the agent's, asked for anew each
 * time with the gateway's credentials and shown as the public card is; nothing of it is kept for anybody else.
 */
import type { AgentCard } from '../../a2a/agentCard.ts'
import { A2AError } from '../../a2a/errors.ts'
import type { GetExtendedAgentCardRequest } from '../../a2a/operations.ts'
import { LIMITS } from '../../limits.ts'
import type { ExtendedCardAnswer } from '../../ports.ts'
import { readQueues } from '../../store/queues.ts'
import { type Agent, waitsText } from '../agents/agent.ts'
import { cleanCard } from '../agents/cards.ts'
import { mailboxPresence, showPresence } from '../agents/mailboxPresence.ts'
import type { AgentCall, OperationTools } from './tools.ts'

/** How many an agent is being asked for, by tenant and name. */
const asking = new Map<string, number>()

export async function getExtendedAgentCard(
  _params: GetExtendedAgentCardRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<AgentCard> {
  const { caller, known } = call
  if (caller.kind === 'anonymous')
    throw new A2AError('UNAUTHENTICATED', 'the extended card is for authenticated callers')
  const presented = await tools.presentCard(known.name, caller)
  if (!presented?.card.capabilities.extendedAgentCard)
    throw new A2AError('UNSUPPORTED_OPERATION', 'the agent does not declare an extended card')
  if (known.connector.kind === 'mailbox') return withPresence(known, tools)
  if (known.pausedAt) throw unavailable(known.pending ? waitsText(known.pending) : 'the agent is paused')
  const key = `${known.tenant} ${known.name}`
  const others = asking.get(key) ?? 0
  if (others >= LIMITS.extendedCardsInFlight)
    throw new A2AError('RATE_LIMITED', 'the agent is being asked for too many extended cards', { retryAfterSeconds: 1 })
  asking.set(key, others + 1)
  try {
    return await ask(known, call, tools)
  } finally {
    const left = (asking.get(key) ?? 1) - 1
    if (left > 0) asking.set(key, left)
    else asking.delete(key)
  }
}

/** An agent that collects cannot be asked; what the public card does not have, because it is kept by many, is whether it is there. */
async function withPresence(agent: Agent, { db, presentExtended }: OperationTools): Promise<AgentCard> {
  const [lane] = await readQueues(db, [agent])
  const presence = lane && showPresence(mailboxPresence(agent, lane))
  return presentExtended(agent, agent.card, presence && { presence })
}

async function ask(known: Agent, call: AgentCall, tools: OperationTools): Promise<AgentCard> {
  const signal = AbortSignal.any([call.signal, tools.draining])
  const ready = await tools.agents.ensureCard(known, signal)
  if (ready.kind === 'failed')
    throw unavailable(ready.verdict.kind === 'accepted' ? 'its card is not known' : ready.verdict.reason)
  const answer = await tools.peer.extendedCard(tools.agents.target(ready.agent), signal)
  if (answer.kind === 'card') return tools.presentExtended(ready.agent, cleanCard(answer.card))
  throw refusalOf(answer)
}

const unavailable = (why: string): A2AError =>
  new A2AError('AGENT_UNAVAILABLE', `the agent cannot be asked for its extended card: ${why.slice(0, 300)}`, {
    retryAfterSeconds: 5,
  })

function refusalOf(answer: Exclude<ExtendedCardAnswer, { kind: 'card' }>): A2AError {
  if (answer.kind === 'none')
    return new A2AError(
      'EXTENDED_AGENT_CARD_NOT_CONFIGURED',
      'the agent declares an extended card, but has none for this gateway',
    )
  if (answer.kind === 'invalid')
    return new A2AError(
      'INVALID_AGENT_RESPONSE',
      `the agent's extended card is of no use: ${answer.reason.slice(0, 300)}`,
    )
  return unavailable(answer.kind === 'refused' ? "it refuses the gateway's credentials" : answer.reason)
}
