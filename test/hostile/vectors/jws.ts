/** K-18. Keys of RFC 7515 (A.2, A.3) and RFC 8037 (A.1), their signatures, and shapes of signatures that must not hold. */
import { createHmac, createPrivateKey, createPublicKey, type JsonWebKey, sign as signWith } from 'node:crypto'
import type { JWK } from 'jose'

type Header = Record<string, unknown>
export interface Signature {
  readonly protected: string
  readonly signature: string
}
export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** RFC 7515 A.3.1. */
export const ES256_KEY: JWK = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
  kid: 'es',
}
/** RFC 8037 A.1. */
export const ED25519_KEY: JWK = {
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  kid: 'ed',
}
/** RFC 8037 A.3. */
export const ED25519_THUMBPRINT = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'

/** Complete ones: header, payload, signature (RFC 7515 A.1, A.3, A.5; RFC 8037 A.4). */
const CLAIMS = 'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ'
export const PUBLISHED: readonly (readonly [name: string, header: string, payload: string, signature: string])[] = [
  ['RFC 7515 A.1', 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9', CLAIMS, 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'],
  [
    'RFC 7515 A.3',
    'eyJhbGciOiJFUzI1NiJ9',
    CLAIMS,
    'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q',
  ],
  ['RFC 7515 A.5', 'eyJhbGciOiJub25lIn0', CLAIMS, ''],
  [
    'RFC 8037 A.4',
    'eyJhbGciOiJFZERTQSJ9',
    'RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc',
    'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
  ],
]

export const publicOf = ({ d: _, ...rest }: JWK): JWK => rest
const privateKey = (jwk: JWK) => createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })

/** By Node's own hand: a detached signature over this payload. */
export function signed(key: JWK, header: Header | string, payload: string): Signature {
  const text = encode(header)
  const content = Buffer.from(`${text}.${payload}`)
  const ec = key.kty === 'EC'
  const signature = signWith(
    ec ? 'sha256' : null,
    content,
    ec ? { key: privateKey(key), dsaEncoding: 'ieee-p1363' } : privateKey(key),
  )
  return { protected: text, signature: signature.toString('base64url') }
}

const ES = { alg: 'ES256', kid: 'es' }
const bytes = (text: string): Buffer => Buffer.from(text, 'base64url')
type Change = (good: Signature, payload: string) => Signature
const as =
  (signature: Buffer | string): Change =>
  (good) => ({
    ...good,
    signature: typeof signature === 'string' ? signature : signature.toString('base64url'),
  })
const headed =
  (header: Header | string): Change =>
  (_, payload) =>
    signed(ES256_KEY, header, payload)
const changed =
  (change: (signature: string) => string): Change =>
  (good) => ({
    ...good,
    signature: change(good.signature),
  })
const order = bytes('_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE')

/** Each is a good signature of the card, but for what its name says. */
export const WRONG: Readonly<Record<string, Change>> = {
  ...Object.fromEntries(
    ['none', 'None', 'NONE', 'nOnE', '', 'HS256', 'ES256K', 'RS1', 'es256', 'ES384', 'EdDSA', 'dir'].map((alg) => [
      `the algorithm ${JSON.stringify(alg)}`,
      headed({ ...ES, alg }),
    ]),
  ),
  'the algorithm as a list': headed({ ...ES, alg: ['ES256'] }),
  'no algorithm': headed({ kid: 'es' }),
  'a secret that is the public key as PEM': (_, payload) => {
    const secret = createPublicKey({ key: publicOf(ES256_KEY) as JsonWebKey, format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    })
    const text = encode({ alg: 'HS256', kid: 'es' })
    const signature = createHmac('sha256', secret).update(`${text}.${payload}`).digest('base64url')
    return { protected: text, signature }
  },
  'no signature': as(''),
  zeros: as(Buffer.alloc(64)),
  'r and s of the order': as(Buffer.concat([order, order])),
  'r of zero': changed((text) => Buffer.concat([Buffer.alloc(32), bytes(text).subarray(32)]).toString('base64url')),
  'one byte less': changed((text) => bytes(text).subarray(0, 63).toString('base64url')),
  'one byte more': changed((text) => Buffer.concat([bytes(text), Buffer.alloc(1)]).toString('base64url')),
  'one bit changed': changed((text) => {
    const flipped = bytes(text)
    flipped[5] = (flipped[5] as number) ^ 1
    return flipped.toString('base64url')
  }),
  'as ASN.1': (good, payload) => {
    const der = signWith('sha256', Buffer.from(`${good.protected}.${payload}`), privateKey(ES256_KEY))
    return { ...good, signature: der.toString('base64url') }
  },
  padding: changed((text) => `${text}==`),
  'a space in it': changed((text) => `${text.slice(0, 9)} ${text.slice(9)}`),
  'a line end after it': changed((text) => `${text}\n`),
  'the other base64': changed((text) => `${text.replaceAll('-', '+').replaceAll('_', '/')}`.replace(/^[^+/]*$/, '+')),
  'a header with padding': (good) => ({ ...good, protected: `${good.protected}=` }),
  'a header with a space': (good) => ({ ...good, protected: ` ${good.protected}` }),
  'an unknown critical member': headed({ ...ES, crit: ['x'], x: 1 }),
  'a critical member that is not there': headed({ ...ES, crit: ['exp'] }),
  'crit without members': headed({ ...ES, crit: [] }),
  'an unencoded payload': headed({ ...ES, b64: false, crit: ['b64'] }),
  'a header that is no object': headed('"ES256"'),
  'a header that is no JSON': headed('{"alg":"ES256"'),
  'a header of null': headed('null'),
  'a key of its own': (_, payload) => {
    const stranger: JWK = { ...ED25519_KEY, kid: 'own' }
    return signed(stranger, { alg: 'EdDSA', kid: 'own', jwk: publicOf(stranger) }, payload)
  },
  'keys at an address of its own': (_, payload) =>
    signed(ED25519_KEY, { alg: 'EdDSA', kid: 'ed', jku: 'https://evil.example/jwks.json' }, payload),
  'a certificate of its own': (_, payload) =>
    signed(ED25519_KEY, { alg: 'EdDSA', kid: 'ed', x5c: ['AAAA'], x5u: 'https://evil.example/' }, payload),
  'an unknown key': headed({ ...ES, kid: 'nobody' }),
  'a key that is a path': headed({ ...ES, kid: '../../../dev/null' }),
  'a key that is a query': headed({ ...ES, kid: "' UNION SELECT 'AAAA" }),
  'another payload': (_, payload) => signed(ES256_KEY, ES, `${payload.slice(0, -4)}AAAA`),
}
