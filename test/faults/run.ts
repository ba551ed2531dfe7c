/** One fault run: processes, clients, a nemesis, and afterwards the checkers. Everything random comes from the seed. */
import { startAgent } from '../support/agent.ts'
import { startPostgres } from '../support/databases.ts'
import { startReceiver } from '../support/receiver.ts'
import { aReplica, type ReplicaProcess } from '../support/replicas.ts'
import { check, type Finding } from './checkers.ts'
import { type Dice, dice } from './dice.ts'
import { nap, runWorkload } from './workload.ts'

export interface Profile {
  readonly name: string
  readonly seconds: number
  readonly replicas: number
  readonly clients: number
  readonly messagesMax: number
  /** Mean time between faults. */
  readonly everyMs: number
}

export interface Report {
  readonly profile: string
  readonly seed: number
  readonly messages: number
  readonly acknowledged: number
  readonly repeats: number
  readonly faults: Readonly<Record<string, number>>
  readonly recoveryMs: number
  readonly findings: readonly Finding[]
  readonly violations: number
}

interface Scene {
  readonly replicas: readonly ReplicaProcess[]
  readonly postgres: Awaited<ReturnType<typeof startPostgres>>
  readonly agents: Readonly<Record<string, Awaited<ReturnType<typeof startAgent>>>>
  readonly receiver: Awaited<ReturnType<typeof startReceiver>>
  readonly url: string
  readonly dice: Dice
}

