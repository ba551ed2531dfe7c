/**
 * One long-lived process that takes its tasks as lines of JSON on stdin and answers with lines of JSON on stdout; what it
 * says on stderr is its own log. When it ends, what it had in hand is tried again with the next one.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type ArtifactWriter, type DoWork, type Job, NewMessages, type Part, TryAgain } from '../../client/mailbox.ts'
import { type Child, startChild } from './child.ts'
import { type RunnerSettings, textIn } from './settings.ts'

export interface LinesWork {
  readonly work: DoWork
  close(): Promise<void>
}

const parts = z.array(z.record(z.string(), z.unknown())).optional()
const text = z.string().optional()
const said = { id: z.string().optional(), text, parts }
/** What the program may say. `id` is the task's, and may be left out while there is only one. */
const WORD = z.discriminatedUnion('type', [
  z.object({ type: z.literal('update'), ...said, progress: z.number().optional(), checkpoint: z.unknown().optional() }),
  z.object({
    type: z.literal('artifact'),
    ...said,
    artifactId: z.string().default('result'),
    name: z.string().optional(),
    end: z.boolean().default(false),
  }),
  z.object({ type: z.enum(['ask', 'auth']), ...said, schema: z.unknown().optional() }),
  z.object({
    type: z.literal('done'),
    ...said,
    as: z.enum(['artifact', 'message']).optional(),
    artifacts: z.array(z.record(z.string(), z.unknown())).optional(),
  }),
  z.object({
    type: z.literal('fail'),
    ...said,
    retry: z.boolean().optional(),
    delaySeconds: z.number().min(0).optional(),
  }),
  z.object({ type: z.literal('reject'), ...said }),
  z.object({ type: z.literal('release'), ...said, delaySeconds: z.number().min(0).optional() }),
])
type Word = z.infer<typeof WORD>

interface InHand {
  readonly job: Job
  readonly hear: (word: Word) => void
  readonly lose: (error: Error) => void
}

interface Session {
  readonly child: Child
  readonly inHand: Map<string, InHand>
  readonly startedAt: number
  ended: boolean
}

const LIVED_MS = 5_000
const WAIT_FIRST_MS = 500
const WAIT_LONGEST_MS = 30_000

export function linesWork(settings: RunnerSettings): LinesWork {
  let session: Session | undefined
  let shortLived = 0
  let starting: Promise<Session> | undefined

  async function started(): Promise<Session> {
    // A program that ends at once shall not be started as fast as that.
    if (shortLived > 0) await sleep(Math.min(WAIT_FIRST_MS * 2 ** (shortLived - 1), WAIT_LONGEST_MS))
    const made = startSession(settings, (lived) => {
      shortLived = lived < LIVED_MS ? shortLived + 1 : 0
    })
    session = made
    return made
  }
  const alive = async (): Promise<Session> => {
    if (session && !session.ended) return session
    starting ??= started().finally(() => {
      starting = undefined
    })
    return starting
  }

  return {
    work: async (job) => {
      const now = await alive()
      // It may have ended while it was waited for.
      if (now.ended) throw new TryAgain('the program ended')
      await perform(job, now, settings)
      return undefined
    },
    async close() {
      if (!session || session.ended) return
      session.child.process.stdin.end()
      session.child.stop()
      await session.child.ended.catch(() => {})
    },
  }
}

function startSession(settings: RunnerSettings, onEnd: (livedMs: number) => void): Session {
  const child = startChild(settings.command)
  const session: Session = { child, inHand: new Map(), startedAt: performance.now(), ended: false }
  createInterface({ input: child.process.stderr }).on('line', settings.onLine)
  createInterface({ input: child.process.stdout }).on('line', (line) => {
    const word = wordOf(line)
    const inHand = word && findInHand(session, word)
    if (word && inHand) inHand.hear(word)
    else settings.onLine(`not understood: ${line.slice(0, 200)}`)
  })
  const over = (why: string) => {
    session.ended = true
    onEnd(performance.now() - session.startedAt)
    for (const { lose } of session.inHand.values()) lose(new TryAgain(`the program ended: ${why}`))
  }
  child.ended.then(
    ({ code, signal }) => over(signal ?? `exit code ${code}`),
    (error: Error) => over(error.message),
  )
  return session
}

