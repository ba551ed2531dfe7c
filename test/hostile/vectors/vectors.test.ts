/** Public vectors at our parsers' doors: JSON from callers and from agents, canonical JSON, card signatures, event streams. */
import { createHash, createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, test } from 'vitest'
import { A2AError } from '../../../src/a2a/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { canonicalJson } from '../../../src/platform/canonicalJson.ts'
import type { EgressStream } from '../../../src/platform/egress.ts'
import { readAgentJson } from '../../../src/wire/bindings/agentJson.ts'
import { verifyCard } from '../../../src/wire/bindings/cardTrust.ts'
import { parseBody, refuseShape } from '../../../src/wire/bindings/scan.ts'
import { readServerSentEvents } from '../../../src/wire/bindings/serverSentEvents.ts'
import { createSigner } from '../../../src/wire/bindings/signing.ts'
import { bodyOf, suite } from './jsonSuite.ts'
import { ED25519_KEY, ED25519_THUMBPRINT, ES256_KEY, encode, PUBLISHED, publicOf, signed, WRONG } from './jws.ts'
import { STREAMS } from './sse.ts'

describe('JSON: nst/JSONTestSuite', () => {
  const refusal = (body: Buffer): string | undefined => {
    try {
      const { scan } = parseBody(body, LIMITS)
      refuseShape(scan, LIMITS)
      return undefined
    } catch (error) {
      if (error instanceof A2AError) return error.reason
      throw error
    }
  }
  const named = (prefix: string) => suite.filter(([name]) => name.startsWith(prefix))

  test('has all its cases', () => {
    expect([named('y_').length, named('n_').length, named('i_').length]).toEqual([95, 188, 35])
  })
  test.each(named('n_'))('a caller’s %s is refused', (_, text) => expect(refusal(bodyOf(text))).toBe('JSON_PARSE'))
  test.each(named('y_'))('%s is taken, of a caller and of an agent', (name, text) => {
    // A name that comes twice is no matter of JSON, but of what is meant.
    expect(refusal(bodyOf(text))).toBe(name.startsWith('y_object_duplicated_key') ? 'INVALID_REQUEST' : undefined)
    expect(readAgentJson(bodyOf(text))).toEqual(JSON.parse(bodyOf(text).toString(), storable))
  })
  test.each(named('n_'))('an agent’s %s is no JSON', (_, text) => expect(readAgentJson(bodyOf(text))).toBeUndefined())
  test.each(named('i_'))('%s is taken or refused, and harms nobody', (_, text) => {
    expect(refusal(bodyOf(text)) ?? 'taken').toMatch(/^(taken|JSON_PARSE|INVALID_REQUEST)$/)
    expect(() => canonicalJson(readAgentJson(bodyOf(text)) ?? null)).not.toThrow()
  })
})
/** As an agent's words are kept: without what no database takes. */
function storable(_: string, value: unknown): unknown {
  const kept = (text: string) => Buffer.from(text.replaceAll('\0', '\ufffd')).toString()
  if (typeof value === 'string') return kept(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [kept(name), inner]))
}

describe('canonical JSON: RFC 8785', () => {
  interface Jcs {
    readonly documents: readonly { name: string; input: string; output: string }[]
    readonly firstNumbers: readonly string[]
    readonly digests: Readonly<Record<string, string>>
  }
  const jcs = JSON.parse(readFileSync('test/fixtures/vectors/jcs.json', 'utf8')) as Jcs
  const ofBits = (hex: string): number => {
    const view = new DataView(new ArrayBuffer(8))
    view.setBigUint64(0, BigInt(`0x${hex}`))
    return view.getFloat64(0)
  }

  test.each(jcs.documents.map(({ name, input, output }) => [name, input, output]))('%s', (_, input, output) =>
    expect(canonicalJson(JSON.parse(input))).toBe(output),
  )

  /** Appendix B. */
  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('the number %s is %s', (hex, text) => expect(canonicalJson(ofBits(hex))).toBe(text))

  test.each(['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000'])('%s is no JSON', (hex) =>
    expect(() => canonicalJson(ofBits(hex))).toThrow(),
  )

  test('ten thousand numbers, by their digest', () => {
    const digest = createHash('sha256')
    let lines = 0
    for (const number of numbers(jcs.firstNumbers.map(ofBits))) {
      const view = new DataView(new ArrayBuffer(8))
      view.setFloat64(0, number)
      digest.update(`${view.getBigUint64(0).toString(16)},${canonicalJson(number)}\n`)
      lines += 1
      const expected = jcs.digests[lines]
      if (expected) expect([lines, digest.copy().digest('hex')]).toEqual([lines, expected])
      if (lines === 10_000) return
    }
  })
})

