/** Whether a mailbox has room for one more of this sender, about. */
import { A2AError } from '../../a2a/errors.ts'
import { type LanePlace, laneKey } from '../../delivery.ts'
import { mailboxRoom } from '../../store/contacts.ts'
import { createGlances, type GlanceGround } from './glances.ts'

export interface Room {
  /** Throws SENDER_QUOTA, MAILBOX_FULL. `depth`: how much waits there, about; `exempt`: the sender's own cap does not count. */
  check(box: LanePlace, caller: string, depth: number, exempt: boolean): void
  /** One more waits. */
  took(box: LanePlace, caller: string): void
}

interface Place extends LanePlace {
  readonly caller: string
}

export function createRoom({ db, clock, limits }: GlanceGround): Room {
  const { mailboxMessagesMax: rowsMax, mailboxBytesMax, mailboxPerSenderMax: sentMax, requestBytesMax } = limits
  const places = createGlances({
    clock,
    limits,
    max: limits.rateBucketsMax,
    keyOf: (place: Place) => `${laneKey(place)} ${place.caller}`,
    unknown: () => ({ sent: 0, bytes: 0 }),
    async read(asked) {
      const rooms = []
      for (const { tenant, destination, caller } of asked)
        rooms.push(await mailboxRoom(db, { tenant, destination, caller, sentMax, rowsMax }))
      return rooms
    },
  })
  const placeOf = ({ tenant, destination }: LanePlace, caller: string): Place => ({ tenant, destination, caller })

  return {
    check(box, caller, depth, exempt) {
      if (depth >= rowsMax) throw full(`more than ${rowsMax} messages wait in this mailbox`)
      const place = placeOf(box, caller)
      // So few cannot be too many, nor too heavy: nothing is counted for them.
      if (Math.max(depth, places.known(place).sent) < sentMax && depth * requestBytesMax <= mailboxBytesMax) return
      const { sent, bytes } = places.look(place)
      if (bytes > mailboxBytesMax) throw full(`more than ${mailboxBytesMax} bytes wait in this mailbox`)
      if (sent >= sentMax && !exempt)
        throw new A2AError('SENDER_QUOTA', `${sentMax} messages of yours wait in this mailbox`, {
          retryAfterSeconds: 30,
        })
    },
    took(box, caller) {
      places.known(placeOf(box, caller)).sent++
    },
  }
}

const full = (message: string): A2AError => new A2AError('MAILBOX_FULL', message, { retryAfterSeconds: 30 })
