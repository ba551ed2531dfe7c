/**
 * waypost/client: work for an agent without a server. One file, nothing but Node's own fetch; it may be copied as it is.
 *
 *     const { token } = await register({ gateway, name: 'shout' })
 *     await work({ gateway, token }, async (job) => job.text.toUpperCase())
 *
 * A job is leased, its lease kept alive while the handler runs, and settled with what the handler gives back. Whoever
 * loses the lease learns it by `job.signal`; whatever it says afterwards is refused and changes nothing.
 */

export interface Part {
  readonly text?: string
  /** Base64. */
  readonly raw?: string
  readonly url?: string
  readonly data?: unknown
  readonly mediaType?: string
  readonly filename?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}
export interface Message {
  readonly messageId: string
  readonly role: string
  readonly parts: readonly Part[]
  readonly contextId?: string
  readonly taskId?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}
export interface Artifact {
  readonly artifactId?: string
  readonly name?: string
  readonly description?: string
  readonly text?: string
  readonly parts?: readonly Part[]
  readonly metadata?: Readonly<Record<string, unknown>>
}
export interface Task {
  readonly id: string
  readonly contextId: string
  readonly status: { readonly state: string; readonly timestamp?: string; readonly message?: Message }
  readonly history?: readonly Message[]
  readonly artifacts?: readonly { readonly artifactId: string; readonly parts: readonly Part[] }[]
}
/** A piece of work as the gateway hands it out. */
export interface Work {
  readonly lease: string
  /** The same for every attempt: what makes effects of one's own harmless when repeated. */
  readonly delivery: string
  readonly attempt: number
  readonly expires: string
  readonly deadline: string | null
  readonly text: string
  readonly from: string
  readonly kind: string
  readonly priority: string
  readonly skill: string | null
  readonly message: Message
  readonly task: Task
  readonly checkpoint: unknown
  readonly more: number
  readonly reclaimed?: true
}
/** What the sender said to the same task meanwhile. */
export interface NewMessage {
  readonly delivery: string
  readonly message: Message
}
export interface Update {
  readonly text?: string
  readonly parts?: readonly Part[]
  readonly artifact?: Artifact
  readonly append?: boolean
  readonly lastChunk?: boolean
  /** 0 to 100. */
  readonly progress?: number
  /** For the next attempt, if this one is lost; 64 KiB of JSON at most. */
  readonly checkpoint?: unknown
}
export interface Result {
  readonly text?: string
  readonly parts?: readonly Part[]
  readonly artifacts?: readonly Artifact[]
  /** `message`: text or parts are a Message, which whoever still waits for an answer gets instead of the task (`artifact`). */
  readonly as?: 'artifact' | 'message'
  /** Ids of new messages that shall not be answered. */
  readonly ignore?: readonly string[]
}
export interface Question {
  readonly text?: string
  readonly parts?: readonly Part[]
  /** JSON Schema of the answer. */
  readonly schema?: unknown
}

/** An artifact that grows while it is worked on. What was written is kept, to be sent anew when an answer was lost. */
export interface ArtifactWriter {
  /** Sends one more part of it. */
  write(part: string | Part): Promise<void>
  /** Says that it is whole. Without it the artifact is withdrawn if the attempt is lost. */
  end(): Promise<void>
}

/** Work in hand. What is said of it rejects with LeaseLost when somebody else has it. */
export interface Job extends Work {
  /** Aborted with LeaseLost, Canceled or Stopping. */
  readonly signal: AbortSignal
  /** How often the handler has been called for it before, because the sender had said more. */
  readonly round: number
  /** What the sender has said since and was not given before; it counts as read. */
  unread(): readonly NewMessage[]
  /** Called for each of them as soon as it is known; it counts as read. */
  onMessage(listener: (message: NewMessage) => void): void
  /** Rejects with OutcomeUnknown when it cannot be said whether a chunk to append arrived; everything else is repeated. */
  update(said: Update): Promise<void>
  artifact(about?: Omit<Artifact, 'text' | 'parts'>): ArtifactWriter
  /** Rejects with NewMessages when the sender has said more; the lease goes on. */
  complete(result?: Result): Promise<void>
  fail(why?: { text?: string; retry?: boolean; delaySeconds?: number }): Promise<void>
  reject(text?: string): Promise<void>
  ask(question: string | Question): Promise<void>
  auth(question: string | Question): Promise<void>
  release(when?: { delaySeconds?: number }): Promise<void>
}

