/** One call of a tool, from its first event to its end: what it says is queued here, whoever carries it home. */
import type { StreamResponse } from '../../../../a2a/events.ts'
import type { Message } from '../../../../a2a/tasks.ts'
import type { Verdict } from '../../../../delivery.ts'
import { type CallIds, statusOf } from './content.ts'
import { answerOf, type Elicitation, type ElicitationAnswer, questionOf } from './question.ts'

export interface Run {
  readonly ids: CallIds
  /** Aborts the call; the reason is one of `WHY`. */
  readonly stop: AbortController
  emit(event: StreamResponse): void
  /** Nothing follows. */
  finish(verdict: Verdict): void
  /** Asks the sender; resolves with his answer, however late. */
  ask(asked: Elicitation): Promise<ElicitationAnswer>
  /** A question waits for its answer. */
  readonly asks: () => boolean
  /** It has ended. */
  readonly over: () => boolean
  /** The sender's answer, by its delivery: brought again it answers nothing more. What does not fit is asked again. */
  reply(message: Message, delivery: string): void
  /** What is next; `over`: there is no more. */
  next(signal: AbortSignal): Promise<Next>
  /** It says that it is alive, and how far it is. */
  progress(message: string | undefined, done: number, total: number | undefined): void
}

export type Next =
  | { kind: 'event'; event: StreamResponse; interrupts: boolean }
  | { kind: 'over'; verdict: Verdict }
  | { kind: 'stopped' }

export interface RunBounds {
  /** Silence after which a call is given up. */
  readonly idleMs: number
  /** How long a question waits. */
  readonly questionMs: number
}

/** Why a call is broken off. */
export const WHY = {
  stopped: 'stopped',
  canceled: 'canceled',
  silent: 'silent',
  broken: 'broken',
  unanswered: 'unanswered',
} as const

const CANCEL: ElicitationAnswer = { action: 'cancel' }
/** Nobody reads as fast as a tool may talk: of progress only the latest matters. */
const QUEUED_MAX = 1_000
const PROGRESS_CHARS_MAX = 2_048

export function createRun(ids: CallIds, { idleMs, questionMs }: RunBounds): Run {
  const stop = new AbortController()
  const queue: { event: StreamResponse; interrupts: boolean }[] = []
  const replies = new Set<string>()
  let verdict: Verdict | undefined
  let question: { asked: Elicitation; answer: (answer: ElicitationAnswer) => void } | undefined
  let wake = () => {}
  let timer: NodeJS.Timeout | undefined

  function arm(ms: number): void {
    clearTimeout(timer)
    if (!verdict) timer = setTimeout(() => stop.abort(question ? WHY.unanswered : WHY.silent), ms)
  }
  const wait = (waker: () => void) => {
    wake = waker
  }
  function push(event: StreamResponse, interrupts: boolean): void {
    if (verdict || (queue.length >= QUEUED_MAX && !interrupts && 'statusUpdate' in event)) return
    queue.push({ event, interrupts })
    wake()
  }
  function settle(answer: ElicitationAnswer): void {
    const waiting = question
    question = undefined
    arm(idleMs)
    waiting?.answer(answer)
  }
  arm(idleMs)
  stop.signal.addEventListener('abort', () => settle(CANCEL), { once: true })

  return {
    ids,
    stop,
    emit: (event) => push(event, false),
    finish(said) {
      verdict ??= said
      clearTimeout(timer)
      wake()
    },
    ask(asked) {
      if (stop.signal.aborted) return Promise.resolve(CANCEL)
      arm(questionMs)
      return new Promise((answer) => {
        question = { asked, answer }
        push(questionOf(ids, asked), true)
      })
    },
    asks: () => question !== undefined,
    over: () => verdict !== undefined,
    reply(message, delivery) {
      if (!question || replies.has(delivery)) return
      replies.add(delivery)
      const read = answerOf(message, question.asked)
      if (read.kind === 'unfit') return push(questionOf(ids, question.asked, read.problem), true)
      push(statusOf(ids, 'TASK_STATE_WORKING'), false)
      settle(read.answer)
    },
    next: (signal) => nextOf(signal, { queue, verdict: () => verdict, wait }),
    progress(message, done, total) {
      if (!question) arm(idleMs)
      const words = message ?? (total ? `${done} of ${total}` : String(done))
      push(statusOf(ids, 'TASK_STATE_WORKING', [{ text: words.slice(0, PROGRESS_CHARS_MAX) }]), false)
    },
  }
}

interface Queued {
  readonly queue: { event: StreamResponse; interrupts: boolean }[]
  readonly verdict: () => Verdict | undefined
  readonly wait: (waker: () => void) => void
}

async function nextOf(signal: AbortSignal, { queue, verdict, wait }: Queued): Promise<Next> {
  for (;;) {
    const said = queue.shift()
    const end = verdict()
    if (said) return { kind: 'event', ...said }
    if (end) return { kind: 'over', verdict: end }
    if (signal.aborted) return { kind: 'stopped' }
    await new Promise<void>((resolve) => {
      wait(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}
