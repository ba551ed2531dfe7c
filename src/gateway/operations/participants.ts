/**
 * A context is its participants': who has sent or been sent something in it may go on with it, whoever of them began;
 * to all others it is not there. That is so for contexts whose ids are UUIDs, which nobody has by chance; shorter ones,
 * which programs write by hand (`1`, `chat`), are each caller's own.
 */
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import { standingIn } from '../../store/conversations.ts'
import type { Db } from '../../store/db.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** Whether all that take part in it see all of it. */
export const isShared = (contextId: string): boolean => UUID.test(contextId)

export interface Participants {
  /** Throws TASK_NOT_FOUND for a conversation of others. */
  admit(caller: Caller, contextId: string): Promise<void>
}

export const noConversation = (): A2AError => new A2AError('TASK_NOT_FOUND', 'there is no such conversation')

export function createParticipants(db: Db): Participants {
  /** Nobody is ever put out: who was let in once is let in without a look. */
  const known = new Set<string>()
  return {
    async admit(caller, contextId) {
      if (!isShared(contextId) || isAdmin(caller)) return
      const key = `${caller.tenant}\n${caller.id}\n${contextId}`
      if (known.has(key)) return
      const standing = await standingIn(db, caller.tenant, contextId, caller.id)
      if (!standing.mine && standing.known) throw noConversation()
      if (!standing.mine) return
      known.add(key)
      if (known.size > LIMITS.participantsKnownMax) known.delete(known.values().next().value as string)
    },
  }
}
