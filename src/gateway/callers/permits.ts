/** The one place that says whether a caller may (SR-20). */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import type { Caller, Permit } from '../../ports.ts'

/**
 * Throws PERMISSION_DENIED for a permit that the caller lacks, and AGENT_NOT_FOUND for an agent that it may not address:
 * whether that one exists is not told.
 */
export function authorize(caller: Caller, permit: Permit, agent?: string): void {
  if (caller.permits.has('operator')) return
  if (agent !== undefined && caller.agents !== undefined && !caller.agents.has(agent.toLowerCase()))
    throw new A2AError('AGENT_NOT_FOUND', `there is no agent "${agent.slice(0, LIMITS.echoCharsMax)}"`)
  if (!caller.permits.has(permit))
    throw new A2AError('PERMISSION_DENIED', `this needs the permit "${permit}"`, { metadata: { permit } })
}

/** Whose tasks a caller may look at: undefined is everybody's of the tenant. */
export const ownerFilter = (caller: Caller): { readonly caller?: string } =>
  caller.permits.has('operator') ? {} : { caller: caller.id }
