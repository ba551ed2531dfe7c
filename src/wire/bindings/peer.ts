/** An A2A agent as the gateway wants it: send, follow, find, cancel, in whatever binding and version the agent speaks. */
import type { SendMessageConfiguration, SendMessageRequest } from '../../a2a/operations.ts'
import type { Verdict } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import type { AgentTarget, CancelAnswer, EventSink, Peer, PeerSend } from '../../ports.ts'
import { createJudgeCard } from './cardTrust.ts'
import { type Fault, fault, verdictOf } from './faults.ts'
import { type Carrying, carryOn, getTask, pump, quick } from './peer/carry.ts'
import { beginCourse, type Course, take } from './peer/course.ts'
import { askExtendedCard } from './peer/extendedCard.ts'
import { findTask } from './peer/find.ts'
import { type Line, type LineTools, openLine } from './peer/line.ts'
import { redactorFor } from './peer/redact.ts'

export interface PeerTools extends LineTools {
  /** Something an agent said that belongs to no task of this conversation, or came after its end. */
  readonly quarantine?: (reason: string, target: AgentTarget) => void
}

export function createPeer(tools: PeerTools): Peer {
  const { clock, quarantine, limits = LIMITS } = tools
  const judge = createJudgeCard(tools)
  const courseFor = (target: AgentTarget, sink: EventSink, taskId?: string) => {
    const redact = redactorFor(target)
    return beginCourse({ sink, limits, redact, quarantine: (reason) => quarantine?.(reason, target) }, taskId)
  }
  return {
    async send(target, request, sink, signal) {
      const opened = await openLine(tools, target, signal, request)
      if (opened.kind === 'closed') return opened.verdict
      const course = courseFor(target, sink)
      const carrying = { line: opened.line, course, clock }
      const verdict = opened.line.streams ? await sendStreaming(carrying, request) : await sendOnce(carrying, request)
      return neverAgain(course, discreet(course, verdict))
    },

    async follow(target, upstreamTaskId, sink, signal, nudged) {
      const opened = await openLine(tools, target, signal)
      if (opened.kind === 'closed') return opened.verdict
      const course = courseFor(target, sink, upstreamTaskId)
      const verdict = discreet(
        course,
        await carryOn({ line: { ...opened.line, ...(nudged && { nudged }) }, course, clock }, true),
      )
      // Looking again harms nobody.
      if (verdict.kind !== 'unknown') return verdict
      return { kind: 'refused', code: 'UNREACHABLE', retry: true, reason: verdict.reason }
    },

    async find(target, trace, signal) {
      const opened = await openLine(tools, target, signal)
      if (opened.kind === 'line') return findTask(opened.line, trace)
      return { kind: 'unclear', reason: reasonOf(opened.verdict), unreachable: isUnreachable(opened.verdict) }
    },

    async cancel(target, upstreamTaskId, signal) {
      const opened = await openLine(tools, target, signal)
      if (opened.kind === 'line') return cancelTask(opened.line, upstreamTaskId)
      return { kind: 'unreachable', reason: reasonOf(opened.verdict) }
    },

    async extendedCard(target, signal) {
      const opened = await openLine(tools, target, signal)
      if (opened.kind === 'closed') return { kind: 'unreachable', reason: reasonOf(opened.verdict) }
      const redact = redactorFor(target)
      const answer = await askExtendedCard(opened.line, target, { ...tools, judge })
      if (answer.kind === 'card') return { ...answer, card: redact.card(answer.card) }
      return { ...answer, reason: redact.text(answer.reason) }
    },
  }
}

const discreet = (course: Course, verdict: Verdict): Verdict =>
  verdict.kind === 'accepted' ? verdict : { ...verdict, reason: course.redact.text(verdict.reason) }

const isUnreachable = (verdict: Verdict): boolean =>
  verdict.kind === 'refused' && (verdict.code === 'UNREACHABLE' || verdict.code === 'BUSY')

const reasonOf = (verdict: Verdict): string => (verdict.kind === 'accepted' ? '' : verdict.reason)

