import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A signal is waited for as long as a test may last on a busy machine, not for the second that is the default.
    expect: { poll: { timeout: 20_000 } },
    pool: 'forks',
    // Two cores, and a quarter of a test's time is waiting: with two workers the whole took 9.7 minutes.
    maxWorkers: 3,
  },
})
