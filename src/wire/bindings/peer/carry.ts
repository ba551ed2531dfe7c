/** Carries home what the agent says about a task that it has: by its stream, by subscribing again, by polling. */
import type { Task } from '../../../a2a/tasks.ts'
import type { Verdict } from '../../../delivery.ts'
import type { Clock } from '../../../platform/clock.ts'
import type { AgentEvents, Sized } from '../agentClient.ts'
import { type Fault, fault, verdictOf } from '../faults.ts'
import { type Course, endsCourse, take } from './course.ts'
import type { Line } from './line.ts'

/** Streams that broke without news before we poll instead: an agent that works in silence breaks every stream at the idle time-out. */
const FRUITLESS_SUBSCRIPTIONS_MAX = 2
/** Polls that failed in a row before the call gives up: with backoff about two seconds, a restart of a quick agent. */
const FAILED_POLLS_MAX = 3

export interface Carrying {
  readonly line: Line
  readonly course: Course
  readonly clock: Clock
}

/** How a stream ended that did not end the conversation. `final`: the agent says that no more comes this way. */
export type Broken = { kind: 'end'; final: boolean } | Fault

/** Reads until the stream or the conversation ends. `resumed`: events may have been missed before it. */
export async function pump(
  { line, course }: Carrying,
  events: AgentEvents,
  { resumed = false, followUp = false } = {},
): Promise<Broken> {
  let first = true
  let partial = false
  try {
    for (;;) {
      const next = await events.next()
      if (next.kind === 'fault') return next
      if (next.kind === 'end') return { kind: 'end', final: false }
      const opening = first && followUp && 'task' in next.event
      if (first && resumed && !('task' in next.event)) partial = true
      first = false
      // 0.3 resumes without a snapshot: what was missed is in the task, fetched before its end is told.
      const whole = partial && endsCourse(next.event) ? await getTask(line, course.taskId as string) : undefined
      const ours = await take(course, whole?.kind === 'result' ? snapshotOf(whole) : next, opening)
      if (course.over) {
        await drain(course, events)
        return { kind: 'end', final: false }
      }
      if (ours && next.final === true) return { kind: 'end', final: true }
    }
  } finally {
    events.close()
  }
}

/** What is already here after the end is noted as quarantined; nobody waits for more of it. */
async function drain(course: Course, events: AgentEvents): Promise<void> {
  if (course.over?.kind !== 'accepted') return
  const more = await Promise.race([
    events.next(),
    new Promise<undefined>((resolve) => setImmediate(resolve, undefined)),
  ])
  if (more?.kind === 'event') course.quarantine('an event after the end')
}

/** Goes on with a task whose id is known. `subscribe`: try the stream first. */
export async function carryOn(carrying: Carrying, subscribe: boolean): Promise<Verdict> {
  const { line, course, clock } = carrying
  let fruitless = 0
  while (subscribe && line.streams && fruitless < FRUITLESS_SUBSCRIPTIONS_MAX) {
    const before = course.events
    const opened = await line.client.stream(
      'SubscribeToTask',
      { id: course.taskId as string, ...line.tenant },
      line.signal,
    )
    // Whatever the reason (the task has ended, no such operation, nobody there): a look at the task tells more.
    if (opened.kind === 'fault') break
    const broken = await pump(carrying, opened.events, { resumed: true })
    if (course.over) return course.over
    if (broken.kind === 'fault' && broken.cause === 'invalid') return verdictOf(broken)
    if (broken.kind === 'end' && broken.final) break
    fruitless = course.events > before + 1 ? 0 : fruitless + 1
    await clock.sleep(line.limits.agentPollFirstMs, line.signal)
  }
  return poll(carrying)
}

async function poll({ line, course, clock }: Carrying): Promise<Verdict> {
  let wait: number = line.limits.agentPollFirstMs
  let failed = 0
  for (;;) {
    if (line.signal.aborted) return verdictOf(fault('stopped', 'stopped'))
    const before = course.events
    const looked = await getTask(line, course.taskId as string)
    if (looked.kind === 'result') {
      failed = 0
      await take(course, snapshotOf(looked))
      if (course.over) return course.over
    } else if (isFinal(looked) || ++failed >= FAILED_POLLS_MAX) {
      return verdictOf(looked.error === 'TASK_NOT_FOUND' ? LOST : looked)
    }
    wait = course.events > before ? line.limits.agentPollFirstMs : Math.min(wait * 2, line.limits.agentPollLongestMs)
    await Promise.race([clock.sleep(wait, line.signal), ...(line.nudged ? [line.nudged()] : [])])
  }
}

/** The agent had the task and has it no more: a memory store that restarted. Nothing can be asked again. */
const LOST: Fault = fault('rejected', 'the agent no longer knows the task (UPSTREAM_LOST)', { error: 'TASK_NOT_FOUND' })

const isFinal = ({ cause }: Fault): boolean =>
  cause === 'rejected' || cause === 'stopped' || cause === 'blocked' || cause === 'auth' || cause === 'invalid'

const snapshotOf = ({ result, bytes }: { result: Task } & Sized) => ({ event: { task: result }, bytes })

export const getTask = (line: Line, id: string): Promise<({ kind: 'result'; result: Task } & Sized) | Fault> =>
  line.client.call('GetTask', { id, ...line.tenant }, quick(line))

/** For what an agent answers from memory. */
export const quick = ({ signal, limits }: Line) => ({
  signal,
  headersMs: limits.agentHeadersMs,
  totalMs: limits.agentIdleMs,
})
