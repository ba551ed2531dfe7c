import { expect, test } from 'vitest'
import { runSeed } from './swarm.ts'

test('a hundred and fifty worlds: nothing lost, nothing doubled, everything over when the storm is', async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const { violations } = await runSeed(seed)
    expect(violations, `seed ${seed}`).toEqual([])
  }
}, 120_000)
