/** How many streams may be open: one count for all listeners, so that a caller gets no second share at another door. */
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'
import type { Caller } from '../../ports.ts'

export interface StreamPlaces {
  /**
   * Takes a place for one more stream; gives back how to return it, once.
   * @throws A2AError RATE_LIMITED, or UNAVAILABLE while this server is stopping
   */
  admit(caller: Caller, task: string | undefined): () => void
}

export interface PlacesTools {
  readonly limits: Pick<Limits, 'streamsMax' | 'streamsPerCallerMax' | 'streamsPerTaskMax'>
  /** How many the callers of a tenant may have together; undefined: as many as there may be in all. */
  readonly tenantMax?: (tenant: string) => number | undefined
  readonly draining: () => boolean
}

export function createPlaces({ limits, tenantMax, draining }: PlacesTools): StreamPlaces {
  const counts = {
    all: 0,
    tenants: new Map<string, number>(),
    callers: new Map<string, number>(),
    tasks: new Map<string, number>(),
  }
  return {
    admit(caller, task) {
      if (draining()) throw new A2AError('UNAVAILABLE', 'this server is stopping, ask again')
      const key = `${caller.tenant}\n${caller.id}`
      refuseBeyond(counts.all, limits.streamsMax, 'streams are open')
      const shared = tenantMax?.(caller.tenant)
      if (shared !== undefined)
        refuseBeyond(counts.tenants.get(caller.tenant) ?? 0, shared, 'streams are open for this tenant')
      refuseBeyond(counts.callers.get(key) ?? 0, limits.streamsPerCallerMax, 'streams are open for this caller')
      if (task) refuseBeyond(counts.tasks.get(task) ?? 0, limits.streamsPerTaskMax, 'streams are open on this task')
      const change = (by: number) => {
        counts.all += by
        count(counts.tenants, caller.tenant, by)
        count(counts.callers, key, by)
        if (task) count(counts.tasks, task, by)
      }
      change(1)
      let held = true
      return () => {
        if (held) change(-1)
        held = false
      }
    },
  }
}

function refuseBeyond(now: number, max: number, what: string): void {
  if (now >= max) throw new A2AError('RATE_LIMITED', `${max} ${what} already`, { retryAfterSeconds: 5 })
}

function count(counts: Map<string, number>, key: string, by: number): void {
  const now = (counts.get(key) ?? 0) + by
  if (now > 0) counts.set(key, now)
  else counts.delete(key)
}
