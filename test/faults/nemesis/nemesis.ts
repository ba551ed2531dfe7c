/** Brings one fault after another, sometimes several at once, each to something that has none; all from the seed. */
import { type Dice, nap } from '../dice.ts'
import { AGENT_FAULTS } from './agents.ts'
import { DATABASE } from './database.ts'
import { FAILING } from './failing.ts'
import type { FaultClass, Stage } from './fault.ts'
import { NETWORK } from './network.ts'
import { PROCESSES } from './processes.ts'

export const FAULTS: Readonly<Record<string, FaultClass>> = {
  ...PROCESSES,
  ...FAILING,
  ...DATABASE,
  ...NETWORK,
  ...AGENT_FAULTS,
}

export interface Struck {
  readonly name: string
  readonly affects: readonly string[]
  /** Milliseconds since the run began. */
  readonly began: number
  healed: number
}

export interface NemesisPlan {
  /** Mean time between the beginnings of two faults. */
  readonly everyMs: number
  /** At least so many classes; half of all if that is more. */
  readonly classesMin: number
  /** Only these. */
  readonly only?: readonly string[]
  readonly avoid?: RegExp
  readonly atOnce: number
  /** From, and how long: nothing happens, and what went on has healed. */
  readonly quiet?: { readonly afterMs: number; readonly ms: number }
  readonly now: () => number
  /** No new fault when this says so. */
  readonly over: (struck: number) => boolean
  readonly tell: (line: string) => void
}

/** No run is without these: deaths, sleep, the database gone and cut off, lost answers, the same message at once. */
const ALWAYS = /^(F01|F03 a replica is paused, and|F20|F21 every|F31|F56|F60)/

/** Each run has a random half of the classes, so that rare combinations are not drowned by common ones. */
function choose(dice: Dice, { classesMin, only, avoid }: NemesisPlan): string[] {
  const names = [...(only ?? Object.keys(FAULTS))].filter((name) => !avoid?.test(name))
  if (only) return names
  const wanted = Math.min(names.length, Math.max(classesMin, Math.round(names.length / 2)))
  const chosen = names.filter((name) => ALWAYS.test(name))
  for (const name of chosen) names.splice(names.indexOf(name), 1)
  while (chosen.length < wanted) chosen.push(...names.splice(dice.below(names.length), 1))
  return chosen
}

/** Resolves when the last fault has healed. */
export async function torment(stage: Stage, plan: NemesisPlan): Promise<readonly Struck[]> {
  const { dice } = stage
  const { now, tell } = plan
  const chosen = choose(dice, plan)
  const struck: Struck[] = []
  const busy = new Set<string>()
  const going = new Set<Promise<void>>()
  // Every class once, in a random order, before any comes twice.
  let bag: string[] = []
  let quiet = plan.quiet

  function begin(name: string): boolean {
    const strike = (FAULTS[name] as FaultClass)(stage)
    if (strike.targets.some((target) => busy.has(target))) return false
    for (const target of strike.targets) busy.add(target)
    const one: Struck = { name, affects: strike.affects, began: now(), healed: Number.POSITIVE_INFINITY }
    struck.push(one)
    tell(`${Math.round(now() / 1_000)} s: ${name} (${strike.targets[0]})`)
    const run = strike
      .run()
      .catch((error) => tell(`${name} did not go as planned: ${error}`))
      .finally(() => {
        one.healed = now()
        for (const target of strike.targets) busy.delete(target)
        going.delete(run)
      })
    going.add(run)
    return true
  }

  while (!plan.over(struck.length)) {
    // Exponential, as what comes by itself; no longer than four times the mean.
    await nap(Math.min(plan.everyMs * 4, -Math.log(1 - dice.next()) * plan.everyMs))
    if (plan.over(struck.length)) break
    if (quiet && now() >= quiet.afterMs) {
      await Promise.all(going)
      tell(`${Math.round(now() / 1_000)} s: quiet for ${quiet.ms} ms`)
      await nap(quiet.ms)
      quiet = undefined
    }
    if (going.size >= plan.atOnce) await Promise.race(going)
    if (bag.length === 0) bag = [...chosen]
    for (let tries = 0; tries < 8; tries++) {
      const at = dice.below(bag.length)
      if (!begin(bag[at] as string)) continue
      bag.splice(at, 1)
      break
    }
  }
  await Promise.all(going)
  return struck
}
