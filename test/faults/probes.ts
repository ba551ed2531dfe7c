/** Looks at a run from outside, around all lines: can each replica be used, how does it feel, what does the database say of who lives. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { uuidv7 } from '../../src/platform/ids.ts'
import { ADMIN_KEY } from '../support/replicas.ts'
import { nap } from './dice.ts'
import type { History } from './history.ts'
import { command, PROBED, type Scene } from './scene.ts'

/** One try to have a message carried, through one replica. */
export interface Probe {
  readonly replica: number
  readonly from: number
  readonly at: number
  readonly good: boolean
}

/** How a replica feels, as it says itself. */
export interface Feeling {
  readonly replica: number
  readonly pid: number | undefined
  readonly at: number
  readonly lagP99Ms: number
  readonly rssBytes: number
}

/** What the database says: who is taken for dead, and the oldest lease whose holder has gone. */
export interface Look {
  readonly at: number
  /** Process ids of replicas that are taken for dead. */
  readonly dead: readonly number[]
  /** Seconds that the oldest lease without a living holder has been so. */
  readonly stuckSeconds: number
}

export interface Watch {
  readonly probes: Probe[]
  readonly feelings: Feeling[]
  readonly looks: Look[]
  /** Our own lag: how busy the machine is. */
  readonly ownLagP99Ms: () => number
  readonly sent: () => number
  stop(): Promise<void>
}

const PROBE_EVERY_MS = 400
const PROBE_PATIENCE_MS = 4_000
const LOOK_EVERY_MS = 2_000

export function watch(scene: Scene, { now }: History): Watch {
  const probes: Probe[] = []
  const feelings: Feeling[] = []
  const looks: Look[] = []
  const own = monitorEventLoopDelay({ resolution: 20 })
  own.enable()
  let stopping = false
  let sent = 0

  async function probe(at: number): Promise<void> {
    const { direct: door } = scene.replicas[at] as Scene['replicas'][number]
    while (!stopping) {
      const from = now()
      const params = { message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'complete' }] } }
      const answer = await scene.prober.speech.call({
        way: '1.0 JSONRPC',
        door,
        agent: scene.prober.addressOf(PROBED),
        name: 'SendMessage',
        params,
        timeoutMs: PROBE_PATIENCE_MS,
      })
      const { task } = (answer.result ?? {}) as { task?: { status: { state: string } } }
      if (task) sent++
      probes.push({ replica: at, from, at: now(), good: task?.status.state === 'TASK_STATE_COMPLETED' })
      await nap(PROBE_EVERY_MS)
    }
  }

  async function feel(): Promise<void> {
    while (!stopping) {
      await nap(LOOK_EVERY_MS)
      for (const { process, index } of scene.replicas) {
        const pid = process.pid()
        const text = await fetch(`${process.url}/metrics`, {
          headers: { authorization: `Bearer ${ADMIN_KEY}` },
          signal: AbortSignal.timeout(2_000),
        }).then(
          (response) => response.text(),
          () => undefined,
        )
        if (!text || pid !== process.pid()) continue
        const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN)
        const lagP99Ms = value('nodejs_eventloop_lag_p99_seconds') * 1_000
        feelings.push({ replica: index, pid, at: now(), lagP99Ms, rssBytes: value('process_resident_memory_bytes') })
      }
    }
  }

  async function look(): Promise<void> {
    while (!stopping) {
      await nap(LOOK_EVERY_MS)
      const rows = await command<{ dead: string | null; stuck: number | null }>(scene.databaseUrl, LOOK, 1).catch(
        () => [],
      )
      const [row] = rows
      if (row)
        looks.push({
          at: now(),
          dead: (row.dead ?? '')
            .split(' ')
            .filter(Boolean)
            .map((name) => Number(name.split(':').at(-1))),
          stuckSeconds: row.stuck ?? 0,
        })
    }
  }

  const running = Promise.all([...scene.replicas.map(({ index }) => probe(index)), feel(), look()])
  return {
    probes,
    feelings,
    looks,
    ownLagP99Ms: () => own.percentile(99) / 1e6,
    sent: () => sent,
    async stop() {
      stopping = true
      await running
      own.disable()
    },
  }
}

const LOOK = `select
  (select string_agg(name, ' ') from replicas r where until < now() and until > now() - interval '1 minute'
    and not exists (select 1 from replicas o where o.name = r.name and o.until > now())) as dead,
  (select extract(epoch from max(now() - coalesce(d.leased_until, r.until, now())))::float8 from deliveries d left join replicas r on r.id = d.owner
    where d.state = 1 and coalesce(d.leased_until, r.until) < now()) as stuck`
