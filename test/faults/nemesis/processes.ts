/** Processes that die, sleep, are asked to go, or have a wrong clock. */
import { join } from 'node:path'
import type { ReplicaProcess } from '../../support/replicas.ts'
import { nap } from '../dice.ts'
import { type FaultClass, replicaOf, type Stage } from './fault.ts'

const one = ({ scene, dice }: Stage) => {
  const replica = dice.pick(scene.replicas)
  const name = replicaOf(replica.index)
  return { process: replica.process, targets: [name, `line ${name}`], affects: [name] }
}

/** As a supervisor does: a start that fails, because the database is away as well, is tried again. */
export async function comeBack({ start }: ReplicaProcess, more?: Record<string, string>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await start(more)
    } catch (error) {
      if (tries > 60) throw error
    }
    await nap(300)
  }
}

const SKEW = join(import.meta.dirname, 'skew.mjs')
/** Loaded before the program: its clock is wrong by so many milliseconds. */
const skewed = (ms: number) => ({ NODE_OPTIONS: `--import=${SKEW}`, SKEW_MS: String(ms) })

const paused =
  (ms: (stage: Stage) => number): FaultClass =>
  (stage) => {
    const { process, targets, affects } = one(stage)
    return {
      targets,
      affects,
      async run() {
        process.pause()
        await nap(ms(stage))
        process.resume()
      },
    }
  }

export const PROCESSES: Readonly<Record<string, FaultClass>> = {
  'F01 kill -9 a replica': (stage) => {
    const { process, targets, affects } = one(stage)
    return {
      targets,
      affects,
      async run() {
        await process.kill('SIGKILL')
        await nap(stage.dice.below(1_000))
        await comeBack(process)
      },
    }
  },
  'F02 kill -9 all replicas at once': ({ scene }) => {
    const names = scene.replicas.map(({ index }) => replicaOf(index))
    return {
      targets: [...names, ...names.map((name) => `line ${name}`)],
      affects: names,
      async run() {
        await Promise.all(scene.replicas.map(({ process }) => process.kill('SIGKILL')))
        await Promise.all(scene.replicas.map(({ process }) => comeBack(process)))
      },
    }
  },
  'F03 a replica is paused, and wakes late': paused(({ dice }) => 500 + dice.below(3_000)),
  'F03 a replica is paused for longer than a lease': paused(({ dice, leaseMs }) => leaseMs * 1.3 + dice.below(4_000)),
  'F08 a replica is asked to stop, and restarts': (stage) => {
    const { process, targets, affects } = one(stage)
    return {
      targets,
      affects,
      async run() {
        await process.kill('SIGTERM')
        await comeBack(process)
      },
    }
  },
  'F59 a replica dies while an agent has its messages and says nothing': (stage) => {
    const { process, targets, affects } = one(stage)
    const staged = stage.dice.pick(stage.scene.agents.filter(({ name }) => name === 'dedupes' || name === 'polls'))
    return {
      targets: [...targets, `agent ${staged.name}`],
      affects: [...affects, `agent ${staged.name}`],
      async run() {
        staged.meddle(() => ({ silent: true }))
        await nap(500)
        await process.kill('SIGKILL')
        staged.meddle(undefined)
        // Nobody else waits for what was swallowed: a blocking answer may take minutes.
        staged.agent.cutAll()
        await comeBack(process)
      },
    }
  },
  'F10 a replica restarts with its clock ten minutes off': (stage) => {
    const { process, targets, affects } = one(stage)
    const ms = stage.dice.pick([-600_000, 600_000])
    return {
      targets,
      affects,
      async run() {
        await process.kill('SIGKILL')
        await comeBack(process, skewed(ms))
        await nap(7_000 + stage.dice.below(3_000))
        await process.kill('SIGKILL')
        await comeBack(process)
      },
    }
  },
}
