/**
 * One try at one message to an agent, from lease to settlement. Every step takes the attempt and gives it back, further
 * along; a step that does not apply passes it on. What the agent has told us stays told, whatever comes after.
 */
import { isTerminal } from '../../a2a/tasks.ts'
import { decide, type Verdict } from '../../delivery.ts'
import { chance } from '../../platform/ids.ts'
import { stateOf } from '../../store/tasks.ts'
import { waitsText } from '../agents/agent.ts'
import { backoffMs } from '../deliveries/backoff.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import { readRequest } from '../tasks/request.ts'
import { readTask } from '../tasks/view.ts'
import { type Attempt, readTrace, storedMessage } from './attemptRecord.ts'
import { createIntake } from './intake.ts'
import { reconcile } from './reconcile.ts'
import { createRecorder } from './recorder.ts'
import type { AttemptTools } from './tools.ts'

/** How long a paused agent's delivery waits before it looks again. */
const PAUSED_MS = 5_000
/** A post that any one member of a channel takes, given to the one whose lane this is. */
const CHANNEL = '#'
const LANE = 'agent:'
/** Codes that say that a former attempt may have reached the agent. */
const AMBIGUOUS = new Set(['LEASE_LOST', 'UNKNOWN'])

export async function runAttempt(start: Attempt, tools: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  let attempt = await findRecipient(start, tools)
  attempt = await prepareTarget(attempt, tools, signal)
  attempt = await openRecorder(attempt, tools)
  attempt = await askFirst(attempt, tools, signal)
  attempt = await carry(attempt, tools, signal)
  attempt = await askAfter(attempt, tools, signal)
  attempt = decideOutcome(attempt)
  return commit(attempt, tools)
}

const refused = (
  code: Extract<Verdict, { kind: 'refused' }>['code'],
  reason: string,
  retry: boolean,
  retryAfterMs?: number,
): Verdict => ({
  kind: 'refused',
  code,
  reason,
  retry,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
})

/** A task that has ended needs no carrying; an agent that is gone or paused has its verdict already. */
async function findRecipient(attempt: Attempt, { agents }: AttemptTools): Promise<Attempt> {
  const { leased, load } = attempt
  if (isTerminal(stateOf(load.state))) return { ...attempt, outcome: { kind: 'superseded' } }
  const given = load.agent.startsWith(CHANNEL)
  const agent = await agents.find(leased.tenant, given ? leased.destination.slice(LANE.length) : load.agent)
  // What another member knows of this conversation says nothing to this one.
  if (given && load.upstreamTask === null) attempt = { ...attempt, load: { ...load, upstreamContext: null } }
  if (!agent) return { ...attempt, verdict: refused('REJECTED', 'the agent is no longer registered', false) }
  if (agent.pausedAt) {
    const why = agent.pending ? waitsText(agent.pending) : 'the agent is paused'
    return { ...attempt, agent, verdict: refused('STOPPED', why, true, PAUSED_MS) }
  }
  return { ...attempt, agent }
}

async function prepareTarget(attempt: Attempt, { agents }: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  if (!attempt.agent || attempt.verdict || attempt.outcome) return attempt
  const ready = await agents.ensureCard(attempt.agent, signal)
  if (ready.kind === 'failed') return { ...attempt, verdict: ready.verdict }
  return { ...attempt, agent: ready.agent, target: agents.target(ready.agent) }
}

