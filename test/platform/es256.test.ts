import { generateKeyPairSync, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { signEs256 } from '../../src/platform/es256.ts'

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const holds = (key: ReturnType<typeof pair>['publicKey'], content: string, signature: string) =>
  verify('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))

describe('signatures on a thread', () => {
  test('each belongs to its text and key, however many are asked for at once', async () => {
    const pairs = [pair(), pair()]
    const asked = Array.from({ length: 300 }, (_, at) => ({
      pair: pairs[at % 7 === 0 ? 1 : 0]!,
      content: `no. ${at} żółć`,
    }))
    const signatures = await Promise.all(asked.map(({ pair, content }) => signEs256(pair.privateKey, content)))
    asked.forEach(({ pair, content }, at) => {
      expect(holds(pair.publicKey, content, signatures[at]!)).toBe(true)
      expect(holds(pair.publicKey, `${content}.`, signatures[at]!)).toBe(false)
    })
    expect(new Set(signatures).size).toBe(asked.length)
  })

  test('a key that cannot sign spoils nobody else, and the thread’s death is not noticed', async () => {
    const good = pair()
    const bad = generateKeyPairSync('x25519').privateKey
    const asked = [good.privateKey, bad, good.privateKey].map((key) => signEs256(key, 'x'))
    const [before, refused, after] = await Promise.allSettled(asked)
    expect(refused?.status).toBe('rejected')
    for (const one of [before, after])
      expect(one?.status === 'fulfilled' && holds(good.publicKey, 'x', one.value)).toBe(true)
    expect(holds(good.publicKey, 'y', await signEs256(good.privateKey, 'y'))).toBe(true)
  })
})
