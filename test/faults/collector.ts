/** Agents that collect: they lease, work, tell, and sometimes die or come too late. What was said and accepted is written down. */
import { Agent, request } from 'undici'
import { type Dice, nap } from './dice.ts'
import type { Evidence } from './record.ts'
import type { Door } from './speech.ts'

export interface CollectorOptions {
  readonly doors: readonly Door[]
  readonly tokens: readonly string[]
  /** For each of the tokens. */
  readonly workers: number
  readonly dice: Dice
  readonly evidence: Evidence
}

interface Offer {
  readonly lease: string
  readonly delivery: string
  readonly attempt: number
  readonly expires: string
  readonly text: string
  readonly task: { readonly id: string }
  readonly message: { readonly messageId: string }
}

/** The shortest that the gateway gives. */
const LEASE_SECONDS = 5

export function runCollectors({ doors, tokens, workers, dice, evidence }: CollectorOptions): { stop(): Promise<void> } {
  const dispatcher = new Agent({
    connections: tokens.length * workers * 2,
    headersTimeout: 15_000,
    connectTimeout: 3_000,
  })
  const stopping = new AbortController()

  async function post(token: string, path: string, body: unknown): Promise<{ status: number; json?: unknown }> {
    const response = await request(dice.pick(doors).http + path, {
      method: 'POST',
      dispatcher,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: stopping.signal,
    })
    const text = await response.body.text()
    return { status: response.statusCode, ...(text.startsWith('{') && { json: JSON.parse(text) }) }
  }

  /** The same words until somebody has heard them: safe, because the same again gets the same answer. */
  async function say(token: string, offer: Offer, leasedAt: number, expires: number): Promise<void> {
    const late = performance.now() > expires
    for (let tries = 0; tries < 30 && !stopping.signal.aborted; tries++) {
      const answer = await post(token, `/v1/leases/${offer.lease}/complete`, { text: `done: ${offer.text}` }).catch(
        () => undefined,
      )
      if (answer && answer.status < 500) {
        const { lease, delivery, attempt, task, message } = offer
        evidence.settled.push({
          lease,
          delivery,
          attempt,
          taskId: task.id,
          messageId: message.messageId,
          leasedAt,
          saidAt: performance.now(),
          late,
          status: answer.status,
        })
        return
      }
      await nap(50 + tries * 50)
    }
  }

  async function work(token: string): Promise<void> {
    while (!stopping.signal.aborted) {
      const answer = await post(token, '/v1/inbox/lease?wait=2', { leaseSeconds: LEASE_SECONDS }).catch(() => undefined)
      if (answer?.status !== 200) {
        await nap(answer?.status === 204 ? 5 : 200)
        continue
      }
      const offer = answer.json as Offer
      const leasedAt = performance.now()
      const fate = dice.next()
      // One in fifty is never heard of again, and one in fifty comes when its time is over.
      if (fate < 0.02) continue
      await nap(fate < 0.04 ? LEASE_SECONDS * 1_000 + dice.below(3_000) : dice.below(40))
      await say(token, offer, leasedAt, leasedAt + LEASE_SECONDS * 1_000)
    }
  }

  const running = Promise.all(tokens.flatMap((token) => Array.from({ length: workers }, () => work(token))))
  return {
    async stop() {
      stopping.abort()
      await running.catch(() => {})
      await dispatcher.destroy()
    },
  }
}
