import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/hostile/*.run.ts'],
    root: '.',
    pool: 'forks',
    maxWorkers: 1,
    hookTimeout: 60_000,
    testTimeout: 600_000,
  },
})
