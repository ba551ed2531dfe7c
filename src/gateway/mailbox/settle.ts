/**
 * How a lease ends by its holder's word: the task's end and the delivery's are one statement, fenced by the lease.
 *
 * Said again with the same words it gets the same answer, because the first answer may have been lost: the last receipt
 * stays on the delivery. Other words after it are refused.
 *
 *     find ─┬─ no delivery of this agent ──▶ unknown
 *           ├─ receipt of this lease ──────▶ same verb and words? its answer : already settled
 *           ├─ another lease ──────────────▶ lost
 *           └─ held ──▶ write ──┬─ written ──▶ answer
 *                               └─ not ──────▶ find again: a twin was faster, the sender said more, or the task has ended
 */

import { isTerminal, type Message, type TaskState } from '../../a2a/tasks.ts'
import { type DeliveryState, mailKind } from '../../delivery.ts'
import { chance, sha256 } from '../../platform/ids.ts'
import { boundHeld } from '../../store/deadLetters.ts'
import { findHeld, giveBackMail, type Held, type LeaseKey } from '../../store/mailbox.ts'
import { voidDeliveries } from '../../store/recovery.ts'
import { settleResult } from '../../store/results.ts'
import { stateOf } from '../../store/tasks.ts'
import type { Agent } from '../agents/agent.ts'
import { backoffMs } from '../deliveries/backoff.ts'
import { ANSWERED_WITH_MESSAGE, answerId, EXTENSION_URI, gatewayStatus } from '../tasks/facts.ts'
import type { TaskEvent } from '../tasks/record.ts'
import type { Attempted } from './attempts.ts'
import {
  artifactOf,
  changeUnder,
  holds,
  idsOf,
  isNamed,
  LOST,
  newMessages,
  type ReportedArtifact,
  saidBy,
} from './report.ts'
import { isForTasks } from './results.ts'
import { leaseText, type VerbTools } from './tools.ts'
import type { SettleAnswer, Settled, Verdict, Words } from './verdict.ts'

interface Receipt {
  readonly lease: string
  readonly hash: string
  readonly answer: SettleAnswer
}

/** Its sender may be saying more and more. */
const TRIES = 10

export async function settle(agent: Agent, key: LeaseKey, verdict: Verdict, tools: VerbTools): Promise<Settled> {
  const hash = sha256(JSON.stringify(verdict))
  for (let tries = 0; tries < TRIES; tries++) {
    const held = await findHeld(tools.db, key)
    if (!held) return { kind: 'unknown' }
    const repeated = known(key, held, hash)
    if (repeated) return repeated
    if (!holds(key, held)) return LOST
    const settling = { agent, key, held, hash, tools }
    const settled = await (held.kind === 'result' ? acknowledge(settling, verdict) : settleHeld(settling, verdict))
    if (settled === 'again') continue
    if (settled.kind === 'settled') {
      tools.attempts.ended(key, held, attemptedBy(verdict, settled.answer))
      tools.wake(key.tenant, key.destination)
    }
    return settled
  }
  return LOST
}

/** Whatever the agent says of the task, the delivery has done its work, unless it is given back. */
function attemptedBy(verdict: Verdict, { retryInMs, task }: SettleAnswer): Attempted {
  const givesBack = verdict.verb === 'release' || (verdict.verb === 'fail' && verdict.retry === true)
  if (!givesBack) return { outcome: 'delivered' }
  if (retryInMs !== undefined)
    return { outcome: 'retry', nextInMs: retryInMs, code: verdict.verb === 'fail' ? 'RETRY' : 'RELEASED' }
  if (task.status.state === 'TASK_STATE_CANCELED') return { outcome: 'superseded', code: 'CANCELED' }
  return { outcome: 'dead', code: 'DELIVERY_ATTEMPTS_EXHAUSTED' }
}

/** Settled under this very lease before? */
function known(key: LeaseKey, { receipt }: Held, hash: string): Settled | undefined {
  const last = receipt === null ? undefined : (JSON.parse(receipt) as Receipt)
  if (last?.lease !== key.lease) return undefined
  return last.hash === hash
    ? { kind: 'settled', answer: last.answer }
    : { kind: 'already settled', by: last.answer.settled }
}

interface Settling {
  readonly agent: Agent
  readonly key: LeaseKey
  readonly held: Held
  readonly hash: string
  readonly tools: VerbTools
}

