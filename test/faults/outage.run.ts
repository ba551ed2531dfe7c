import { expect, test } from 'vitest'
import { createAgent } from '../support/agent.ts'
import { startPostgres } from '../support/databases.ts'
import { ADMIN_KEY, aReplica } from '../support/replicas.ts'
import { checkAll } from './checkers/all.ts'
import { readBooks } from './checkers/books.ts'
import { dice, nap } from './dice.ts'
import { createSpeech } from './speech.ts'
import { runWorkload } from './workload.ts'

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
  const speech = createSpeech(ADMIN_KEY)
  try {
    await replica.start()
    const load = runWorkload({
      parties: [{ caller: 'operator', tenant: 'default', key: ADMIN_KEY, speech, addressOf: (name) => name }],
      doors: [{ replica: 0, http: replica.url, grpc: '' }],
      ways: ['1.0 JSONRPC'],
      clients: 16,
      agents: { away: 1 },
      // Nobody waits for an answer of an agent that may not come for long.
      operations: { immediate: 10, again: 1 },
      seed: seed + 1,
      messagesMax: MESSAGES,
    })
    for (let kill = 1; kill <= KILLS; kill++) {
      await nap(random.below(250))
      await replica.kill('SIGKILL')
      await replica.start()
      // Half of the kills while nobody is there, half while the backlog is carried.
      if (kill === Math.ceil(KILLS / 2)) await agent.start()
    }
    await load.finished()
    const { evidence } = load
    const acknowledged = evidence.sent.filter(({ taskIds }) => taskIds.size > 0).length
    const began = performance.now()
    const look = async () =>
      checkAll(
        {
          evidence,
          agents: [{ name: 'away', agent, dedupes: true, once: false, forgets: false }],
          books: await readBooks(databaseUrl, []),
          webhooks: [],
          signedBy: undefined,
          faults: [],
          collapses: replica.collapses,
          spilled: new Set(),
          leaseMs: 15_000,
        },
        { recoveryP95MaxMs: 15_000, secrets: [] },
      )
    let findings = await look()
    while (findings.some(({ violations }) => violations.length > 0) && performance.now() - began < 60_000) {
      await nap(250)
      findings = await look()
    }
    const drained = ((performance.now() - began) / 1_000).toFixed(1)
    process.stderr.write(
      `\n${evidence.sent.length} messages, ${acknowledged} acknowledged, ${KILLS} kills, all ended ${drained} s after the last\n`,
    )
    for (const { checker, checked, violations } of findings) {
      process.stderr.write(
        `${violations.length === 0 ? 'ok  ' : 'FAIL'} ${checker} (${checked})\n${violations
          .slice(0, 5)
          .map((text) => `     ${text}\n`)
          .join('')}`,
      )
    }
    expect(acknowledged).toBe(evidence.sent.length)
    expect(evidence.sent.length).toBeGreaterThanOrEqual(MESSAGES)
    expect(findings.flatMap(({ violations }) => violations)).toEqual([])
  } finally {
    await speech.close()
    await replica.remove()
    await agent.stop()
    await postgres.stop()
  }
}, 600_000)
