/**
 * An agent that does not stream but pushes is asked to push here. What it pushes is a hint, no more: it may come twice, out
 * of order or not at all, so it only makes whoever waits for the agent's task look at once (and nobody's word but the
 * agent's own answer changes a task).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface PushAddress {
  readonly url: string
  readonly token: string
  /** Resolves at the next push for the task. */
  readonly nudged: () => Promise<void>
}

export interface UpstreamPush {
  of(taskId: string): PushAddress
  /** false: the token is not that of the task. */
  receive(taskId: string, token: string): boolean
}

export function createUpstreamPush({ publicUrl, key }: { publicUrl: () => string; key: Buffer }): UpstreamPush {
  const waiting = new Map<string, Set<() => void>>()
  const tokenOf = (taskId: string) => createHmac('sha256', key).update(taskId).digest('base64url')

  function nudged(taskId: string): Promise<void> {
    return new Promise((resolve) => {
      const mine = waiting.get(taskId) ?? new Set()
      waiting.set(taskId, mine.add(resolve))
    })
  }

  return {
    of: (taskId) => ({
      url: `${publicUrl()}/v1/upstream/${taskId}`,
      // Only an agent that pushes needs it.
      get token() {
        return tokenOf(taskId)
      },
      nudged: () => nudged(taskId),
    }),
    receive(taskId, token) {
      const given = Buffer.from(token)
      const wanted = Buffer.from(tokenOf(taskId))
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return false
      for (const resolve of waiting.get(taskId) ?? []) resolve()
      waiting.delete(taskId)
      return true
    },
  }
}
