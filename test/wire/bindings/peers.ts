/** What the tests of outgoing calls share: a real egress to this machine, a clock that does not wait, a sink that remembers. */
import type { AgentCard } from '../../../src/a2a/agentCard.ts'
import type { StreamResponse } from '../../../src/a2a/events.ts'
import type { Message, TaskState } from '../../../src/a2a/tasks.ts'
import type { Clock } from '../../../src/platform/clock.ts'
import { createEgress, type Egress } from '../../../src/platform/egress.ts'
import type { AgentTarget, Peer, PeerSend } from '../../../src/ports.ts'
import { createFetchCard } from '../../../src/wire/bindings/card.ts'
import { createPeer } from '../../../src/wire/bindings/peer.ts'
import { createLog, type Log } from '../../support/log.ts'

export const loopbackEgress = (): Egress => createEgress({ allow: ['127.0.0.0/8', '::1/128'] })

/** Naps are noted and over at once. */
export interface Haste extends Clock {
  readonly naps: Log<number>
}
export function haste(): Haste {
  const naps = createLog<number>()
  return {
    naps,
    now: () => new Date('2026-11-20T12:00:00Z'),
    elapsed: () => performance.now(),
    async sleep(ms) {
      naps.add(ms)
      await new Promise((resolve) => setTimeout(resolve, 1))
    },
  }
}

export interface Heard {
  readonly log: Log<StreamResponse>
  readonly sink: (event: StreamResponse) => Promise<void>
}
export function listen(): Heard {
  const log = createLog<StreamResponse>()
  return { log, sink: async (event) => log.add(event) }
}

export interface World {
  readonly peer: Peer
  readonly clock: Haste
  readonly egress: Egress
  readonly quarantined: string[]
  target(url: string, more?: Partial<AgentTarget>): Promise<AgentTarget>
}

export function aWorld(): World {
  const egress = loopbackEgress()
  const clock = haste()
  const quarantined: string[] = []
  const fetchCard = createFetchCard({ egress, clock })
  return {
    egress,
    clock,
    quarantined,
    peer: createPeer({ egress, clock, fetchCard, quarantine: (reason) => void quarantined.push(reason) }),
    async target(url, more = {}) {
      const bare: AgentTarget = { tenant: 't', name: 'agent', url, headers: {}, ...more }
      const fetched = await fetchCard(bare, AbortSignal.timeout(10_000))
      if (fetched.kind === 'failed') throw new Error(JSON.stringify(fetched.verdict))
      return { ...bare, card: fetched.card }
    },
  }
}

/** The same agent, with its card changed. */
export const withCard = (target: AgentTarget, change: (card: AgentCard) => AgentCard): AgentTarget => ({
  ...target,
  card: change(target.card as AgentCard),
})

let sent = 0
export function aSend(
  text: string,
  more: Partial<Omit<PeerSend, 'message'>> & { message?: Partial<Message> } = {},
): PeerSend {
  sent += 1
  const message = { messageId: `message-${sent}`, role: 'ROLE_USER' as const, parts: [{ text }], ...more.message }
  return { extensions: [], idempotencyKey: `key-${sent}`, attempt: 1, ...more, message }
}

/** One word per event: for reading a course at a glance. */
export function glance(event: StreamResponse): string {
  const short = (state: TaskState) => state.slice('TASK_STATE_'.length)
  if ('task' in event) return `task ${short(event.task.status.state)}`
  if ('message' in event) return 'message'
  if ('statusUpdate' in event) return short(event.statusUpdate.status.state)
  const { artifact, append } = event.artifactUpdate
  return `${append ? '+' : ''}${artifact.parts.map((part) => part.text ?? '·').join('')}`
}
