/** A worker that does what the text says; worker.py is its twin. Tells on stdout what it does, a JSON line each. */
import { setTimeout as sleep } from 'node:timers/promises'
import { TryAgain, work } from '../../dist/client/mailbox.js'

const { gateway, token, ...options } = JSON.parse(process.env.WORKER)
const tell = (said, more = {}) => process.stdout.write(`${JSON.stringify({ said, ...more })}\n`)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

const aborted = (job) =>
  new Promise((_, reject) => {
    const end = () => reject(job.signal.reason)
    if (job.signal.aborted) end()
    job.signal.addEventListener('abort', end, { once: true })
  })

const DOES = {
  upper: (_job, text) => text.toUpperCase(),
  nothing: () => undefined,
  parts: () => [{ data: { n: 1 } }],
  artifacts: () => ({
    artifacts: [
      { artifactId: 'a', text: 'A' },
      { artifactId: 'b', text: 'B' },
    ],
  }),
  wrong: () => {
    throw new Error('it is wrong')
  },
  again(job) {
    if (job.attempt === 1) throw new TryAgain('not yet', 0)
    return `attempt ${job.attempt}`
  },
  reject: (job) => job.reject('not for me'),
  async ask(job) {
    if (job.task.history.length === 1) await job.ask({ text: 'how many?', schema: { type: 'integer' } })
  },
  async chunks(job) {
    const artifact = job.artifact({ artifactId: 'long' })
    for (const piece of ['one ', 'two ', 'three']) await artifact.write(piece)
    await artifact.end()
  },
  async steps(job) {
    await job.update({ text: 'half way', progress: 50, checkpoint: { at: 1 } })
    if (job.attempt === 1) throw new TryAgain('lost', 0)
    return JSON.stringify(job.checkpoint)
  },
  hold: (job) => aborted(job),
  /** Holds on, but gives back a result when it is canceled. */
  finish: (job) => aborted(job).catch(() => 'finished all the same'),
  hear: (job) => new Promise((resolve) => job.onMessage(({ message }) => resolve(message.parts[0].text))),
  /** Does not look at what the sender says while it works: ends when its lease has been renewed. */
  async deaf(job) {
    if (job.round === 0) await sleep(Number(options.deafMs ?? 300))
    return [job.text, ...job.unread().map(({ message }) => message.parts[0].text)].join('|')
  },
  async brief() {
    await sleep(20)
    return 'done'
  },
  /** Under which lease it was done. */
  async ledger(job) {
    await sleep(5)
    return `${job.delivery} ${job.attempt} ${job.lease}`
  },
}

async function handle(job) {
  const [verb, ...words] = (job.task.history[0].parts[0].text ?? '').split(':')
  const { text, attempt, delivery, lease, reclaimed = false } = job
  tell('begun', { text, attempt, reclaimed, delivery, lease, at: Date.now() })
  if (job.text === 'four') return 'for four'
  job.signal.addEventListener('abort', () => tell('aborted', { why: job.signal.reason.name }))
  const answer = await DOES[verb](job, words.join(':'))
  tell('done', { text, delivery, lease, at: Date.now() })
  return answer
}

const onError = (error, job) => tell('error', { name: error.name, status: error.status, job: job !== undefined })
try {
  await work({ gateway, token, ...options, signal: stop.signal, onError }, handle)
  tell('stopped')
} catch (error) {
  tell('refused', { code: error.code })
}
process.exit()
