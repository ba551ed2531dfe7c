/** Do the tokens that sign webhooks hold, by the keys that the gateway publishes? */
import { createHash } from 'node:crypto'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import type { Delivered } from '../support/receiver.ts'

/** A signature is looked at for this many of the webhooks, spread over the run. */
const SAMPLE = 300

export async function verifyTokens(
  webhooks: readonly Delivered[],
  gateways: readonly string[],
): Promise<{ id: string; good: boolean }[]> {
  if (webhooks.length === 0) return []
  const published = await Promise.any(
    gateways.map(async (gateway) => (await fetch(`${gateway}/.well-known/jwks.json`)).json()),
  )
  const keys = createLocalJWKSet(published as JSONWebKeySet)
  const step = Math.max(1, Math.floor(webhooks.length / SAMPLE))
  const looked: { id: string; good: boolean }[] = []
  for (let at = 0; at < webhooks.length; at += step) {
    const { headers, body } = webhooks[at] as Delivered
    const token = String(headers['x-a2a-signature-jwt'] ?? '')
    // When it was signed does not matter here: the clock of one replica may have been minutes off.
    const currentDate = new Date(Number(headers['webhook-timestamp']) * 1_000)
    const good = await jwtVerify(token, keys, { currentDate }).then(
      ({ payload }) => Object.values(payload).includes(createHash('sha256').update(body).digest('base64url')),
      () => false,
    )
    looked.push({ id: String(headers['webhook-id']), good })
  }
  return looked
}
