/**
 * What has ended long ago goes, a page at a time: oldest first, by one replica for all, with pauses that leave the database
 * to those who wait for it. A walk looks at what is older than the retention; what stays (dead letters, what is waited for) is
 * looked at anew by the next. No index helps but the primary key: ids are in the order of time.
 */
import type { HappeningSignals } from '../../happenings.ts'
import type { Clock } from '../../platform/clock.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import type { Db } from '../../store/db.ts'
import {
  isOldestReplica,
  nextTask,
  type Purged,
  purgeTasks,
  tenantsWithTasks,
  tidy,
  vacuum,
} from '../../store/purge.ts'

export interface RetentionTools {
  readonly db: Db
  readonly clock: Clock
  readonly now: () => Date
  readonly loopTools: LoopTools
  readonly owner: () => string
  readonly signals: HappeningSignals
  /** These tasks are no more: whoever follows one is let go. */
  readonly gone: (tenant: string, taskIds: readonly string[]) => void
  /** How long a task is kept after it has ended. Days, and parts of one; Infinity: for ever. */
  readonly days: number
  /** What a tenant has of its own instead. */
  readonly daysOf?: (tenant: string) => number | undefined
  /** The same for what could not be delivered, and its task; never shorter than `days`. */
  readonly deadDays: number
  /** Between two walks, at most. */
  readonly everyMs: number
}

const DAY_MS = 86_400_000
/** A page is one statement: it may last this long, and the next waits this many times as long, so that a purge has a fifth of a lane at most. */
const PAGE_MS = 60
const PAUSE_TIMES = 4
const TASKS_MAX = 1_000
/** Rows of logs that one page removes, about. */
const ROWS_MAX = 20_000
const TIDY_EVERY_MS = 3_600_000

/** `low`: nothing of the tenant is older than this id. `page`: tasks a page, as many as the database takes well. */
export interface Standing {
  readonly low: Map<string, string>
  page: number
  tidiedAt: number | undefined
}

export function createRetention(tools: RetentionTools): Service {
  const { clock, loopTools, days } = tools
  const standing: Standing = { low: new Map(), page: TASKS_MAX, tidiedAt: undefined }
  // A hundredth of the retention is early enough.
  const everyMs = Math.min(tools.everyMs, Math.max(1_000, (days * DAY_MS) / 100))
  return loop(
    'retention',
    async (signal) => {
      await clock.sleep(everyMs, signal)
      if (!signal.aborted && (await isOldestReplica(tools.db, tools.owner()))) await walk(tools, standing, signal)
    },
    loopTools,
  )
}

/** One walk over all tenants. */
export async function walk(tools: RetentionTools, standing: Standing, signal: AbortSignal): Promise<void> {
  const { db, clock, days, deadDays, signals } = tools
  const began = clock.elapsed()
  if (standing.tidiedAt === undefined || began - standing.tidiedAt >= TIDY_EVERY_MS) {
    standing.tidiedAt = began
    // Somebody's clock may have been behind: now and then from the very beginning.
    standing.low.clear()
    await tidy(db, seconds(Math.max(days, deadDays)))
  }
  let [purged, kept] = [0, 0]
  for (const tenant of await tenantsWithTasks(db)) {
    const walked = await walkTenant(tenant, tools, standing, signal)
    purged += walked.purged
    kept += walked.kept
    if (signal.aborted) return
  }
  if (db.kind === 'embedded') await vacuum(db)
  signals.emit('retention.walked', { purged, kept, ms: Math.round(clock.elapsed() - began) })
}

async function walkTenant(tenant: string, tools: RetentionTools, standing: Standing, signal: AbortSignal) {
  const { clock, now } = tools
  const days = tools.daysOf?.(tenant) ?? tools.days
  if (days === Infinity) return { purged: 0, kept: 0 }
  const upTo = idAt(now().getTime() - days * DAY_MS)
  let after = standing.low.get(tenant) ?? idAt(0)
  let low: string | undefined
  let [purged, kept] = [0, 0]
  while (!signal.aborted) {
    const began = clock.elapsed()
    const page = await purgePage({ tenant, days, after, upTo }, tools, standing)
    const ms = clock.elapsed() - began
    if (page.last === null) break
    after = page.last
    // Behind the last one that is gone before the first that stays there is nothing left.
    if (low === undefined) standing.low.set(tenant, page.kept === null ? page.last : before(page.kept))
    low ??= page.kept ?? undefined
    purged += page.gone.length
    kept += page.looked - page.gone.length
    if (page.gone.length > 0) {
      tools.gone(tenant, page.gone)
      tools.signals.emit('tasks.purged', { tenant, tasks: page.gone.length, ms: Math.round(ms) })
    }
    paceAt(standing, ms)
    await clock.sleep(Math.max(1, ms * PAUSE_TIMES), signal)
  }
  return { purged, kept }
}

function paceAt(standing: Standing, ms: number): void {
  if (ms > PAGE_MS) standing.page = Math.max(1, standing.page >> 1)
  else if (ms < PAGE_MS / 3) standing.page = Math.min(TASKS_MAX, standing.page * 2)
}

/** A page that the database does not manage in its time is tried with fewer tasks; a single one is left and told. */
async function purgePage(
  { tenant, days, after, upTo }: { tenant: string; days: number; after: string; upTo: string },
  { db, deadDays, loopTools }: RetentionTools,
  standing: Standing,
): Promise<Purged> {
  const keep = { keepSeconds: seconds(days), keepDeadSeconds: seconds(Math.max(days, deadDays)) }
  for (;;) {
    const tasksMax = standing.page
    try {
      return await purgeTasks(db, { tenant, after, upTo, ...keep, tasksMax, rowsMax: ROWS_MAX })
    } catch (error) {
      standing.page = Math.max(1, tasksMax >> 2)
      loopTools.onError('retention', error)
      if (tasksMax > 1) continue
      const last = await nextTask(db, tenant, after, upTo)
      return { looked: 1, last, kept: last, gone: [] }
    }
  }
}

/** For ever is two thousand years and more. */
const seconds = (days: number): number => Math.min(days, 1_000_000) * 86_400

/** The last id that could have been made at this moment. */
export function idAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return ms <= 0 ? '00000000-0000-0000-0000-000000000000' : `${hex.slice(0, 8)}-${hex.slice(8)}-7fff-bfff-ffffffffffff`
}

/** The id before this one. */
const before = (id: string): string => {
  const hex = (BigInt(`0x${id.replaceAll('-', '')}`) - 1n).toString(16).padStart(32, '0')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