/** What may go wrong; each heals by itself before it returns. The letters are the rows of the fault matrix. */
const FAULTS: Record<string, (scene: Scene) => Promise<void>> = {
  'F01 kill -9 a replica': async ({ replicas, dice }) => {
    const replica = dice.pick(replicas)
    await replica.kill('SIGKILL')
    await nap(dice.below(300))
    await replica.start()
  },
  'F02 kill -9 all replicas at once': async ({ replicas }) => {
    await Promise.all(replicas.map((replica) => replica.kill('SIGKILL')))
    await Promise.all(replicas.map((replica) => replica.start()))
  },
  'F03 a replica is paused, and wakes late': async ({ replicas, dice }) => {
    const replica = dice.pick(replicas)
    replica.pause()
    await nap(500 + dice.below(3_000))
    replica.resume()
  },
  'F08 a replica is asked to stop, and restarts': async ({ replicas, dice }) => {
    const replica = dice.pick(replicas)
    await replica.kill('SIGTERM')
    await replica.start()
  },
  'F20 the database is killed and restarted': async ({ postgres, dice }) => {
    await postgres.kill('SIGQUIT')
    await nap(100 + dice.below(1_500))
    await postgres.restart()
  },
  'F21 every connection to the database is cut': async ({ url }) => {
    const { default: connect } = await import('postgres')
    const sql = connect(url, { max: 1, onnotice: () => {} })
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name like 'waypost%'`.catch(
      () => {},
    )
    await sql.end({ timeout: 1 })
  },
  'F50 an agent is away for a while': async ({ agents, dice }) => {
    const agent = dice.pick(Object.values(agents))
    await agent.stop()
    await nap(200 + dice.below(2_000))
    await agent.restart()
  },
  'F51 all connections to an agent are cut': async ({ agents, dice }) => {
    dice.pick(Object.values(agents)).cutAll()
    await nap(10)
  },
  'F70 the webhook receiver is away': async ({ receiver, dice }) => {
    await receiver.stop()
    await nap(200 + dice.below(1_000))
    await receiver.start()
  },
  'F70 the webhook receiver answers 500': async ({ receiver, dice }) => {
    receiver.always(500)
    await nap(200 + dice.below(500))
    receiver.always(200)
  },
}

/** Longest wait for the queue to run empty after the last fault has healed. */
const QUIET_MS = 60_000

export async function faultRun(profile: Profile, seed: number, tell: (line: string) => void): Promise<Report> {
  const random = dice(seed)
  const postgres = await startPostgres({ durable: true })
  const url = await postgres.create()
  const agents = {
    dedupes: await startAgent({ dedupe: true }),
    polls: await startAgent({ dedupe: true, streaming: false }),
  }
  const receiver = await startReceiver()
  const cards = Object.fromEntries(
    Object.entries(agents).map(([name, agent]) => [
      name,
      {
        connector: { kind: 'a2a', url: agent.url },
        redelivery: 'atLeastOnce',
        maxInflight: 32,
        maxAttempts: 50,
        backoff: { firstMs: 50, longestMs: 500 },
      },
    ]),
  )
  const replicas = await Promise.all(
    Array.from({ length: profile.replicas }, () => aReplica({ databaseUrl: url, cards })),
  )
  try {
    for (const replica of replicas) await replica.start()
    const scene: Scene = { replicas, postgres, agents, receiver, url, dice: random }
    const load = runWorkload({
      replicas,
      clients: profile.clients,
      agents: Object.keys(agents),
      dice: dice(seed + 1),
      pushTo: receiver.url,
      messagesMax: profile.messagesMax,
    })
    const faults = await torment(scene, profile, tell)
    tell(`healing; ${load.sent.length} messages so far`)
    for (const replica of replicas) if (!replica.running()) await replica.start()
    tell('all replicas run')
    await load.stop()
    tell('all clients have their answers')
    const recoveryMs = await untilQuiet(url)
    tell(`the queue is empty, or ${QUIET_MS} ms have passed`)
    const evidence = {
      databaseUrl: url,
      history: load.history,
      sent: load.sent,
      agents,
      deduping: Object.keys(agents),
      receiver,
    }
    const findings = await check(evidence)
    return {
      profile: profile.name,
      seed,
      messages: load.sent.length,
      acknowledged: load.sent.filter(({ taskIds }) => taskIds.size > 0).length,
      repeats: load.sent.reduce((sum, { tries }) => sum + tries - 1, 0),
      faults,
      recoveryMs,
      findings,
      violations: findings.reduce((sum, { violations }) => sum + violations.length, 0),
    }
  } finally {
    await Promise.all(replicas.map((replica) => replica.remove()))
    await Promise.all([agents.dedupes.stop(), agents.polls.stop(), receiver.stop()])
    await postgres.stop()
  }
}

async function torment(
  scene: Scene,
  { seconds, everyMs }: Profile,
  tell: (line: string) => void,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const until = performance.now() + seconds * 1_000
  // Each run has a random half of the classes, so that rare combinations are not drowned by common ones.
  const names = Object.keys(FAULTS)
  const chosen = names.filter(() => scene.dice.next() < 0.7)
  while (performance.now() < until) {
    await nap(everyMs / 2 + scene.dice.below(everyMs))
    const name = scene.dice.pick(chosen.length > 0 ? chosen : names)
    tell(`${Math.round((until - performance.now()) / 1_000)} s left: ${name}`)
    await FAULTS[name]?.(scene)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

async function untilQuiet(url: string): Promise<number> {
  const { default: connect } = await import('postgres')
  const sql = connect(url, { max: 1, onnotice: () => {} })
  const began = performance.now()
  for (;;) {
    const [row] = (await sql`select count(*)::int as n from deliveries where state in (0, 1)`) as unknown as {
      n: number
    }[]
    const elapsed = performance.now() - began
    if (row?.n === 0 || elapsed > QUIET_MS) {
      await sql.end()
      return Math.round(elapsed)
    }
    await nap(100)
  }
}

export const PROFILES: Record<string, Profile> = {
  test: { name: 'test', seconds: 12, replicas: 2, clients: 8, messagesMax: 600, everyMs: 600 },
  smoke: { name: 'smoke', seconds: 90, replicas: 2, clients: 16, messagesMax: 20_000, everyMs: 3_000 },
  main: { name: 'main', seconds: 600, replicas: 3, clients: 24, messagesMax: 200_000, everyMs: 3_500 },
}

/** The report as a page. */
export function pageOf({
  profile,
  seed,
  messages,
  acknowledged,
  repeats,
  faults,
  recoveryMs,
  findings,
  violations,
}: Report): string {
  const count = Object.values(faults).reduce((sum, n) => sum + n, 0)
  return [
    `profile ${profile}, seed ${seed}`,
    `messages ${messages}, acknowledged ${acknowledged}, sent again ${repeats}`,
    `faults ${count}: ${Object.entries(faults)
      .map(([name, n]) => `${name} ×${n}`)
      .join(' · ')}`,
    `queue empty ${(recoveryMs / 1_000).toFixed(1)} s after the last fault had healed`,
    ...findings.map(
      ({ checker, checked, violations: found }) =>
        `${found.length === 0 ? 'ok  ' : 'FAIL'} ${checker} (${checked} looked at${found.length > 0 ? `, ${found.length} wrong` : ''})`,
    ),
    ...findings.flatMap(({ violations: found }) => found.slice(0, 10).map((text) => `     ${text}`)),
    violations === 0 ? 'no violation' : `${violations} violations; again with --profile ${profile} --seed ${seed}`,
  ].join('\n')
}