/** Remembers what is recorded already, unless this is the first word on a fresh task. */
async function openRecorder(attempt: Attempt, tools: AttemptTools): Promise<Attempt> {
  const { leased, load, target } = attempt
  if (!target) return attempt
  const fresh = leased.seq === 1 && leased.attempt === 1 && leased.code === null
  const read = fresh ? undefined : await readTask(tools.db, leased.tenant, leased.taskId)
  const known = read?.task
  const intake = createIntake({
    taskId: leased.taskId,
    contextId: load.contextId,
    followUp: leased.seq > 1 && leased.code !== 'FOLLOW',
    now: tools.now,
    ...(known && { known }),
  })
  const recorder = createRecorder({
    after: read?.lastSeq ?? 1,
    record: tools.record,
    clock: tools.clock,
    intake,
    base: {
      tenant: leased.tenant,
      taskId: leased.taskId,
      agent: load.agent,
      acceptedAt: load.createdAt,
      under: { deliveryId: leased.id, lease: leased.lease },
    },
    onCancelWanted: (upstreamTask) => void tools.peer.cancel(target, upstreamTask, tools.stopping).catch(() => {}),
  })
  return { ...attempt, recorder }
}

/** After an attempt of which nobody knows the end, the agent is asked before anything is sent again (D12). */
async function askFirst(attempt: Attempt, tools: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  const { leased, target, recorder, load } = attempt
  if (!target || !recorder || !AMBIGUOUS.has(leased.code ?? '')) return attempt
  if (load.upstreamTask && leased.seq === 1) return attempt
  return reconcile(attempt, tools, signal)
}

async function carry(attempt: Attempt, tools: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  const { target, recorder, leased, load } = attempt
  if (!target || !recorder || attempt.verdict || attempt.outcome) return attempt
  // Paused for longer than a lease, we may be the second to send it.
  if (!tools.holds(leased.lease)) {
    const verdict = refused('STOPPED', 'the lease may have run out', true)
    return { ...attempt, verdict, code: leased.code ?? 'UNSENT' }
  }
  try {
    const upstreamTask = load.upstreamTask
    const push = tools.pushes.of(leased.taskId)
    // Behind a bridge there is nobody to ask for news of a call: the bridge itself knows what goes on.
    if (upstreamTask && !target.mcp && (leased.seq === 1 || leased.code === 'FOLLOW')) {
      const verdict = await tools.peer.follow(target, upstreamTask, recorder.sink, signal, push.nudged)
      return { ...attempt, verdict }
    }
    const verdict = await tools.peer.send(target, { ...peerRequest(attempt), push }, recorder.sink, signal)
    return { ...attempt, verdict, sent: true }
  } finally {
    await recorder.flush().catch(() => {})
  }
}

/** The message in the agent's own ids: its task and context if it has told them, none of ours (ID-5). */
export function peerRequest({ leased, load, message: atHand }: Attempt) {
  const { contextId: _c, taskId: _t, referenceTaskIds: _r, ...message } = atHand ?? storedMessage(load)
  const request = readRequest(load.request)
  const trace = readTrace(load.trace)
  return {
    message: {
      ...message,
      ...(load.upstreamContext && { contextId: load.upstreamContext }),
      ...(load.upstreamTask && { taskId: load.upstreamTask }),
    },
    ...(request.acceptedOutputModes && { acceptedOutputModes: request.acceptedOutputModes }),
    ...(request.metadata && { metadata: request.metadata }),
    extensions: request.extensions ?? [],
    ...(trace && { trace }),
    idempotencyKey: leased.id,
    attempt: leased.attempt,
  }
}

/** The send broke off and it is not known what came of it: ask at once, while the agent is likely to know. */
async function askAfter(attempt: Attempt, tools: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  if (attempt.verdict?.kind !== 'unknown' || attempt.recorder?.end() !== 'open') return attempt
  return reconcile(attempt, tools, signal)
}

