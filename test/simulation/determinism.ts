/**
 * While a world runs there is no other chance than the seed's, no other clock than its own, and what is put off to the end of
 * a turn runs when the world says so: the gateway's code takes these from Node, and gets ours.
 */
import { dice } from '../faults/dice.ts'

const real = { setImmediate, random: Math.random, dateNow: Date.now, performanceNow: performance.now }
let immediates: (() => void)[] = []

/** Runs what is ready, until nothing is: promises and the ends of turns. */
export async function runImmediates(): Promise<void> {
  for (;;) {
    await new Promise<void>((resolve) => void real.setImmediate(resolve))
    if (immediates.length === 0) return
    const ready = immediates
    immediates = []
    for (const run of ready) run()
  }
}

/** Until the function that is given back is called. One at a time. */
export function takeOver(seed: number, nowMs: () => number): () => void {
  const chance = dice(seed)
  immediates = []
  Math.random = chance.next
  Date.now = () => Math.floor(nowMs())
  performance.now = () => nowMs()
  globalThis.setImmediate = ((run: (...args: never[]) => void, ...args: never[]) =>
    void immediates.push(() => run(...args))) as unknown as typeof setImmediate
  return () => {
    Math.random = real.random
    Date.now = real.dateNow
    performance.now = real.performanceNow
    globalThis.setImmediate = real.setImmediate
  }
}
