/**
 * An attempt may or may not have reached the agent. The agent is asked; if it knows the task, it is taken up; if it is
 * sure that there is none, the message is sent (again); if it cannot tell, the agent's policy decides: at most once ends
 * the task with DELIVERY_UNKNOWN, at least once sends it again with the same messageId (D12).
 */
import { isInterrupted, isTerminal, type Task } from '../../a2a/tasks.ts'
import type { Verdict } from '../../delivery.ts'
import type { FindAnswer } from '../../ports.ts'
import { readRequest } from '../tasks/request.ts'
import { type Attempt, storedMessage } from './attemptRecord.ts'
import type { AttemptTools } from './tools.ts'

/** Before the agent is asked again when it did not answer. */
const ASK_AGAIN_MS = 2_000

export async function reconcile(attempt: Attempt, tools: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  const { target, recorder, load } = attempt
  if (!target || !recorder) return attempt
  const message = storedMessage(load)
  const { metadata } = readRequest(load.request)
  const answer = await tools.peer.find(
    target,
    {
      messageId: message.messageId,
      message,
      ...(metadata && { metadata }),
      ...(load.upstreamTask && { upstreamTaskId: load.upstreamTask }),
      ...(load.upstreamContext && { upstreamContextId: load.upstreamContext }),
    },
    signal,
  )
  if (answer.kind === 'found' && holds(answer.task, message.messageId, attempt))
    return takeUp(attempt, answer.task, tools, signal)
  return { ...attempt, ...unlessFound(answer, attempt) }
}

/** A known task proves nothing about a further message of it, unless the message is in its history. */
function holds(task: Task, messageId: string, { leased }: Attempt): boolean {
  return leased.seq === 1 || (task.history ?? []).some((message) => message.messageId === messageId)
}

async function takeUp(attempt: Attempt, task: Task, tools: AttemptTools, signal: AbortSignal): Promise<Attempt> {
  const { target, recorder } = attempt
  if (!target || !recorder) return attempt
  try {
    await recorder.sink({ task }, 0)
    if (isTerminal(task.status.state) || isInterrupted(task.status.state))
      return { ...attempt, verdict: { kind: 'accepted' } }
    const verdict = await tools.peer.follow(
      target,
      task.id,
      recorder.sink,
      signal,
      tools.pushes.of(attempt.leased.taskId).nudged,
    )
    // It has the message, whatever has become of the line since: the next holder asks too, and sends nothing.
    return { ...attempt, verdict, code: 'UNKNOWN' }
  } catch {
    // The sink has refused: the lease is lost or the task has ended, and the recorder knows which.
    return { ...attempt, verdict: { kind: 'accepted' } }
  } finally {
    await recorder.flush().catch(() => {})
  }
}

function unlessFound(answer: FindAnswer, { agent, verdict }: Attempt): { verdict?: Verdict; code?: string } {
  // Before a send: no verdict yet, so the send follows. After one: it is tried again, and that is an attempt of its own.
  const sendAgain = (reason: string): { verdict?: Verdict; code?: string } =>
    verdict ? { verdict: { kind: 'refused', code: 'FAILED', reason, retry: true }, code: 'UNSENT' } : {}
  if (answer.kind === 'absent') return sendAgain('the connection was lost before the agent had the message')
  if (answer.kind === 'unclear' && answer.unreachable) {
    return {
      verdict: { kind: 'refused', code: 'UNREACHABLE', reason: answer.reason, retry: true, retryAfterMs: ASK_AGAIN_MS },
      code: 'UNKNOWN',
    }
  }
  const lost = verdict?.kind === 'unknown' ? verdict.reason : 'whoever carried the message fell silent'
  if (agent?.policy.redelivery === 'atLeastOnce') return sendAgain(`${lost}; the agent takes a message twice`)
  return {
    verdict: {
      kind: 'unknown',
      reason: `${lost}, and the agent cannot tell whether it has the message; it is not sent again`,
      ...(answer.kind === 'unclear' && answer.code && { code: answer.code }),
    },
  }
}
