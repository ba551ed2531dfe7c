/**
 * Following tasks.
 *
 * Promised: every event after `after`, each once, in order, as long as the follower listens. By what: the log is the only
 * source. What this process has just committed is handed over in memory, and only if it is the very next event; a
 * NOTIFY from another replica, and the poll under it, only say "read the log". Losing one costs time, never an event.
 *
 *     log:       1  2  3  4  5 ──────────►
 *     live:                  └ 6, 7, …      all live followers of a task stand at the same place: `seen`
 *     catching:     └ 3, 4, 5, then live    reads by itself until it has reached `seen`
 *
 * Not promised: that a follower keeps up. One whose `push` says false is let go; it comes back with its last id.
 */
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import type { StreamEntry } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { readAfter, readEvents } from '../../store/events.ts'
import { existingTasks } from '../../store/purge.ts'
import { fromRow } from './entries.ts'

export interface Follower {
  /** false: let me go. */
  push(entry: StreamEntry): boolean
  /** The log cannot be read; there will be no more. */
  fail(error: unknown): void
}

export interface FollowRequest {
  readonly tenant: string
  readonly taskId: string
  readonly after: number
  /** The task was opened by this process a moment ago, so there is nothing to catch up with. */
  readonly fresh?: boolean
}

export interface Hub extends Service {
  /** What this process has just committed. */
  publish(tenant: string, taskId: string, entries: readonly StreamEntry[]): void
  /** Another replica has: look at the log, if anybody here cares. `undefined`: hints were lost, look at all. */
  look(taskIds: readonly string[] | undefined): void
  follow(request: FollowRequest, follower: Follower): () => void
  /** These tasks have been removed: their followers are let go. */
  gone(tenant: string, taskIds: readonly string[]): void
  /** Followers in all, and of one task. */
  count(taskId?: string): number
}

interface Channel {
  readonly tenant: string
  readonly taskId: string
  /** Where all live followers stand; undefined: nobody is live yet. */
  seen: number | undefined
  readonly live: Set<Follower>
  readonly catching: Set<Follower>
  idlePolls: number
  pollAt: number
}

export interface HubTools {
  readonly db: Db
  readonly clock: Clock
  readonly loopTools: LoopTools
  /** Tells the other replicas which tasks have changed. */
  readonly announce: (taskId: string) => void
}

/** A task on which nothing happens is asked for less often. */
const IDLE_POLLS = 10
const IDLE_POLL_MS = 5_000
/** Once a minute it is looked whether it is there at all. */
const GONE_POLLS = 12

