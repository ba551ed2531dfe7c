/**
 * A blocking send over JSON-RPC may take as long as its agent; clients and proxies give up on a silent connection sooner.
 * So the answer begins with its head and then a blank now and then, which JSON allows before a document. Only this
 * binding can: its refusals are answers with 200 as well, where HTTP+JSON says them in the status.
 */
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Exchange, type Headers, SECURITY_HEADERS } from './exchange.ts'

export interface Silence {
  /** Breaks the silence of this answer until the one who is called with the text ends it. Gives back how to forget it. */
  attend(exchange: Exchange): () => void
}

interface Waiting {
  readonly exchange: Exchange
  heardAt: number
}

/** Answers are looked after this often. */
const ROUND_MS = 1_000

export function createSilence({ clock, limits }: { clock: Clock; limits: Limits }): Silence {
  // In the order of their coming: one timer for all, because hardly any answer takes so long.
  const waiting = new Set<Waiting>()
  let running = false

  async function run(): Promise<void> {
    running = true
    while (waiting.size > 0) {
      await clock.sleep(Math.min(ROUND_MS, limits.answerSilenceMs))
      const now = clock.elapsed()
      for (const one of waiting) {
        if (now - one.heardAt < limits.answerSilenceMs) continue
        one.heardAt = now
        breakSilence(one.exchange)
      }
    }
    running = false
  }

  return {
    attend(exchange) {
      const one = { exchange, heardAt: exchange.startedAt }
      waiting.add(one)
      if (!running) void run()
      return () => void waiting.delete(one)
    },
  }
}

function breakSilence(exchange: Exchange): void {
  const { response, activated } = exchange
  if (response.destroyed || response.writableEnded) return
  if (!exchange.begun) {
    if (response.headersSent) return
    exchange.begun = true
    const headers: Headers = { ...SECURITY_HEADERS, 'Content-Type': 'application/json' }
    response.writeHead(200, activated.length > 0 ? { ...headers, 'A2A-Extensions': activated.join(', ') } : headers)
  }
  // Who does not read loses nothing by it.
  if (response.writableLength === 0) response.write(' ')
}
