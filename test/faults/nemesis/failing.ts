/** Processes that stop, stand still, throw or run out of something in the middle of what they do: by their failpoints. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { ReplicaProcess } from '../../support/replicas.ts'
import { nap } from '../dice.ts'
import { type FaultClass, replicaOf, type Stage } from './fault.ts'
import { comeBack } from './processes.ts'

/** What many requests come by, in the words of `platform/failpoints.ts`. */
const WRITES = 'tasks.open.sent,events.append.sent,deliveries.claim.sent,deliveries.settle.sent'
const HIT_MS = 8_000
const hits = ({ output }: ReplicaProcess): number => output().match(/failpoint \S+ hit/g)?.length ?? 0

/** One replica lives with a failpoint, until `after` has done with it; then as it was. */
const failing =
  (rule: (stage: Stage) => string, after: (process: ReplicaProcess, stage: Stage) => Promise<void>): FaultClass =>
  (stage) => {
    const { index, process } = stage.dice.pick(stage.scene.replicas)
    const name = replicaOf(index)
    const rules = `after=ready;${rule(stage)}`
    return {
      targets: [name, `line ${name}`],
      affects: [name],
      async run() {
        await process.kill('SIGKILL')
        const before = hits(process)
        await comeBack(process, { WAYPOST_FAILPOINTS: rules })
        const until = performance.now() + HIT_MS
        while (hits(process) === before && performance.now() < until) await nap(50)
        await after(process, stage)
        await process.kill('SIGKILL')
        await comeBack(process)
      },
    }
  }

export const FAILING: Readonly<Record<string, FaultClass>> = {
  'F04 a replica sleeps with a statement on its way': failing(
    ({ dice }) => `${WRITES}=stop@${5 + dice.below(40)}`,
    async (process, { dice, leaseMs }) => {
      await nap(dice.next() < 0.5 ? 500 + dice.below(3_000) : leaseMs * 1.3)
      process.resume()
      // It wakes with its answer waiting, and goes on for a while.
      await nap(1_500)
    },
  ),
  'F05 the loop of a replica stands still': failing(
    ({ dice, leaseMs }) => `${WRITES}=sleep(${dice.pick([2_000, Math.round(leaseMs * 1.3)])})@${5 + dice.below(40)}`,
    (_, { leaseMs }) => nap(leaseMs * 1.5),
  ),
  'F09 something throws where nobody catches': failing(
    ({ dice }) => `egress.sent=throw@${5 + dice.below(40)}`,
    // It must not go on half dead.
    async (process) => void (await process.ended(5_000)),
  ),
  'F07 a replica has no file descriptors left': ({ scene, dice }) => {
    const { index, process } = dice.pick(scene.replicas)
    const name = replicaOf(index)
    return {
      targets: [name, `clients of ${name}`],
      affects: [name],
      async run() {
        const pid = process.pid()
        if (pid === undefined) return
        const limit = (count: string) => spawnSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`])
        const before = spawnSync('prlimit', ['--pid', String(pid), '--nofile', '--noheadings', '--raw', '-o', 'SOFT'])
        limit(String(readdirSync(`/proc/${pid}/fd`).length + 10))
        const { hostname: host, port } = new URL(process.url)
        const sockets: Socket[] = Array.from({ length: 100 }, () =>
          connect({ host, port: Number(port) }).on('error', () => {}),
        )
        await nap(2_000 + dice.below(2_000))
        limit(String(before.stdout).trim())
        for (const socket of sockets) socket.destroy()
      },
    }
  },
}
