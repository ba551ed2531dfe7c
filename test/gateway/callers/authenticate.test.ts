import { expect, test, vi } from 'vitest'
import { createApiKeys, makeKey } from '../../../src/gateway/callers/apiKeys.ts'
import {
  type AuthenticateTools,
  createAuthenticate,
  isLoopbackAddress,
  OPERATOR,
} from '../../../src/gateway/callers/authenticate.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { Db } from '../../../src/store/db.ts'
import { StoreError } from '../../../src/store/db.ts'
import { onBothDrivers } from '../../support/bothDrivers.ts'
import { heldClock } from '../../support/heldClock.ts'

const remote = '203.0.113.9'
const UNAUTHENTICATED = { reason: 'UNAUTHENTICATED' }
const admin = `wp_admin_${'a'.repeat(40)}`

function counting(db: Db): Db & { asked: () => number } {
  let asked = 0
  return {
    ...db,
    query(statement, values) {
      if (statement.name === 'keys.find') asked++
      return db.query(statement, values)
    },
    asked: () => asked,
  }
}

function setUp(given: Partial<AuthenticateTools> & { db: Db }) {
  const clock = heldClock()
  const signals = createSignals<Happenings>()
  const authenticate = createAuthenticate({
    clock,
    signals,
    auth: 'required',
    adminKey: admin,
    openTenant: async () => undefined,
    ...given,
  })
  return { clock, signals, authenticate }
}
const never: Db = { query: () => Promise.reject(new Error('the store was asked')) } as unknown as Db

onBothDrivers('authentication', (db) => {
  const make = async (given = {}) => {
    const keys = createApiKeys({ db: db(), onRevoked: () => {} })
    return { keys, ...(await keys.create({ label: 'laptop', ...given }, OPERATOR)) }
  }

  test('a key says who one is and what one may, in either header', async () => {
    const { key, row } = await make({ caller: 'alice', permits: ['send'], agents: ['echo'] })
    const { authenticate } = setUp({ db: db() })
    const expected = {
      tenant: 'default',
      id: 'alice',
      kind: 'key',
      permits: new Set(['send']),
      agents: new Set(['echo']),
    }
    expect(await authenticate({ remote, authorization: `Bearer ${key}` })).toEqual(expected)
    expect(await authenticate({ remote, authorization: `bearer ${key}` })).toEqual(expected)
    expect(await authenticate({ remote, apiKey: key })).toEqual(expected)
    expect(row.caller).toBe('alice')
  })

  test('a key without a caller’s name is a caller of its own', async () => {
    const { key, row } = await make()
    const { authenticate } = setUp({ db: db() })
    expect((await authenticate({ remote, apiKey: key })).id).toBe(`key:${row.id}`)
  })

  test('it is asked for once in a while, not for each request, and revoking is seen', async () => {
    const { keys, key, row } = await make()
    const store = counting(db())
    const { authenticate, clock } = setUp({ db: store })
    await Promise.all(Array.from({ length: 10 }, () => authenticate({ remote, apiKey: key })))
    expect(store.asked()).toBe(1)
    await keys.revoke(row.id, OPERATOR)
    expect((await authenticate({ remote, apiKey: key })).id).toBe(row.caller)
    clock.advance(5_000)
    await expect(authenticate({ remote, apiKey: key })).rejects.toMatchObject(UNAUTHENTICATED)
    await expect(authenticate({ remote, apiKey: key })).rejects.toMatchObject(UNAUTHENTICATED)
    expect(store.asked()).toBe(2)
  })

  test('where it is revoked it is forgotten at once', async () => {
    const { key, row, keys } = await make()
    const { authenticate } = setUp({ db: db() })
    await authenticate({ remote, apiKey: key })
    await keys.revoke(row.id, OPERATOR)
    authenticate.forget(row.id)
    await expect(authenticate({ remote, apiKey: key })).rejects.toMatchObject(UNAUTHENTICATED)
  })

  test('what has expired is refused with the same words as what never was', async () => {
    const { key } = await make({ expiresInSeconds: 0 })
    const { authenticate } = setUp({ db: db() })
    const texts = await Promise.all(
      [{ apiKey: key }, { apiKey: makeKey().key }, { apiKey: 'nonsense' }, {}].map((credential) =>
        authenticate({ remote, ...credential }).catch((error: Error) => error.message),
      ),
    )
    expect(new Set(texts).size).toBe(1)
  })

  test('another secret under a known id is refused', async () => {
    const { row } = await make()
    const { key } = makeKey()
    const { authenticate } = setUp({ db: db() })
    const forged = key.replace(/^wp_[^_]+_/, `wp_${row.id}_`)
    await expect(authenticate({ remote, apiKey: forged })).rejects.toMatchObject(UNAUTHENTICATED)
  })
})

