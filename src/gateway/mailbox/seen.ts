/** That an agent asked, renewed or settled is written down now and then, for all of them in one statement. */
import { laneKey } from '../../delivery.ts'
import type { Mailbox } from '../../store/inbox.ts'
import { seenMany } from '../../store/reading.ts'
import type { MailboxTools } from './tools.ts'

export interface Seen {
  /** They are there. */
  seen(boxes: readonly Mailbox[]): void
  /** This one works. */
  worked(box: Mailbox): void
  write(): Promise<void>
}

interface Fresh extends Mailbox {
  worked: boolean
}

export function createSeen({ db, clock, limits }: Pick<MailboxTools, 'db' | 'clock' | 'limits'>): Seen {
  const writtenAt = { seen: new Map<string, number>(), worked: new Map<string, number>() }
  let fresh = new Map<string, Fresh>()
  const isOld = (at: number | undefined): boolean => at === undefined || clock.elapsed() - at >= limits.seenEveryMs

  function note({ tenant, destination }: Mailbox, worked: boolean): void {
    const key = laneKey({ tenant, destination })
    if (!isOld(worked ? writtenAt.worked.get(key) : writtenAt.seen.get(key))) return
    fresh.set(key, { tenant, destination, worked: worked || fresh.get(key)?.worked === true })
  }

  return {
    seen(boxes) {
      for (const box of boxes) note(box, false)
    },
    worked: (box) => note(box, true),
    async write() {
      const boxes = [...fresh.entries()]
      fresh = new Map()
      await seenMany(
        db,
        boxes.map(([, box]) => box),
      )
      for (const times of Object.values(writtenAt)) for (const [key, at] of times) if (isOld(at)) times.delete(key)
      for (const [key, { worked }] of boxes) {
        writtenAt.seen.set(key, clock.elapsed())
        if (worked) writtenAt.worked.set(key, clock.elapsed())
      }
    },
  }
}