/** The generator of the same project: its first numbers, 2,000 in a row, and then chance from a chain of digests. */
function* numbers(first: readonly number[]): Generator<number> {
  yield* first
  const view = new DataView(new ArrayBuffer(8))
  for (let at = 0n; at < 2_000n; at++) {
    view.setBigUint64(0, 0x0010000000000000n + at)
    yield view.getFloat64(0)
  }
  let block = Buffer.alloc(32)
  for (;;) {
    block = createHash('sha256').update(block).digest() as Buffer<ArrayBuffer>
    for (let at = 0; at < 32; at += 8) {
      const number = block.readDoubleLE(at)
      if (number !== 0 && Number.isFinite(number)) yield number
    }
  }
}

describe('JWS: RFC 7515, RFC 8037, and shapes that must not hold', () => {
  const card = { name: 'a', description: 'd', version: '1', capabilities: {}, skills: [], url: 'https://a.example/' }
  const payload = encode(canonicalJson(card))
  const trusted = { keys: [publicOf(ES256_KEY)] }

  test('cards signed by the keys of the RFCs', async () => {
    const es = signed(ES256_KEY, { alg: 'ES256', kid: 'es' }, payload)
    const ed = signed(ED25519_KEY, { alg: 'EdDSA', kid: 'ed' }, payload)
    expect(await verifyCard({ ...card, signatures: [es] }, trusted)).toBe('verified')
    expect(await verifyCard({ ...card, signatures: [ed] }, { keys: [publicOf(ED25519_KEY)] })).toBe('verified')
    expect(await verifyCard({ ...card, signatures: [ed] }, trusted)).toBe('invalid')
    expect(await calculateJwkThumbprint(publicOf(ED25519_KEY))).toBe(ED25519_THUMBPRINT)
  })

  test.each(PUBLISHED)('%s is good for what it signs, and for no card', async (name, header, content, signature) => {
    const key = name.includes('8037') ? ED25519_KEY : ES256_KEY
    const node = createPublicKey({ key: publicOf(key) as JsonWebKey, format: 'jwk' })
    const algorithm = key === ES256_KEY ? 'sha256' : null
    const asSent = Buffer.from(`${header}.${content}`)
    const dsaEncoding = 'ieee-p1363'
    const good = verify(algorithm, asSent, { key: node, dsaEncoding }, Buffer.from(signature, 'base64url'))
    expect(good).toBe(/A\.3|8037/.test(name))
    const keys = [publicOf(ES256_KEY), publicOf(ED25519_KEY), { kty: 'oct', k: 'AAAA' }]
    expect(await verifyCard({ ...card, signatures: [{ protected: header, signature }] }, { keys })).toBe('invalid')
  })

  test.each(Object.entries(WRONG))('%s', async (_, change) => {
    const good = signed(ES256_KEY, { alg: 'ES256', kid: 'es' }, payload)
    expect(await verifyCard({ ...card, signatures: [good] }, trusted)).toBe('verified')
    expect(await verifyCard({ ...card, signatures: [change(good, payload)] }, trusted)).toBe('invalid')
  })

  test('our own tokens and card signatures are good by Node’s own hand', async () => {
    const signer = await createSigner({ keys: [ES256_KEY], issuer: () => 'https://gateway.example' })
    const key = {
      key: createPublicKey({ key: publicOf(ES256_KEY) as JsonWebKey, format: 'jwk' }),
      dsaEncoding: 'ieee-p1363',
    } as const
    const claims = { audience: 'https://r.example', id: 'd1', taskId: 't1', bodySha256: 'x', now: new Date(1_000_000) }
    const [header = '', content = '', signature = ''] = (await signer.jwt(claims)).split('.')
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: 'ES256', kid: 'es', typ: 'JWT' })
    expect(JSON.parse(Buffer.from(content, 'base64url').toString())).toMatchObject({
      iat: 1_000,
      exp: 1_300,
      jti: 'd1',
    })
    const isGood = (text: string, by: string) => verify('sha256', Buffer.from(text), key, Buffer.from(by, 'base64url'))
    expect(isGood(`${header}.${content}`, signature)).toBe(true)
    const own = await signer.signature(card)
    expect(isGood(`${own.protected}.${payload}`, own.signature)).toBe(true)
  })
})

describe('event streams: WHATWG HTML §9.2', () => {
  async function read(stream: Buffer, size: number): Promise<string[]> {
    let at = 0
    const pieces: EgressStream = {
      kind: 'answered',
      status: 200,
      headers: {},
      trailers: () => ({}),
      async read() {
        if (at >= stream.length) return { kind: 'end' }
        at += size
        return { kind: 'piece', bytes: stream.subarray(at - size, at) }
      },
      close() {},
    }
    const frames = readServerSentEvents(pieces, { lineMax: 100_000, eventMax: 100_000 })
    const data: string[] = []
    for (;;) {
      const next = await frames.next()
      if (next.kind !== 'frame') return data
      data.push(next.text)
    }
  }

  test.each(STREAMS)('%s, in pieces of every size', async (_, stream, data) => {
    const bytes = Buffer.from(stream as string)
    for (const size of [1, 2, 3, 5, 7, 64, bytes.length + 1])
      expect([size, await read(bytes, size)]).toEqual([size, data])
  })
})
