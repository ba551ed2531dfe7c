/**
 * A coding agent that speaks the Agent Client Protocol on stdio: a session for each conversation, a turn for each message.
 * What it says grows the artifact, its tool calls are progress; what it asks leave for is decided by a list, or by the
 * sender: then the turn stands still in this process until the answer comes, as a delivery of its own.
 */
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { z } from 'zod'
import {
  type Artifact,
  type DoWork,
  type Job,
  type Message,
  NewMessages,
  type Part,
  TryAgain,
} from '../../client/mailbox.ts'
import { LIMITS } from '../../limits.ts'
import { type Connection, connect, type Outcome, type Permission, type Permissions } from './acpConnection.ts'
import { outcomeOf, questionOf } from './acpLeave.ts'
import { answersQuestion, ELSEWHERE_ATTEMPTS, ELSEWHERE_SECONDS } from './asking.ts'
import type { LinesWork } from './lines.ts'
import { conversationOf, type RunnerSettings, textIn } from './settings.ts'
import { tell } from './telling.ts'

export type { Permissions } from './acpConnection.ts'

const TURN = z.object({ stopReason: z.string() })

interface Question {
  readonly permission: Permission
  readonly answer: (outcome: Outcome) => void
}

/** A turn that goes on; it may outlive the delivery that began it, if it asks something. */
interface Going {
  readonly connection: Connection
  readonly sessionId: string
  readonly ended: Promise<string>
  readonly questions: Question[]
  /** Resolves when there is a question. */
  asked(): Promise<'asks'>
  /** Where its words go; what it says while nobody listens is kept. */
  listen(to: { says: (text: string) => void; does: (what: string) => void } | undefined): void
  /** It need not go on. */
  cancel(): void
}

/** What of a task waits for the sender's answer. */
interface Waiting {
  readonly going: Going
  /** Messages behind it. */
  readonly messages: Message[]
  readonly round: number
  readonly timer: NodeJS.Timeout
}

export function acpWork(settings: RunnerSettings, permissions: Permissions): LinesWork {
  let connection: Connection | undefined
  const waiting = new Map<string, Waiting>()
  const work: DoWork = async (job) => {
    const held = waiting.get(job.task.id)
    waiting.delete(job.task.id)
    clearTimeout(held?.timer)
    if (held && !held.going.connection.over()) return answered(job, held, { settings, waiting })
    if (held || answersQuestion(job)) return lost(job, held !== undefined)
    if (!connection || connection.over()) connection = connect(settings, permissions)
    const now = connection
    await unlessAborted(job, now.ready)
    const sessionId = await unlessAborted(job, now.session(conversationOf(job), settings.command.cwd))
    const begin = (message: Message) => beginTurn(now, sessionId, textIn(message))
    await perform(job, { settings, waiting, begin, messages: [job.message], round: 0 })
    return undefined
  }
  return {
    work,
    async close() {
      for (const { timer } of waiting.values()) clearTimeout(timer)
      if (!connection || connection.over()) return
      connection.child.stop()
      await connection.child.ended.catch(() => {})
    },
  }
}

/** Who asked is not here: elsewhere perhaps, or it has ended. */
async function lost(job: Job, isKnown: boolean): Promise<undefined> {
  if (!isKnown && job.attempt <= ELSEWHERE_ATTEMPTS)
    throw new TryAgain('another process may hold the turn that asked', ELSEWHERE_SECONDS)
  await job.fail({ text: 'OUTCOME_UNKNOWN: the agent that asked has ended' })
}

