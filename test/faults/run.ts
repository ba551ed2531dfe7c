/** One fault run: processes, clients, a nemesis, and afterwards the checkers. Everything random comes from the seed. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hookSecret } from './asking.ts'
import { checkAll } from './checkers/all.ts'
import { readBooks } from './checkers/books.ts'
import type { Case } from './checkers/checker.ts'
import { runCollectors } from './collector.ts'
import { dice, nap } from './dice.ts'
import { writeHistory, writeLines } from './history.ts'
import { type Struck, torment } from './nemesis/nemesis.ts'
import { comeBack } from './nemesis/processes.ts'
import { COLLECTS } from './parties.ts'
import { watch as beginWatch } from './probes.ts'
import type { Profile } from './profiles.ts'
import { type Report, reportOf } from './report.ts'
import { AGENTS, command, type Scene, type SceneOptions, setScene } from './scene.ts'
import { verifyTokens } from './tokens.ts'
import { type Trials, tryOut } from './trials.ts'
import { runWorkload, type Workload } from './workload.ts'

export { PROFILES } from './profiles.ts'
export { pageOf, type Report } from './report.ts'

export interface RunOptions extends Partial<Pick<SceneOptions, 'main' | 'sql' | 'postgres'>> {
  /** Where history, logs and faults are written as JSON lines; undefined: nowhere. */
  readonly out?: string
  /** The build's lease, where it is not the usual one. */
  readonly leaseMs?: number
}

type Tell = (line: string) => void

/** The bar (D2); a machine that is shared by many is not the place for a tighter one. */
const RECOVERY_P95_MS = 15_000
const LEASE_MS = 15_000
const QUIET_MS = 120_000

export async function faultRun(profile: Profile, seed: number, tell: Tell, options: RunOptions = {}): Promise<Report> {
  const { leaseMs = LEASE_MS, out } = options
  const scene = await setScene({
    ...options,
    replicas: profile.replicas,
    seed,
    ...(profile.env && { env: profile.env }),
    ...(profile.sql && { sql: profile.sql }),
  })
  try {
    const load = begin(scene, profile, seed)
    const { history } = load.evidence
    const watch = beginWatch(scene, history)
    const collectors = runCollectors({
      doors: scene.doors,
      tokens: scene.collectorTokens,
      workers: 2,
      dice: dice(seed + 2),
      evidence: load.evidence,
    })
    const faults = await torture(scene, { profile, load, leaseMs, seed, tell })
    const healedAt = history.now()
    tell(`healed; ${load.evidence.sent.length} messages so far`)
    await load.stop()
    tell('all clients have their answers')
    const drainedMs = await untilQuiet(scene, history.now, profile.quietMs ?? QUIET_MS, tell)
    await untilStreamsEnd(load)
    await watch.stop()
    await collectors.stop()
    // Before the trials, whose messages are nobody's.
    const books = await readBooks(scene.databaseUrl, scene.secrets)
    const trials = profile.trials ? await tryOut(scene, tell) : undefined
    const data: Case = {
      evidence: load.evidence,
      agents: scene.agents,
      books,
      webhooks: scene.receiver.log.entries,
      signedBy: (path) => hookSecret(path.split('/')[1] ?? ''),
      faults,
      watch,
      collapses: scene.replicas.flatMap(({ process }) => process.collapses),
      spilled: scene.spilled,
      collects: COLLECTS,
      leaseMs,
      decoyed: scene.decoy.log.entries.map(({ path }) => path),
      jwts: await verifyTokens(
        scene.receiver.log.entries,
        scene.replicas.map(({ process }) => process.url),
      ),
    }
    const findings = checkAll(data, { recoveryP95MaxMs: RECOVERY_P95_MS, secrets: scene.secrets })
    if (out) {
      await keep(out, data)
      for (const { index, process } of scene.replicas)
        writeFileSync(join(out, `replica-${index}.log`), process.output())
    }
    return reportOf({
      profile,
      seed,
      data,
      seconds: healedAt / 1_000,
      drainedMs,
      findings,
      ...(trials && { trials: trials as Trials }),
    })
  } finally {
    await scene.strike()
  }
}

