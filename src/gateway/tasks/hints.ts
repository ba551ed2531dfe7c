/**
 * Telling other replicas that tasks have changed and mailboxes have something: one NOTIFY per process every 20 ms at most, outside the statements
 * that changed them (a NOTIFY in the write path cost 71–88 % of throughput). A hint may be lost: followers also poll.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Db } from '../../store/db.ts'

export interface BoxName {
  readonly tenant: string
  readonly destination: string
}
type OnHint<What> = (changed: readonly What[] | undefined) => void

export interface Hints {
  announce(taskId: string): void
  /** Something may be due at this mailbox. */
  announceBox(tenant: string, destination: string): void
  /** Begins to listen to the others. `undefined`: hints were lost, look at everything. */
  listen(onTasks: OnHint<string>, onBoxes: OnHint<BoxName>): Promise<void>
}

export interface HintTools {
  readonly db: Db
  readonly clock: Clock
  /** Who we are, to leave out our own. */
  readonly replica: () => string
  readonly hasOthers: () => boolean
}

/** 200 ids of 36 characters are 7,400 bytes: below the 8,000 that a payload may have. */
const IDS_PER_HINT = 200
/** More changes than this in one go are told as "everything". */
const IDS_MAX = 2_000
/** What begins the names of mailboxes, and how much of them fits: tenants have names of their own. */
const BOXES = '@'
const HINT_CHARS = 7_000

export function createHints({ db, clock, replica, hasOthers }: HintTools): Hints {
  let changed = new Set<string>()
  let boxes = new Set<string>()
  let scheduled = false

  function send(): void {
    scheduled = false
    const ids = [...changed]
    changed = new Set()
    sendBoxes()
    if (ids.length > IDS_MAX) {
      db.hint(`${replica()} *`)
      return
    }
    for (let at = 0; at < ids.length; at += IDS_PER_HINT)
      db.hint(`${replica()} ${ids.slice(at, at + IDS_PER_HINT).join(',')}`)
  }

  function sendBoxes(): void {
    let names = ''
    for (const name of boxes) {
      if (names.length + name.length > HINT_CHARS) {
        db.hint(`${replica()} ${BOXES}${names}`)
        names = ''
      }
      names += `${names && ','}${name}`
    }
    if (names) db.hint(`${replica()} ${BOXES}${names}`)
    boxes = new Set()
  }

  function add(to: Set<string>, what: string): void {
    to.add(what)
    if (scheduled) return
    scheduled = true
    void clock.sleep(LIMITS.notifyEveryMs).then(send)
  }
  const isAlone = () => db.kind === 'embedded' || !hasOthers()

  return {
    announce(taskId) {
      if (!isAlone()) add(changed, taskId)
    },
    announceBox(tenant, destination) {
      if (!isAlone() && boxes.size < IDS_MAX) add(boxes, `${encodeURIComponent(tenant)}/${destination}`)
    },
    listen: (onTasks, onBoxes) =>
      db.listen(
        (payload) => {
          const [from, what] = payload.split(' ', 2)
          if (from === replica()) return
          if (what?.startsWith(BOXES)) onBoxes(what.slice(BOXES.length).split(',').map(boxNamed))
          else onTasks(what === '*' ? undefined : what?.split(','))
        },
        () => {
          onTasks(undefined)
          onBoxes(undefined)
        },
      ),
  }
}

function boxNamed(name: string): BoxName {
  const at = name.indexOf('/')
  return { tenant: decodeURIComponent(name.slice(0, at)), destination: name.slice(at + 1) }
}
