/** What is read of a place now and then, and carried on in memory in between: one look at a time, for all that were asked for meanwhile. */
import type { Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Db } from '../../store/db.ts'

export interface GlanceGround {
  readonly db: Db
  readonly clock: Clock
  readonly limits: Limits
}

export interface Glances<Place, Value> {
  /** As it was read last, and changed since by whoever holds it. */
  known(place: Place): Value
  /** The same; what was read a while ago is read again meanwhile. */
  look(place: Place): Value
  /** The same, but not before it was looked at for the first time. */
  first(place: Place): Promise<Value>
}

export interface GlanceTools<Place, Value> {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'queueCountEveryMs'>
  /** Places remembered; the one that was not asked for longest is forgotten, and read anew when it is. */
  readonly max: number
  readonly keyOf: (place: Place) => string
  /** What is known before a look, or after one that failed. */
  readonly unknown: () => Value
  /** One value for each, in their order. */
  readonly read: (places: readonly Place[]) => Promise<readonly Value[]>
}

interface Glance<Place, Value> {
  readonly place: Place
  value: Value
  /** Milliseconds of the clock: from then on it is looked at again. */
  dueAt: number
  looked: boolean
}

/** In one look: a statement stays short however many ask. */
const AT_ONCE = 200

export function createGlances<Place, Value>(tools: GlanceTools<Place, Value>): Glances<Place, Value> {
  const { clock, limits, max, keyOf, unknown, read } = tools
  const glances = new Map<string, Glance<Place, Value>>()
  const wanted = new Set<Glance<Place, Value>>()
  let looking: Promise<void> | undefined

  function glanceOf(place: Place): Glance<Place, Value> {
    const key = keyOf(place)
    const glance = glances.get(key) ?? { place, value: unknown(), dueAt: Number.NEGATIVE_INFINITY, looked: false }
    glances.delete(key)
    if (glances.size >= max) glances.delete(glances.keys().next().value as string)
    glances.set(key, glance)
    return glance
  }

  async function lookOnce(): Promise<void> {
    const batch = [...wanted].slice(0, AT_ONCE)
    for (const glance of batch) wanted.delete(glance)
    const values = await read(batch.map(({ place }) => place)).catch(() => [])
    batch.forEach((glance, at) => {
      glance.value = values[at] ?? glance.value
      glance.looked = true
    })
  }

  async function lookAll(): Promise<void> {
    while (wanted.size > 0) {
      looking = lookOnce()
      await looking
    }
    looking = undefined
  }

  function refresh(glance: Glance<Place, Value>): void {
    if (clock.elapsed() < glance.dueAt) return
    glance.dueAt = clock.elapsed() + limits.queueCountEveryMs
    wanted.add(glance)
    if (!looking) void lookAll()
  }

  return {
    known: (place) => glanceOf(place).value,
    look(place) {
      const glance = glanceOf(place)
      refresh(glance)
      return glance.value
    },
    async first(place) {
      const glance = glanceOf(place)
      refresh(glance)
      while (!glance.looked && looking) await looking
      return glance.value
    },
  }
}
