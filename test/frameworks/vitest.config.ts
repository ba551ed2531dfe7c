import { defineConfig } from 'vitest/config'
/** Not part of `npm test`: the frameworks are 380 MB. `npm run frameworks` installs them and comes here. */
export default defineConfig({
  test: { include: ['test/frameworks/*.peers.ts'], testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' },
})
