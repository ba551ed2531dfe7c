/** Whether there is room for what is asked: a caller's, a key's, a tenant's and an agent's quotas, each refused by its name. */
import { A2AError, type Reason } from '../../a2a/errors.ts'
import type { OperationName, SendMessageRequest } from '../../a2a/operations.ts'
import type { Caller } from '../../ports.ts'
import type { Agent } from '../agents/agent.ts'
import type { QuotaRefusal } from '../callers/quotas.ts'
import type { More, UsedUp } from '../callers/usage.ts'
import type { OperationTools } from './tools.ts'

type Tools = Pick<OperationTools, 'quotas' | 'usage' | 'signals'>

const sends = (name: OperationName): boolean => name === 'SendMessage' || name === 'SendStreamingMessage'

/** Throws RATE_LIMITED for a caller that asks more often than it may: before anything is looked up or stored. */
export function spend(name: OperationName, caller: Caller, tools: Tools): void {
  const refused = tools.quotas.take(caller, sends(name) ? 'send' : 'other')
  if (refused) throw tooOften(name, caller, refused, tools)
}

function tooOften(name: OperationName, caller: Caller, refused: QuotaRefusal, { signals }: Tools): A2AError {
  const { scope, retryAfterSeconds } = refused
  signals.emit('quota.refused', { tenant: caller.tenant, caller: caller.id, scope, operation: name })
  return new A2AError('RATE_LIMITED', RATE_WORDS[scope], { retryAfterSeconds })
}
const RATE_WORDS: Readonly<Record<QuotaRefusal['scope'], string>> = {
  caller: 'this caller asks more often than it may',
  key: 'this key sends more often than it may',
  tenant: 'more messages are being sent here than may be',
  agent: 'more messages are being sent to this agent than it takes',
}

/** What this request would leave behind. */
function moreOf(name: OperationName, params: unknown, countsBytes: boolean): More | undefined {
  const bytes = countsBytes ? { bytes: JSON.stringify(params).length } : {}
  if (name === 'CreateTaskPushNotificationConfig') return { webhooks: 1 }
  if (!sends(name)) return undefined
  const { configuration } = params as SendMessageRequest
  return { waiting: 1, ...(configuration?.taskPushNotificationConfig && { webhooks: 1 }), ...bytes }
}

/**
 * Throws RATE_LIMITED for an agent that is sent more than it takes, and QUEUE_FULL, STORAGE_FULL or CONFIG_LIMIT for a tenant
 * that has as much here as it may have. Nothing is stored yet.
 */
export function admit(name: OperationName, params: unknown, caller: Caller, known: Agent, tools: Tools): void {
  const { quotas, usage } = tools
  const more = moreOf(name, params, usage.countsBytes(caller.tenant))
  if (more === undefined) return
  const full = usage.usedUp(caller.tenant, more)
  if (full) {
    const scope = `tenant ${full}`
    tools.signals.emit('quota.refused', { tenant: caller.tenant, caller: caller.id, scope, operation: name })
    const [reason, words] = FULL[full]
    throw new A2AError(reason, words, { retryAfterSeconds: full === 'bytes' ? 300 : 5 })
  }
  const refused = sends(name) && known.policy.rate ? quotas.takeAgent(known, known.policy.rate) : undefined
  if (refused) throw tooOften(name, caller, refused, tools)
  usage.added(caller.tenant, more)
}
const FULL: Readonly<Record<UsedUp, readonly [Reason, string]>> = {
  waiting: ['QUEUE_FULL', 'as many messages of this tenant wait as may wait'],
  bytes: ['STORAGE_FULL', 'this tenant has stored as much as it may'],
  webhooks: ['CONFIG_LIMIT', 'this tenant has as many webhooks as it may have'],
}
