/** Chance from a seed: the same seed, the same run (as far as the machine allows). mulberry32. */
export interface Dice {
  next(): number
  below(limit: number): number
  pick<T>(from: readonly T[]): T
  /** By weight. */
  weighed<T extends string>(weights: Readonly<Record<T, number>>): T
}

export function dice(seed: number): Dice {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    pick: (from) => from[Math.floor(next() * from.length)] as never,
    weighed(weights) {
      const rows = Object.entries(weights) as [string, number][]
      let at = next() * rows.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of rows) {
        at -= weight
        if (at < 0) return name as never
      }
      return rows.at(-1)?.[0] as never
    },
  }
}

export const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
