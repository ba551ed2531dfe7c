/** H: authentication and tenancy. */
import { expect } from 'vitest'
import { makeKey } from '../../../src/gateway/callers/apiKeys.ts'
import type { LocalIssuer } from '../../support/issuer.ts'
import { answerOf } from '../answers.ts'
import { taskIn } from '../play.ts'
import { bad, type Case, type Row, refused, send } from '../rows.ts'
import { JSONS, type Operation, SURFACES } from '../speech.ts'
import { NO_ISSUER } from '../world.ts'

type Tokens = (issuer: LocalIssuer) => Readonly<Record<string, string>>
const now = () => Math.floor(Date.now() / 1_000)

/** Tokens that are good but for what their names say: nobody's, on every surface. */
const jwt = (id: string, what: string, tokens: Tokens): Row => ({
  id,
  what,
  at: ['gateway/callers/tokens.test.ts'].filter(() => NAMED.has(id)),
  scene: async ({ say, issuer, stored }) => {
    const before = await stored()
    for (const [name, token] of Object.entries(tokens(issuer)))
      for (const surface of SURFACES)
        for (const [operation, params] of [
          ['GetTask', { id: 'none' }],
          ['SendMessage', send()],
        ] as const) {
          const heard = await say(surface, operation, params, { key: token })
          expect([surface, name, heard.code, heard.reason]).toEqual([
            surface,
            name,
            answerOf('UNAUTHENTICATED', surface)[1],
            'UNAUTHENTICATED',
          ])
          expect(heard.text).not.toContain(token)
        }
    expect(await stored()).toEqual(before)
  },
})
/** Named in that test's first line, each by itself. */
const NAMED: ReadonlySet<string> = new Set(['H-04', 'H-11', 'H-16', 'H-17'])

/** One operation of each kind: reads, writes, streams. */
const KINDS: readonly Operation[] = ['GetTask', 'SendMessage', 'SubscribeToTask']
const anything = (operation: Operation) => () => (operation === 'SendMessage' ? send() : { id: 'none' })
const nobody = (what: string, authorization: string | undefined): readonly Case[] =>
  KINDS.map((operation) =>
    refused(what, operation, anything(operation), 'UNAUTHENTICATED', {
      key: null,
      ...(authorization !== undefined && { headers: { authorization } }),
    }),
  )
const withKey = (what: string, key: string): readonly Case[] =>
  KINDS.map((operation) => refused(what, operation, anything(operation), 'UNAUTHENTICATED', { key }))
/** Of the right form, and nobody's. */
const strange = makeKey().key

