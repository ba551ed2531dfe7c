/**
 * Who follows a conversation or a room looks when something was committed there, not by the clock. What is told, here and
 * by the other replicas, is only which tasks have changed; whose they are is asked for all of them at once, while somebody
 * follows at all. Hints: one that is lost costs time, because who follows also looks now and then.
 *
 *     task changed ──▶ gather ──▶ read its context and agent ──▶ wake those who follow either
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Db } from '../../store/db.ts'
import { readPlaces } from '../../store/tailed.ts'

export interface TailPlace {
  readonly tenant: string
  /** A context, or the address of a channel. */
  readonly place: string
}

export interface Tails {
  /** `look` is called when something may have come; gives back how to stop. */
  follow(place: TailPlace, look: () => void): () => void
  /** This task has changed, or is there now. */
  touched(taskId: string): void
  /** The same, told by others; undefined: hints were lost, it may be any of them. */
  look(taskIds: readonly string[] | undefined): void
}

export interface TailsTools {
  readonly db: Db
  readonly clock: Clock
}

/** Tasks whose place is remembered: a task that streams is asked for once. */
const KNOWN_MAX = 10_000
/** More than these at once are not asked for: everybody looks. */
const GATHERED_MAX = 2_000

const keyOf = (tenant: string, place: string): string => `${tenant} ${place}`

export function createTails({ db, clock }: TailsTools): Tails {
  const followers = new Map<string, { readonly tenant: string; readonly looks: Set<() => void> }>()
  const known = new Map<string, readonly string[]>()
  let gathered = new Set<string>()
  let scheduled = false

  const wake = (key: string) => {
    for (const look of followers.get(key)?.looks ?? []) look()
  }
  const wakeAll = () => {
    for (const key of followers.keys()) wake(key)
  }

  async function send(): Promise<void> {
    scheduled = false
    const ids = [...gathered]
    gathered = new Set()
    if (ids.length > GATHERED_MAX) return wakeAll()
    const unknown = ids.filter((id) => !known.has(id))
    const tenants = [...new Set([...followers.values()].map(({ tenant }) => tenant))]
    if (unknown.length > 0 && tenants.length > 0)
      for (const { tenant, id, agent, contextId } of await readPlaces(db, tenants, unknown))
        remember(id, [keyOf(tenant, contextId), keyOf(tenant, agent)])
    for (const key of new Set(ids.flatMap((id) => known.get(id) ?? []))) wake(key)
  }

  function remember(id: string, keys: readonly string[]): void {
    known.set(id, keys)
    if (known.size > KNOWN_MAX) known.delete(known.keys().next().value as string)
  }

  function touched(taskId: string): void {
    if (followers.size === 0) return
    gathered.add(taskId)
    if (scheduled) return
    scheduled = true
    void clock.sleep(LIMITS.notifyEveryMs).then(() => send().catch(wakeAll))
  }

  return {
    follow({ tenant, place }, look) {
      const key = keyOf(tenant, place)
      const entry = followers.get(key) ?? { tenant, looks: new Set<() => void>() }
      followers.set(key, entry)
      entry.looks.add(look)
      return () => {
        entry.looks.delete(look)
        if (entry.looks.size > 0 || followers.get(key) !== entry) return
        followers.delete(key)
        if (followers.size === 0) known.clear()
      }
    },
    touched,
    look(taskIds) {
      if (taskIds === undefined) wakeAll()
      else for (const id of taskIds) touched(id)
    },
  }
}
