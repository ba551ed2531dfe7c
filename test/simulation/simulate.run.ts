import { expect, test } from 'vitest'
import { runSeed } from './swarm.ts'

const { SIM_SEEDS = '1000', SIM_FROM = '1', SIM_SECONDS = '36000' } = process.env

test(`${SIM_SEEDS} worlds from seed ${SIM_FROM}`, async () => {
  const from = Number(SIM_FROM)
  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1_000
  const tell = (line: string) => process.stderr.write(`${line}\n`)
  let [done, messages, worldSeconds, violations] = [0, 0, 0, 0]
  for (let seed = from; seed < from + Number(SIM_SEEDS) && elapsed() < Number(SIM_SECONDS); seed++) {
    const told = await runSeed(seed)
    done++
    messages += told.messages
    worldSeconds += told.seconds
    if (told.violations.length > 0) {
      violations++
      for (const text of told.violations.slice(0, 3)) tell(`seed ${seed}: ${text}`)
    }
    if (done % 1_000 === 0)
      tell(`  ${done} worlds, ${(done / elapsed()).toFixed(0)} a second, ${violations} with violations`)
  }
  tell(
    `${done} worlds in ${elapsed().toFixed(0)} s (${(done / elapsed()).toFixed(0)} a second), ${messages} messages, ${(worldSeconds / 3_600).toFixed(0)} hours of theirs; ${violations} with violations`,
  )
  expect(violations).toBe(0)
}, 86_400_000)