export const H: readonly Row[] = [
  { id: 'H-01', what: 'no credential', cases: nobody('none', undefined) },
  {
    id: 'H-02',
    what: 'a bearer that is none',
    cases: ['Bearer', 'Bearer ', 'Bearer a b', 'bearer x', 'Bearer a,b', 'x', ','].flatMap((text) =>
      nobody(text, text),
    ),
  },
  {
    id: 'H-03',
    what: 'schemes that are not offered',
    cases: ['Basic dTpw', 'Digest username="u"', 'Negotiate x', 'AWS4-HMAC-SHA256 x'].flatMap((text) =>
      nobody(text, text),
    ),
  },
  jwt('H-04', 'algorithms', (issuer) => {
    const [, claims] = issuer.token().split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    return {
      none: `${none}.${claims}.`,
      'none, signed': issuer.token({}, { header: { alg: 'none' } }),
      'a public key as a secret': issuer.confused(),
      unknown: issuer.token({}, { header: { alg: 'XS256' } }),
      'of another key': issuer.token({}, { header: { alg: 'RS256' } }),
      critical: issuer.token({}, { header: { crit: ['x'], x: 1 } }),
    }
  }),
  jwt('H-05', 'times', (issuer) => ({
    expired: issuer.token({ exp: now() - 120 }),
    'not yet': issuer.token({ nbf: now() + 3_600 }),
    'made tomorrow': issuer.token({ iat: now() + 86_400 }),
    'exp as a text': issuer.token({ exp: String(now() + 600) }),
    'no exp': issuer.token({ exp: undefined }),
    'no iat': issuer.token({ iat: undefined }),
    'for ever': issuer.token({ exp: 1e15 }),
  })),
  jwt('H-06', 'audiences', (issuer) => ({
    another: issuer.token({ aud: 'https://other.example' }),
    none: issuer.token({ aud: undefined }),
    'a part of ours': issuer.token({ aud: 'https://gateway.tes' }),
    'others only': issuer.token({ aud: ['https://a.example', 'https://b.example'] }),
    'an empty list': issuer.token({ aud: [] }),
  })),
  jwt('H-07', 'issuers', (issuer) => ({
    unknown: issuer.token({ iss: 'https://evil.example' }),
    'with a slash': issuer.token({ iss: `${issuer.url}/` }),
    'in capitals': issuer.token({ iss: issuer.url.toUpperCase() }),
    none: issuer.token({ iss: undefined }),
    'a list': issuer.token({ iss: [issuer.url] }),
  })),
  {
    id: 'H-08',
    what: 'unknown keys, a thousand times: its issuer is not asked for each',
    scene: async ({ http, issuer }) => {
      issuer.addKey('withdrawn')
      issuer.removeKey('withdrawn')
      const asked = issuer.asked.length
      const tries = Array.from({ length: 1_000 }, (_, at) =>
        http({
          method: 'GET',
          path: '/v1/tasks',
          key: issuer.token({ sub: `s${at}` }, { kid: 'withdrawn', header: { kid: `k${at}` } }),
        }),
      )
      expect(new Set((await Promise.all(tries)).map(({ status }) => status))).toEqual(new Set([401]))
      expect(issuer.asked.length - asked).toBeLessThanOrEqual(4)
    },
  },
  jwt('H-09', 'key ids of an odd form', (issuer) =>
    Object.fromEntries(
      ['../../one', "' OR 1=1 --", 'x'.repeat(4_000), 1, null, ['one'], ''].map((kid) => [
        JSON.stringify(kid).slice(0, 12),
        issuer.token({}, { header: { kid } }),
      ]),
    ),
  ),
  jwt('H-10', 'keys that the token brings along', (issuer) => {
    issuer.addKey('thief')
    issuer.removeKey('thief')
    const by = (header: object) => issuer.token({}, { kid: 'thief', header: { kid: 'one', ...header } })
    return {
      jwk: by({ jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } }),
      jku: by({ jku: 'https://evil.example/keys' }),
      x5u: by({ x5u: 'https://evil.example/cert' }),
      x5c: by({ x5c: ['AAAA'] }),
    }
  }),
  {
    id: 'H-11',
    what: 'tokens with spaces, padding, of 9 KB',
    cases: ['wp_x=', '=', `wp_${'x'.repeat(9_000)}`].flatMap((text) => withKey(text.slice(0, 9), text)),
    at: ['gateway/callers/tokens.test.ts'],
    scene: async ({ say, issuer }) => {
      const good = issuer.token()
      expect((await say('JSON-RPC 1.0', 'GetTask', { id: 'none' }, { key: good })).reason).toBe('TASK_NOT_FOUND')
      const [header, claims, signature] = good.split('.')
      const texts = [`${good}=`, `${good}==`, `${header}.${claims}=.${signature}`, `${good}.`, `.${good}`, `${good}%20`]
      for (const text of [...texts, good.slice(0, -1), issuer.token({ scope: 'read '.repeat(2_000) })])
        for (const surface of SURFACES) {
          const { reason } = await say(surface, 'GetTask', { id: 'none' }, { key: text })
          expect([surface, reason]).toEqual([surface, 'UNAUTHENTICATED'])
        }
    },
  },
  {
    id: 'H-12',
    what: 'two credentials',
    cases: KINDS.map((operation) =>
      refused('a key beside a bearer', operation, anything(operation), 'INVALID_REQUEST', {
        headers: { 'x-api-key': 'x' },
        on: SURFACES.filter((surface) => !surface.startsWith('JSON-RPC')),
      }),
    ),
    scene: async ({ http, raw, fixtures }) => {
      const rpc = '{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"t"}}'
      const both = await http({
        path: '/agents/box',
        headers: { 'x-api-key': fixtures.keys.owner as string },
        body: rpc,
      })
      expect([both.status, both.code]).toEqual([400, -32600])
      for (const path of ['/agents/box', '/agents/box/message:send', '/agents/box/v1/message:send', '/v1/match']) {
        const one = `Authorization: Bearer ${fixtures.keys.owner}\r\n`
        const { text } = await raw(
          `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${one}${one}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
        )
        expect(text, path).toMatch(/^HTTP\/1\.1 400 /)
        expect(text).not.toContain(fixtures.keys.owner)
      }
    },
  },
  {
    id: 'H-13',
    what: 'keys with a wrong checksum, of nobody, revoked',
    cases: [
      ...withKey('wrong checksum', `${strange.slice(0, -1)}${strange.endsWith('0') ? '1' : '0'}`),
      ...withKey('nobody’s', strange),
      ...withKey('revoked', 'revoked'),
      ...KINDS.map((operation) =>
        refused('for another agent', operation, anything(operation), 'AGENT_NOT_FOUND', {
          key: 'elsewhere',
          on: SURFACES.filter((surface) => operation !== 'SubscribeToTask' || surface !== 'JSON-RPC 0.3'),
        }),
      ),
    ],
    at: ['hostile/matrix.test.ts'],
  },
  {
    id: 'H-14',
    what: 'a key in the query is no key',
    scene: async ({ http, fixtures: { keys, waiting } }) => {
      for (const name of ['api_key', 'key', 'access_token', 'X-API-Key', 'authorization'])
        for (const path of ['/agents/box/tasks', '/agents/box/v1/tasks', '/v1/tasks']) {
          const target = `${path}/${waiting}?${name}=${keys.owner}`
          const { status, text } = await http({ method: 'GET', path: target, key: null })
          expect([target, status]).toEqual([target, 401])
          expect(text).not.toContain(keys.owner)
        }
    },
  },
  {
    id: 'H-15',
    what: 'a permit that is missing',
    cases: [
      refused('send', 'SendMessage', () => send(), 'PERMISSION_DENIED', { key: 'reader' }),
      refused('stream', 'SendStreamingMessage', () => send(), 'PERMISSION_DENIED', { key: 'reader' }),
      refused('cancel', 'CancelTask', ({ waiting }) => ({ id: waiting }), 'PERMISSION_DENIED', { key: 'reader' }),
      refused('push', 'ListTaskPushNotificationConfigs', ({ waiting }) => ({ taskId: waiting }), 'PERMISSION_DENIED', {
        key: 'reader',
      }),
    ],
  },
  {
    id: 'H-16',
    what: 'no JWKS: cold it cannot be told, warm it is known',
    at: ['gateway/callers/tokens.test.ts'],
    scene: async ({ say, issuer }) => {
      for (const surface of SURFACES) {
        const cold = await say(surface, 'GetTask', { id: 'none' }, { key: issuer.token({ iss: NO_ISSUER }) })
        expect([surface, cold.code, cold.reason]).toEqual([surface, answerOf('UNAVAILABLE', surface)[1], 'UNAVAILABLE'])
        const warm = async () => (await say(surface, 'GetTask', { id: 'none' }, { key: issuer.token() })).reason
        expect(await warm()).toBe('TASK_NOT_FOUND')
        issuer.misbehave = (response) => void response.destroy()
        expect(await warm()).toBe('TASK_NOT_FOUND')
        issuer.misbehave = undefined
      }
    },
  },
  { id: 'H-17', what: 'a JWKS that is none', at: ['gateway/callers/tokens.test.ts'] },
  { id: 'H-18', what: 'client certificates', at: ['e2e/tls.test.ts'] },
  { id: 'H-19', what: 'the eleventh failure in a minute', at: ['gateway/callers/authenticate.test.ts'] },
  {
    id: 'H-20',
    what: 'another tenant in the request',
    at: ['e2e/tenants.test.ts'],
    cases: [
      refused('send', 'SendMessage', () => send({}, { tenant: 'others' }), 'AGENT_NOT_FOUND', {
        on: [...JSONS, 'gRPC 1.0'],
      }),
      refused('get', 'GetTask', ({ waiting }) => ({ id: waiting, tenant: 'others' }), 'AGENT_NOT_FOUND', {
        on: [...JSONS, 'gRPC 1.0'],
      }),
    ],
  },
  {
    id: 'H-21',
    what: 'another tenant in the path',
    scene: async ({ http, fixtures: { waiting } }) => {
      const headers = { 'a2a-version': '1.0' }
      const { status, reason } = await http({ method: 'GET', path: `/agents/box/others/tasks/${waiting}`, headers })
      expect([status, reason]).toEqual([404, 'AGENT_NOT_FOUND'])
    },
  },
  {
    id: 'H-22',
    what: 'a tenant that is no name',
    cases: ['a/b', '..', '%2e', 'x'.repeat(1_024), '__proto__', 'a b'].map((tenant) =>
      bad(tenant.slice(0, 9), 'SendMessage', () => send({}, { tenant }), { on: JSONS }),
    ),
  },
  {
    id: 'H-23',
    what: 'an agent that is not there',
    cases: ['nobody', 'ab%2Fcd', '..%2fbox', '__proto__', 'constructor', 'x'.repeat(300)].map((agent) =>
      refused(agent.slice(0, 12), 'SendMessage', () => send(), 'AGENT_NOT_FOUND', { agent, on: JSONS }),
    ),
  },
  {
    id: 'H-24',
    what: 'the card of a private agent',
    scene: async ({ http }) => {
      const look = (agent: string, key: string | null) =>
        http({
          method: 'GET',
          path: `/agents/${agent}/.well-known/agent-card.json`,
          key,
          headers: { 'a2a-version': '1.0' },
        })
      const [hidden, missing] = [await look('hidden', null), await look('hiddem', null)]
      expect([hidden.status, hidden.reason]).toEqual([404, 'AGENT_NOT_FOUND'])
      expect(hidden.text).toBe(missing.text)
      const seen = await look('hidden', 'owner')
      expect([seen.status, seen.headers['cache-control']]).toEqual([200, expect.stringContaining('private')])
      expect((await look('hidden', null)).status).toBe(404)
    },
  },
  { id: 'H-25', what: 'a key that is revoked while its stream is open', at: ['e2e/badConduct.test.ts'] },
  {
    id: 'H-26',
    what: 'a token that expires while its stream is open',
    scene: async ({ world, issuer, say, raw, fixtures }) => {
      // Within the tolerance for clocks, and not for long.
      const token = issuer.token({ iat: now() - 600, exp: now() - 57 })
      const { text } = await say('JSON-RPC 1.0', 'SendMessage', send(), { key: issuer.token() })
      const cut = world.next('stream.closed', ({ why }) => why === 'cut')
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id: taskIn(text) } })
      const stream = await raw(
        `POST /agents/box HTTP/1.1\r\nHost: localhost:${fixtures.port}\r\nAuthorization: Bearer ${token}\r\nA2A-Version: 1.0\r\n` +
          `Content-Type: application/json\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
      expect(stream.text).toContain('text/event-stream')
      expect((await cut).task).toBe(taskIn(text))
      expect(stream.ms).toBeLessThan(20_000)
    },
  },
]