test('the operator’s key needs no store', async () => {
  const { authenticate } = setUp({ db: never })
  expect(await authenticate({ remote, authorization: `Bearer ${admin}` })).toEqual(OPERATOR)
})

test('malformed credentials are refused without the store', async () => {
  const { authenticate } = setUp({ db: never })
  for (const authorization of [
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Basic YTpi',
    `Bearer ${'x'.repeat(9_000)}`,
    `${admin}`,
  ])
    await expect(authenticate({ remote, authorization })).rejects.toMatchObject(UNAUTHENTICATED)
})

test('two credentials are a bad request', async () => {
  const { authenticate } = setUp({ db: never })
  const two = [{ authorization: `Bearer ${admin}`, apiKey: admin }, { apiKey: `${admin}, ${admin}` }]
  for (const credentials of two)
    await expect(authenticate({ remote, ...credentials })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' })
})

test('H-19 the eleventh failure of a minute is told to wait, others are not; a minute later it may try again', async () => {
  const { authenticate, clock, signals } = setUp({ db: never })
  const heard = vi.fn()
  signals.on('auth.refused', heard)
  for (let at = 0; at < 10; at++)
    await expect(authenticate({ remote, apiKey: `guess-${at}` })).rejects.toMatchObject(UNAUTHENTICATED)
  const eleventh = authenticate({ remote, apiKey: 'guess-11' })
  await expect(eleventh).rejects.toMatchObject({ reason: 'RATE_LIMITED', detail: { retryAfterSeconds: 60 } })
  await expect(authenticate({ remote: '198.51.100.1', apiKey: 'x' })).rejects.toMatchObject(UNAUTHENTICATED)
  expect((await authenticate({ remote, apiKey: admin })).id).toBe('operator')
  clock.advance(60_000)
  await expect(authenticate({ remote, apiKey: 'guess-12' })).rejects.toMatchObject(UNAUTHENTICATED)
  expect(JSON.stringify(heard.mock.calls)).not.toContain('guess')
})

test('a peer that tries id after id is stopped too', async () => {
  let asked = 0
  const query = async () => {
    asked++
    return []
  }
  const db = { query } as unknown as Db
  const { authenticate } = setUp({ db })
  for (let at = 0; at < 1_000; at++) await authenticate({ remote, apiKey: makeKey().key }).catch(() => {})
  expect(asked).toBe(100)
})

test('fails closed: no store, no caller, and nothing of it is remembered', async () => {
  let down = true
  const failing = {
    query: async () => {
      if (down) throw new StoreError('keys.find', 'not done', undefined, new Error('down'))
      return []
    },
  } as unknown as Db
  const { key } = makeKey()
  const { authenticate } = setUp({ db: failing })
  await expect(authenticate({ remote, apiKey: key })).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
  down = false
  await expect(authenticate({ remote, apiKey: key })).rejects.toMatchObject(UNAUTHENTICATED)
  const broken = setUp({ db: never, openTenant: () => Promise.reject(new TypeError('bug')) })
  await expect(broken.authenticate({ remote, agent: 'echo' })).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
})

test('an open agent takes callers without credentials, for itself only; bad credentials are refused there too', async () => {
  const { authenticate } = setUp({ db: never, openTenant: async (agent) => (agent === 'open' ? 'acme' : undefined) })
  const caller = await authenticate({ remote, agent: 'open' })
  expect(caller).toMatchObject({ tenant: 'acme', id: 'anonymous', kind: 'anonymous', agents: new Set(['open']) })
  expect(caller.permits.has('operator') || caller.permits.has('agent')).toBe(false)
  await expect(authenticate({ remote, agent: 'closed' })).rejects.toMatchObject(UNAUTHENTICATED)
  await expect(authenticate({ remote, agent: 'open', apiKey: 'wrong' })).rejects.toMatchObject(UNAUTHENTICATED)
})

test('with auth off, this machine is the operator and no other is', async () => {
  const { authenticate } = setUp({ db: never, auth: 'off' })
  for (const local of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
    expect(await authenticate({ remote: local })).toMatchObject({ id: 'operator', kind: 'local' })
  for (const foreign of ['', '10.0.0.1', '::ffff:10.0.0.1', 'localhost', '127.0.0.1.evil.test'])
    await expect(authenticate({ remote: foreign })).rejects.toMatchObject(UNAUTHENTICATED)
  expect(isLoopbackAddress('127.1')).toBe(false)
})
