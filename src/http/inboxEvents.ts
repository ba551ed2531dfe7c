/** Hints for an agent that listens, as server-sent events. They carry no ids: who comes back is told what is there then. */
import type { ServerResponse } from 'node:http'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import { LIMITS } from '../limits.ts'

export interface HintTools {
  readonly mailbox: Mailbox
  /** Aborted when the gateway begins to stop. */
  readonly draining: AbortSignal
}

/** Streams until the reader is gone or too slow, the stream is old, or the gateway stops. Throws RATE_LIMITED before it begins. */
export function streamHints(response: ServerResponse, agent: Agent, { mailbox, draining }: HintTools): void {
  let ended = false
  const stop = mailbox.listen(agent, {
    push({ event, ...hint }) {
      if (ended) return false
      response.write(`event: ${event}\ndata: ${JSON.stringify(hint)}\n\n`)
      if (response.writableLength > LIMITS.streamBufferBytesMax) end()
      return !ended
    },
    end,
  })
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  })
  response.write(': open\n\n')
  const heartbeat = setInterval(() => response.write(': \n\n'), LIMITS.heartbeatMs)
  const age = setTimeout(end, LIMITS.streamAgeMaxMs)
  response.on('close', end)
  draining.addEventListener('abort', end, { once: true })

  function end(): void {
    if (ended) return
    ended = true
    clearInterval(heartbeat)
    clearTimeout(age)
    draining.removeEventListener('abort', end)
    stop()
    response.end()
  }
}
