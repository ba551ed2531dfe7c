/** The ring of signing keys: what is published and what signs, over rotations, restarts and replicas. */
import { describe, expect, test } from 'vitest'
import { OPERATOR } from '../../../src/gateway/callers/authenticate.ts'
import { openSigningKeys, ringAt, type StoredKey, withKey } from '../../../src/gateway/callers/signingKeys.ts'
import { LIMITS } from '../../../src/limits.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { createSeal } from '../../../src/platform/seal.ts'
import { listAudit } from '../../../src/store/audit.ts'
import type { Db } from '../../../src/store/db.ts'
import { joinReplica, leaveReplica } from '../../../src/store/recovery.ts'
import { readSecret } from '../../../src/store/secrets.ts'
import { onBothDrivers } from '../../support/bothDrivers.ts'
import { heldClock } from '../../support/heldClock.ts'

const idsOf = (keys: readonly StoredKey[]) => keys.map(({ kid }) => kid)

describe('a ring', () => {
  const old: StoredKey = { kid: 'old' }
  test('begins with the key that signs, also before the newest does', () => {
    const ring = withKey([old], { kid: 'new' }, { now: 100, from: 106, graceSeconds: 600 })
    expect(idsOf(ringAt(ring, 100))).toEqual(['old', 'new'])
    expect(idsOf(ringAt(ring, 105))).toEqual(['old', 'new'])
    expect(idsOf(ringAt(ring, 106))).toEqual(['new', 'old'])
    expect(idsOf(ringAt(ring, 705))).toEqual(['new', 'old'])
    expect(idsOf(ringAt(ring, 706))).toEqual(['new'])
  })
  test('keeps no key longer because it is rotated again, and forgets what has ended', () => {
    const first = withKey([old], { kid: 'b' }, { now: 0, from: 0, graceSeconds: 600 })
    const second = withKey(first, { kid: 'c' }, { now: 500, from: 500, graceSeconds: 600 })
    expect(second.map(({ kid, exp }) => [kid, exp])).toEqual([
      ['c', undefined],
      ['b', 1_100],
      ['old', 600],
    ])
    expect(idsOf(withKey(second, { kid: 'd' }, { now: 700, from: 700, graceSeconds: 600 }))).toEqual(['d', 'c', 'b'])
  })
  test('without a grace is one key', () => {
    expect(idsOf(withKey([old], { kid: 'new' }, { now: 0, from: 0, graceSeconds: 0 }))).toEqual(['new'])
  })
})

const GRACE = 3_600
const seal = createSeal(Buffer.alloc(32, 3).toString('base64'))

/** One gateway's view of the shared ring. */
async function aReplica(db: Db, clock = heldClock(Date.now())) {
  const used: string[][] = []
  let made = 0
  const name = uuidv7()
  const keys = await openSigningKeys({
    db,
    seal,
    clock,
    loopTools: { clock, stopGraceMs: 1, pauseMs: 1, onError: (_, error) => expect.fail(String(error)) },
    now: clock.now,
    generate: async () => ({ kid: `${name}-${++made}`, d: 'private-canary' }),
    use: async ({ keys }) => void used.push(keys.map(({ kid }) => String(kid))),
    graceSeconds: GRACE,
  })
  return { keys, clock, used, current: () => keys.list().find(({ state }) => state === 'current')?.id }
}

onBothDrivers('signing keys', (db) => {
  const clock = heldClock(Date.now())

  test('a rotation alone signs at once, publishes two, is noted, sealed, and there after a restart', async () => {
    const one = await aReplica(db(), clock)
    const before = one.current()
    const rotated = await one.keys.rotate(OPERATOR)
    expect(rotated.map(({ state }) => state)).toEqual(['current', 'retiring'])
    expect(rotated[1]).toMatchObject({ id: before })
    const graceMs = Number(rotated[1]?.until) - clock.now().getTime()
    expect(graceMs).toBeGreaterThan((GRACE - 2) * 1_000)
    expect(graceMs).toBeLessThanOrEqual(GRACE * 1_000)
    expect(one.used.at(-1)).toEqual([rotated[0]?.id, before])
    const stored = await readSecret(db(), 'signing-keys')
    expect(stored).toMatch(/^v1\./)
    expect(stored).not.toContain('canary')
    const again = await aReplica(db(), clock)
    expect(again.keys.list()).toEqual(one.keys.list())
    const [note] = await listAudit(db(), { tenant: OPERATOR.tenant, limit: 1 })
    expect(note).toMatchObject({ action: 'signingKey.rotated', actor: OPERATOR.id, detail: { key: rotated[0]?.id } })
    expect(JSON.stringify(note)).not.toContain('canary')
  })

  test('the grace over, the old key is gone, without anybody doing anything', async () => {
    const one = await aReplica(db(), clock)
    one.keys.start()
    const looked = one.used.length
    clock.advance(GRACE * 1_000 + LIMITS.signingKeysEveryMs)
    await expect.poll(() => one.used.length).toBeGreaterThan(looked)
    expect(one.used.at(-1)).toEqual([one.current()])
    await one.keys.stop()
  })

  test('of several replicas all publish the new key before one signs with it', async () => {
    const members = [uuidv7(), uuidv7()]
    for (const id of members) await joinReplica(db(), id, 'test', 60_000)
    const [one, other] = [await aReplica(db(), clock), await aReplica(db(), clock)]
    other.keys.start()
    const before = one.current()
    const rotated = await one.keys.rotate(OPERATOR)
    const [next] = rotated
    expect(rotated.map(({ state }) => state)).toEqual(['next', 'current'])
    expect(one.used.at(-1)).toEqual([before, next?.id])
    // One look later the other has it too, and both still sign with the old one.
    clock.advance(LIMITS.signingKeysEveryMs)
    await expect.poll(() => other.used.at(-1)).toEqual([before, next?.id])
    expect([one.current(), other.current()]).toEqual([before, before])
    one.keys.start()
    clock.advance(Number(next?.from) - clock.now().getTime() + LIMITS.signingKeysEveryMs)
    await expect.poll(() => [one.used.at(-1)?.[0], other.used.at(-1)?.[0]]).toEqual([next?.id, next?.id])
    for (const { keys } of [one, other]) await keys.stop()
    for (const id of members) await leaveReplica(db(), id)
  })

  test('a key that others know ends at once; too many are refused', async () => {
    const one = await aReplica(db(), clock)
    for (let count = one.keys.list().length; count < LIMITS.signingKeysMax; count++) await one.keys.rotate(OPERATOR)
    await expect(one.keys.rotate(OPERATOR)).rejects.toMatchObject({ reason: 'CONFLICT' })
    const left = await one.keys.rotate(OPERATOR, { graceSeconds: 0 })
    expect(left.map(({ state }) => state)).toEqual(['current'])
    expect(one.used.at(-1)).toEqual([left[0]?.id])
  })

  test('of two that rotate at the same moment each has rotated, or is told', async () => {
    const [one, other] = [await aReplica(db(), clock), await aReplica(db(), clock)]
    const settled = await Promise.allSettled([one.keys.rotate(OPERATOR), other.keys.rotate(OPERATOR)])
    const done = settled.filter(({ status }) => status === 'fulfilled').length
    expect(done).toBeGreaterThan(0)
    for (const result of settled)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ reason: 'CONFLICT' })
    expect((await aReplica(db(), clock)).keys.list()).toHaveLength(done + 1)
  })
})