function decideOutcome(attempt: Attempt): Attempt {
  if (attempt.outcome) return attempt
  const { recorder, agent, leased, verdict = refused('STOPPED', 'nothing was done', true) } = attempt
  const end = recorder?.end() ?? 'open'
  if (end === 'settled') return { ...attempt, outcome: { kind: 'delivered' } }
  if (end === 'final' || end === 'lease lost') return { ...attempt, outcome: { kind: 'superseded' } }
  if (end === 'over limit') {
    return {
      ...attempt,
      outcome: { kind: 'dead', code: 'LIMIT_EVENTS', reason: 'the agent said more than a task may hold' },
    }
  }
  // Accepted, but the task has not ended: the agent let go of the stream. Take it up again.
  if (verdict.kind === 'accepted')
    return {
      ...attempt,
      outcome: { kind: 'retry', waitMs: 1_000, reason: 'the task goes on', counts: false },
      code: isFollowed(attempt) ? 'FOLLOW' : 'UNKNOWN',
    }
  const backoff = agent?.policy.backoff ?? { firstMs: 1_000, longestMs: 60_000 }
  const count = { attempt: leased.attempt, attemptsMax: agent?.policy.maxAttempts ?? 1 }
  // An offline lane opens by a probe, not by a date: then what waits should be due.
  const waitMs =
    verdict.kind === 'refused' && verdict.code === 'UNREACHABLE' ? 0 : backoffMs(leased.attempt, chance(), backoff)
  return { ...attempt, outcome: decide(count, verdict, waitMs) }
}

/** Delivered was written with its last event. A retry gives the lease back; the end of all tries fails the task with it. */
async function commit(attempt: Attempt, tools: AttemptTools): Promise<Attempt> {
  const { outcome, leased } = attempt
  if (!outcome || outcome.kind === 'delivered') return attempt
  if (outcome.kind === 'superseded') {
    await tools.settle(attempt, {
      state: 'void',
      waitMs: 0,
      counts: true,
      code: 'TASK_ENDED',
      reason: 'the task had ended',
      outcome: 'superseded',
    })
    return attempt
  }
  if (outcome.kind === 'dead') return failTask(attempt, outcome, tools)
  const code = attempt.code ?? codeOf(attempt)
  const settled = await tools.settle(attempt, {
    state: 'waiting',
    waitMs: outcome.waitMs,
    counts: outcome.counts,
    code,
    reason: outcome.reason,
    outcome: 'retry',
  })
  if (!settled)
    tools.signals.emit('lease.lost', { delivery: leased.id, task: leased.taskId, destination: leased.destination })
  return settled ? attempt : { ...attempt, outcome: { kind: 'superseded' } }
}

/** The next holder finds the agent's id for the task in its row; without one it would send where it should follow. */
const isFollowed = ({ recorder, load }: Attempt): boolean =>
  recorder?.recordedId() === true || (load.upstreamTask !== null && load.seq === 1)

/** What is known of the message by these codes stays true until it is sent again. */
const STANDING = new Set([...AMBIGUOUS, 'FOLLOW'])

/**
 * What the next holder must know: broken off by us, the agent may have the message, and has if its answer is recorded. An
 * attempt that sent nothing (the agent was paused, or away) has found out nothing either: what was open before is open still.
 */
function codeOf(attempt: Attempt): string {
  const { leased, sent, verdict, recorder } = attempt
  if (!sent && leased.code !== null && STANDING.has(leased.code)) return leased.code
  if (verdict?.kind !== 'refused') return 'UNKNOWN'
  if (verdict.code !== 'STOPPED' || !recorder) return verdict.code
  return isFollowed(attempt) ? 'FOLLOW' : 'UNKNOWN'
}

async function failTask(
  attempt: Attempt,
  { code, reason }: { code: string; reason: string },
  tools: AttemptTools,
): Promise<Attempt> {
  const { leased, load } = attempt
  const ids = { taskId: leased.taskId, contextId: load.contextId }
  const state = code === 'REJECTED' ? 'TASK_STATE_REJECTED' : 'TASK_STATE_FAILED'
  const written = await tools.record({
    tenant: leased.tenant,
    taskId: leased.taskId,
    agent: load.agent,
    acceptedAt: load.createdAt,
    under: { deliveryId: leased.id, lease: leased.lease },
    settle: { state: 'dead', code, reason },
    events: [
      { event: { statusUpdate: { ...ids, status: gatewayStatus(state, { code, text: reason }, tools.now(), ids) } } },
    ],
  })
  return written.kind === 'lease lost' ? { ...attempt, outcome: { kind: 'superseded' } } : attempt
}
