/** What waits for a member that has left, and nobody has taken, is withdrawn: it does not answer any more. */

import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { StreamEntry } from '../../ports.ts'
import { waitingPosts } from '../../store/children.ts'
import type { Db } from '../../store/db.ts'
import { cancelQueued } from '../../store/messages.ts'
import { destinationOf } from '../agents/agent.ts'
import { toEntry } from '../tasks/entries.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import { LEFT } from './take.ts'

export interface WithdrawTools {
  readonly db: Db
  readonly now: () => Date
  readonly signals: HappeningSignals
  readonly published: (tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) => void
}

export async function withdrawPosts(
  { tenant, member, channel }: { tenant: string; member: string; channel: string },
  tools: WithdrawTools,
): Promise<void> {
  const destination = destinationOf(member)
  const why = { code: LEFT, text: 'the agent has left the channel' }
  for (;;) {
    const waiting = await waitingPosts(tools.db, { tenant, destination, channel }, LIMITS.childrenPage)
    let done = 0
    for (const { id, contextId, createdAt } of waiting) {
      const at = tools.now()
      const ids = { taskId: id, contextId }
      const event = { statusUpdate: { ...ids, status: gatewayStatus('TASK_STATE_CANCELED', why, at, ids) } }
      const body = JSON.stringify(event)
      const gone = await cancelQueued(tools.db, {
        tenant,
        taskId: id,
        statusAt: at.toISOString(),
        body,
        eventId: uuidv7(),
      })
      if (!gone) continue
      done++
      const entry = toEntry({ sequence: gone.lastSeq, json: body, event, state: 'TASK_STATE_CANCELED' })
      tools.published(tenant, id, [entry], gone.owed)
      const ms = at.getTime() - createdAt
      tools.signals.emit('task.finished', { task: id, tenant, agent: member, state: 'TASK_STATE_CANCELED', ms })
    }
    if (done === 0 || waiting.length < LIMITS.childrenPage) return
  }
}
