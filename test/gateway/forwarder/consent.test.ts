/** Nobody gets a webhook that he does not want, and nobody is asked more than once in ten minutes (SR-34, SR-35). */
import { beforeEach, expect, test } from 'vitest'
import { type ConsentTools, createConsent } from '../../../src/gateway/forwarder/consent.ts'
import { createHostRoom } from '../../../src/gateway/forwarder/hostRoom.ts'
import { listAudit } from '../../../src/store/audit.ts'
import type { Db } from '../../../src/store/db.ts'
import { onBothDrivers } from '../../support/bothDrivers.ts'
import { heldClock } from '../../support/heldClock.ts'

const HOOK = 'https://hooks.acme.test/a?task=1'
const run = (db: Db, text: string) => db.query({ name: 'test', write: true, text }, [])

onBothDrivers('consent', (db) => {
  beforeEach(async () => {
    await run(db(), 'delete from webhook_proofs')
    await run(db(), 'delete from webhook_hosts')
  })
  const later = async (interval: string) => {
    await run(
      db(),
      `update webhook_proofs set challenged_at = challenged_at - interval '${interval}', proved_until = proved_until - interval '${interval}'`,
    )
    await run(db(), `update webhook_hosts set challenged_at = challenged_at - interval '${interval}'`)
  }

  function world(given: Partial<ConsentTools> = {}) {
    const asked: string[] = []
    const receivers = new Set<string>()
    const records = new Map<string, string>()
    const clock = heldClock()
    const tools: ConsentTools = {
      db: db(),
      clock,
      mode: 'optional',
      challenge: async (url, challenge) => {
        expect(challenge).toMatch(/^[A-Za-z0-9_-]{43}$/)
        asked.push(url)
        return receivers.has(new URL(url).pathname)
      },
      resolveTxt: async (name) => {
        const record = records.get(name)
        if (!record) throw new Error('ENOTFOUND')
        return [[record.slice(0, 5), record.slice(5)]]
      },
      domains: [],
      gatewayHost: () => 'gw.test',
      ...given,
    }
    const fresh = () => createConsent(tools)
    const consent = fresh()
    const code = async (tenant: string, url: string, by = consent) =>
      (await by.refusal(tenant, url, new AbortController().signal))?.code
    return { asked, receivers, records, clock, code, consent, fresh }
  }

  test('one that echoes is asked once, and for thirty days no more; another process knows it too', async () => {
    const { asked, receivers, code, fresh } = world()
    receivers.add('/a')
    expect(await code('acme', HOOK)).toBeUndefined()
    expect(await code('acme', 'https://hooks.acme.test/a?task=2')).toBeUndefined()
    expect(await code('acme', HOOK, fresh())).toBeUndefined()
    expect(asked).toEqual([HOOK])
    const [note] = await listAudit(db(), { tenant: 'acme', action: 'webhook.proved', limit: 1 })
    expect(note).toMatchObject({ subject: 'https://hooks.acme.test/a', detail: { how: 'challenge' } })
    await later('31 days')
    expect(await code('acme', HOOK, fresh())).toBeUndefined()
    expect(asked).toHaveLength(2)
  })

  test('what it has agreed to is this place, for this tenant', async () => {
    const { asked, receivers, code } = world()
    receivers.add('/a')
    await code('acme', HOOK)
    for (const other of ['https://hooks.acme.test/b', 'https://hooks.acme.test:8443/a', 'http://hooks.acme.test/a'])
      expect([other, await code('acme', other)]).toEqual([
        other,
        other.includes('http://') ? undefined : other.includes(':8443') ? undefined : 'UNPROVED',
      ])
    expect(await code('globex', HOOK)).toBeUndefined()
    expect(asked).toHaveLength(5)
  })

  test('a host that does not answer is asked once in ten minutes, whoever and wherever', async () => {
    const { asked, code, fresh } = world()
    await Promise.all(
      Array.from({ length: 40 }, (_, at) => code(`tenant-${at % 4}`, `https://victim.test/${at}`, fresh())),
    )
    expect(asked).toHaveLength(1)
    await later('9 minutes')
    expect(await code('acme', 'https://victim.test/0')).toBe('UNPROVED')
    expect(asked).toHaveLength(1)
    await later('1 minute')
    expect(await code('acme', 'https://victim.test/0')).toBe('UNPROVED')
    expect(asked).toHaveLength(2)
  })

  test('a TXT record for this tenant at this gateway stands for an echo', async () => {
    const { asked, records, code } = world()
    records.set('_waypost.hooks.acme.test', 'tenant=acme@gw.test')
    expect(await code('acme', HOOK)).toBeUndefined()
    expect(asked).toEqual([])
    expect(await code('globex', HOOK)).toBe('UNPROVED')
    records.set('_waypost.other.test', 'tenant=acme@another.test')
    expect(await code('acme', 'https://other.test/')).toBe('UNPROVED')
  })

  test('an operator may vouch for a domain, not for one that ends alike', async () => {
    const { asked, code } = world({ domains: ['acme.test'], mode: 'required' })
    expect(await code('default', HOOK)).toBeUndefined()
    expect(await code('default', 'https://acme.test/')).toBeUndefined()
    expect(await code('default', 'https://notacme.test/')).toBe('UNPROVED')
    expect(asked).toEqual(['https://notacme.test/'])
  })

  test('who is asked at all: the default tenant only if it must be', async () => {
    const asks = (mode: ConsentTools['mode']) => {
      const { consent } = world({ mode })
      return [consent.asks('default'), consent.asks('acme')]
    }
    expect([asks('off'), asks('optional'), asks('required')]).toEqual([
      [false, false],
      [false, true],
      [true, true],
    ])
  })

  test('what is sent takes its place at the host, by the tenants whose receivers must agree, or by all', async () => {
    const rate = { perSecond: 1, burst: 2 }
    const sent = async (given: Partial<ConsentTools>) => {
      const { clock, consent } = world({
        mode: 'off',
        hostRoom: createHostRoom({ clock: heldClock(), rate }),
        ...given,
      })
      const take = async (tenant: string, host = 'hooks.test') => {
        const to = { tenant, url: `https://${host}/${tenant}` }
        const verdict = await consent.send(to, async () => ({ kind: 'accepted' }), new AbortController().signal)
        return [consent.asks(tenant), verdict.kind === 'refused' ? verdict.code : verdict.kind]
      }
      clock.advance(1)
      return [await take('acme'), await take('default'), await take('globex'), await take('acme', 'else.test')]
    }
    const [yes, stopped] = [
      [true, 'accepted'],
      [true, 'STOPPED'],
    ]
    expect(await sent({ hostRoomOf: 'all' })).toEqual([yes, yes, stopped, yes])
    expect(await sent({ mode: 'optional', domains: ['test'] })).toEqual([yes, [false, 'accepted'], yes, yes])
    expect(await sent({})).toEqual(Array(4).fill([false, 'accepted']))
    expect(await sent({ mode: 'optional' })).toEqual([
      [true, 'UNPROVED'],
      [false, 'accepted'],
      [true, 'UNPROVED'],
      [true, 'UNPROVED'],
    ])
  })
})