export function createHub({ db, clock, loopTools, announce }: HubTools): Hub {
  const channels = new Map<string, Channel>()
  let followers = 0

  function drop(channel: Channel, follower: Follower): void {
    if (channel.live.delete(follower) || channel.catching.delete(follower)) followers--
    if (channel.live.size === 0) channel.seen = undefined
    if (channel.live.size + channel.catching.size === 0 && channels.get(channel.taskId) === channel)
      channels.delete(channel.taskId)
  }

  function deliver(channel: Channel, entries: readonly StreamEntry[]): boolean {
    for (const entry of entries) {
      if (channel.seen === undefined || entry.sequence <= channel.seen) continue
      if (entry.sequence > channel.seen + 1) return false
      channel.seen = entry.sequence
      channel.idlePolls = 0
      for (const follower of channel.live) if (!follower.push(entry)) drop(channel, follower)
    }
    return true
  }

  async function readOn(chosen: readonly Channel[]): Promise<void> {
    let behind = chosen.filter((channel) => channel.seen !== undefined)
    while (behind.length > 0) {
      const limit = LIMITS.followPageEvents * 4
      const rows = await readAfter(
        db,
        behind.map(({ tenant, taskId, seen }) => ({ tenant, taskId, after: seen as number })),
        limit,
      )
      for (const row of rows) {
        const channel = channels.get(row.taskId)
        if (channel && channel.tenant === row.tenant) deliver(channel, [fromRow(row)])
      }
      const last = rows.at(-1)?.taskId
      behind =
        rows.length < limit || last === undefined
          ? []
          : behind.filter(({ taskId, seen }) => taskId >= last && seen !== undefined)
    }
  }

  async function catchUp(channel: Channel, follower: Follower, after: number): Promise<void> {
    let at = after
    while (channel.catching.has(follower)) {
      const rows = await readEvents(db, channel.tenant, channel.taskId, at, LIMITS.followPageEvents)
      for (const row of rows) {
        if (!channel.catching.has(follower)) return
        at = row.seq
        if (!follower.push(fromRow(row))) return drop(channel, follower)
      }
      if (rows.length === LIMITS.followPageEvents) continue
      // The log is ahead of the live ones: bring them along, then look again.
      if (channel.seen !== undefined && channel.seen < at) await readOn([channel])
      // Between this look and the change of place nothing waits, so nothing can come between them.
      else if (channel.seen === undefined || channel.seen === at) return goLive(channel, follower, at)
    }
  }

  function goLive(channel: Channel, follower: Follower, at: number): void {
    if (!channel.catching.delete(follower)) return
    channel.seen = at
    channel.live.add(follower)
  }

  /** They come back with their last id, and are told that there is no such task. */
  function gone(tenant: string, taskIds: readonly string[]): void {
    for (const id of taskIds) {
      const channel = channels.get(id)
      if (channel?.tenant !== tenant) continue
      for (const follower of [...channel.live, ...channel.catching]) {
        drop(channel, follower)
        follower.fail(new Error('the task has been removed'))
      }
    }
  }

  /** Another replica may have removed what nothing happens on any more. */
  async function lookForGone(quiet: readonly Channel[]): Promise<void> {
    const there = new Set(await existingTasks(db, quiet))
    for (const { tenant, taskId } of quiet) if (!there.has(taskId)) gone(tenant, [taskId])
  }

  return {
    name: 'hub',
    ...pollLoop(),
    publish(tenant, taskId, entries) {
      announce(taskId)
      const channel = channels.get(taskId)
      if (channel && channel.tenant === tenant && !deliver(channel, entries)) void readOn([channel]).catch(() => {})
    },
    look(taskIds) {
      const chosen = taskIds ? taskIds.flatMap((id) => channels.get(id) ?? []) : [...channels.values()]
      if (chosen.length > 0) void readOn(chosen).catch(() => {})
    },
    gone,
    follow({ tenant, taskId, after, fresh = false }, follower) {
      let channel = channels.get(taskId)
      if (!channel || channel.tenant !== tenant) {
        channel = {
          tenant,
          taskId,
          seen: undefined,
          live: new Set(),
          catching: new Set(),
          idlePolls: 0,
          pollAt: clock.elapsed() + LIMITS.followPollMs,
        }
        channels.set(taskId, channel)
      }
      const mine = channel
      followers++
      if (fresh && mine.seen === undefined && mine.catching.size === 0) {
        mine.seen = after
        mine.live.add(follower)
      } else {
        mine.catching.add(follower)
        catchUp(mine, follower, after).catch((error) => {
          drop(mine, follower)
          follower.fail(error)
        })
      }
      return () => drop(mine, follower)
    },
    count: (taskId) => {
      if (taskId === undefined) return followers
      const channel = channels.get(taskId)
      return channel ? channel.live.size + channel.catching.size : 0
    },
  }

  /** The safety net: one statement for all that is watched here. The embedded database has only this process to tell it. */
  function pollLoop(): Pick<Service, 'start' | 'stop'> {
    return loop(
      'hub.poll',
      async (signal) => {
        await clock.sleep(LIMITS.followPollMs, signal)
        if (signal.aborted || db.kind === 'embedded') return
        const now = clock.elapsed()
        const due = [...channels.values()].filter((channel) => channel.pollAt <= now)
        for (const channel of due)
          channel.pollAt = now + (channel.idlePolls++ > IDLE_POLLS ? IDLE_POLL_MS : LIMITS.followPollMs)
        if (due.length > 0) await readOn(due)
        const quiet = due.filter(({ idlePolls }) => idlePolls > IDLE_POLLS && idlePolls % GONE_POLLS === 0)
        if (quiet.length > 0) await lookForGone(quiet)
      },
      loopTools,
    )
  }
}
