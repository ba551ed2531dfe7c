import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Strays, type SweepTools, sweepOnce } from '../../../src/gateway/forwarder/sweep.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { LIMITS } from '../../../src/limits.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { Db } from '../../../src/store/db.ts'
import { claim } from '../../../src/store/deliveries.ts'
import { openEmbedded } from '../../../src/store/drivers/pglite.ts'
import { joinReplica } from '../../../src/store/recovery.ts'
import { createOpen } from '../../../src/store/tasks.ts'
import { aNewTask } from '../../store/suite.ts'

describe('leases of ours that nobody answers for', () => {
  let db: Db
  const owner = uuidv7()
  beforeAll(async () => {
    db = await openEmbedded({})
    await joinReplica(db, owner, 'test', 600_000)
  })
  afterAll(() => db.close())

  let elapsed = 0
  const woken: string[] = []
  const tools = (standing: SweepTools['standing']): SweepTools => ({
    db,
    clock: { ...systemClock, elapsed: () => elapsed },
    now: () => new Date(),
    loopTools: { clock: systemClock, stopGraceMs: 0, pauseMs: 0, onError: () => {} },
    owner: () => owner,
    record: async () => ({ kind: 'final' }),
    signals: createSignals<Happenings>(),
    wake: (_tenant, destination) => void woken.push(destination),
    standing,
    lost: async ({ id }) => expect.unreachable(`${id} is no one else's`),
  })
  const lost = async (agent: string) => {
    await createOpen(db).submit(aNewTask({ agent }))
    return claim(db, { tenant: 't', destination: `agent:${agent}`, watermark: 0, count: 1, owner })
  }
  const again = (agent: string) =>
    claim(db, { tenant: 't', destination: `agent:${agent}`, watermark: 0, count: 1, owner })

  test('what is held stays', async () => {
    await lost('held')
    await sweepOnce(tools(() => 'held'))
    expect(await again('held')).toEqual([])
  })

  test('the answer to a claim was lost: given back as unsent, but only after a statement could have come back', async () => {
    const strays: Strays = new Map()
    await lost('claimed')
    const known = (lease: string) => (woken.includes(lease) ? 'held' : 'unknown') as 'held' | 'unknown'
    await sweepOnce(tools(known), strays)
    expect(await again('claimed')).toEqual([])
    elapsed += LIMITS.statementMs + 1
    await sweepOnce(tools(known), strays)
    expect(await again('claimed')).toMatchObject([{ code: 'UNSENT', attempt: 1 }])
    expect(woken).toContain('agent:claimed')
  })

  test('its attempt had begun: given back at once, and whoever takes it must ask the agent first', async () => {
    await lost('begun')
    await sweepOnce(tools(() => 'begun'))
    expect(await again('begun')).toMatchObject([{ code: 'LEASE_LOST', attempt: 2 }])
  })
})