function settleHeld(settling: Settling, verdict: Verdict): Promise<Settled | 'again'> {
  const { held, tools } = settling
  const ids = idsOf(held)
  const at = tools.now().toISOString()
  const told = (state: TaskState, message: Message | undefined): TaskEvent => ({
    event: { statusUpdate: { ...ids, status: { state, timestamp: at, ...(message && { message }) } } },
  })
  switch (verdict.verb) {
    case 'complete':
      return complete(settling, verdict, at)
    case 'reject':
      return finish(settling, 'reject', [told('TASK_STATE_REJECTED', saidBy(verdict, ids))])
    case 'ask':
      return finish(settling, 'ask', [told('TASK_STATE_INPUT_REQUIRED', saidBy(withSchema(verdict), ids))])
    case 'auth':
      return finish(settling, 'auth', [told('TASK_STATE_AUTH_REQUIRED', saidBy(withSchema(verdict), ids))])
    case 'fail':
      return verdict.retry
        ? giveBack(settling, verdict)
        : finish(settling, 'fail', [told('TASK_STATE_FAILED', saidBy(verdict, ids))])
    case 'release':
      return giveBack(settling, verdict)
  }
}

/** A result is read, or given back; whatever else is said of it, its task has gone its way. */
async function acknowledge(settling: Settling, verdict: Verdict): Promise<Settled | 'again'> {
  const { key, held, tools } = settling
  if (verdict.verb === 'ask' || verdict.verb === 'auth') throw isForTasks()
  if (verdict.verb === 'release' || (verdict.verb === 'fail' && verdict.retry)) return giveBack(settling, verdict)
  const answer = answerOf(settling, verdict.verb, stateOf(held.taskState))
  const how = { state: 2, code: null, receipt: receiptOf(settling, answer) } as const
  return (await settleResult(tools.db, key, how)) ? { kind: 'settled', answer } : 'again'
}

/** A form for the answer travels as a part of its own. */
const withSchema = ({ text, parts = [], schema }: Words & { schema?: unknown }): Words => ({
  text,
  parts: schema === undefined ? parts : [...parts, { data: schema, mediaType: 'application/schema+json' }],
})

async function complete(
  settling: Settling,
  said: Extract<Verdict, { verb: 'complete' }>,
  at: string,
): Promise<Settled | 'again'> {
  const { text, parts, artifacts = [], ignore = [] } = said
  const { key, held, tools } = settling
  const ids = idsOf(held)
  const pending = held.pending > 0 ? await newMessages(key, held.taskId, tools) : []
  if (pending.some((one) => !isNamed(ignore, one))) {
    return { kind: 'new messages', messages: pending.filter((one) => !isNamed(ignore, one)) }
  }
  const isNote = held.mailKind === mailKind('note')
  const answers = said.as === 'message' && !isNote
  // A note is acknowledged: what is said with that is no result.
  const message = isNote || answers ? saidBy({ text, parts }, ids) : undefined
  const own = isNote || (text === undefined && parts === undefined) ? [] : [{ text, parts }]
  const results = [...own, ...(isNote ? [] : artifacts)].map((reported, at): TaskEvent => {
    const named = { ...reported, artifactId: answers ? answerId(message) : artifactIdOf(reported, at) }
    return { event: { artifactUpdate: { ...ids, artifact: artifactOf(named), append: false, lastChunk: true } } }
  })
  const told = {
    ...(answers && ANSWERED_WITH_MESSAGE),
    ...(pending.length > 0 && { ignored: pending.map(({ message }) => message.messageId) }),
  }
  const metadata = Object.keys(told).length > 0 && { metadata: { [EXTENSION_URI]: told } }
  const status = { state: 'TASK_STATE_COMPLETED' as const, timestamp: at, ...(message && { message }) }
  const ended: TaskEvent = { event: { statusUpdate: { ...ids, status, ...metadata } } }
  // Only if nothing was said since we looked: what is said meanwhile must not be lost.
  return finish(settling, 'complete', [...results, ended], { expectedSeq: held.lastSeq })
}

const artifactIdOf = ({ artifactId }: ReportedArtifact, at: number): string =>
  artifactId ?? (at === 0 ? 'result' : `result-${at + 1}`)

interface Finish {
  readonly expectedSeq?: number
  readonly state?: DeliveryState
  readonly code?: string
  readonly reason?: string
}

const receiptOf = ({ key, hash }: Settling, answer: SettleAnswer): string =>
  JSON.stringify({ lease: key.lease, hash, answer } satisfies Receipt)

function answerOf({ key, held }: Settling, settled: Verdict['verb'], state: TaskState): SettleAnswer {
  const { taskId, contextId } = held
  return {
    lease: leaseText(key.id, key.lease, key.destination),
    delivery: key.id,
    settled,
    task: { id: taskId, contextId, status: { state } },
  }
}

