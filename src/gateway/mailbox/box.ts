/** Who waits at one mailbox: calls for work, in groups that wish for the same, each in the order of their coming. */
import type { Mailbox } from '../../store/inbox.ts'
import type { LeaseRequest } from './lease.ts'
import type { Offer } from './offer.ts'

export interface Poll {
  /** Monotonic milliseconds. */
  readonly until: number
  readonly request: LeaseRequest
  /** Answered, or its client has gone. */
  readonly done: () => boolean
  readonly finish: (offers: Offer[]) => void
  readonly fail: (error: unknown) => void
}

export interface Box extends Mailbox {
  /** The agent's name. */
  readonly agent: string
  readonly groups: Map<string, Set<Poll>>
  /** Somebody looks for work for them now. */
  busy: boolean
  /** Something came meanwhile: look once more. */
  again: boolean
}

export const newBox = (mailbox: Mailbox, agent: string): Box => ({
  tenant: mailbox.tenant,
  destination: mailbox.destination,
  agent,
  groups: new Map(),
  busy: false,
  again: false,
})

const wishOf = ({ level, kinds, label, contextId, from, skill }: LeaseRequest): string =>
  JSON.stringify([level, kinds, label, contextId, from, skill])

/** true: nobody waited for the same, so somebody must look whether it is there. */
export function enter(box: Box, poll: Poll): boolean {
  const wish = wishOf(poll.request)
  const group = box.groups.get(wish)
  if (group) group.add(poll)
  else box.groups.set(wish, new Set([poll]))
  return !group
}

export function leave(box: Box, poll: Poll): void {
  const wish = wishOf(poll.request)
  const group = box.groups.get(wish)
  group?.delete(poll)
  if (group?.size === 0) box.groups.delete(wish)
}

export const wishes = (box: Box): string[] => [...box.groups.keys()]
export const pollsOf = (box: Box, wish: string): Poll[] => [...(box.groups.get(wish) ?? [])]
export const oldestOf = (box: Box, wish: string): Poll | undefined => box.groups.get(wish)?.values().next().value

/** Nothing came for those who have waited long enough. */
export function endOverdue(box: Box, wish: string, now: number): void {
  for (const poll of pollsOf(box, wish)) if (poll.until <= now) poll.finish([])
}
