/** The checkers for a scenario that is written out by hand: what it sent and saw, and who was there. */
import type { ScriptedAgent } from '../support/agent.ts'
import type { Receiver } from '../support/receiver.ts'
import { checkAll } from './checkers/all.ts'
import { readBooks } from './checkers/books.ts'
import type { Finding } from './checkers/checker.ts'
import { createHistory, type Outcome } from './history.ts'
import { newEvidence } from './record.ts'

export type { Finding } from './checkers/checker.ts'

/** One line of a scenario's history. */
export interface Line {
  readonly at: number
  readonly client: number
  readonly op: 'send' | 'get' | 'cancel'
  readonly type: Outcome
  readonly messageId?: string
  readonly taskId?: string
  readonly state?: string
  readonly sequence?: number
}

export interface Sent {
  readonly messageId: string
  readonly contextId: string
  readonly agent: string
  /** The order within its conversation, from 0. */
  readonly nth: number
  readonly text: string
  readonly taskIds: Set<string>
  canceled: boolean
  cancelAsked: boolean
  tries: number
}

export interface Evidence {
  readonly databaseUrl: string
  readonly history: readonly Line[]
  readonly sent: readonly Sent[]
  readonly agents: Readonly<Record<string, ScriptedAgent>>
  /** Agents that know a message again: for them "doubled" means executed twice. */
  readonly deduping: readonly string[]
  readonly receiver?: Receiver
}

const CALLER = 'operator'

export async function check({ databaseUrl, history, sent, agents, deduping, receiver }: Evidence): Promise<Finding[]> {
  const evidence = newEvidence(createHistory())
  for (const { canceled: _, cancelAsked, taskIds, tries, ...message } of sent) {
    const { messageId } = message
    evidence.sent.push({
      ...message,
      caller: CALLER,
      client: 0,
      token: messageId,
      taskIds,
      cancelAsked,
      tries,
      unknown: false,
    })
  }
  const lines = history.map(({ client, at, ...line }) => ({
    ...line,
    at,
    from: at,
    proc: client,
    caller: CALLER,
    way: '1.0 JSONRPC',
    replica: 0,
  }))
  return checkAll(
    {
      evidence: { ...evidence, history: { ...evidence.history, lines } },
      agents: Object.entries(agents).map(([name, agent]) => ({
        name,
        agent,
        dedupes: deduping.includes(name),
        once: false,
        forgets: false,
      })),
      books: await readBooks(databaseUrl, []),
      webhooks: receiver?.log.entries ?? [],
      signedBy: undefined,
      faults: [],
      collapses: [],
      spilled: new Set(),
      leaseMs: 15_000,
    },
    { recoveryP95MaxMs: Number.POSITIVE_INFINITY, secrets: [] },
  )
}