const begin = (scene: Scene, profile: Profile, seed: number): Workload =>
  runWorkload({
    parties: scene.parties,
    doors: scene.doors,
    clients: profile.clients,
    agents: profile.agents ?? AGENTS,
    seed: seed + 1,
    pushTo: scene.pushTo,
    messagesMax: profile.messagesMax,
    secrets: scene.secrets,
    burst: profile.burst ?? 1,
    ...(profile.pushPaths && { pushPaths: profile.pushPaths }),
    ...(profile.operations && { operations: profile.operations }),
    ...(profile.scripts && { scripts: profile.scripts }),
    ...(profile.ways && { ways: profile.ways }),
  })

interface Torture {
  readonly profile: Profile
  readonly load: Workload
  readonly leaseMs: number
  readonly seed: number
  readonly tell: Tell
}

async function torture(scene: Scene, { profile, load, leaseMs, seed, tell }: Torture): Promise<readonly Struck[]> {
  const {
    seconds,
    secondsMax = seconds,
    tasksMin = 0,
    faultsMin = 0,
    everyMs,
    classesMin,
    only,
    faultsAtOnce,
    avoid,
  } = profile
  const { now } = load.evidence.history
  // What follows in a task opens none, and what is refused neither.
  const accepted = () => load.evidence.sent.filter(({ taskIds, follows }) => taskIds.size > 0 && !follows).length
  const isOver = (struck: number) => {
    const elapsed = now() / 1_000
    if (elapsed >= secondsMax) return true
    return elapsed >= seconds && struck >= faultsMin && accepted() >= tasksMin
  }
  const stage = { scene, dice: dice(seed + 3), storm: () => load.storm(), flood: load.flood, leaseMs }
  const struck = await torment(stage, {
    everyMs,
    classesMin,
    atOnce: faultsAtOnce,
    now,
    over: isOver,
    tell,
    ...(only && { only }),
    ...(avoid && { avoid }),
    ...(seconds >= 60 && { quiet: { afterMs: seconds * 500, ms: 10_000 } }),
  })
  for (const { process } of scene.replicas) if (!process.running()) await comeBack(process)
  return struck
}

/**
 * Nothing waits any more; milliseconds since it was asked for. Webhooks that failed often wait for hours in the end: what
 * is not due after a while is made due, as if the time had passed.
 */
const HURRY_AFTER_MS = 8_000
async function untilQuiet(scene: Scene, now: () => number, quietMs: number, tell: Tell): Promise<number> {
  const began = now()
  for (;;) {
    const rows = await command<{ kind: string; n: number }>(
      scene.databaseUrl,
      'select kind, count(*)::int as n from deliveries where state in (0, 1) group by kind',
    )
    const elapsed = now() - began
    if (rows.length === 0) return Math.round(elapsed)
    if (elapsed > quietMs) {
      tell(`still open after ${quietMs} ms: ${rows.map(({ kind, n }) => `${n} ${kind}`).join(', ')}`)
      return Math.round(elapsed)
    }
    if (elapsed > HURRY_AFTER_MS)
      await command(
        scene.databaseUrl,
        "update deliveries set due_at = now() where state = 0 and kind = 'webhook' and due_at > now()",
      )
    await nap(250)
  }
}

/** Streams of tasks that have ended have ten seconds. */
const STREAMS_MS = 10_000
async function untilStreamsEnd({ evidence }: Workload): Promise<void> {
  const until = evidence.history.now() + STREAMS_MS
  while (evidence.history.now() < until && evidence.streams.some(({ end }) => end === undefined)) await nap(200)
}

async function keep(folder: string, { evidence, agents, webhooks, faults, watch }: Case): Promise<void> {
  mkdirSync(folder, { recursive: true })
  await writeHistory(evidence.history.lines, join(folder, 'history.jsonl'))
  await writeLines(faults, join(folder, 'faults.jsonl'))
  await writeLines(evidence.streams, join(folder, 'streams.jsonl'))
  await writeLines(
    evidence.sent.map(({ taskIds, ...one }) => ({ ...one, taskIds: [...taskIds] })),
    join(folder, 'messages.jsonl'),
  )
  await writeLines(
    agents.flatMap(({ name, agent }) => agent.runs.map((run) => ({ agent: name, ...run }))),
    join(folder, 'executions.jsonl'),
  )
  await writeLines(
    webhooks.map(({ headers, ...one }) => ({ ...one, id: headers['webhook-id'], seq: headers['webhook-seq'] })),
    join(folder, 'webhooks.jsonl'),
  )
  await writeLines(evidence.settled, join(folder, 'collected.jsonl'))
  await writeLines(watch?.probes ?? [], join(folder, 'probes.jsonl'))
}
