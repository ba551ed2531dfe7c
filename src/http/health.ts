/** Is the process alive, and can it serve. What is asked often is answered from the last second's look. */
import type { Clock } from '../platform/clock.ts'
import type { Db } from '../store/db.ts'

export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
  readonly ms?: number
}

export interface Health {
  alive(): { status: 'ok'; name: 'waypost'; version: string; uptimeSeconds: number }
  ready(): Promise<{ ready: boolean; checks: readonly Check[] }>
}

export interface HealthTools {
  readonly db: Pick<Db, 'kind' | 'ping'>
  readonly clock: Clock
  readonly version: string
  readonly draining: () => boolean
  /** Why this code cannot work with the database as it is; undefined: it can. */
  readonly schemaProblem?: () => string | undefined
}

/** A database that takes longer to say its time cannot serve requests either. */
const PROBE_MS = 1_000
/** How long an answer is good for: probes must not be a way to load the database. */
const KEEP_MS = 1_000

export function createHealth({ db, clock, version, draining, schemaProblem }: HealthTools): Health {
  const startedAt = clock.elapsed()
  let last: { at: number; check: Promise<Check> } | undefined

  async function probe(): Promise<Check> {
    const began = clock.elapsed()
    const stop = new AbortController()
    const late = clock.sleep(PROBE_MS, stop.signal).then((): string => `no answer in ${PROBE_MS} ms`)
    const said = db.ping().then(
      () => undefined,
      (error: unknown) => `${(error as { outcome?: string }).outcome ? 'unreachable' : 'failed'}`,
    )
    const problem = await Promise.race([said, late])
    stop.abort()
    const ms = Math.round(clock.elapsed() - began)
    return { name: 'database', ok: problem === undefined, detail: problem ?? db.kind, ms }
  }

  function database(): Promise<Check> {
    if (!last || clock.elapsed() - last.at > KEEP_MS) last = { at: clock.elapsed(), check: probe() }
    return last.check
  }

  return {
    alive: () => ({
      status: 'ok',
      name: 'waypost',
      version,
      uptimeSeconds: Math.floor((clock.elapsed() - startedAt) / 1_000),
    }),
    async ready() {
      const problem = schemaProblem?.()
      const checks: Check[] = [
        await database(),
        { name: 'schema', ok: problem === undefined, ...(problem !== undefined && { detail: problem }) },
        { name: 'draining', ok: !draining(), ...(draining() && { detail: 'stopping: no new requests' }) },
      ]
      return { ready: checks.every(({ ok }) => ok), checks }
    },
  }
}
