/** Tokens of issuers: what is taken, what is not, and how often anybody is asked (H-04 to H-11, H-16, H-17; SR-05 to SR-10). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAuthenticate, TOKENS } from '../../../src/gateway/callers/authenticate.ts'
import { parseIssuers, scopesToAsk } from '../../../src/gateway/callers/issuers.ts'
import { createTokenVerifier } from '../../../src/gateway/callers/tokens.ts'
import type { Happenings } from '../../../src/happenings.ts'
import { createEgress, type Egress } from '../../../src/platform/egress.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import type { Db } from '../../../src/store/db.ts'
import { heldClock } from '../../support/heldClock.ts'
import { AUDIENCE, type LocalIssuer, startIssuer } from '../../support/issuer.ts'

const MINUTE = 60_000
const remote = '203.0.113.9'
const never: Db = { query: () => Promise.reject(new Error('the store was asked')) } as unknown as Db
const UNAUTHENTICATED = { reason: 'UNAUTHENTICATED' }
const UNAVAILABLE = { reason: 'UNAVAILABLE' }

let clock = heldClock(Date.now())
const now = () => Math.floor(clock.now().getTime() / 1_000)
let issuer: LocalIssuer
let egress: Egress

beforeAll(async () => {
  issuer = await startIssuer(now)
  egress = createEgress({ allow: ['127.0.0.0/8'] })
})
afterAll(async () => {
  await egress.close()
  await issuer.stop()
})
beforeEach(() => {
  clock = heldClock(Date.now())
  issuer.misbehave = undefined
  issuer.asked.length = 0
})

function setUp(more: object = {}, limits = {}) {
  const document = { issuer: issuer.url, audience: AUDIENCE, name: 'idp', ...more }
  const tokens = createTokenVerifier({ egress, clock, issuers: parseIssuers(JSON.stringify(document)) })
  const authenticate = createAuthenticate({
    db: never,
    clock,
    signals: createSignals<Happenings>(),
    auth: 'required',
    openTenant: async () => undefined,
    tokens,
    limits: { authFailuresPerMinute: 100_000, ...limits },
  })
  return { ask: (token: string) => authenticate({ remote, authorization: `Bearer ${token}` }), authenticate, tokens }
}
const [header = '', claims = '', signature = ''] = ['', '', '']
const partsOf = (token: string) => token.split('.') as [typeof header, typeof claims, typeof signature]
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token that is good', () => {
  test('says who it is, and what it may by its scopes', async () => {
    const { ask } = setUp()
    expect(await ask(issuer.token({ scope: 'agent:echo:send task:read operator admin nonsense' }))).toEqual({
      tenant: 'default',
      id: 'idp:alice',
      kind: 'jwt',
      permits: new Set(['send', 'read']),
      sendTo: new Set(['echo']),
    })
    expect((await ask(issuer.token({ scope: undefined, scp: ['card:read'] }))).permits).toEqual(new Set(['card']))
    expect((await ask(issuer.token({ scope: undefined }))).permits).toEqual(new Set())
  })

  test.each(['RS256', 'PS256', 'EdDSA'] as const)('by %s', async (alg) => {
    issuer.addKey(alg, alg)
    expect(await setUp().ask(issuer.token({}, { kid: alg }))).toMatchObject({ id: 'idp:alice' })
    // The operator may want fewer.
    await expect(setUp({ algorithms: ['ES256'] }).ask(issuer.token({}, { kid: alg }))).rejects.toMatchObject(
      UNAUTHENTICATED,
    )
    issuer.removeKey(alg)
  })

  test.each([
    ['our audience among others', { aud: ['https://other.test', AUDIENCE] }],
    ['a clock that is 50 seconds ahead', { iat: now() + 50, nbf: now() + 50 }],
    ['ended 50 seconds ago', { exp: now() - 50, iat: now() - 600 }],
  ])('%s', async (_, changes) => {
    expect(await setUp().ask(issuer.token(changes))).toMatchObject({ id: 'idp:alice' })
  })

  test('tenant and name from claims; what is no tenant’s name is none', async () => {
    const { ask } = setUp({ tenantClaim: 'org', callerClaim: 'email' })
    expect(await ask(issuer.token({ org: 'acme', email: 'a@acme.test' }))).toMatchObject({
      tenant: 'acme',
      id: 'idp:a@acme.test',
    })
    for (const bad of [{ org: '../x' }, { org: '' }, { org: ['acme'] }, {}, { org: 'acme', email: 'a b' }])
      await expect(ask(issuer.token({ email: 'a@acme.test', ...bad }))).rejects.toMatchObject(UNAUTHENTICATED)
  })

  test('its own words mean what the operator says', async () => {
    const scopes = { boss: ['operator'], 'tasks.write': ['send', 'cancel'] }
    const { ask } = setUp({ scopes, scopeClaim: 'roles', permits: ['card:read'] })
    const caller = await ask(issuer.token({ roles: ['boss', 'tasks.write'] }))
    expect(caller.permits).toEqual(new Set(['card', 'operator', 'admin', 'send', 'cancel']))
    expect((await ask(issuer.token({ roles: 'operator __proto__' }))).permits).toEqual(new Set(['card']))
    expect(scopesToAsk({ scopes, permits: ['card:read'] }, ['agent:x:send', 'task:read', 'card:read'])).toEqual([
      'tasks.write',
      'task:read',
    ])
  })
})

describe('a token that is not', () => {
  const cases: Record<string, () => string> = {
    'alg none': () => `${encoded({ alg: 'none' })}.${encoded(issuer.claims())}.`,
    'alg none, with a signature': () =>
      `${encoded({ alg: 'none', kid: 'one' })}.${partsOf(issuer.token()).slice(1).join('.')}`,
    'HS256 with the public key': () => issuer.confused(),
    'an algorithm that nobody knows': () => issuer.token({}, { header: { alg: 'XX1' } }),
    'another algorithm than it is signed by': () => issuer.token({}, { header: { alg: 'EdDSA' } }),
    'crit that nobody knows': () => issuer.token({}, { header: { crit: ['x'], x: 1 } }),
    'crit, b64': () => issuer.token({}, { header: { crit: ['b64'], b64: true } }),
    'another type': () => issuer.token({}, { header: { typ: 'dpop+jwt' } }),
    'a type that is no text': () => issuer.token({}, { header: { typ: 7 } }),
    expired: () => issuer.token({ exp: now() - 61, iat: now() - 700 }),
    'nbf future': () => issuer.token({ nbf: now() + 61 }),
    'iat future': () => issuer.token({ iat: now() + 61 }),
    'exp is a text': () => issuer.token({ exp: String(now() + 600) }),
    'exp missing': () => issuer.token({ exp: undefined }),
    'exp 10^15': () => issuer.token({ exp: 1e15 }),
    'iat missing': () => issuer.token({ iat: undefined }),
    'iat too long ago': () => issuer.token({ iat: now() - 86_461 }),
    'sub missing': () => issuer.token({ sub: undefined }),
    'sub empty': () => issuer.token({ sub: '' }),
    'sub with a blank': () => issuer.token({ sub: 'a b' }),
    'sub no text': () => issuer.token({ sub: { a: 1 } }),
    'another audience': () => issuer.token({ aud: 'https://other.test' }),
    'an audience that begins like ours': () => issuer.token({ aud: `${AUDIENCE}.evil.test` }),
    'no audience': () => issuer.token({ aud: undefined }),
    'another issuer': () => issuer.token({ iss: 'https://other.test' }),
    'our issuer with a slash': () => issuer.token({ iss: `${issuer.url}/` }),
    'issuer no text': () => issuer.token({ iss: [issuer.url] }),
    'changed claims': () => {
      const [head, , sign] = partsOf(issuer.token())
      return `${head}.${encoded(issuer.claims({ sub: 'mallory' }))}.${sign}`
    },
    'a signature of nothing': () => partsOf(issuer.token()).slice(0, 2).join('.').concat('.AAAA'),
    'kid with a path': () => issuer.token({}, { header: { kid: '../../etc/passwd' } }),
    'kid with SQL': () => issuer.token({}, { header: { kid: "' or 1=1 --" } }),
    'kid of 10 KB': () => issuer.token({}, { header: { kid: 'k'.repeat(5_000) } }),
    'kid no text': () => issuer.token({}, { header: { kid: 1 } }),
    'padding behind it': () => `${issuer.token()}=`,
    'bits that say nothing in the signature': () => {
      const [head, body, sign] = partsOf(issuer.token())
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      const last = alphabet[alphabet.indexOf(sign.at(-1) as string) ^ 1]
      return `${head}.${body}.${sign.slice(0, -1)}${last}`
    },
    'plus and slash for dash and underscore': () =>
      issuer.token({ pad: '>>>???' }).replaceAll('_', '/').replaceAll('-', '+'),
    'five parts': () => `${issuer.token()}.a.b`,
    'two parts': () => partsOf(issuer.token()).slice(0, 2).join('.'),
    '9 KB': () => issuer.token({ pad: 'x'.repeat(7_000) }),
    'claims that are a list': () => `${partsOf(issuer.token())[0]}.${encoded([1])}.AAAA`,
  }
  test.each(Object.keys(cases))('%s', async (name) => {
    await expect(setUp().ask(cases[name]?.() as string)).rejects.toMatchObject(UNAUTHENTICATED)
  })

  test.each([
    ['jku', () => ({ jku: `${issuer.url}/attacker` })],
    ['x5u', () => ({ x5u: `${issuer.url}/attacker` })],
    ['jwk', () => ({ jwk: { kty: 'EC', crv: 'P-256', x: 'a', y: 'b' } })],
  ])('%s in the header is not looked at', async (_, more) => {
    expect(await setUp().ask(issuer.token({}, { header: more() }))).toMatchObject({ id: 'idp:alice' })
    issuer.addKey('thief')
    issuer.removeKey('thief')
    const stolen = issuer.token({}, { kid: 'thief', header: more() })
    await expect(setUp().ask(stolen)).rejects.toMatchObject(UNAUTHENTICATED)
    expect(issuer.asked).not.toContain('/attacker')
  })

  test('a long token whose beginning is a good one', async () => {
    const { ask } = setUp()
    const short = issuer.token()
    const padded = issuer.token({ pad: 'x'.repeat(Math.floor(((8_192 - short.length) * 3) / 4) - 12) })
    expect(padded.length).toBeGreaterThan(8_170)
    expect(await ask(padded)).toMatchObject({ id: 'idp:alice' })
    await expect(ask(`${padded}${'A'.repeat(200)}`)).rejects.toMatchObject(UNAUTHENTICATED)
  })

  test('an issuer that nobody has named is never asked', async () => {
    const { ask } = setUp()
    await expect(ask(issuer.token({ iss: `${issuer.url}/other` }))).rejects.toMatchObject(UNAUTHENTICATED)
    expect(issuer.asked).toEqual([])
  })

  test('the eleventh guess at a subject waits, and other subjects do not', async () => {
    const { ask } = setUp({}, { authFailuresPerMinute: 10 })
    const guess = (sub: string, at: number) => ask(issuer.token({ sub, exp: now() - 3_600 - at, iat: now() - 7_200 }))
    for (let at = 0; at < 10; at++) await expect(guess('alice', at)).rejects.toMatchObject(UNAUTHENTICATED)
    await expect(guess('alice', 11)).rejects.toMatchObject({ reason: 'RATE_LIMITED' })
    await expect(guess('bob', 1)).rejects.toMatchObject(UNAUTHENTICATED)
    expect(await ask(issuer.token({ sub: 'carol' }))).toMatchObject({ id: 'idp:carol' })
  })
})

describe('keys', () => {
  const fetches = () => issuer.asked.filter((path) => path === '/keys').length

  test('are asked for once by all who come together, and kept for ten minutes', async () => {
    const { ask } = setUp()
    await Promise.all(Array.from({ length: 50 }, (_, at) => ask(issuer.token({ sub: `s${at}` }))))
    expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys'])
    clock.advance(9 * MINUTE)
    await ask(issuer.token({ sub: 'later' }))
    expect(fetches()).toBe(1)
    clock.advance(2 * MINUTE)
    await ask(issuer.token({ sub: 'still-later' }))
    expect(fetches()).toBe(2)
  })

  test('from where the operator says, without discovery', async () => {
    await setUp({ jwks: issuer.jwksUrl }).ask(issuer.token())
    expect(issuer.asked).toEqual(['/keys'])
  })

  test('1,000 unknown ids cost one question in half a minute; a new key is good within it', async () => {
    const { ask } = setUp()
    await ask(issuer.token())
    for (let at = 0; at < 1_000; at++)
      await ask(issuer.token({ sub: `${at}` }, { header: { kid: `made up ${at}` } })).catch(() => {})
    expect(fetches()).toBe(1)
    issuer.addKey('two')
    clock.advance(30_000)
    expect(await ask(issuer.token({}, { kid: 'two' }))).toMatchObject({ id: 'idp:alice' })
    expect(fetches()).toBe(2)
  })

  test('one that was withdrawn ends with the list that had it, or at once if an operator says so', async () => {
    issuer.addKey('gone')
    const { ask, tokens, authenticate } = setUp()
    const sub = (name: string) => issuer.token({ sub: name }, { kid: 'gone' })
    await ask(sub('a'))
    issuer.removeKey('gone')
    expect(await ask(sub('b'))).toMatchObject({ id: 'idp:b' })
    expect(await tokens.refresh()).toEqual([{ issuer: issuer.url, keys: expect.any(Number) }])
    authenticate.forget(TOKENS)
    await expect(ask(sub('a'))).rejects.toMatchObject(UNAUTHENTICATED)
    await expect(ask(sub('c'))).rejects.toMatchObject(UNAUTHENTICATED)
  })

  const troubles: Record<string, (response: Parameters<NonNullable<LocalIssuer['misbehave']>>[0]) => void> = {
    'an error': (response) => response.writeHead(500).end(),
    HTML: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    '10 MB': (response) => response.writeHead(200).end(`{"keys":[],"pad":"${'x'.repeat(10 * 1024 * 1024)}"}`),
    'a redirect': (response) => response.writeHead(302, { location: `${issuer.url}/keys` }).end(),
    'another issuer’s document': (response) =>
      response.writeHead(200).end(JSON.stringify({ issuer: 'https://other.test', jwks_uri: issuer.jwksUrl })),
    'no address of keys': (response) => response.writeHead(200).end(JSON.stringify({ issuer: issuer.url })),
    'a connection that breaks': (response) => response.destroy(),
  }
  test.each(Object.keys(troubles))(
    '%s: cold nobody passes, warm the keys of before are good for a day',
    async (name) => {
      const { ask } = setUp()
      issuer.misbehave = troubles[name]
      await expect(ask(issuer.token())).rejects.toMatchObject(UNAVAILABLE)
      const asked = issuer.asked.length
      await expect(ask(issuer.token({ sub: 'b' }))).rejects.toMatchObject(UNAVAILABLE)
      expect(issuer.asked).toHaveLength(asked)
      issuer.misbehave = undefined
      clock.advance(5_000)
      expect(await ask(issuer.token())).toMatchObject({ id: 'idp:alice' })
      issuer.misbehave = troubles[name]
      clock.advance(11 * MINUTE)
      expect(await ask(issuer.token({ sub: 'c' }))).toMatchObject({ id: 'idp:c' })
      clock.advance(24 * 60 * MINUTE)
      await expect(ask(issuer.token({ sub: 'd' }))).rejects.toMatchObject(UNAVAILABLE)
    },
  )

  test('private keys and shared secrets in the list are none', async () => {
    const { ask } = setUp()
    const jwk = { kty: 'oct', k: Buffer.from('secret').toString('base64url'), kid: 'one' }
    issuer.misbehave = (response, path) =>
      void response
        .writeHead(200)
        .end(
          JSON.stringify(
            path === '/keys'
              ? { keys: [jwk, null, 7, { kty: 'EC', d: 'x', kid: 'one' }] }
              : { issuer: issuer.url, jwks_uri: issuer.jwksUrl },
          ),
        )
    await expect(ask(issuer.token())).rejects.toMatchObject(UNAUTHENTICATED)
    await expect(ask(issuer.confused())).rejects.toMatchObject(UNAUTHENTICATED)
  })
})

describe('what was verified', () => {
  test('is not verified again for a minute, and never trusted beyond its end', async () => {
    let verified = 0
    const { tokens } = setUp()
    const authenticate = createAuthenticate({
      db: never,
      clock,
      signals: createSignals<Happenings>(),
      auth: 'required',
      openTenant: async () => undefined,
      tokens: {
        ...tokens,
        verify(token) {
          verified++
          return tokens.verify(token)
        },
      },
    })
    const ask = (token: string) => authenticate({ remote, authorization: `Bearer ${token}` })
    const [long, short] = [issuer.token(), issuer.token({ exp: now() + 20 })]
    for (let at = 0; at < 5; at++) await ask(long)
    expect(verified).toBe(1)
    clock.advance(61_000)
    await ask(long)
    expect(verified).toBe(2)
    await expect(ask(short)).resolves.toBeDefined()
    clock.advance(20_000)
    await expect(ask(short)).rejects.toMatchObject(UNAUTHENTICATED)
  })

  test('tokens that differ in one character are two', async () => {
    const { ask } = setUp()
    const token = issuer.token()
    await ask(token)
    const last = token.at(-1) === 'A' ? 'Q' : 'A'
    await expect(ask(`${token.slice(0, -1)}${last}`)).rejects.toMatchObject(UNAUTHENTICATED)
    await expect(ask(token.slice(0, -1))).rejects.toMatchObject(UNAUTHENTICATED)
  })

  test('whatever breaks, nobody passes', async () => {
    const authenticate = createAuthenticate({
      db: never,
      clock,
      signals: createSignals<Happenings>(),
      auth: 'required',
      openTenant: async () => undefined,
      tokens: { verify: () => Promise.reject(new TypeError('bug')), refresh: async () => [] },
    })
    await expect(authenticate({ remote, authorization: `Bearer ${issuer.token()}` })).rejects.toMatchObject(UNAVAILABLE)
  })
})

test.each([
  ['no JSON', '{'],
  ['an http:// issuer elsewhere', { issuer: 'http://idp.test', audience: 'x' }],
  ['no audience', { issuer: 'https://idp.test' }],
  ['an unknown member', { issuer: 'https://idp.test', audience: 'x', secret: 'y' }],
  ['HS256', { issuer: 'https://idp.test', audience: 'x', algorithms: ['HS256'] }],
  ['a scope that means nothing', { issuer: 'https://idp.test', audience: 'x', scopes: { a: ['everything'] } }],
  ['the name of our own agents', { issuer: 'https://idp.test', audience: 'x', name: 'agent' }],
  ['operators in a tenant', { issuer: 'https://idp.test', audience: 'x', tenant: 'acme', permits: ['operator'] }],
  [
    'two of one name',
    [
      { issuer: 'https://idp.test/a', audience: 'x' },
      { issuer: 'https://idp.test/b', audience: 'x' },
    ],
  ],
])('a configuration with %s is refused', (_, document) => {
  expect(() => parseIssuers(typeof document === 'string' ? document : JSON.stringify(document))).toThrow(TypeError)
})
