/**
 * A write whose answer was lost: was it done? A writer under a lease knows the last event before its own; what stands in
 * the log after that with the very same bytes is its own. So a result that an agent has given is not thrown away, and
 * not recorded twice, because a connection died.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Db, isRowsFault, StoreError } from '../../store/db.ts'
import { type Appended, readEvents } from '../../store/events.ts'

export interface Uncertain {
  readonly tenant: string
  readonly taskId: string
  /** The last sequence before the write. */
  readonly after: number
  /** What it writes; at least one. */
  readonly bodies: readonly string[]
  readonly write: () => Promise<Appended>
}

/** Writes until it is known what came of it, within the time that a lease lives without us. Rejects when it stays unknown. */
export async function writeSurely(
  { db, clock }: { db: Db; clock: Clock },
  { tenant, taskId, after, bodies, write }: Uncertain,
): Promise<Appended> {
  const until = clock.elapsed() + LIMITS.leaseMs
  let waitMs: number = LIMITS.notifyEveryMs
  let error: unknown
  for (;;) {
    try {
      const found = error === undefined ? undefined : await find()
      return found ?? (await write())
    } catch (caught) {
      error = caught
      if (!(caught instanceof StoreError) || isRowsFault(caught) || clock.elapsed() > until) throw caught
    }
    await clock.sleep(waitMs)
    waitMs = Math.min(waitMs * 2, LIMITS.reconnectMaxMs)
  }

  async function find(): Promise<Appended | undefined> {
    const rows = await readEvents(db, tenant, taskId, after, LIMITS.followPageEvents)
    const last = rows.find(({ body }) => body === bodies.at(-1))
    return last && { kind: 'appended', lastSeq: last.seq, cancelRequested: false }
  }
}
