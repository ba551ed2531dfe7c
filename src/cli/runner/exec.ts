/**
 * One process per message: its text on stdin, the result on stdout, progress on stderr, the outcome in the exit code.
 * What the sender says while it runs is one more run, behind it, with a result of its own.
 */
import {
  type Artifact,
  type DoWork,
  type Job,
  type Message,
  NewMessages,
  type Part,
  TryAgain,
} from '../../client/mailbox.ts'
import { type Ended, startChild } from './child.ts'
import { makeScratch, putMessage, type Scratch } from './scratch.ts'
import { factsOf, type RunnerSettings, textIn } from './settings.ts'
import { tell } from './telling.ts'

/** sysexits.h: EX_TEMPFAIL, and EX_USAGE for what is not the program's kind of work. */
export const EXIT_AGAIN = 75
export const EXIT_REJECT = 64

export function execWork(settings: RunnerSettings): DoWork {
  return async (job) => {
    const scratch = makeScratch(job)
    try {
      await perform(job, scratch, settings)
      return undefined
    } finally {
      scratch.remove()
    }
  }
}

async function perform(job: Job, scratch: Scratch, settings: RunnerSettings): Promise<void> {
  const messages: Message[] = [job.message]
  const little: Artifact[] = []
  for (let round = 0; ; round++) {
    const message = messages.shift()
    if (message) {
      const ran = await runOnce({
        job,
        message,
        scratch,
        settings,
        artifactId: round === 0 ? 'result' : `result-${round + 1}`,
      })
      if (job.signal.aborted) return
      if (ran.kind === 'failed') return settle(job, ran)
      if (ran.parts && ran.parts.length > 0) little.push({ artifactId: ran.artifactId, parts: ran.parts })
      messages.push(...job.unread().map((one) => one.message))
      continue
    }
    try {
      const artifacts = [...little, ...scratch.artifacts(settings.outputBytesMax)]
      return await job.complete(artifacts.length > 0 ? { artifacts } : {})
    } catch (error) {
      if (!(error instanceof NewMessages)) throw error
      messages.push(...job.unread().map((one) => one.message))
    }
  }
}

interface Failed {
  readonly kind: 'failed'
  readonly code: number | null
  readonly text: string
}
type Ran = { readonly kind: 'ran'; readonly artifactId: string; readonly parts: readonly Part[] | undefined } | Failed

function settle(job: Job, { code, text }: Failed): Promise<void> {
  if (code === EXIT_REJECT) return job.reject(text)
  // Also what was killed from outside may be tried again: it did not say that it has failed.
  if (code === EXIT_AGAIN || code === null) throw new TryAgain(text)
  return job.fail({ text })
}

interface OneRun {
  readonly job: Job
  readonly message: Message
  readonly scratch: Scratch
  readonly settings: RunnerSettings
  readonly artifactId: string
}

async function runOnce({ job, message, scratch, settings, artifactId }: OneRun): Promise<Ran> {
  const { command, taskTimeoutMs, outputBytesMax, tellsProgress, onLine } = settings
  putMessage(scratch, message)
  const env = { ...command.env, ...factsOf(job, message, settings), WAYPOST_WORK_DIR: scratch.folder }
  const child = startChild({ ...command, env })
  let over: string | undefined
  const stopFor = (why: string) => {
    over ??= why
    child.stop()
  }
  const telling = tell({
    ...{ job, artifactId, tellsProgress, onLine, outputBytesMax },
    stdout: child.process.stdout,
    stderr: child.process.stderr,
    onTooMuch: () => stopFor(`more than ${outputBytesMax} bytes of output`),
  })
  const abort = () => child.stop()
  if (job.signal.aborted) abort()
  job.signal.addEventListener('abort', abort, { once: true })
  const timer =
    taskTimeoutMs === undefined
      ? undefined
      : setTimeout(() => stopFor(`not done after ${taskTimeoutMs / 1_000} s`), taskTimeoutMs)
  child.process.stdin.end(textIn(message))
  try {
    const ended = await child.ended.catch((error: Error) => error)
    if (ended instanceof Error) return { kind: 'failed', code: null, text: ended.message }
    if (ended.code !== 0 || over !== undefined) await telling.stop()
    if (job.signal.aborted) return { kind: 'ran', artifactId, parts: [] }
    if (over !== undefined) return { kind: 'failed', code: 1, text: over }
    if (ended.code !== 0)
      return { kind: 'failed', code: ended.code, text: reasonOf(ended, tellsProgress ? telling.tail() : '') }
    return { kind: 'ran', artifactId, parts: await telling.end() }
  } finally {
    clearTimeout(timer)
    job.signal.removeEventListener('abort', abort)
  }
}

const reasonOf = ({ code, signal }: Ended, tail: string): string =>
  tail.trim() || (signal === null ? `exit code ${code}` : `ended by ${signal}`)
