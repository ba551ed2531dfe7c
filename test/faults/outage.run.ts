import { expect, test } from 'vitest'
import { createAgent } from '../support/agent.ts'
import { startPostgres } from '../support/databases.ts'
import { aReplica } from '../support/replicas.ts'
import { check } from './checkers.ts'
import { dice } from './dice.ts'
import { nap, runWorkload } from './workload.ts'

const MESSAGES = Number(process.env.OUTAGE_MESSAGES ?? 1_000)
const KILLS = Number(process.env.OUTAGE_KILLS ?? 50)

test(`an agent that was never started, ${MESSAGES} sends by 16 clients, the gateway killed ${KILLS} times; then the agent comes`, async () => {
  const seed = Number(process.env.FAULTS_SEED ?? 1)
  const random = dice(seed)
  const postgres = await startPostgres({ durable: true })
  const databaseUrl = await postgres.create()
  const agent = createAgent({ dedupe: true })
  await agent.start()
  await agent.stop()
  const card = {
    connector: { kind: 'a2a', url: agent.url },
    redelivery: 'atLeastOnce',
    maxInflight: 32,
    maxAttempts: 50,
    backoff: { firstMs: 50, longestMs: 500 },
  }
  const replica = await aReplica({ databaseUrl, cards: { away: card } })
  try {
    await replica.start()
    const load = runWorkload({
      replicas: [replica],
      clients: 16,
      agents: ['away'],
      dice: dice(seed + 1),
      messagesMax: MESSAGES,
      immediately: true,
    })
    for (let kill = 1; kill <= KILLS; kill++) {
      await nap(random.below(250))
      await replica.kill('SIGKILL')
      await replica.start()
      // Half of the kills while nobody is there, half while the backlog is carried.
      if (kill === Math.ceil(KILLS / 2)) await agent.start()
    }
    await load.finished()
    const acknowledged = load.sent.filter(({ taskIds }) => taskIds.size > 0).length
    await load.stop()
    const began = performance.now()
    const evidence = {
      databaseUrl,
      history: load.history,
      sent: load.sent,
      agents: { away: agent },
      deduping: ['away'],
    }
    let findings = await check(evidence)
    while (findings.some(({ violations }) => violations.length > 0) && performance.now() - began < 60_000) {
      await nap(250)
      findings = await check(evidence)
    }
    const drained = ((performance.now() - began) / 1_000).toFixed(1)
    process.stderr.write(
      `\n${load.sent.length} messages, ${acknowledged} acknowledged, ${KILLS} kills, all ended ${drained} s after the last\n`,
    )
    for (const { checker, checked, violations } of findings) {
      process.stderr.write(
        `${violations.length === 0 ? 'ok  ' : 'FAIL'} ${checker} (${checked})\n${violations
          .slice(0, 5)
          .map((text) => `     ${text}\n`)
          .join('')}`,
      )
    }
    expect(acknowledged).toBe(load.sent.length)
    expect(load.sent.length).toBeGreaterThanOrEqual(MESSAGES)
    expect(findings.flatMap(({ violations }) => violations)).toEqual([])
  } finally {
    await replica.remove()
    await agent.stop()
    await postgres.stop()
  }
}, 600_000)
