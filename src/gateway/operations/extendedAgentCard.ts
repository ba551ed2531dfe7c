/** GetExtendedAgentCard (A2A 1.0 §3.1.11): for those who have said who they are. */

import type { AgentCard } from '../../a2a/agentCard.ts'
import { A2AError } from '../../a2a/errors.ts'
import type { GetExtendedAgentCardRequest } from '../../a2a/operations.ts'
import type { AgentCall, OperationTools } from './tools.ts'

export async function getExtendedAgentCard(
  _params: GetExtendedAgentCardRequest,
  call: AgentCall,
  { presentCard }: OperationTools,
): Promise<AgentCard> {
  if (call.caller.kind === 'anonymous')
    throw new A2AError('UNAUTHENTICATED', 'the extended card is for authenticated callers')
  const presented = await presentCard(call.known.name, call.caller)
  if (!presented?.card.capabilities.extendedAgentCard) {
    throw new A2AError('UNSUPPORTED_OPERATION', 'the agent does not declare an extended card')
  }
  throw new A2AError(
    'EXTENDED_AGENT_CARD_NOT_CONFIGURED',
    'the agent declares an extended card, but none is configured here',
  )
}
