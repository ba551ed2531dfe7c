/** Standard Webhooks, the receiver's side: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>`. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Older or younger by more than this may be a replay (specification: 5 minutes). */
const TOLERANCE_S = 300

export type SignatureCheck =
  | { readonly kind: 'verified' }
  /** No signature, but the token that was registered came back. */
  | { readonly kind: 'token' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'wrong'; readonly why: string }

export interface SignedRequest {
  readonly headers: IncomingHttpHeaders
  /** The exact bytes: a parsed and printed body has another signature. */
  readonly body: Buffer
}

const header = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

export function checkSignature({ headers, body }: SignedRequest, secret: string, now: Date): SignatureCheck {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    header(headers, name),
  )
  if (!signatures) {
    const token = header(headers, 'x-a2a-notification-token')
    if (token === undefined) return { kind: 'absent' }
    return equal(token, secret) ? { kind: 'token' } : { kind: 'wrong', why: 'another token' }
  }
  if (!id || !timestamp) return { kind: 'wrong', why: 'webhook-id or webhook-timestamp is missing' }
  if (Math.abs(now.getTime() / 1_000 - Number(timestamp)) > TOLERANCE_S)
    return { kind: 'wrong', why: 'too old, or clocks disagree' }
  const expected = sign(secret, id, timestamp, body)
  // Several signatures stand side by side while a secret is being rotated.
  const verified = signatures.split(' ').some((signature) => equal(signature, expected))
  return verified ? { kind: 'verified' } : { kind: 'wrong', why: 'another secret or another body' }
}

export function sign(secret: string, id: string, timestamp: string, body: Buffer): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
