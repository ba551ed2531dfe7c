/** What became of each lease, for logs and metrics: an agent that collects makes attempts like the forwarder does. */
import type { HappeningSignals, Happenings } from '../../happenings.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Held, LeaseKey } from '../../store/mailbox.ts'
import type { LostLease } from '../../store/recovery.ts'

export type Attempted = Pick<Happenings['delivery.attempted'], 'outcome' | 'nextInMs' | 'code' | 'reason'>

export interface Attempts {
  /** These leases were handed out here. */
  began(leases: readonly string[]): void
  /** Its holder has said so. */
  ended(key: LeaseKey, held: Held, how: Attempted): void
  /** It ran out. */
  lost(delivery: LostLease, isLast: boolean): void
}

/** Leases whose beginning is remembered; the oldest is forgotten first. */
const BEGUN_MAX = 20_000

type Told = Pick<LostLease, 'id' | 'destination' | 'taskId' | 'kind' | 'attempt' | 'createdAt'> & { lease: string }

export interface AttemptsTools {
  readonly signals: HappeningSignals
  readonly clock: Clock
  /** The database's time as this process knows it. */
  readonly now: () => Date
}

export function createAttempts({ signals, clock, now }: AttemptsTools): Attempts {
  const begun = new Map<string, number>()

  function tell({ id: delivery, lease, taskId: task, createdAt, destination, kind, attempt }: Told, how: Attempted) {
    const at = begun.get(lease)
    begun.delete(lease)
    const waitedMs = Math.max(0, Math.round(now().getTime() - createdAt))
    // How long it took is not known of what another replica handed out.
    const took = at === undefined ? {} : { ms: Math.round(clock.elapsed() - at) }
    signals.emit('delivery.attempted', { delivery, task, destination, kind, attempt, ...took, waitedMs, ...how })
  }

  return {
    began(leases) {
      for (const lease of leases) {
        if (begun.size >= BEGUN_MAX) begun.delete(begun.keys().next().value as string)
        begun.set(lease, clock.elapsed())
      }
    },
    ended: (key, held, how) => tell({ ...held, ...key }, how),
    lost({ lease, ...delivery }, isLast) {
      const how = { outcome: isLast ? 'dead' : 'retry', code: 'LEASE_LOST', reason: 'its lease ran out' } as const
      tell({ ...delivery, lease: lease ?? '' }, how)
    },
  }
}