/** What a handler gives back becomes the result; undefined: none, or the job was settled by the handler itself. */
export type Answer = string | readonly Part[] | Result | undefined
// biome-ignore lint/suspicious/noConfusingVoidType: a handler may end with a call that gives nothing back
export type DoWork = (job: Job) => Promise<Answer | void> | Answer | void

export interface WorkOptions {
  readonly gateway: string
  readonly token: string
  /** A name that stays through restarts and that nobody else uses meanwhile: what it held it goes on with. */
  readonly worker?: string
  /** Jobs side by side (1). No more than the agent's maxInflight are handed out. */
  readonly concurrency?: number
  /** 5 to 43,200; default: as the agent is registered. */
  readonly leaseSeconds?: number
  /** How often at least the gateway is asked whether the sender has canceled or said more (5). */
  readonly checkSeconds?: number
  readonly filter?: {
    urgent?: boolean
    minPriority?: string | number
    contextId?: string
    from?: string
    skill?: string
  }
  /** The sender said more, and the handler did not read it: it is called again, or goes on without it (`again`). */
  readonly newMessages?: 'again' | 'ignore'
  /** Aborted: no more work is taken, and `work` ends when what is in hand has ended. */
  readonly signal?: AbortSignal
  /** How long what is in hand may take then, before it is aborted and given back (30). */
  readonly stopSeconds?: number
  /** Hears of what went wrong and is tried again. */
  readonly onError?: (error: unknown, job?: Job) => void
  readonly fetch?: typeof fetch
}

/** The gateway said no. */
export class GatewayError extends Error {
  override readonly name: string = 'GatewayError'
  readonly status: number
  readonly code: string
  readonly hint: string | undefined
  readonly newMessages: readonly NewMessage[] | undefined
  constructor(status: number, problem: Problem) {
    super(problem.detail ?? `HTTP ${status}`)
    this.status = status
    this.code = problem.code ?? `HTTP_${status}`
    this.hint = problem.hint
    this.newMessages = problem.newMessages
  }
}
/** Another attempt has it, or the task has ended. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}
/** Its sender wants it canceled: a handler that throws, or gives nothing back, agrees. */
export class Canceled extends Error {
  override readonly name = 'Canceled'
}
/** This program ends; the work goes back. */
export class Stopping extends Error {
  override readonly name = 'Stopping'
}
/** A chunk may have arrived or not. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}
/** Thrown by `complete`: the sender has said more. */
export class NewMessages extends Error {
  override readonly name = 'NewMessages'
  readonly messages: readonly NewMessage[]
  constructor(messages: readonly NewMessage[]) {
    super('the sender has said more to this task')
    this.messages = messages
  }
}
/** Thrown by a handler: try it again, until the attempts are spent. Any other error fails the task with its message. */
export class TryAgain extends Error {
  override readonly name = 'TryAgain'
  readonly delaySeconds: number | undefined
  constructor(message: string, delaySeconds?: number) {
    super(message)
    this.delaySeconds = delaySeconds
  }
}

export interface Registered {
  readonly name: string
  readonly address: string
  readonly url: string
  readonly card: string
  readonly created: boolean
  /** Only when it was made now; keep it. */
  readonly token?: string
}

/** Registers a mailbox; `key` is not needed on the gateway's own machine. Throws GatewayError. */
export async function register(options: {
  gateway: string
  name: string
  key?: string
  fetch?: typeof fetch
  [member: string]: unknown
}): Promise<Registered> {
  const { gateway, key, fetch: send, ...document } = options
  const line = createLine({ gateway, token: key, fetch: send })
  return (await line.once('/v1/agents', document)).json as Registered
}

/**
 * Works until `signal` is aborted. Rejects when the gateway refuses for good (the token is not known, say), after what is
 * in hand has ended; that it cannot be reached is no such reason.
 */
