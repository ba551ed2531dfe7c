/**
 * What callers were refused that they may not, in the audit (SR-82): the same once a minute, and not more than so many a
 * minute in all, so that whoever is refused often cannot fill it. Who is not known to us is in the log and the metrics only.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Caller } from '../../ports.ts'
import { appendAudit } from '../../store/audit.ts'
import type { Db } from '../../store/db.ts'

/** `what`: the operation or the route, `scope`: what was missing. Never throws, never waits. */
export type NoteDenial = (caller: Caller, what: string, scope: string) => void

export interface DenialTools {
  readonly db: Db
  readonly clock: Pick<Clock, 'elapsed'>
  readonly onError: (error: unknown) => void
}

const MINUTE_MS = 60_000

export function createNoteDenial({ db, clock, onError }: DenialTools): NoteDenial {
  let since = clock.elapsed()
  const noted = new Set<string>()
  return (caller, what, scope) => {
    if (clock.elapsed() - since >= MINUTE_MS) {
      since = clock.elapsed()
      noted.clear()
    }
    const key = JSON.stringify([caller.tenant, caller.id, what, scope])
    if (noted.has(key) || noted.size >= LIMITS.denialsNotedPerMinute) return
    noted.add(key)
    const note = { id: uuidv7(), actor: caller.id, action: 'access.denied', subject: what, detail: { scope } }
    appendAudit(db, caller.tenant, note).catch(onError)
  }
}