/**
 * Once the agent has the task, no failure of ours to hear of it may lead to another send: what would be "try again" is
 * "unknown", and is followed up by the task's id.
 */
function neverAgain(course: Course, verdict: Verdict): Verdict {
  if (course.taskId === undefined || verdict.kind !== 'refused' || !verdict.retry || verdict.code === 'STOPPED')
    return verdict
  return { kind: 'unknown', reason: verdict.reason }
}

function requestOf(line: Line, request: PeerSend, returnImmediately: boolean): SendMessageRequest {
  const configuration: SendMessageConfiguration = {
    ...(request.acceptedOutputModes && { acceptedOutputModes: [...request.acceptedOutputModes] }),
    ...(returnImmediately && { returnImmediately }),
    ...(line.pushes && !line.streams && request.push && { taskPushNotificationConfig: pushOf(request.push) }),
  }
  return {
    ...line.tenant,
    message: request.message,
    configuration,
    ...(request.metadata && { metadata: { ...request.metadata } }),
  }
}

/** Both ways of proof: Python agents ignore `authentication` and send only the token. */
const pushOf = ({ url, token }: NonNullable<PeerSend['push']>) => ({
  url,
  token,
  authentication: { scheme: 'Bearer', credentials: token },
})

async function sendStreaming(carrying: Carrying, request: PeerSend): Promise<Verdict> {
  const { line, course } = carrying
  const opened = await line.client.stream('SendStreamingMessage', requestOf(line, request, false), line.signal)
  if (opened.kind === 'fault') return isNotOffered(opened) ? sendOnce(carrying, request) : verdictOf(opened)
  const followUp = request.message.taskId !== undefined
  const broken = await pump(carrying, opened.events, { followUp })
  if (course.over) return course.over
  if (course.taskId === undefined) {
    if (broken.kind === 'fault' && isNotOffered(broken)) return sendOnce(carrying, request)
    return verdictOf(broken.kind === 'fault' ? broken : fault('unknown', 'the stream ended without an event'))
  }
  if (broken.kind === 'fault' && (broken.cause === 'invalid' || broken.cause === 'stopped')) return verdictOf(broken)
  return carryOn(carrying, broken.kind === 'fault' || !broken.final)
}

/** The card promised streams, and the agent has none: nothing was done, so the other way is safe. */
const isNotOffered = ({ error }: Fault): boolean => error === 'METHOD_NOT_FOUND' || error === 'UNSUPPORTED_OPERATION'

async function sendOnce(carrying: Carrying, request: PeerSend): Promise<Verdict> {
  const { line, course } = carrying
  // The answer to a follow-up could still show the state from before it: that one waits for its result.
  const returnImmediately = request.message.taskId === undefined
  const bounds = { signal: line.signal, headersMs: line.limits.agentReplyMs, totalMs: line.limits.agentReplyMs }
  const sent = await line.client.call('SendMessage', requestOf(line, request, returnImmediately), bounds)
  if (sent.kind === 'fault') return verdictOf(sent)
  await take(course, { event: sent.result, bytes: sent.bytes })
  if (course.over) return course.over
  await carrying.clock.sleep(line.limits.agentPollFirstMs, line.signal)
  return carryOn(carrying, false)
}

async function cancelTask(line: Line, id: string): Promise<CancelAnswer> {
  const answer = await line.client.call('CancelTask', { id, ...line.tenant }, quick(line))
  if (answer.kind === 'result') {
    const task = answer.result
    return { kind: task.status.state === 'TASK_STATE_CANCELED' ? 'canceled' : 'other', task }
  }
  if (answer.error === 'TASK_NOT_CANCELABLE') {
    const looked = await getTask(line, id)
    if (looked.kind === 'result') return { kind: 'other', task: looked.result }
  }
  const refused = answer.cause === 'rejected' || answer.cause === 'auth' || answer.cause === 'blocked'
  return { kind: refused ? 'refused' : 'unreachable', reason: answer.reason }
}