export async function work(options: WorkOptions, handler: DoWork): Promise<void> {
  const { concurrency = 1, worker, stopSeconds = 30, signal, onError = () => {} } = options
  const line = createLine(options)
  const held = new Map<Hand, Promise<void>>()
  const stopping = new AbortController()
  let wakeUp = () => {}
  const stop = () => {
    stopping.abort()
    wakeUp()
  }
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })

  const begin = ({ offers, length }: Leased) => {
    for (const offer of offers) {
      const hand = createHand(offer, length, line, options)
      const ended = hand
        .run(handler)
        .catch((error) => onError(error, hand.job))
        .then(() => {
          held.delete(hand)
          wakeUp()
        })
      held.set(hand, ended)
    }
  }

  let failed: unknown
  /** An answer may have been lost, and work with it; what is held under our own name is asked for when nothing else is. */
  let doubt = true
  for (let tries = 0; !stopping.signal.aborted; ) {
    if (held.size >= concurrency) {
      await new Promise<void>((resolve) => {
        wakeUp = resolve
      })
      continue
    }
    const reclaim = worker !== undefined && doubt && held.size === 0
    const startedAt = performance.now()
    try {
      const leased = await lease(line, options, { max: concurrency - held.size, reclaim }, stopping.signal)
      doubt = false
      tries = 0
      begin(leased)
      // A gateway that is stopping ends all waits at once.
      if (leased.offers.length === 0 && performance.now() - startedAt < 500) await sleep(jittered(500), stopping.signal)
    } catch (error) {
      if (stopping.signal.aborted) break
      if (!isTemporary(error)) {
        failed = error
        break
      }
      doubt = true
      onError(error)
      await sleep(waitFor(error, tries++), stopping.signal)
    }
  }
  signal?.removeEventListener('abort', stop)
  await settleAll(held, stopSeconds)
  if (failed) throw failed
}

/** How long a handler has to end after it was aborted, and a settlement to arrive. */
const LAST_WORDS_MS = 5_000

async function settleAll(held: ReadonlyMap<Hand, Promise<void>>, stopSeconds: number): Promise<void> {
  const within = (ms: number) => {
    const timer = new AbortController()
    return Promise.race([sleep(Math.min(ms, 2 ** 31 - 1), timer.signal), Promise.all(held.values())]).finally(() =>
      timer.abort(),
    )
  }
  await within(stopSeconds * 1_000)
  for (const hand of held.keys()) hand.abort(new Stopping('this worker stops'))
  if (held.size > 0) await within(LAST_WORDS_MS)
  for (const hand of held.keys()) void hand.giveBack().catch(() => {})
  if (held.size > 0) await within(LAST_WORDS_MS)
  for (const hand of held.keys()) hand.drop()
}

interface Leased {
  readonly offers: readonly Work[]
  /** Of the leases, in milliseconds. */
  readonly length: number
}

const WAIT_SECONDS = 50
/** What one call may take. */
const LEASE_MAX = 64

async function lease(
  line: Line,
  { worker, leaseSeconds, filter }: WorkOptions,
  { max, reclaim }: { max: number; reclaim: boolean },
  signal: AbortSignal,
): Promise<Leased> {
  const body = {
    max: Math.min(max, LEASE_MAX),
    ...filter,
    ...(worker !== undefined && { worker }),
    ...(reclaim && { reclaim }),
    ...(leaseSeconds !== undefined && { leaseSeconds }),
  }
  const timeoutMs = (WAIT_SECONDS + 15) * 1_000
  const { json, at } = await line.once(`/v1/inbox/lease?wait=${WAIT_SECONDS}`, body, { signal, timeoutMs })
  const { items } = (json ?? { items: [] }) as { items?: Work[] }
  const offers = items ?? [json as Work]
  const [first] = offers
  // By the gateway's own clock, which need not be ours; its Date has whole seconds.
  const length = leaseSeconds ? leaseSeconds * 1_000 : first ? Date.parse(first.expires) - at - 1_000 : 0
  return { offers, length: Math.max(length, 500) }
}

interface Hand {
  readonly job: Job
  run(handler: DoWork): Promise<void>
  giveBack(): Promise<void>
  abort(why: Error): void
  /** Says nothing more. */
  drop(): void
}

/** How long a renewal or a settlement waits before it is tried again, at most. */
const AGAIN_MS = 5_000

