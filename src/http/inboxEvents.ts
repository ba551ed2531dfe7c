/** Hints for an agent that listens, as server-sent events. They carry no ids: who comes back is told what is there then. */
import type { ServerResponse } from 'node:http'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import { type EventStream, openEventStream } from './eventStream.ts'

export interface HintTools {
  readonly mailbox: Mailbox
  /** Aborted when the gateway begins to stop. */
  readonly draining: AbortSignal
}

/** Streams until the reader is gone or too slow, the stream is old, or the gateway stops. Throws RATE_LIMITED before it begins. */
export function streamHints(response: ServerResponse, agent: Agent, { mailbox, draining }: HintTools): void {
  let stream: EventStream | undefined
  const stop = mailbox.listen(agent, {
    push: ({ event, ...hint }) => stream?.write(`event: ${event}\ndata: ${JSON.stringify(hint)}\n\n`) ?? false,
    end: () => stream?.end(),
  })
  stream = openEventStream(response, draining, stop)
}