/** Whoever is not wanted any more does not wait for a program that begins. */
function unlessAborted<T>({ signal }: Job, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** Of what it says while nobody listens; the rest is lost with a word. */
const UNHEARD_CHARS_MAX = 1_000_000

function beginTurn(connection: Connection, sessionId: string, text: string): Going {
  const questions: Question[] = []
  let unheard = ''
  let listener: { says: (text: string) => void; does: (what: string) => void } | undefined
  let wake = () => {}
  connection.turns.set(sessionId, {
    says(words) {
      if (listener) listener.says(words)
      else if (unheard.length < UNHEARD_CHARS_MAX) unheard += words
    },
    does: (what) => listener?.does(what),
    asks: (permission) =>
      new Promise((answer) => {
        questions.push({ permission, answer })
        wake()
      }),
  })
  const request = connection.request('session/prompt', { sessionId, prompt: [{ type: 'text', text }] })
  const ended = request.then((result) => TURN.parse(result).stopReason)
  ended.catch(() => {}).finally(() => connection.turns.delete(sessionId))
  return {
    ...{ connection, sessionId, ended, questions },
    asked: () =>
      new Promise((resolve) => {
        wake = () => resolve('asks')
        if (questions.length > 0) wake()
      }),
    listen(to) {
      listener = to
      if (!to || unheard === '') return
      to.says(unheard)
      unheard = ''
    },
    cancel() {
      connection.notify('session/cancel', { sessionId })
      for (const { answer } of questions.splice(0)) answer({ outcome: 'cancelled' })
    },
  }
}

/** What a turn that did not end well is to the task. */
const ENDS: Readonly<Record<string, string>> = {
  max_tokens: 'it ran out of tokens',
  max_turn_requests: 'it ran out of requests for one turn',
}

interface Performing {
  readonly settings: RunnerSettings
  readonly waiting: Map<string, Waiting>
  readonly begin: (message: Message) => Going
  readonly messages: Message[]
  /** Results that there are. */
  readonly round: number
  /** A turn that goes on. */
  readonly going?: Going
}

/** The sender's word on what was asked last. */
async function answered(job: Job, held: Waiting, { settings, waiting }: Pick<Performing, 'settings' | 'waiting'>) {
  const { going, messages, round } = held
  const [question] = going.questions
  const outcome = question && outcomeOf(job.message, question.permission)
  if (question && !outcome) {
    keep(job, waiting, held)
    return job.ask(questionOf(question.permission, 'this is none of the options'))
  }
  if (question && outcome) {
    going.questions.shift()
    question.answer(outcome)
  }
  const begin = (message: Message) => beginTurn(going.connection, going.sessionId, textIn(message))
  return perform(job, { settings, waiting, begin, messages, round, going })
}

function keep(job: Job, waiting: Map<string, Waiting>, held: Omit<Waiting, 'timer'>): void {
  const { id } = job.task
  const timer = setTimeout(() => {
    waiting.delete(id)
    held.going.cancel()
  }, LIMITS.mcpQuestionMs)
  timer.unref()
  waiting.set(id, { ...held, timer })
}

async function perform(job: Job, performing: Performing): Promise<void> {
  const { settings, waiting, begin, messages } = performing
  let { going, round } = performing
  const little: Artifact[] = []
  for (;;) {
    const message = going ? undefined : messages.shift()
    if (message) going = begin(message)
    if (going) {
      const artifactId = ++round === 1 ? 'result' : `result-${round}`
      const { stopReason, parts } = await leg({ job, going, settings, artifactId })
      if (parts && parts.length > 0) little.push({ artifactId, parts })
      if (job.signal.aborted) return undefined
      if (stopReason === 'asks') return ask(job, { going, messages, round }, little, waiting)
      going = undefined
      if (stopReason === 'cancelled') return job.release()
      if (stopReason === 'refusal') return job.reject('the agent refused')
      if (stopReason !== 'end_turn') return job.fail({ text: ENDS[stopReason] ?? stopReason })
      messages.push(...job.unread().map((one) => one.message))
      continue
    }
    try {
      return await job.complete(little.length > 0 ? { artifacts: little } : {})
    } catch (error) {
      if (!(error instanceof NewMessages)) throw error
      messages.push(...job.unread().map((one) => one.message))
    }
  }
}

/** What it has said until now goes with the question. */
async function ask(
  job: Job,
  held: Omit<Waiting, 'timer'>,
  little: readonly Artifact[],
  waiting: Map<string, Waiting>,
): Promise<void> {
  const { going } = held
  if (waiting.size >= LIMITS.mcpQuestionsMax) {
    going.cancel()
    return job.release({ delaySeconds: ELSEWHERE_SECONDS })
  }
  for (const { artifactId = 'result', parts = [] } of little) {
    const writer = job.artifact({ artifactId })
    for (const part of parts) await writer.write(part)
    await writer.end()
  }
  keep(job, waiting, held)
  await job.ask(questionOf((going.questions[0] as Question).permission))
}

interface Leg {
  readonly job: Job
  readonly going: Going
  readonly settings: RunnerSettings
  readonly artifactId: string
}

/** The turn as far as it goes under one lease: to its end, or to a question. */
async function leg({
  job,
  going,
  settings,
  artifactId,
}: Leg): Promise<{ stopReason: string; parts?: readonly Part[] }> {
  const { command, taskTimeoutMs, outputBytesMax, tellsProgress, onLine } = settings
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  let over: string | undefined
  let grace: NodeJS.Timeout | undefined
  const cancel = () => {
    going.cancel()
    // Who does not hear it is ended, and with it what else it had in hand: that is tried again.
    grace ??= setTimeout(() => going.connection.child.stop(), command.graceMs)
  }
  const stopFor = (why: string) => {
    over ??= why
    cancel()
  }
  const onTooMuch = () => stopFor(`more than ${outputBytesMax} bytes of output`)
  const telling = tell({ job, stdout, stderr, artifactId, tellsProgress, onLine, outputBytesMax, onTooMuch })
  const timer =
    taskTimeoutMs === undefined
      ? undefined
      : setTimeout(() => stopFor(`not done after ${taskTimeoutMs / 1_000} s`), taskTimeoutMs)
  going.listen({
    says: (words) => void stdout.write(words),
    does: (what) => void stderr.write(`${what}\n`),
  })
  job.signal.addEventListener('abort', cancel, { once: true })
  if (job.signal.aborted) cancel()
  try {
    const stopReason = await Promise.race([going.ended, going.asked()])
    if (over !== undefined) throw new Error(over)
    going.listen(undefined)
    stdout.end()
    stderr.end()
    await Promise.all([finished(stdout), finished(stderr)])
    const tells = stopReason === 'end_turn' || stopReason === 'asks'
    const parts = tells && !job.signal.aborted ? await telling.end() : undefined
    return { stopReason, ...(parts && { parts }) }
  } finally {
    clearTimeout(timer)
    clearTimeout(grace)
    job.signal.removeEventListener('abort', cancel)
    going.listen(undefined)
    await telling.stop()
  }
}