function createHand(offer: Work, length: number, line: Line, options: WorkOptions): Hand {
  const { leaseSeconds, checkSeconds = 5, newMessages = 'again', onError = () => {} } = options
  const path = `/v1/leases/${offer.lease}/`
  const aborted = new AbortController()
  const over = new AbortController()
  let heldUntil = performance.now() + length
  let lost: LeaseLost | undefined
  let settled: string | undefined
  let round = 0
  const known = new Set<string>()
  const waiting: NewMessage[] = []
  /** With these the handler is called again; what it does not look at is read all the same. */
  let given: NewMessage[] = []
  /** Read, but the gateway does not know it yet. */
  let read: string[] = []
  const listeners: ((message: NewMessage) => void)[] = []

  const abort = (why: Error) => {
    if (!aborted.signal.aborted) aborted.abort(why)
  }
  const lose = (why: string): LeaseLost => {
    lost ??= new LeaseLost(why)
    abort(lost)
    over.abort()
    return lost
  }
  const hear = (messages: readonly NewMessage[] = []) => {
    for (const one of messages) {
      if (known.has(one.delivery)) continue
      known.add(one.delivery)
      if (listeners.length === 0) waiting.push(one)
      else read.push(one.delivery)
      for (const listener of listeners) listener(one)
    }
  }
  const takeUnread = () => {
    const messages = waiting.splice(0)
    read.push(...messages.map(({ delivery }) => delivery))
    return messages
  }

  const unread = () => {
    const before = given
    given = []
    return [...before, ...takeUnread()]
  }

  /** `until`: how long it is tried, by our clock. */
  async function say(verb: string, said: object, how: { until?: number; repeats?: boolean } = {}): Promise<Alive> {
    if (lost) throw lost
    if (over.signal.aborted) throw new Error(`this job was settled before: ${settled ?? 'given up'}`)
    try {
      const onRetry = (error: unknown) => onError(error, job)
      const options = { signal: over.signal, longestMs: AGAIN_MS, onRetry, ...how }
      const { json } = await line.again(path + verb, said, options)
      return json as Alive
    } catch (error) {
      if (lost) throw lost
      if (error instanceof GatewayError && (error.code === 'lease_lost' || error.status === 404))
        throw lose(error.message)
      throw error
    }
  }

  /** Everything that is said of a lease that goes on also renews it. */
  async function report(verb: 'renew' | 'update', said: object, repeats: boolean): Promise<void> {
    const take = read
    read = []
    const startedAt = performance.now()
    const body = { ...said, ...(leaseSeconds && { leaseSeconds }), ...(take.length > 0 && { take }) }
    try {
      const alive = await say(verb, body, { until: heldUntil, repeats })
      heldUntil = Math.max(heldUntil, startedAt + length)
      hear(alive.newMessages)
      if (alive.cancelRequested) abort(new Canceled('its sender has canceled it'))
    } catch (error) {
      read.push(...take)
      throw error
    }
  }

  async function keepAlive(): Promise<void> {
    while (!over.signal.aborted) {
      await sleep(Math.min(length / 3, checkSeconds * 1_000), over.signal)
      if (over.signal.aborted) return
      try {
        await report('renew', {}, true)
      } catch (error) {
        if (lost || over.signal.aborted) return
        onError(error, job)
        // Whoever is not heard of for a whole lease has lost it, whatever the reason; its words are still tried.
        if (performance.now() >= heldUntil) abort(new LeaseLost('the lease could not be renewed in time'))
      }
    }
  }

  async function settle(verb: string, said: object): Promise<void> {
    if (settled !== undefined) throw new Error(`this job was settled before: ${settled}`)
    settled = verb
    try {
      if (read.length > 0 && verb === 'complete') await report('renew', {}, true)
      await say(verb, said)
      over.abort()
    } catch (error) {
      settled = undefined
      if (error instanceof GatewayError && error.code === 'new_messages') {
        hear(error.newMessages)
        throw new NewMessages(error.newMessages ?? [])
      }
      throw error
    }
  }

  const job: Job = {
    ...offer,
    signal: aborted.signal,
    get round() {
      return round
    },
    unread,
    onMessage(listener) {
      for (const message of unread()) listener(message)
      listeners.push(listener)
    },
    update: (said) => report('update', said, !said.append),
    artifact: (about = {}) => createWriter(about, (said, repeats) => report('update', said, repeats)),
    complete: (result = {}) => settle('complete', result),
    fail: (why = {}) => settle('fail', why),
    reject: (text) => settle('reject', text === undefined ? {} : { text }),
    ask: (question) => settle('ask', questionOf(question)),
    auth: (question) => settle('auth', questionOf(question)),
    release: (when = {}) => settle('release', when),
  }
  const giveBack = async () => {
    if (settled !== undefined || lost) return
    // A line over which no lease can be kept counts as an attempt; a cancel or a stop does not.
    await settle('release', aborted.signal.reason instanceof LeaseLost ? {} : { delaySeconds: 0 })
  }

  /** Again and again, if the sender says more and the handler has not heard of it. */
  async function perform(handler: DoWork): Promise<void> {
    let result: Result | undefined
    for (;;) {
      if (result === undefined) {
        const answer = await handler(job)
        if (settled !== undefined || lost) return
        if (aborted.signal.aborted && answer === undefined) return giveBack()
        result = resultOf(answer ?? undefined)
      }
      try {
        return await job.complete(result)
      } catch (error) {
        if (!(error instanceof NewMessages)) throw error
        given = takeUnread()
        if (newMessages === 'again') {
          round++
          result = undefined
        } else result = { ...result, ignore: [...(result.ignore ?? []), ...given.map(({ delivery }) => delivery)] }
      }
    }
  }

  return {
    job,
    abort,
    giveBack,
    drop: () => over.abort(),
    async run(handler) {
      const alive = keepAlive()
      try {
        await perform(handler)
      } catch (error) {
        if (lost || settled !== undefined) return
        if (aborted.signal.aborted) return await giveBack()
        const text = error instanceof Error ? error.message : String(error)
        if (!(error instanceof TryAgain)) return await job.fail({ text })
        const { delaySeconds } = error
        await job.fail({ text, retry: true, ...(delaySeconds !== undefined && { delaySeconds }) })
      } finally {
        over.abort()
        await alive
      }
    },
  }
}

