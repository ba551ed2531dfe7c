/** Builds what follows tasks, conversations and rooms, and tells those who do, here and at other replicas. */
import type { Hints } from './gateway/tasks/hints.ts'
import { createHub } from './gateway/tasks/hub.ts'
import { createTails } from './gateway/tasks/tails.ts'
import type { Ground } from './ground.ts'

/** `look`: what another replica has told. */
export function buildFollowing({ db, clock, loopTools, signals }: Ground, hints: Hints) {
  const tails = createTails({ db, clock })
  const announce = (taskId: string) => {
    hints.announce(taskId)
    tails.touched(taskId)
  }
  const hub = createHub({ db, clock, loopTools, announce })
  // A task that is there now belongs to a conversation, which others may follow elsewhere.
  signals.on('task.accepted', ({ task }) => announce(task))
  const look = (taskIds: readonly string[] | undefined) => {
    hub.look(taskIds)
    tails.look(taskIds)
  }
  return { hub, tails, look }
}
