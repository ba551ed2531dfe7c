/** TLS on the listener, certificates of clients, and the word of proxies about them (SR-11, SR-58, H-18). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { namesForwarded, parseIdentities, parseProxies } from '../../src/gateway/callers/certificates.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../support/certificate.ts'
import {
  BILLING,
  CLIENT_CA,
  CLIENT_KEY,
  EXPIRED,
  OTHER_SERVER_CERTIFICATE,
  OTHER_SERVER_KEY,
  STRANGER,
  UNKNOWN,
} from '../support/clientCertificates.ts'
import { aWorld, type World } from '../support/world.ts'

const directory = mkdtempSync(join(tmpdir(), 'waypost-tls-'))
const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
const IDENTITIES = {
  'spiffe://acme.test/billing': { tenant: 'acme', caller: 'billing', permits: ['send', 'read'] },
}
const XFCC = 'x-forwarded-client-cert'
const FORWARDED = 'By=spiffe://proxy.test;Hash=ab;Subject="CN=a,b;c";URI=spiffe://acme.test/billing'

let world: World
const env = (more: Record<string, string> = {}) => ({
  WAYPOST_TLS_CERT: file('cert.pem', TEST_CERTIFICATE),
  WAYPOST_TLS_KEY: file('key.pem', TEST_KEY),
  WAYPOST_TLS_CLIENT_CA: file('ca.pem', CLIENT_CA),
  WAYPOST_CLIENT_IDENTITIES: JSON.stringify(IDENTITIES),
  ...more,
})

beforeAll(async () => {
  world = await aWorld({ env: env(), limits: { certificateEveryMs: 20, authFailuresPerMinute: 100_000 } })
})
afterAll(async () => {
  await world?.stop()
  rmSync(directory, { recursive: true, force: true })
})

interface Asked {
  readonly cert?: string
  readonly headers?: Record<string, string>
  readonly at?: World
}

function ask(path: string, { cert, headers = {}, at = world }: Asked = {}): Promise<{ status: number; text: string }> {
  const options = {
    headers,
    agent: false as const,
    ca: [TEST_CERTIFICATE, OTHER_SERVER_CERTIFICATE],
    ...(cert && { cert, key: CLIENT_KEY }),
  }
  return new Promise((resolve, reject) => {
    const asked = request(`${at.gateway.url}${path}`, options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
const status = async (asked: Asked) => (await ask('/v1/tasks', asked)).status

/** The first handshake that comes about, or its error. */
const shake = (options: ConnectionOptions): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect(
      {
        port: world.gateway.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: [TEST_CERTIFICATE, OTHER_SERVER_CERTIFICATE],
        ...options,
      },
      () => resolve(socket),
    )
    socket.on('error', reject)
  })

