/** C2: many sends to an agent that was never started, gateways killed at random, then one worker. MAILBOX tests 1 and 2. */
import { test } from 'vitest'
import { dice } from '../faults/dice.ts'
import { openReport, percentile, SEED, spread } from './report.ts'
import { startSenders } from './senders.ts'
import { COMPLETED, endingsOf, nap, openStage, type Stage } from './stage.ts'

const MESSAGES = 1_000
const KILLS = 50
const ACK_MS = 100
const SUBMITTED = 'TASK_STATE_SUBMITTED'

test('C2', async () => {
  const report = openReport(
    'C2',
    `${MESSAGES} sends to an agent that was never started, ${KILLS} × kill -9 of two replicas`,
  )
  const stage = await openStage({ replicas: 2 })
  try {
    const random = dice(SEED)
    const urls = stage.replicas.map(({ url }) => url)
    const [token, calmToken] = [
      await stage.agent('never', { maxInflight: 32, maxAttempts: 50 }),
      await stage.agent('calm'),
    ]

    const shared = { urls, messages: MESSAGES, dice: dice(SEED + 1) }
    const calm = startSenders({ ...shared, agent: 'calm', text: 'upper:x', clients: 4, pauseMs: 0 })
    await calm.finished()
    const calmAcks = calm.sent.flatMap(({ acks }) => acks)
    const calmMs = calmAcks.map(({ ms }) => ms)
    report.fact('ack ms, 4 clients, nobody killed (p50 / p95 / p99 / max)', spread(calmMs))
    report.none(
      'every send is answered SUBMITTED',
      calmAcks.map(({ state }) => state).filter((state) => state !== SUBMITTED),
      calmAcks.length,
    )
    report.check(`acknowledged within ${ACK_MS} ms (p99)`, percentile(calmMs, 0.99) < ACK_MS, spread(calmMs))

    const load = startSenders({ ...shared, agent: 'never', text: 'ledger:', clients: 16, pauseMs: 1_200 })
    const done = new Map<string, number>()
    for (let kill = 1; kill <= KILLS; kill++) {
      await nap(random.below(300))
      const replica = random.pick(stage.replicas)
      await replica.kill('SIGKILL')
      await nap(random.below(100))
      await replica.start()
      if (kill % 10 === 0) report.tell(`${kill} kills, ${load.sent.length} sent`)
      // Half of the kills while nobody is there, half while the backlog is worked on.
      if (kill !== KILLS / 2) continue
      const early = load.sent.flatMap(({ acks }) => acks)
      report.none(
        'before there is a worker, every acknowledged task is SUBMITTED',
        early.map(({ state }) => state).filter((state) => state !== SUBMITTED),
        early.length,
      )
      stage.worker({
        url: stage.url,
        token,
        settings: { worker: 'only', concurrency: 16 },
        onSaid: ({ said, delivery }) => {
          if (said === 'done' && delivery) done.set(delivery, (done.get(delivery) ?? 0) + 1)
        },
      })
    }
    await load.finished()
    stage.worker({ url: stage.url, token: calmToken, settings: { concurrency: 16 } })
    const acks = load.sent.flatMap((one) => one.acks.map(({ ms }) => ms))
    report.fact('sends', load.sent.length)
    report.fact(
      'sent again',
      load.sent.reduce((sum, { tries }) => sum + tries - 1, 0),
    )
    report.fact('ack ms among the kills (p50 / p95 / p99 / max)', spread(acks))
    report.check('all is worked on within two minutes after the last kill', await stage.quiet(120_000), 'queue empty')
    const several = load.sent.filter(({ taskIds }) => taskIds.size !== 1)
    report.none(
      'a messageId that is sent again is the same task',
      several.map(({ messageId }) => messageId),
      load.sent.length,
    )
    await checkEnds(stage, load.sent.length, report)
    report.fact(
      'deliveries that the worker did more than once (an answer was lost)',
      [...done.values()].filter((times) => times > 1).length,
    )
  } finally {
    await stage.close()
  }
  report.end()
}, 1_800_000)

async function checkEnds(stage: Stage, sent: number, report: ReturnType<typeof openReport>): Promise<void> {
  const endings = await endingsOf(stage, 'never')
  report.check('a task for each message, and no other', endings.size === sent, `${endings.size} tasks`)
  const wrong = [...endings.values()].filter(
    ({ state, endings: count, results }) => state !== COMPLETED || count !== 1 || results.length !== 1,
  )
  report.none(
    'each completed, once, with one result',
    wrong.map(({ id, state, endings: count }) => `${id}: ${state}, ${count} ends`),
    endings.size,
  )
  const gaps = await stage.rows<{ id: string }>(
    'select task_id::text as id from task_events group by task_id having max(seq) <> count(*) or min(seq) <> 1',
  )
  report.none(
    'every log is without a gap',
    gaps.map(({ id }) => id),
    endings.size,
  )
}
