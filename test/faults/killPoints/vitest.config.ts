import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/faults/killPoints/*.run.ts'], root: '.', pool: 'forks', maxWorkers: 1, reporters: ['dot'] },
})