interface Alive {
  readonly cancelRequested?: boolean
  readonly newMessages?: readonly NewMessage[]
}

const questionOf = (question: string | Question): Question =>
  typeof question === 'string' ? { text: question } : question

const isParts = (answer: Answer): answer is readonly Part[] => Array.isArray(answer)
const resultOf = (answer: Answer): Result => {
  if (answer === undefined) return {}
  if (typeof answer === 'string') return { text: answer }
  return isParts(answer) ? { parts: answer } : answer
}

/** One request takes 256 parts and 4 MiB. */
const BATCH_PARTS = 200
const BATCH_CHARS = 2_000_000

function batchesOf(parts: readonly Part[]): Part[][] {
  const batches: Part[][] = []
  let chars = 0
  for (const part of parts) {
    const more = JSON.stringify(part).length
    const batch = batches.at(-1)
    if (batch && batch.length < BATCH_PARTS && chars + more <= BATCH_CHARS) {
      batch.push(part)
      chars += more
    } else {
      batches.push([part])
      chars = more
    }
  }
  return batches
}

/** A chunk whose fate is not known is followed by the whole, in its place. */
function createWriter(about: Artifact, send: (said: Update, repeats: boolean) => Promise<void>): ArtifactWriter {
  const written: Part[] = []
  const sendParts = (parts: readonly Part[], append: boolean, lastChunk: boolean) =>
    send({ artifact: { ...about, parts }, append, lastChunk }, !append)
  const whole = async (lastChunk: boolean): Promise<void> => {
    const batches = batchesOf(written)
    for (const [at, parts] of batches.entries()) await sendParts(parts, at > 0, lastChunk && at === batches.length - 1)
  }
  const chunk = async (part: Part, lastChunk: boolean) => {
    written.push(part)
    for (let isKnown = true; ; isKnown = false) {
      try {
        return await (isKnown ? sendParts([part], written.length > 1, lastChunk) : whole(lastChunk))
      } catch (error) {
        if (!(error instanceof OutcomeUnknown)) throw error
      }
    }
  }
  let before: Promise<unknown> = Promise.resolve()
  const inTurn = (next: () => Promise<void>): Promise<void> => {
    const turn = before.then(next)
    before = turn.catch(() => {})
    return turn
  }
  return {
    write: (part) => inTurn(() => chunk(typeof part === 'string' ? { text: part } : part, false)),
    end: () => inTurn(() => chunk({ text: '' }, true)),
  }
}

