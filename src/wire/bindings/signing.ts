/** Our signature, ES256: on cards (A2A 1.0 §8.4) and on webhook requests (JWT). Receivers get the keys from the JWKS. */
import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import {
  calculateJwkThumbprint,
  exportJWK,
  FlattenedSign,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
} from 'jose'
import type { AgentCard, AgentCardSignature } from '../../a2a/agentCard.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import { signEs256 } from '../../platform/es256.ts'
import { sha256 } from '../../platform/ids.ts'
import { signedForms } from './signedForm.ts'

const ALG = 'ES256'

/** A receiver that rejects anything older cannot be fooled by a replay after this time. */
export const JWT_LIFETIME_SECONDS = 300

export interface WebhookClaims {
  /** The origin of the receiver's URL. */
  readonly audience: string
  /** `webhook-id`. */
  readonly id: string
  readonly taskId: string
  /** base64url SHA-256 of the body. */
  readonly bodySha256: string
  readonly now: Date
}

export interface Signer {
  /** Public keys only: the one that signs, the next one, and those that have signed what is still about. */
  jwks(): JSONWebKeySet
  /** Since when the current key signs; undefined: since ever. */
  since(): Date | undefined
  /** Not to be cached: id and body hash make each one fit one request only. */
  jwt(claims: WebhookClaims): Promise<string>
  /** Detached JWS over the RFC 8785 forms of a card without its signatures. The same card gets the same signatures. */
  signatures(card: AgentCard): Promise<AgentCardSignature[]>
  /** The same over any other JSON document as it stands, without its `signatures`. */
  signature(document: Readonly<Record<string, unknown>>): Promise<AgentCardSignature>
  /** From now on these keys. Rejects with a TypeError as `createSigner` does, and then nothing has changed. */
  use(ring: KeyRing): Promise<void>
}

/** Private keys as JWK. */
export interface KeyRing {
  /** At least one; the first signs, all are published. */
  readonly keys: readonly JWK[]
  readonly since?: Date
}

export interface SignerOptions extends KeyRing {
  /** `iss`: the gateway's public URL. */
  readonly issuer: () => string
  /** Where the JWKS is served; goes into the card signature's header. */
  readonly jwksUrl?: () => string
}

/** A new private key as JWK, named by its thumbprint (RFC 7638). */
export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALG, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { ...jwk, alg: ALG, use: 'sig', kid: await calculateJwkThumbprint(jwk) }
}

interface Armed {
  readonly kid: string
  readonly key: Awaited<ReturnType<typeof importJWK>>
  readonly raw: KeyObject
  /** Of a JWT, encoded. */
  readonly header: string
  readonly published: JSONWebKeySet
  readonly since: Date | undefined
  /** By digest of what was signed: ECDSA is never the same twice, and a card that does not change should not change. */
  readonly signatures: Map<string, Promise<AgentCardSignature>>
}

async function arm({ keys, since }: KeyRing): Promise<Armed> {
  const [current] = keys
  if (!current) throw new TypeError('a signer needs a key')
  for (const { kty, crv, d } of keys)
    if (kty !== 'EC' || crv !== 'P-256' || d === undefined) throw new TypeError('a signing key is an ES256 private key')
  const named = await Promise.all(
    keys.map(async (jwk) => ({ ...jwk, kid: jwk.kid ?? (await calculateJwkThumbprint(jwk)) })),
  )
  const kid = named[0]?.kid as string
  return {
    kid,
    key: await importJWK(current, ALG),
    raw: createPrivateKey({ key: current as JsonWebKey, format: 'jwk' }),
    header: base64url({ alg: ALG, kid, typ: 'JWT' }),
    published: {
      keys: named.map(({ kty, crv, x, y, kid }) => ({ kty, crv, x, y, kid, alg: ALG, use: 'sig' }) as JWK),
    },
    since,
    signatures: new Map(),
  }
}

/** Signatures that are remembered; all are forgotten together. */
const SIGNATURES_MAX = 2_000

/** Rejects with a TypeError if a key is missing or not an ES256 private key. */
export async function createSigner({ issuer, jwksUrl, ...ring }: SignerOptions): Promise<Signer> {
  let armed = await arm(ring)

  function detached(content: Buffer): Promise<AgentCardSignature> {
    const { signatures, kid, key } = armed
    const digest = `${jwksUrl?.() ?? ''} ${sha256(content)}`
    const known = signatures.get(digest)
    if (known) return known
    const header = { alg: ALG, kid, typ: 'JOSE', ...(jwksUrl && { jku: jwksUrl() }) }
    const signing = new FlattenedSign(content)
      .setProtectedHeader(header)
      .sign(key)
      .then((signed) => ({ protected: signed.protected as string, signature: signed.signature }))
    if (signatures.size >= SIGNATURES_MAX) signatures.clear()
    signatures.set(digest, signing)
    signing.catch(() => signatures.delete(digest))
    return signing
  }

  return {
    jwks: () => armed.published,
    since: () => armed.since,
    jwt: ({ audience, id, taskId, bodySha256, now }) => {
      const iat = Math.floor(now.getTime() / 1_000)
      const times = { iat, exp: iat + JWT_LIFETIME_SECONDS }
      const claims = { taskId, body_sha256: bodySha256, iss: issuer(), aud: audience, jti: id, ...times }
      return compact(armed.header, claims, armed.raw)
    },
    signatures: (card) => Promise.all(signedForms(card).map(detached)),
    signature: ({ signatures: _, ...document }) => detached(Buffer.from(canonicalJson(document))),
    async use(ring) {
      armed = await arm(ring)
    },
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A compact JWS. */
async function compact(header: string, claims: unknown, key: KeyObject): Promise<string> {
  const content = `${header}.${base64url(claims)}`
  return `${content}.${await signEs256(key, content)}`
}
