/** An OpenID Connect issuer on this machine: signs what it is told to, and can be made to misbehave. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Algorithm = 'ES256' | 'RS256' | 'PS256' | 'EdDSA'
export type Claims = Readonly<Record<string, unknown>>

interface Pair {
  readonly alg: Algorithm
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface LocalIssuer {
  readonly url: string
  readonly jwksUrl: string
  /** Paths that were asked for. */
  readonly asked: string[]
  /** Instead of its documents. */
  misbehave: ((response: ServerResponse, path: string) => void) | undefined
  /** Adds a key; the id is its name. */
  addKey(kid: string, alg?: Algorithm): void
  removeKey(kid: string): void
  /** Claims that are good here, with these changed; undefined takes one away. */
  claims(changes?: Claims): Claims
  /** Signed by the key of this id, with these members in the header. */
  token(claims?: Claims, options?: { kid?: string; header?: Claims }): string
  /** Signed by HMAC with the PEM of the public key: the classical confusion. */
  confused(): string
  stop(): Promise<void>
}

export const AUDIENCE = 'https://gateway.test'
const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function pairOf(alg: Algorithm): Pair {
  if (alg === 'ES256') return { alg, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  if (alg === 'EdDSA') return { alg, ...generateKeyPairSync('ed25519') }
  return { alg, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }
}

function signature({ alg, privateKey: key }: Pair, content: string): string {
  const bytes = Buffer.from(content)
  if (alg === 'EdDSA') return sign(null, bytes, key).toString('base64url')
  if (alg === 'ES256') return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  // 6: PKCS#1 PSS.
  return sign('sha256', bytes, alg === 'PS256' ? { key, padding: 6, saltLength: 32 } : key).toString('base64url')
}

export async function startIssuer(nowSeconds = () => Math.floor(Date.now() / 1_000)): Promise<LocalIssuer> {
  const keys = new Map<string, Pair>()
  /** What was removed still signs: that is what a thief has. */
  const all = new Map<string, Pair>()
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    if (issuer.misbehave) return issuer.misbehave(response, path)
    const answer = (body: unknown) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (path === '/.well-known/openid-configuration') return answer({ issuer: url, jwks_uri: `${url}/keys` })
    if (path !== '/keys') return void response.writeHead(404).end()
    return answer({
      keys: [...keys].map(([kid, { alg, publicKey }]) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg,
        use: 'sig',
      })),
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: LocalIssuer = {
    url,
    jwksUrl: `${url}/keys`,
    asked,
    misbehave: undefined,
    addKey(kid, alg = 'ES256') {
      const pair = pairOf(alg)
      keys.set(kid, pair)
      all.set(kid, pair)
    },
    removeKey: (kid) => void keys.delete(kid),
    claims: (changes = {}) => ({
      iss: url,
      sub: 'alice',
      aud: AUDIENCE,
      iat: nowSeconds(),
      exp: nowSeconds() + 600,
      scope: 'send read cancel push',
      ...changes,
    }),
    token(claims = {}, { kid = 'one', header = {} } = {}) {
      const pair = all.get(kid) as Pair
      const content = `${text({ alg: pair.alg, typ: 'JWT', kid, ...header })}.${text(issuer.claims(claims))}`
      return `${content}.${signature(pair, content)}`
    },
    confused() {
      const pem = (all.get('one') as Pair).publicKey.export({ format: 'pem', type: 'spki' }) as string
      const content = `${text({ alg: 'HS256', typ: 'JWT', kid: 'one' })}.${text(issuer.claims())}`
      return `${content}.${createHmac('sha256', pem).update(content).digest('base64url')}`
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  issuer.addKey('one')
  return issuer
}
