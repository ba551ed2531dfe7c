/** C2: many sends to an agent that was never started, gateways killed at random, then one worker. MAILBOX tests 1 and 2. */
import { test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { check } from '../faults/checkers.ts'
import { dice } from '../faults/dice.ts'
import { rpc, runWorkload } from '../faults/workload.ts'
import { openReport, percentile, SEED, spread } from './report.ts'
import { COMPLETED, endingsOf, nap, openStage } from './stage.ts'

const MESSAGES = 1_000
const KILLS = 50
const CLIENTS = 16
const ACK_MS = 100

test('C2', async () => {
  const report = openReport('C2', `${MESSAGES} sends to an agent that was never started, ${KILLS} × kill -9`)
  const stage = await openStage({ replicas: 2 })
  try {
    const random = dice(SEED)
    const token = await stage.agent('never', { maxInflight: 32, maxAttempts: 50 })
    await stage.agent('calm', { maxInflight: 32 })

    const calm = await sendCalmly(stage.url, 'calm')
    report.fact('ack ms, 4 clients, nobody killed (p50 / p95 / p99 / max)', spread(calm.ms))
    report.none('every send is answered SUBMITTED', calm.others, MESSAGES)
    report.check(`acknowledged within ${ACK_MS} ms (p99)`, percentile(calm.ms, 0.99) < ACK_MS, spread(calm.ms))

    const load = runWorkload({
      replicas: stage.replicas,
      clients: CLIENTS,
      agents: ['never'],
      dice: dice(SEED + 1),
      messagesMax: MESSAGES,
      immediately: true,
      texts: ['ledger:'],
      cancels: 0,
      pauseMs: 1_200,
    })
    const done = new Map<string, number>()
    for (let kill = 1; kill <= KILLS; kill++) {
      await nap(random.below(300))
      const replica = random.pick(stage.replicas)
      await replica.kill('SIGKILL')
      await nap(random.below(100))
      await replica.start()
      if (kill % 10 === 0) report.tell(`${kill} kills, ${load.sent.length} sent`)
      // Half of the kills while nobody is there, half while the backlog is worked on.
      if (kill === KILLS / 2) {
        const early = load.history.filter(({ op, type }) => op === 'send' && type === 'ok')
        const others = early.filter(({ state }) => state !== 'TASK_STATE_SUBMITTED')
        report.none(
          'before there is a worker, every acknowledged task is SUBMITTED',
          others.map((one) => `${one.state}`),
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
    }
    await load.finished()
    await load.stop()
    report.fact('sends', load.sent.length)
    report.fact(
      'sent again',
      load.sent.reduce((sum, { tries }) => sum + tries - 1, 0),
    )
    const acks = load.history.flatMap(({ type, ms }) => (type === 'ok' && ms !== undefined ? [ms] : []))
    report.fact('ack ms among the kills (p50 / p95 / p99 / max)', spread(acks))
    // What nobody collects is not part of it.
    await drain(stage, 'calm')
    report.check('all is worked on within two minutes after the last kill', await stage.quiet(120_000), 'queue empty')

    const evidence = {
      databaseUrl: stage.databaseUrl,
      history: load.history,
      sent: load.sent,
      agents: {},
      deduping: [],
    }
    for (const { checker, checked, violations } of (await check(evidence)).filter(({ checker }) =>
      /^C[36]/.test(checker),
    ))
      if (!checker.startsWith('C3')) report.none(checker, violations, checked)
    const unacknowledged = load.sent.filter(({ taskIds }) => taskIds.size === 0)
    report.none(
      'every send is acknowledged in the end',
      unacknowledged.map(({ messageId }) => messageId),
      load.sent.length,
    )
    const several = load.sent.filter(({ taskIds }) => taskIds.size > 1)
    report.none(
      'a messageId that is sent again is the same task',
      several.map(({ messageId }) => messageId),
      load.sent.length,
    )
    const endings = await endingsOf(stage, 'never')
    report.check('a task for each message, and no other', endings.size === load.sent.length, `${endings.size} tasks`)
    const wrong = [...endings.values()].filter(
      ({ state, endings: count, results }) => state !== COMPLETED || count !== 1 || results.length !== 1,
    )
    report.none(
      'each completed, once, with one result',
      wrong.map(({ id, state, endings: count }) => `${id}: ${state}, ${count} ends`),
      endings.size,
    )
    const twice = [...done].filter(([, times]) => times > 1)
    report.fact('deliveries that the worker did more than once (an answer was lost)', twice.length)
  } finally {
    await stage.close()
  }
  report.end()
}, 1_800_000)

async function sendCalmly(url: string, agent: string): Promise<{ ms: number[]; others: string[] }> {
  const ms: number[] = []
  const others: string[] = []
  const client = async () => {
    for (let n = 0; n < MESSAGES / 4; n++) {
      const message = { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'upper:x' }] }
      const began = performance.now()
      const answer = await rpc(url, agent, 'SendMessage', { message, configuration: { returnImmediately: true } })
      ms.push(performance.now() - began)
      const state = (answer.result as { task?: { status: { state: string } } } | undefined)?.task?.status.state
      if (state !== 'TASK_STATE_SUBMITTED') others.push(String(state ?? answer.error?.message))
    }
  }
  await Promise.all([client(), client(), client(), client()])
  return { ms, others }
}

/** A worker of its own, until its mailbox is empty. */
async function drain(stage: Awaited<ReturnType<typeof openStage>>, agent: string): Promise<void> {
  const answer = await fetch(`${stage.url}/v1/agents/${agent}/rotate-key`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${(await import('../support/replicas.ts')).ADMIN_KEY}`,
      'content-type': 'application/json',
    },
    body: '{}',
  })
  const { token } = (await answer.json()) as { token: string }
  stage.worker({ url: stage.url, token, settings: { concurrency: 16 } })
}
