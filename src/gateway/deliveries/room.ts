/** Whether a mailbox has room for one more of this sender: counted now and then, and carried on in memory in between. */
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { mailboxRoom } from '../../store/contacts.ts'
import type { Db } from '../../store/db.ts'

export interface Room {
  /** Throws SENDER_QUOTA, MAILBOX_FULL. `depth`: how much waits there, about; `exempt`: the sender's own cap does not count. */
  check(box: Mailbox, caller: string, depth: number, exempt: boolean): void
  /** One more waits. */
  took(box: Mailbox, caller: string): void
}
interface Mailbox {
  readonly tenant: string
  readonly destination: string
}

interface Count {
  sent: number
  bytes: number
  countedAt: number
  counting: boolean
}

export interface RoomTools {
  readonly db: Db
  readonly clock: Clock
  readonly limits: Limits
}

export function createRoom({ db, clock, limits }: RoomTools): Room {
  const { mailboxMessagesMax, mailboxBytesMax, mailboxPerSenderMax, requestBytesMax } = limits
  const counts = new Map<string, Count>()

  function countOf({ tenant, destination }: Mailbox, caller: string): Count {
    const key = `${tenant} ${destination} ${caller}`
    let count = counts.get(key)
    if (!count) {
      if (counts.size >= limits.rateBucketsMax) counts.delete(counts.keys().next().value as string)
      count = { sent: 0, bytes: 0, countedAt: Number.NEGATIVE_INFINITY, counting: false }
      counts.set(key, count)
    }
    return count
  }

  function recount({ tenant, destination }: Mailbox, caller: string, count: Count): void {
    if (count.counting || clock.elapsed() - count.countedAt <= limits.queueCountEveryMs) return
    count.counting = true
    mailboxRoom(db, { tenant, destination, caller, sentMax: mailboxPerSenderMax, rowsMax: mailboxMessagesMax })
      .then(
        (room) => Object.assign(count, room, { countedAt: clock.elapsed() }),
        () => {},
      )
      .finally(() => {
        count.counting = false
      })
  }

  return {
    check(box, caller, depth, exempt) {
      if (depth >= mailboxMessagesMax) throw full(`more than ${mailboxMessagesMax} messages wait in this mailbox`)
      const count = countOf(box, caller)
      // So few cannot be too many, nor too heavy: nothing is counted for them.
      if (Math.max(depth, count.sent) < mailboxPerSenderMax && depth * requestBytesMax <= mailboxBytesMax) return
      recount(box, caller, count)
      if (count.bytes > mailboxBytesMax) throw full(`more than ${mailboxBytesMax} bytes wait in this mailbox`)
      if (count.sent >= mailboxPerSenderMax && !exempt)
        throw new A2AError('SENDER_QUOTA', `${mailboxPerSenderMax} messages of yours wait in this mailbox`, {
          retryAfterSeconds: 30,
        })
    },
    took(box, caller) {
      countOf(box, caller).sent++
    },
  }
}

const full = (message: string): A2AError => new A2AError('MAILBOX_FULL', message, { retryAfterSeconds: 30 })
