/** Signatures on other people's cards: which count, by whose keys, and what is made of the rest. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, FlattenedSign, generateKeyPair, type JWK } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Egress } from '../../../src/platform/egress.ts'
import type { SignatureRules } from '../../../src/ports.ts'
import { createFetchCard } from '../../../src/wire/bindings/card.ts'
import { CARD_ALGORITHMS } from '../../../src/wire/bindings/cardTrust.ts'
import { loopbackEgress } from './peers.ts'

type Json = Record<string, unknown>

let egress: Egress
let server: Server
let base: string
let card: Json
/** What is served beside the card, by path. */
let pages: Record<string, unknown>
let asked: string[]
let elapsed: number

beforeEach(async () => {
  egress = loopbackEgress()
  pages = {}
  asked = []
  elapsed = 0
  server = createServer(({ url = '' }, response) => {
    asked.push(url)
    const page = url.startsWith('/.well-known/agent-card') ? card : pages[url]
    if (page === undefined) return void response.writeHead(404).end()
    response.end(JSON.stringify(page))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  card = {
    name: 'a',
    description: 'd – “ü”',
    version: '1',
    capabilities: {},
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 's', name: 's', description: '', tags: [] }],
    supportedInterfaces: [{ url: `${base}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  }
})
afterEach(async () => {
  await egress.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const clock = { now: () => new Date(), elapsed: () => elapsed, sleep: async () => {} }
const fetcher = () => createFetchCard({ egress, clock })
const fetchWith = (signatures?: SignatureRules, fetchCard = fetcher()) =>
  fetchCard(
    { tenant: 't', name: 'a', url: base, headers: {}, ...(signatures && { signatures }) },
    AbortSignal.timeout(5_000),
  )
const rules = (more: Partial<SignatureRules> = {}): SignatureRules => ({
  policy: 'required',
  keys: [],
  keyOrigins: [],
  ...more,
})

interface Pair {
  readonly publicKey: JWK
  readonly sign: (document: Json, header?: Json) => Promise<Json>
}
const sorted = (value: unknown): unknown =>
  typeof value !== 'object' || value === null
    ? value
    : Array.isArray(value)
      ? value.map(sorted)
      : Object.fromEntries(
          Object.entries(value)
            .sort(([one], [other]) => (one < other ? -1 : 1))
            .map(([name, inner]) => [name, sorted(inner)]),
        )

async function aPair(alg = 'ES256', kid = `key-${alg}`): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return {
    publicKey: { ...(await exportJWK(publicKey)), kid, alg },
    async sign({ signatures: before = [], ...document }, header = {}) {
      const content = Buffer.from(JSON.stringify(sorted(document)))
      const signed = await new FlattenedSign(content).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)
      const signature = { protected: signed.protected, signature: signed.signature }
      return { ...document, signatures: [...(before as unknown[]), signature] }
    },
  }
}
const refusedFor = (reason: RegExp) => ({
  kind: 'failed',
  verdict: { kind: 'refused', code: 'CARD_SIGNATURE', retry: true, reason: expect.stringMatching(reason) },
})

describe('policy', () => {
  test.each<[SignatureRules['policy'], string, object]>([
    ['off', 'unsigned', { signatures: { state: 'unsigned' } }],
    ['if-present', 'unsigned', { signatures: { state: 'unsigned' } }],
    ['required', 'unsigned', refusedFor(/not signed/)],
    ['off', 'good', { signatures: { state: 'unverified', claimed: ['key-ES256'] } }],
    ['if-present', 'good', { signatures: { state: 'verified', claimed: ['key-ES256'] } }],
    ['required', 'good', { signatures: { state: 'verified' } }],
    ['off', 'changed', { signatures: { state: 'unverified' } }],
    ['if-present', 'changed', refusedFor(/does not fit/)],
    ['required', 'changed', refusedFor(/does not fit/)],
    ['off', 'foreign', { signatures: { state: 'unverified' } }],
    ['if-present', 'foreign', refusedFor(/no trusted key is called stranger/)],
    ['required', 'foreign', refusedFor(/no trusted key is called stranger/)],
  ])('%s, the card is %s', async (policy, kind, expected) => {
    const ours = await aPair()
    if (kind === 'good') card = await ours.sign(card)
    if (kind === 'changed') card = { ...(await ours.sign(card)), name: 'A' }
    if (kind === 'foreign') card = await (await aPair('ES256', 'stranger')).sign(card)
    expect(await fetchWith(rules({ policy, keys: [ours.publicKey] }))).toMatchObject(expected)
  })

  test('without a key to judge by: only who requires it refuses', async () => {
    card = await (await aPair()).sign(card)
    expect(await fetchWith(rules({ policy: 'if-present' }))).toMatchObject({ signatures: { state: 'unverified' } })
    expect(await fetchWith(rules())).toMatchObject(refusedFor(/no key is trusted/))
    expect(await fetchWith()).toMatchObject({ kind: 'fetched' })
  })

  test('of several signatures one good one is enough, and only those are named as verified', async () => {
    const [one, other] = [await aPair('ES256', 'one'), await aPair('ES256', 'other')]
    card = await other.sign(await one.sign(card))
    const verified = [await calculateJwkThumbprint(other.publicKey)]
    expect(await fetchWith(rules({ keys: [other.publicKey] }))).toMatchObject({
      signatures: { state: 'verified', verified, claimed: ['one', 'other'] },
    })
  })
})

describe('algorithms (K-18)', () => {
  test.each(['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'])('%s', async (alg) => {
    expect(CARD_ALGORITHMS).toContain(alg)
    const pair = await aPair(alg)
    card = await pair.sign(card)
    expect(await fetchWith(rules({ keys: [pair.publicKey] }))).toMatchObject({ signatures: { state: 'verified' } })
    card = { ...card, version: '2' }
    expect(await fetchWith(rules({ keys: [pair.publicKey] }))).toMatchObject({ kind: 'failed' })
  })

  test.each(['none', 'HS256', 'ES512', 'RS512'])('%s is refused', async (alg) => {
    const { publicKey } = await aPair('ES256', 'k')
    const header = Buffer.from(JSON.stringify({ alg, kid: 'k' })).toString('base64url')
    for (const signature of ['', 'AAAA'])
      for (const keys of [[publicKey], [{ kty: 'oct', k: 'AAAA', kid: 'k' }]]) {
        card = { ...card, signatures: [{ protected: header, signature }] }
        expect(await fetchWith(rules({ keys }))).toMatchObject(refusedFor(/algorithm/))
      }
  })

  test('a key is for its own algorithm and use', async () => {
    const pair = await aPair()
    card = await pair.sign(card)
    for (const wrong of [{ alg: 'ES384' }, { use: 'enc' }])
      expect(await fetchWith(rules({ keys: [{ ...pair.publicKey, ...wrong }] }))).toMatchObject({ kind: 'failed' })
  })

  test('two keys of one name are both tried; one without a name is known by its thumbprint', async () => {
    const [pair, twin] = [await aPair('ES256', 'k'), await aPair('ES256', 'k')]
    card = await pair.sign(card)
    expect(await fetchWith(rules({ keys: [twin.publicKey, pair.publicKey] }))).toMatchObject({ kind: 'fetched' })
    const { kid: _, ...nameless } = pair.publicKey
    expect(await fetchWith(rules({ keys: [nameless] }))).toMatchObject({ kind: 'fetched' })
  })

  test.each([
    ['no list', 'x'],
    ['nonsense', [1, null, { protected: 1 }]],
    ['a header that is no JSON', [{ protected: 'ä', signature: 'AA' }]],
    ['an unknown critical header', 'crit'],
  ])('%s is not a good signature', async (_, signatures) => {
    const pair = await aPair()
    if (signatures === 'crit') {
      const header = { alg: 'ES256', kid: 'key-ES256', crit: ['x'], x: 1 }
      const text = Buffer.from(JSON.stringify(header)).toString('base64url')
      const [good] = (await pair.sign(card)).signatures as { signature: string }[]
      card = { ...card, signatures: [{ protected: text, signature: good?.signature }] }
    } else card = { ...card, signatures }
    expect(await fetchWith(rules({ keys: [pair.publicKey] }))).toMatchObject({ kind: 'failed' })
  })
})

describe('keys at an address that the card names', () => {
  test('are fetched if its origin is trusted, once for a while, and again for a new key', async () => {
    const [one, other] = [await aPair('ES256', 'one'), await aPair('ES256', 'other')]
    const fetchCard = fetcher()
    const trusting = rules({ keyOrigins: [`http://localhost:${new URL(base).port}`] })
    pages['/keys'] = { keys: [one.publicKey] }
    card = await one.sign(card, { jku: `${base}/keys` })
    for (let times = 0; times < 3; times++)
      expect(await fetchWith(trusting, fetchCard)).toMatchObject({ signatures: { state: 'verified' } })
    expect(asked.filter((path) => path === '/keys')).toHaveLength(1)

    pages['/keys'] = { keys: [other.publicKey] }
    const { signatures: _, ...bare } = card
    card = await other.sign(bare, { jku: `${base}/keys` })
    for (let times = 0; times < 100; times++) await fetchWith(trusting, fetchCard)
    expect(asked.filter((path) => path === '/keys')).toHaveLength(1)
    elapsed += 30_001
    expect(await fetchWith(trusting, fetchCard)).toMatchObject({ signatures: { state: 'verified' } })
    expect(asked.filter((path) => path === '/keys')).toHaveLength(2)
  })

  test('are not asked for anywhere else', async () => {
    const pair = await aPair()
    pages['/keys'] = { keys: [pair.publicKey] }
    card = await pair.sign(card, { jku: `${base}/keys` })
    for (const keyOrigins of [['https://keys.example'], [`http://127.0.0.1.evil.example`], [`https://127.0.0.1`]])
      expect(await fetchWith(rules({ keyOrigins }))).toMatchObject(refusedFor(/no trusted key/))
    expect(asked).not.toContain('/keys')
  })

  test('that cannot be read are no keys; a private network is not asked', async () => {
    const pair = await aPair()
    card = await pair.sign(card, { jku: `${base}/none` })
    const trusting = rules({ keyOrigins: [`http://localhost:${new URL(base).port}`, 'http://10.0.0.1'] })
    expect(await fetchWith(trusting)).toMatchObject(refusedFor(/cannot be read \(HTTP 404\)/))
    const { signatures: _, ...bare } = card
    card = await pair.sign(bare, { jku: 'http://10.0.0.1/keys' })
    expect(await fetchWith(trusting)).toMatchObject(refusedFor(/cannot be read/))
  })
})

const fixture = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/cards/signed', name), 'utf8'))

test.each(['python-1.0.json', 'python-0.3.json'])('what the official Python SDK has signed: %s', async (name) => {
  const keys = fixture('key.json').keys
  card = fixture(name)
  expect(await fetchWith(rules({ keys }))).toMatchObject({ kind: 'fetched', signatures: { state: 'verified' } })
  card = { ...card, name: 'Rechnungsprufer' }
  expect(await fetchWith(rules({ keys }))).toMatchObject(refusedFor(/does not fit/))
})
