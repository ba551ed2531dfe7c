import { expect, test } from 'vitest'
import type { Hub } from '../../../src/gateway/tasks/hub.ts'
import { waitFor } from '../../../src/gateway/tasks/wait.ts'
import type { Gone } from '../../../src/ports.ts'
import { heldClock } from '../../support/heldClock.ts'

test('who waits again and again for the same client leaves nothing behind', async () => {
  const listeners = new Set<() => void>()
  const gone: Gone = {
    aborted: false,
    addEventListener: (_, run) => void listeners.add(run),
    removeEventListener: (_, run) => void listeners.delete(run),
  }
  const hub = { follow: () => () => {} } as unknown as Hub
  const clock = heldClock()
  const draining = new AbortController().signal
  for (let times = 0; times < 3; times++) {
    const waiting = waitFor(hub, clock, { tenant: 't', taskId: 'x', after: 1, fresh: false, ms: 100, gone, draining })
    expect(listeners.size).toBe(1)
    clock.advance(200)
    expect(await waiting).toEqual([])
    expect(listeners.size).toBe(0)
  }
})
