/**
 * Secrets at rest: AES-256-GCM with a fresh 96-bit nonce for each text, bound to the place it is stored in. A sealed text
 * that is moved to another row, table or tenant does not open.
 *
 *   v1.<key id>.<nonce>.<ciphertext and 128-bit tag>          each base64url
 *
 * The key id is made from the key, so that several keys can be in use: the first seals, all of them open.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

export interface Seal {
  /** How every text begins that is sealed under the present key. */
  readonly form: string
  /** `context` says where the text will stand (tenant/table/row/field); the same is needed to open it. */
  seal(text: string, context: string): string
  /** Throws a SealError when the text was edited, moved, or sealed under a key that is not in the ring. */
  open(sealed: string, context: string): string
}

/** What is stored does not open: wrong key, wrong place, or edited. Never says what it held. */
export class SealError extends Error {
  readonly code = 'WAYPOST_ERR_SEAL'
  constructor(message: string) {
    super(message)
    this.name = 'SealError'
  }
}

const FORM = 'v1'
const NONCE_BYTES = 12
const TAG_BYTES = 16

interface RingKey {
  readonly id: string
  readonly key: Buffer
}

function ringKey(masterKey: string): RingKey {
  const key = Buffer.from(masterKey, 'base64')
  if (key.length !== 32) throw new SealError(`a master key is 32 bytes as base64, not ${key.length}`)
  return { id: createHash('sha256').update('waypost seal').update(key).digest('base64url').slice(0, 8), key }
}

/** `masterKeys`: 32 bytes each, base64 or base64url; the first seals, all open. Throws a SealError for anything else. */
export function createSeal(...masterKeys: readonly [string, ...string[]]): Seal {
  const ring = masterKeys.map(ringKey)
  const current = ring[0] as RingKey
  const bound = (keyId: string, context: string) => Buffer.from(JSON.stringify([FORM, keyId, context]))
  return {
    form: `${FORM}.${current.id}.`,
    seal(text, context) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(bound(current.id, context))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${FORM}.${current.id}.${nonce.toString('base64url')}.${body.toString('base64url')}`
    },
    open(sealed, context) {
      const [form, keyId, nonceText, bodyText, rest] = sealed.split('.')
      if (form !== FORM || !keyId || !nonceText || !bodyText || rest !== undefined)
        throw new SealError('not sealed by us')
      const key = ring.find(({ id }) => id === keyId)
      if (!key) throw new SealError(`sealed under key ${keyId}, which is not in the ring`)
      const nonce = Buffer.from(nonceText, 'base64url')
      const body = Buffer.from(bodyText, 'base64url')
      if (nonce.length !== NONCE_BYTES || body.length < TAG_BYTES) throw new SealError('not sealed by us')
      try {
        const decipher = createDecipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES })
        decipher.setAAD(bound(keyId, context)).setAuthTag(body.subarray(-TAG_BYTES))
        return Buffer.concat([decipher.update(body.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8')
      } catch {
        throw new SealError('does not open: edited, or moved from another place')
      }
    },
  }
}
