/**
 * The operations, one row each: what the caller must be permitted, and what is done. Everything that speaks A2A comes
 * through here, whatever its version and binding; so what is refused is refused alike (BIND-1).
 */
import { A2AError } from '../../a2a/errors.ts'
import type { OperationName, Params } from '../../a2a/operations.ts'
import type { Call, Execute, Permit, Reply } from '../../ports.ts'
import { isUnstorable, StoreError } from '../../store/db.ts'
import type { Agent } from '../agents/agent.ts'
import { authorize, authorizeSkill } from '../callers/permits.ts'
import { skillsIn } from '../tasks/skillsIn.ts'
import { admit, spend } from './admit.ts'
import { cancelTask } from './cancelTask.ts'
import { getExtendedAgentCard } from './extendedAgentCard.ts'
import { getTask } from './getTask.ts'
import { listTasks } from './listTasks.ts'
import { createPushConfig, deletePushConfig, getPushConfig, listPushConfigs } from './pushConfigs.ts'
import { sendMessage, sendStreamingMessage } from './sendMessage.ts'
import { subscribeToTask } from './subscribeToTask.ts'
import type { AgentCall, OperationTools } from './tools.ts'

interface Operation<N extends OperationName> {
  readonly permit: Permit
  readonly run: (params: Params<N>, call: AgentCall, tools: OperationTools) => Promise<Reply<N>>
}

/** Which permit each operation asks for, and what runs. */
export const OPERATIONS: { readonly [N in OperationName]: Operation<N> } = {
  SendMessage: { permit: 'send', run: sendMessage },
  SendStreamingMessage: { permit: 'send', run: sendStreamingMessage },
  GetTask: { permit: 'read', run: getTask },
  ListTasks: { permit: 'read', run: listTasks },
  CancelTask: { permit: 'cancel', run: cancelTask },
  SubscribeToTask: { permit: 'read', run: subscribeToTask },
  CreateTaskPushNotificationConfig: { permit: 'push', run: createPushConfig },
  GetTaskPushNotificationConfig: { permit: 'push', run: getPushConfig },
  ListTaskPushNotificationConfigs: { permit: 'push', run: listPushConfigs },
  DeleteTaskPushNotificationConfig: { permit: 'push', run: deletePushConfig },
  GetExtendedAgentCard: { permit: 'card', run: getExtendedAgentCard },
}

export function createExecute(tools: OperationTools): Execute {
  return async (name, params, call) => {
    const { permit, run } = OPERATIONS[name]
    try {
      authorize(call.caller, permit, call.agent, call.caller.skills && skillsIn(params))
      spend(name, call.caller, tools)
      checkTenant(params, call)
      const known = await tools.agents.find(call.caller.tenant, call.agent)
      if (!known) throw new A2AError('AGENT_NOT_FOUND', `no agent named "${call.agent.slice(0, 64)}"`)
      if (permit === 'send' && known.policy.skillScopes) authorizeSkill(call.caller, known.name, skillsIn(params))
      if (call.agent.startsWith('#')) await tools.others.admit(name, call)
      admit(name, params, call.caller, known, tools)
      return await run(params as never, withAgent(call, known), tools)
    } catch (error) {
      if (error instanceof A2AError && error.reason === 'PERMISSION_DENIED')
        tools.noteDenial(call.caller, name, error.detail.metadata?.scope ?? permit)
      throw fromStore(error, name)
    }
  }
}

/** Onto the call itself: a copy would read `signal`, which is made only if somebody asks for it; inheriting costs 2 KB. */
const withAgent = (call: Call, known: Agent): AgentCall => Object.assign(call, { known })

/** A tenant in the request may only repeat the caller's own; it never switches (SR-24). */
function checkTenant(params: { tenant?: string | undefined }, call: Call): void {
  const { tenant } = params
  if (tenant && tenant !== call.caller.tenant && tenant.replace(/^channels\//, '#') !== call.agent) {
    throw new A2AError('AGENT_NOT_FOUND', `no agent named "${call.agent.slice(0, 64)}"`)
  }
}

/** What the store could not do is said honestly: not done, or unknown and safe to repeat with the same messageId (D5). */
function fromStore(error: unknown, operation: OperationName): unknown {
  if (!(error instanceof StoreError)) return error
  const retry = { retryAfterSeconds: 1 }
  if (error.outcome === 'unknown') {
    return new A2AError(
      'OUTCOME_UNKNOWN',
      'the database did not say whether it was done; repeat the request with the same messageId',
      retry,
    )
  }
  return isUnstorable(error)
    ? new A2AError('INVALID_PARAMS', 'something in the request cannot be stored')
    : new A2AError('UNAVAILABLE', `${operation} cannot be served at the moment; nothing was done`, retry)
}
