import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/simulation/*.run.ts'], root: '.', pool: 'forks', maxWorkers: 1, reporters: ['dot'] },
})
