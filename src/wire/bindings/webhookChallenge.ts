/** Asks a receiver whether it wants our webhooks: it agrees by saying back what nobody else can know. */
import { LIMITS } from '../../limits.ts'
import type { ChallengeWebhook } from '../../ports.ts'
import type { ClientTools } from './agentClient.ts'

export const createChallengeWebhook =
  ({ egress, limits = LIMITS }: ClientTools): ChallengeWebhook =>
  async (url, challenge, signal) => {
    const answer = await egress.request({
      url,
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', 'webhook-challenge': 'true' },
      body: JSON.stringify({ type: 'webhook.challenge', challenge }),
      signal,
      headersMs: limits.webhookChallengeMs,
      totalMs: limits.webhookChallengeMs,
      bytesMax: limits.webhookReplyBytesMax,
    })
    if (answer.kind !== 'answered' || answer.status < 200 || answer.status > 299) return false
    try {
      return (JSON.parse(answer.body.toString('utf8')) as { challenge?: unknown } | null)?.challenge === challenge
    } catch {
      return false
    }
  }