interface Problem {
  readonly code?: string
  readonly detail?: string
  readonly hint?: string
  readonly newMessages?: readonly NewMessage[]
}
interface Answered {
  readonly json: unknown
  /** When it was answered, by the gateway's clock. */
  readonly at: number
}
interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}
interface AgainOptions extends CallOptions {
  readonly until?: number
  /** false: not when it may have been done (OutcomeUnknown). */
  readonly repeats?: boolean
  readonly longestMs?: number
  readonly onRetry?: (error: unknown) => void
}
interface Line {
  once(path: string, body: object, options?: CallOptions): Promise<Answered>
  /** The same words, until the gateway answers. */
  again(path: string, body: object, options: AgainOptions): Promise<Answered>
}

/** Nobody answered, or what came was no answer of a gateway. */
class Unreachable extends Error {
  override readonly name = 'Unreachable'
  /** Nothing was sent. */
  readonly unsent: boolean
  constructor(cause: unknown) {
    const { code, message } = (cause as { cause?: { code?: string; message?: string } }).cause ?? {}
    super(`no answer: ${code ?? message ?? (cause as Error).message}`, { cause })
    this.unsent = code === 'ECONNREFUSED' || code === 'ENOTFOUND'
  }
}
/** The gateway is there and cannot do it now. */
class Busy extends GatewayError {
  override readonly name = 'Busy'
  readonly retryAfterMs: number | undefined
  constructor(status: number, problem: Problem, retryAfter: string | null) {
    super(status, problem)
    this.retryAfterMs = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : undefined
  }
}

const isTemporary = (error: unknown): error is Unreachable | Busy =>
  error instanceof Unreachable || error instanceof Busy
/** Whether it may have been done all the same. */
const isUnknown = (error: Unreachable | Busy): boolean =>
  error instanceof Unreachable ? !error.unsent : error.status !== 429 && error.code !== 'UNAVAILABLE'

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
const RETRY_AFTER_MAX_MS = 60_000
const jittered = (ms: number): number => ms * (0.5 + Math.random())
const waitFor = (error: Unreachable | Busy, tries: number, longestMs = LONGEST_WAIT_MS): number => {
  const own = jittered(Math.min(FIRST_WAIT_MS * 2 ** tries, longestMs))
  const asked = error instanceof Busy ? error.retryAfterMs : undefined
  return Math.max(own, Math.min(asked ?? 0, RETRY_AFTER_MAX_MS))
}

function createLine(to: { gateway: string; token?: string | undefined; fetch?: typeof fetch | undefined }): Line {
  const { gateway, token, fetch: send = fetch } = to
  const once: Line['once'] = async (path, body, { signal, timeoutMs = 30_000 } = {}) => {
    // No AbortSignal.timeout or any: what is made of others may be collected before it fires.
    const over = new AbortController()
    const end = () => over.abort(signal?.reason)
    const timer = setTimeout(() => over.abort(new Error(`nothing within ${timeoutMs} ms`)), timeoutMs)
    if (signal?.aborted) end()
    signal?.addEventListener('abort', end, { once: true })
    let response: Response
    let text: string
    try {
      response = await send(gateway.replace(/\/+$/, '') + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: over.signal,
      })
      text = await response.text()
    } catch (error) {
      signal?.throwIfAborted()
      throw new Unreachable(error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
    }
    const { status, headers } = response
    const json = parsed(text)
    if (status === 429 || status >= 500) throw new Busy(status, (json ?? {}) as Problem, headers.get('retry-after'))
    if (!response.ok) throw new GatewayError(status, (json ?? {}) as Problem)
    if (json === undefined && status !== 204) throw new Unreachable(new Error('what came was no JSON'))
    return { json, at: Date.parse(headers.get('date') ?? '') || Date.now() }
  }
  return {
    once,
    async again(path, body, { until = Number.POSITIVE_INFINITY, repeats = true, longestMs, onRetry, ...options }) {
      for (let tries = 0; ; tries++) {
        try {
          return await once(path, body, options)
        } catch (error) {
          if (!isTemporary(error)) throw error
          if (!repeats && isUnknown(error)) throw new OutcomeUnknown(error.message)
          const wait = waitFor(error, tries, longestMs)
          if (performance.now() + wait > until) throw error
          onRetry?.(error)
          await sleep(wait, options.signal)
          options.signal?.throwIfAborted()
        }
      }
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Ends early when the signal is aborted. */
function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}