test('the gateway says https of itself, and speaks nothing older than 1.2', async () => {
  expect(world.gateway.url).toMatch(/^https:/)
  expect((await ask('/healthz')).status).toBe(200)
  await expect(shake({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow()
  const socket = await shake({})
  expect(socket.getProtocol()).toMatch(/^TLSv1\.[23]$/)
  socket.destroy()
})

describe('a certificate', () => {
  test('of a known name is who it says, with its permits and no more', async () => {
    const { status: ok, text } = await ask('/v1/tasks', { cert: BILLING })
    expect([ok, JSON.parse(text).total]).toEqual([200, 0])
    const keys = await ask('/v1/keys', { cert: BILLING })
    expect([keys.status, JSON.parse(keys.text).code]).toEqual([403, 'PERMISSION_DENIED'])
  })

  test.each([
    ['none', undefined],
    ['one of another authority', STRANGER],
    ['one that has ended', EXPIRED],
    ['one of a name that nobody knows', UNKNOWN],
  ])('%s is nobody', async (_, cert) => {
    expect(await status(cert === undefined ? {} : { cert })).toBe(401)
  })

  test('a key counts before it', async () => {
    const headers = { authorization: `Bearer ${world.gateway.adminKey}` }
    expect((await ask('/v1/keys', { cert: BILLING, headers })).status).toBe(200)
    expect(await status({ cert: BILLING, headers: { authorization: 'Bearer wrong' } })).toBe(401)
  })

  test('what anybody says of a certificate in a header is nothing', async () => {
    expect(await status({ headers: { [XFCC]: FORWARDED } })).toBe(401)
    expect(await status({ cert: UNKNOWN, headers: { [XFCC]: FORWARDED } })).toBe(401)
  })
})

test('a renewed certificate is taken up without a restart, and a broken one is not', async () => {
  const current = async () => {
    const socket = await shake({})
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const before = await current()
  const failed = world.next('service.failed', ({ service }) => service === 'certificate')
  file('cert.pem', 'no certificate')
  await failed
  expect(await current()).toBe(before)
  file('key.pem', OTHER_SERVER_KEY)
  file('cert.pem', OTHER_SERVER_CERTIFICATE)
  while ((await current()) === before) await new Promise((resolve) => setImmediate(resolve))
  expect(await status({ cert: BILLING })).toBe(200)
})

test('where certificates are required, nobody else connects', async () => {
  const strict = await aWorld({ env: env({ WAYPOST_TLS_CLIENTS: 'required' }) })
  for (const cert of [undefined, STRANGER, EXPIRED])
    await expect(ask('/healthz', { at: strict, ...(cert && { cert }) })).rejects.toThrow()
  expect((await ask('/healthz', { at: strict, cert: UNKNOWN })).status).toBe(200)
  await strict.stop()
})

test('where a proxy is known, its word counts', async () => {
  const behind = await aWorld({
    env: {
      WAYPOST_CLIENT_IDENTITIES: file('identities.json', JSON.stringify(IDENTITIES)),
      WAYPOST_TRUSTED_PROXIES: '127.0.0.0/8',
    },
  })
  const said = async (header?: string) =>
    (await fetch(`${behind.gateway.url}/v1/tasks`, { headers: header === undefined ? {} : { [XFCC]: header } })).status
  expect(await said(FORWARDED)).toBe(200)
  // The last one is who spoke with the proxy; those before are what he said.
  expect(await said(`${FORWARDED},URI=spiffe://acme.test/unknown`)).toBe(401)
  expect([
    await said(),
    await said('URI=spiffe://acme.test/other'),
    await said('Subject="URI=spiffe://acme.test/billing"'),
  ]).toEqual([401, 401, 401])
  await behind.stop()
})

test('names that a proxy forwards', () => {
  expect(namesForwarded(FORWARDED)).toEqual(['spiffe://acme.test/billing'])
  expect(namesForwarded('URI="spiffe://a";DNS=b.test;dns=c.test')).toEqual(['spiffe://a', 'b.test', 'c.test'])
  expect(namesForwarded('Subject="x\\";URI=spiffe://evil";DNS=a.test')).toEqual(['a.test'])
  for (const odd of ['', ',', ';', '"', 'URI=', 'URI', '=;=,='.repeat(5_000)]) expect(namesForwarded(odd)).toEqual([])
})

test.each([
  ['{'],
  ['{"a b":{"permits":["send"]}}'],
  ['{"a.test":{}}'],
  ['{"a.test":{"caller":"agent:box","permits":["send"]}}'],
  ['{"a.test":{"permits":["all"]}}'],
  ['{"a.test":{"tenant":"acme","permits":["operator"]}}'],
])('identities %s are refused', (text) => {
  expect(() => parseIdentities(text)).toThrow(TypeError)
})
test('proxies are networks', () => {
  for (const bad of ['proxy.test', '10.0.0.0/33', '10.0.0.0/x', ''])
    expect(() => parseProxies([bad])).toThrow(TypeError)
  expect(parseProxies(['10.0.0.0/8', '::1']).check('10.1.2.3')).toBe(true)
})