function wordOf(line: string): Word | undefined {
  try {
    return WORD.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}

const findInHand = ({ inHand }: Session, { id }: Word): InHand | undefined =>
  id !== undefined ? inHand.get(id) : inHand.size === 1 ? [...inHand.values()][0] : undefined

const write = (session: Session, line: object): void => {
  if (!session.ended) session.child.process.stdin.write(`${JSON.stringify(line)}\n`)
}

/** Until the program has settled it, has ended, or has let a cancel pass without a word. */
function perform(job: Job, session: Session, { command, taskTimeoutMs }: RunnerSettings): Promise<void> {
  const id = job.task.id
  const writers = new Map<string, ArtifactWriter>()
  let turn: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let grace: NodeJS.Timeout | undefined
  const cancel = (reason: string) => {
    write(session, { type: 'cancel', id, reason })
    // It does not hear: then it is ended, unless others are at work in it.
    grace = setTimeout(() => {
      if (session.inHand.size === 1) session.child.stop()
      session.inHand.get(id)?.lose(new Error('it did not react to the cancel'))
    }, command.graceMs)
  }
  const abort = () => cancel((job.signal.reason as Error).name)
  return new Promise<void>((resolve, reject) => {
    session.inHand.set(id, {
      job,
      hear: (word) => {
        turn = turn.then(() => say(job, word, writers)).then((ended) => (ended ? resolve() : undefined), reject)
      },
      lose: reject,
    })
    write(session, { type: 'task', ...facts(job) })
    job.onMessage(({ message }) => write(session, { type: 'message', id, text: textIn(message), message }))
    job.signal.addEventListener('abort', abort, { once: true })
    if (job.signal.aborted) abort()
    if (taskTimeoutMs !== undefined)
      timer = setTimeout(() => {
        cancel('TimedOut')
        reject(new Error(`not done after ${taskTimeoutMs / 1_000} s`))
      }, taskTimeoutMs)
  }).finally(() => {
    clearTimeout(timer)
    clearTimeout(grace)
    job.signal.removeEventListener('abort', abort)
    session.inHand.delete(id)
  })
}

const facts = (job: Job) => ({
  id: job.task.id,
  contextId: job.task.contextId,
  delivery: job.delivery,
  attempt: job.attempt,
  deadline: job.deadline,
  text: job.text,
  from: job.from,
  priority: job.priority,
  skill: job.skill,
  message: job.message,
  task: job.task,
  checkpoint: job.checkpoint,
})

/** True: that was the end of it. */
async function say(job: Job, word: Word, writers: Map<string, ArtifactWriter>): Promise<boolean> {
  const { type, id: _, ...words } = word
  if (word.type === 'update') {
    await job.update(words as object)
    return false
  }
  if (word.type === 'artifact') {
    const { artifactId, name, end } = word
    const writer = writers.get(artifactId) ?? job.artifact({ artifactId, ...(name !== undefined && { name }) })
    writers.set(artifactId, writer)
    for (const part of partsOf(word)) await writer.write(part)
    if (end) {
      await writer.end()
      writers.delete(artifactId)
    }
    return false
  }
  if (type !== 'done') {
    await settle(job, word)
    return true
  }
  for (const writer of writers.values()) await writer.end()
  writers.clear()
  try {
    await job.complete(words as object)
    return true
  } catch (error) {
    // The program has been given them as lines; it says `done` again.
    if (error instanceof NewMessages) return false
    throw error
  }
}

const partsOf = ({ text, parts = [] }: { text?: string | undefined; parts?: Part[] | undefined }): Part[] => [
  ...(text === undefined ? [] : [{ text }]),
  ...parts,
]

function settle(job: Job, word: Word): Promise<void> {
  if (word.type === 'fail') {
    const { text, retry, delaySeconds } = word
    return job.fail(defined({ text, retry, delaySeconds }))
  }
  if (word.type === 'reject') return job.reject(word.text)
  if (word.type === 'release') return job.release(defined({ delaySeconds: word.delaySeconds }))
  const { text, parts, schema } = word as Extract<Word, { type: 'ask' | 'auth' }>
  return job[word.type as 'ask' | 'auth'](defined({ text, parts, schema }))
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }
const defined = <T extends object>(words: T): Defined<T> =>
  Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined)) as Defined<T>