/** The last of the events is the status in which the task is left. */
async function finish(
  settling: Settling,
  verb: Verdict['verb'],
  events: readonly TaskEvent[],
  { expectedSeq, state = 'done', code, reason }: Finish = {},
): Promise<Settled | 'again'> {
  const { key, held, tools } = settling
  const last = events.at(-1)?.event
  const left = last && 'statusUpdate' in last ? last.statusUpdate.status.state : stateOf(held.taskState)
  const answer = answerOf(settling, verb, left)
  const written = await tools.record({
    ...changeUnder(key, held),
    events,
    ...(expectedSeq !== undefined && { expectedSeq }),
    settle: { state, receipt: receiptOf(settling, answer), ...(code && { code }), ...(reason && { reason }) },
  })
  if (written.kind === 'appended') {
    if (isTerminal(left) && held.pending > 0)
      await voidDeliveries(tools.db, key.tenant, held.taskId, 'IGNORED', 'the agent ended the task without it')
    return { kind: 'settled', answer }
  }
  if (written.kind === 'lease lost') return 'again'
  // Without a place in the log to hold to, the task has ended, and the delivery with it.
  return expectedSeq === undefined ? LOST : afterMove(settling)
}

/** The log has gone on: look again; a task that has ended has no use for the lease. */
async function afterMove({ key, held, tools }: Settling): Promise<Settled | 'again'> {
  const now = await findHeld(tools.db, key)
  if (!now || !holds(key, now) || !isTerminal(stateOf(now.taskState))) return 'again'
  await tools.record({ ...changeUnder(key, held), events: [], settle: { state: 'void', code: 'TASK_ENDED' } })
  return LOST
}

async function giveBack(
  settling: Settling,
  verdict: Extract<Verdict, { verb: 'release' | 'fail' }>,
): Promise<Settled | 'again'> {
  const { agent, key, held, tools } = settling
  const { verb, delaySeconds } = verdict
  const { maxAttempts, backoff } = agent.policy
  const said = verb === 'fail' ? verdict.text : undefined
  // Its caller wants it canceled: whoever gives it back agrees.
  if (held.cancelWanted) {
    const why = { code: 'CANCELED', text: 'canceled by its caller' }
    return finish(settling, verb, [ended(settling, 'TASK_STATE_CANCELED', why)], { state: 'void', code: why.code })
  }
  const counts = verb === 'fail' || delaySeconds === undefined || held.touched === true
  if (counts && held.attempt >= maxAttempts && held.kind !== 'result') return exhaust(settling, verb, said)
  const waitMs =
    delaySeconds !== undefined ? delaySeconds * 1_000 : verb === 'fail' ? backoffMs(held.attempt, chance(), backoff) : 0
  const answer = { ...answerOf(settling, verb, stateOf(held.taskState)), retryInMs: waitMs }
  const given = await giveBackMail(tools.db, key, {
    waitMs,
    counts,
    code: verb === 'fail' ? 'RETRY' : 'RELEASED',
    reason: said ?? (verb === 'fail' ? 'failed' : 'given back'),
    receipt: receiptOf(settling, answer),
  })
  return given ? { kind: 'settled', answer } : 'again'
}

function ended({ held, tools }: Settling, state: TaskState, why: { code: string; text: string }): TaskEvent {
  const ids = idsOf(held)
  return { event: { statusUpdate: { ...ids, status: gatewayStatus(state, why, tools.now(), ids) } } }
}

/** The last attempt failed as well: the delivery is a dead letter, and its task has failed. */
async function exhaust(
  settling: Settling,
  verb: Verdict['verb'],
  said: string | undefined,
): Promise<Settled | 'again'> {
  const { agent, key, held, tools } = settling
  const code = 'DELIVERY_ATTEMPTS_EXHAUSTED'
  const reason = `${said ?? 'given back'}, ${held.attempt} of ${agent.policy.maxAttempts} attempts`
  const event = ended(settling, 'TASK_STATE_FAILED', { code, text: reason })
  const isHeld = agent.policy.deadLetter === 'hold'
  if (isHeld) await boundHeld(tools.db, key.tenant, key.id)
  const settled = await finish(settling, verb, isHeld ? [] : [event], { state: 'dead', code, reason })
  if (settled !== 'again' && settled.kind === 'settled') {
    const { destination, id: delivery } = key
    tools.signals.emit('delivery.dead', { delivery, task: held.taskId, destination, kind: 'mailbox', code, reason })
  }
  return settled
}
