/** Tells an agent that collects that something waits: one small signed POST, through the guarded door. */
import { LIMITS } from '../../limits.ts'
import { sha256, uuidv7 } from '../../platform/ids.ts'
import type { ClientTools } from './agentClient.ts'
import { faultOfEgress, verdictOf } from './faults.ts'
import type { Signer } from './signing.ts'

export interface WakeTools extends ClientTools {
  readonly sign: Pick<Signer, 'jwt'>
  readonly userAgent: string
}

interface Wake {
  readonly url: string
  readonly agent: string
}

/** Answers why it did not arrive, without a word of the receiver's; undefined: it did. */
export function createPostWake({ egress, clock, sign, userAgent, limits = LIMITS }: WakeTools) {
  return async ({ url, ...said }: Wake, signal: AbortSignal): Promise<string | undefined> => {
    const body = JSON.stringify({ event: 'work', ...said })
    const id = uuidv7()
    const now = clock.now()
    const audience = URL.canParse(url) ? new URL(url).origin : ''
    const jwt = await sign.jwt({ audience, id, taskId: `mailbox:${said.agent}`, bodySha256: sha256(body), now })
    const answer = await egress.request({
      url,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': userAgent,
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
        'x-a2a-signature-jwt': jwt,
      },
      body,
      signal,
      headersMs: limits.webhookTotalMs,
      totalMs: limits.webhookTotalMs,
      bytesMax: limits.webhookReplyBytesMax,
    })
    if (answer.kind !== 'answered') {
      const verdict = verdictOf(faultOfEgress(answer))
      return verdict.kind === 'accepted' ? undefined : verdict.reason
    }
    return answer.status >= 200 && answer.status < 300 ? undefined : `HTTP ${answer.status}`
  }
}
