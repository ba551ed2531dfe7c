/** One try at one event for one push URL. */

import type { Task } from '../../a2a/tasks.ts'
import { decide, type Outcome, type Verdict } from '../../delivery.ts'
import { chance } from '../../platform/ids.ts'
import type { SendWebhook, WebhookPost } from '../../ports.ts'
import type { Leased, WebhookLoad } from '../../store/deliveries.ts'
import { disablePushConfig, whyDisabled } from '../../store/pushConfigs.ts'
import { backoffMs } from '../deliveries/backoff.ts'
import { openPushSecrets } from '../deliveries/pushConfigs.ts'
import { readTask } from '../tasks/view.ts'
import { readTrace } from './attemptRecord.ts'
import type { AttemptTools, WebhookBounds } from './tools.ts'

export interface WebhookAttempt {
  readonly leased: Leased
  readonly startedAt: number
  readonly verdict?: Verdict
  readonly outcome?: Outcome | { kind: 'superseded' }
  readonly status?: number
}

/** The request, made ready while its delivery waits for a place. */
export function prepareWebhook(leased: Leased, load: WebhookLoad, tools: AttemptTools): SendWebhook {
  try {
    const send = tools.prepareWebhook(postOf(leased, load, tools))
    const { consent } = tools
    if (!consent?.asks(leased.tenant)) return send
    return (signal) => consent.send({ tenant: leased.tenant, url: load.url }, send, signal)
  } catch (error) {
    // Its own attempt fails, not the claim that it came with.
    return () => Promise.reject(error)
  }
}

function postOf(leased: Leased, load: WebhookLoad, tools: AttemptTools): WebhookPost {
  const trace = readTrace(load.trace)
  return {
    url: load.url,
    version: load.version,
    id: leased.id,
    attempt: leased.attempt,
    taskId: leased.taskId,
    sequence: leased.seq,
    json: load.body,
    gap: load.gap,
    snapshot: () => snapshotAt(leased, tools),
    ...(trace && { trace }),
    ...openPushSecrets(load, placeOf(leased), tools.seal),
  }
}

const placeOf = ({ tenant, taskId, configId }: Leased) => ({ tenant, taskId, configId: configId ?? '' })

/** `send`: undefined when the config is gone, or disabled. */
export async function runWebhookAttempt(
  leased: Leased,
  send: SendWebhook | undefined,
  tools: AttemptTools & { readonly leave: () => void },
  signal: AbortSignal,
): Promise<WebhookAttempt> {
  const attempt: WebhookAttempt = { leased, startedAt: tools.clock.elapsed() }
  if (!send) return commit({ ...attempt, outcome: await withoutConfig(leased, tools) }, tools)
  const verdict = await send(signal)
  // A failure keeps its place until the lane has learnt from it.
  if (verdict.kind === 'accepted') tools.leave()
  const committed = await commit(
    {
      ...attempt,
      verdict,
      outcome: decideWebhook(leased, verdict, tools.webhooks),
      ...(verdict.status !== undefined && { status: verdict.status }),
    },
    tools,
  )
  // After the dead letter is written: between the two the process may die, and what is owed to a disabled config is withdrawn.
  if (verdict.kind === 'refused' && verdict.code === 'GONE') await disable(leased, verdict.reason, tools)
  return committed
}

/** Deleted: its owner wants it no more. Disabled after this was owed: a dead letter, as all that waited then (P12). */
async function withoutConfig(leased: Leased, { db }: AttemptTools): Promise<Outcome | { kind: 'superseded' }> {
  const { tenant, taskId, configId: id } = placeOf(leased)
  const reason = await whyDisabled(db, { tenant, taskId, id })
  return reason === undefined ? { kind: 'superseded' } : { kind: 'dead', code: 'GONE', reason }
}

async function disable(leased: Leased, reason: string, { db }: AttemptTools): Promise<void> {
  const { tenant, taskId, configId } = placeOf(leased)
  await disablePushConfig(db, tenant, taskId, configId, reason)
}

/** Unknown is no reason to stop: a webhook is delivered at least once, under the same id each time. */
function decideWebhook(leased: Leased, verdict: Verdict, bounds: WebhookBounds): Outcome {
  const asRefused: Verdict =
    verdict.kind === 'unknown' ? { kind: 'refused', code: 'FAILED', reason: verdict.reason, retry: true } : verdict
  const count = { attempt: leased.attempt, attemptsMax: bounds.attemptsMax }
  const outcome = decide(count, asRefused, backoffMs(leased.attempt, chance(), bounds))
  // A dead receiver uses up its attempts too: 24 hours, not for ever.
  return outcome.kind === 'retry' && asRefused.kind === 'refused' && asRefused.code !== 'STOPPED'
    ? { ...outcome, counts: true }
    : outcome
}

async function snapshotAt(leased: Leased, { db }: AttemptTools): Promise<Task> {
  const read = await readTask(db, leased.tenant, leased.taskId, leased.seq)
  if (!read) throw new Error(`task ${leased.taskId} has no log`)
  return read.task
}

async function commit(attempt: WebhookAttempt, tools: AttemptTools): Promise<WebhookAttempt> {
  const { outcome, status } = attempt
  if (!outcome) return attempt
  const facts = status === undefined ? {} : { status }
  if (outcome.kind === 'superseded') {
    await tools.settle(attempt, {
      state: 'void',
      waitMs: 0,
      counts: false,
      code: 'CONFIG_DELETED',
      reason: 'the config is gone',
      outcome: 'superseded',
    })
    return attempt
  }
  const code = attempt.verdict?.kind === 'refused' ? attempt.verdict.code : 'FAILED'
  const settled =
    outcome.kind === 'delivered'
      ? await tools.settle(attempt, {
          state: 'done',
          waitMs: 0,
          counts: true,
          code: 'OK',
          reason: '',
          outcome: 'delivered',
          ...facts,
        })
      : outcome.kind === 'dead'
        ? await tools.settle(attempt, {
            state: 'dead',
            waitMs: 0,
            counts: attempt.verdict !== undefined,
            code: outcome.code,
            reason: outcome.reason,
            outcome: 'dead',
            ...facts,
          })
        : await tools.settle(attempt, {
            state: 'waiting',
            waitMs: outcome.waitMs,
            counts: outcome.counts,
            code,
            reason: outcome.reason,
            outcome: 'retry',
            ...facts,
          })
  return settled ? attempt : { ...attempt, outcome: { kind: 'superseded' } }
}
