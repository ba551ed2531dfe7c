/**
 * C3: conversations worked on by many processes of one identity, of which some are killed and some are stopped for longer
 * than a lease. MAILBOX test 5, and the fencing of test 3 many times over.
 */
import { test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { dice } from '../faults/dice.ts'
import { openReport, SEED } from './report.ts'
import { rpc } from './senders.ts'
import { type Begun, COMPLETED, type Ending, endingsOf, nap, openStage, type Stage, type Worker } from './stage.ts'

const CONVERSATIONS = 50
const MESSAGES = 80
const WORKERS = 16
/** Of them in Python. */
const PYTHON = 4
/** Of the pieces of work begun: half of these are killed, half stopped. */
const HARMED = 0.05
const LEASE_SECONDS = 5
const STOPPED_MS = LEASE_SECONDS * 1_000 + 1_500

interface Sent {
  readonly id: string
  readonly contextId: string
  readonly nth: number
}

test('C3', async () => {
  const title = `${CONVERSATIONS} conversations × ${MESSAGES} messages, ${WORKERS} workers of one identity, ${HARMED * 100} % killed or stopped`
  const report = openReport('C3', title)
  const stage = await openStage({ replicas: 2 })
  try {
    const policy = { maxInflight: WORKERS, leaseSeconds: LEASE_SECONDS, maxAttempts: 1_000 }
    const token = await stage.agent('crew', { ...policy, backoff: { firstMs: 10, longestMs: 100 } })
    const crew = hire(stage, token)
    const began = performance.now()
    const sent = await sendAll(stage)
    report.tell(`${sent.length} sent`)
    const quiet = await stage.quiet(900_000)
    const seconds = (performance.now() - began) / 1_000
    await crew.leave()
    const endings = await endingsOf(stage, 'crew')

    report.fact('worked on', `${sent.length} messages in ${seconds.toFixed(0)} s`)
    report.fact('workers killed', crew.killed())
    report.fact(`workers stopped for ${STOPPED_MS / 1_000} s`, crew.stopped())
    report.fact('leases lost, as workers were told', crew.lost())
    report.fact('pieces of work begun', crew.begun.length)
    report.check('all is worked on', quiet, `${endings.size} tasks`)
    report.none(
      'no message is lost',
      sent.filter(({ id }) => !endings.has(id)).map(({ id }) => id),
      sent.length,
    )
    report.none(
      'each is settled once, and completed',
      [...endings.values()]
        .filter(({ state, endings: count, results }) => state !== COMPLETED || count !== 1 || results.length !== 1)
        .map(({ id, state, endings: count }) => `${id}: state ${state}, ${count} ends`),
      endings.size,
    )
    report.none('who settled is who held the last lease', stale(endings, crew.begun), endings.size)
    report.none('order is kept in each conversation', disordered(sent, endings), sent.length)
    report.none('nothing is begun before the one before it is settled', early(sent, endings, crew), sent.length)
    report.check('workers that slept through their lease were refused', crew.lost() > 0, crew.lost())
  } finally {
    await stage.close()
  }
  report.end()
}, 1_800_000)

async function sendAll({ replicas }: Stage): Promise<Sent[]> {
  const random = dice(SEED + 1)
  const sent: Sent[] = []
  const conversation = async () => {
    const contextId = uuidv7()
    for (let nth = 0; nth < MESSAGES; nth++) {
      const message = { messageId: uuidv7(), contextId, role: 'ROLE_USER', parts: [{ text: 'ledger:' }] }
      const params = { message, configuration: { returnImmediately: true } }
      const { result, error } = await rpc(random.pick(replicas).url, 'crew', 'SendMessage', params)
      const task = result?.task as { id: string } | undefined
      if (!task) throw new Error(`not sent: ${JSON.stringify(error)}`)
      sent.push({ id: task.id, contextId, nth })
    }
  }
  await Promise.all(Array.from({ length: CONVERSATIONS }, conversation))
  return sent
}

/** The workers, and what befalls them. */
function hire(stage: Stage, token: string) {
  const random = dice(SEED)
  const begun: Begun[] = []
  /** By lease, when its holder had done it and had not yet said so. */
  const done = new Map<string, number>()
  const workers: (Worker | undefined)[] = []
  const counts = { killed: 0, stopped: 0, lost: 0 }
  const busy = new Set<number>()
  let leaving = false

  function start(index: number): void {
    const settings = {
      // Half of them go on with what they held when they come again.
      ...(index % 2 === 0 && { worker: `crew-${index}` }),
      checkSeconds: 1,
    }
    const url = (stage.replicas[index % stage.replicas.length] as { url: string }).url
    workers[index] = stage.worker({
      language: index < WORKERS - PYTHON ? 'node' : 'python',
      ...{ url, token, settings },
      onSaid({ said, why, ...told }) {
        if (said === 'aborted' && why === 'LeaseLost') counts.lost++
        if (said === 'done') done.set(told.lease as string, told.at as number)
        if (said !== 'begun') return
        begun.push(told as unknown as Begun)
        if (!leaving && !busy.has(index) && random.next() < HARMED) void harm(index)
      },
    })
  }

  async function harm(index: number): Promise<void> {
    busy.add(index)
    const kills = random.next() < 0.5
    await nap(random.below(12))
    const worker = workers[index] as Worker
    if (kills) {
      counts.killed++
      await worker.kill('SIGKILL')
      if (!leaving) start(index)
    } else {
      counts.stopped++
      worker.child.kill('SIGSTOP')
      await nap(STOPPED_MS)
      worker.child.kill('SIGCONT')
    }
    busy.delete(index)
  }

  for (let index = 0; index < WORKERS; index++) start(index)
  return {
    begun,
    done,
    killed: () => counts.killed,
    stopped: () => counts.stopped,
    lost: () => counts.lost,
    async leave() {
      leaving = true
      // Who was stopped last shall be heard of.
      while (busy.size > 0) await nap(100)
      await nap(1_500)
      await Promise.all(workers.map((worker) => worker?.kill('SIGTERM')))
    },
  }
}

/**
 * A result names the attempt and the lease under which it was made: no later attempt was ever handed out, and of those who
 * took up the same attempt again it is the last.
 */
function stale(endings: ReadonlyMap<string, Ending>, begun: readonly Begun[]): string[] {
  const last = new Map<string, Begun>()
  for (const one of begun) {
    const known = last.get(one.delivery)
    const isLater = !known || one.attempt > known.attempt || (one.attempt === known.attempt && one.at >= known.at)
    if (isLater) last.set(one.delivery, one)
  }
  return [...endings.values()].flatMap(({ id, results }) => {
    const [delivery = '', , lease] = (results[0] ?? '').split(' ')
    const holder = last.get(delivery)
    if (!holder) return [`${id}: nobody began it`]
    return holder.lease === lease ? [] : [`${id}: settled under ${lease}, held under ${holder.lease}`]
  })
}

function byConversation(sent: readonly Sent[], endings: ReadonlyMap<string, Ending>): Ending[][] {
  const conversations = new Map<string, Ending[]>()
  for (const { id, contextId } of [...sent].sort((a, b) => a.nth - b.nth)) {
    const ending = endings.get(id)
    if (ending) conversations.set(contextId, [...(conversations.get(contextId) ?? []), ending])
  }
  return [...conversations.values()]
}

/** By the database's own order of what was written. */
const disordered = (sent: readonly Sent[], endings: ReadonlyMap<string, Ending>): string[] =>
  byConversation(sent, endings).flatMap((tasks) =>
    tasks.flatMap(({ id, beganAt }, at) => (at > 0 && beganAt < (tasks[at - 1] as Ending).endedAt ? [id] : [])),
  )

/** The workers' clocks, one machine's, with a millisecond and a half for two roundings. */
const ROUNDING_MS = 1.5

function early(
  sent: readonly Sent[],
  endings: ReadonlyMap<string, Ending>,
  { begun, done }: { begun: readonly Begun[]; done: ReadonlyMap<string, number> },
): string[] {
  const first = new Map<string, number>()
  for (const { delivery, at } of begun)
    first.set(delivery, Math.min(at, first.get(delivery) ?? Number.POSITIVE_INFINITY))
  const wordsOf = ({ results }: Ending) => (results[0] ?? '').split(' ')
  return byConversation(sent, endings).flatMap((tasks) =>
    tasks.flatMap((task, at) => {
      const before = tasks[at - 1]
      const startedAt = first.get(wordsOf(task)[0] as string) ?? Number.POSITIVE_INFINITY
      const doneAt = before && done.get(wordsOf(before)[2] as string)
      return doneAt !== undefined && startedAt + ROUNDING_MS < doneAt
        ? [`${task.id} began ${(doneAt - startedAt).toFixed(1)} ms early`]
        : []
    }),
  )
}
