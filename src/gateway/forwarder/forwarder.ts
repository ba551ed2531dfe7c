/**
 * The forwarder: carries what is due, lane by lane.
 *
 * A lane is a destination. What is fresh and for an open lane with room is handed over in memory, born leased, and never
 * claimed; claiming is for the backlog, for retries, for other replicas' rows and after a crash (D23). Wake-ups are
 * events in memory; under them lies a poll that asks which destinations have something waiting. A closed lane is not
 * claimed at all: a million rows behind it cost nothing (D24).
 */

import { setMaxListeners } from 'node:events'
import { laneKey } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { failpoint } from '../../platform/failpoints.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { loop, type Service } from '../../platform/service.ts'
import { claimByKey } from '../../store/claimByKey.ts'
import { claim, dueLanes, type Leased } from '../../store/deliveries.ts'
import type { NewTask } from '../../store/tasks.ts'
import type { Handed, HandOver } from '../tasks/open.ts'
import { type Carrier, createCarrier } from './carrier.ts'
import { createHealth } from './health.ts'
import { kindOf, type Lane, newLane, type Ready, room } from './lane.ts'
import type { ForwarderTools } from './tools.ts'

export interface Forwarder extends Service {
  readonly handOver: HandOver
  /** Carries what was born leased; to be called after its commit. */
  take(handed: Handed): void
  /** Gives back a place that was promised and is not needed. */
  release(tenant: string, destination: string, lease: string): void
  /** Something new is waiting there; `orderingKey`: it may be behind something in flight. */
  wake(tenant: string, destination: string, orderingKey?: string): void
  /** Somebody says that the destination is back: try at once. */
  open(tenant: string, destination: string): void
  /** Is this lease in hand here? `begun`: its attempt had begun when the store failed us. */
  standing(lease: string): 'held' | 'begun' | 'unknown'
  /** Closed lanes are offline as far as we know. */
  isClosed(tenant: string, destination: string): boolean
  /** Stops claiming; what is on its way may end. */
  drain(): void
  inFlight(): number
}

/**
 * How many are in hand beyond those on their way. Webhooks are short: three widths, so that no place is empty while a claim
 * is made (27 % more than with one). A message may take hours, and what waits here can no longer be overtaken or canceled
 * in the queue: only when there is a place, and no more than a width beyond the places.
 */
const aheadOf = (lane: Lane): number =>
  Math.min(
    LIMITS.claimMax,
    lane.kind === 'webhook' ? 3 * lane.widthMax : room(lane) > 0 ? room(lane) + lane.widthMax : 0,
  )

export function createForwarder(tools: ForwarderTools): Forwarder {
  const { db, clock } = tools
  const lanes = new Map<string, Lane>()
  const stopping = new AbortController()
  // Every attempt in flight listens to it; Node takes the eleventh for a leak and says so.
  setMaxListeners(0, stopping.signal)
  const attempts: Carrier = createCarrier(tools, { stopping: stopping.signal, holds })
  const health = createHealth({ ...tools, stopping: stopping.signal, onOpen: (lane) => wakeLane(lane) })
  /** Leases of ours that somebody here answers for, and under which name; what the database has beyond them is given back. */
  const held = new Map<string, string>()
  const begun = new Set<string>()
  let draining = false
  let running = 0

  function laneOf(tenant: string, destination: string): Lane {
    const key = laneKey({ tenant, destination })
    let lane = lanes.get(key)
    if (!lane) {
      const kind = kindOf(destination)
      lane = newLane(
        tenant,
        destination,
        kind,
        kind === 'webhook' ? LIMITS.webhookInflightPerReceiver : LIMITS.maxInflight,
      )
      lanes.set(key, lane)
    }
    return lane
  }

  /** Not for one that was taken under a name which we have lost, or may have lost while we were silent. */
  function holds(lease: string): boolean {
    return held.get(lease) === tools.owner() && clock.elapsed() < tools.holdsUntil()
  }

  function wakeLane(lane: Lane): void {
    lane.behind = true
    pump(lane)
  }

  function pump(lane: Lane): void {
    if (draining || !health.usable(lane)) return
    while (lane.ready.length > 0 && room(lane) > 0 && running < LIMITS.attemptsInFlightMax)
      start(lane, lane.ready.shift() as Ready)
    const ahead = aheadOf(lane)
    // Many at a time: a claim for each free place would cost as much as what it brings.
    if (lane.behind && !lane.claiming && ahead > 0 && lane.ready.length <= ahead / 2)
      void claimMore(lane, ahead - lane.ready.length)
  }

  async function claimMore(lane: Lane, count: number): Promise<void> {
    lane.claiming = true
    lane.behind = false
    try {
      const { width, paused } = await tools.widthOf(lane.tenant, lane.destination)
      health.resize(lane, width, paused)
      // No width: an agent that collects by itself.
      if (paused || draining || width === 0) return
      const owner = tools.owner()
      const leased = await claimFor(lane, count, owner, tools)
      const ready = await attempts.load(lane.kind, leased)
      for (const { leased } of ready) held.set(leased.lease, owner)
      lane.ready.push(...ready)
    } catch (error) {
      lane.behind = true
      lane.byKey ??= ''
      tools.loopTools.onError(`claim ${lane.destination}`, error)
      await clock.sleep(LIMITS.pollMs, stopping.signal)
    } finally {
      lane.claiming = false
    }
    pump(lane)
  }

  function start(lane: Lane, ready: Ready): void {
    failpoint(lane.kind === 'webhook' ? 'webhook.begun' : 'forward.begun')
    lane.inFlight++
    lane.unsettled++
    running++
    let inPlace = true
    const leave = () => {
      if (inPlace) lane.inFlight--
      inPlace = false
    }
    void ready
      .run(() => {
        leave()
        pump(lane)
      })
      .then(
        (result) => health.learn(lane, result),
        (error) => {
          // The store failed us in the middle: the lease is nobody's now, and the sweep gives it back as one that had begun.
          begun.add(ready.leased.lease)
          tools.loopTools.onError(`attempt at ${lane.destination}`, error)
          return undefined
        },
      )
      .then((waitMs) => {
        leave()
        lane.unsettled--
        running--
        afterAttempt(lane, ready, waitMs)
      })
  }

  function afterAttempt(lane: Lane, { handed, leased }: Ready, waitMs: number | undefined): void {
    held.delete(leased.lease)
    if (!handed || lane.blocked.delete(leased.orderingKey)) lane.behind = true
    if (waitMs !== undefined) void clock.sleep(waitMs + 5, stopping.signal).then(() => wakeLane(lane))
    pump(lane)
    if (running === LIMITS.attemptsInFlightMax - 1)
      for (const other of lanes.values()) if (other.behind || other.ready.length > 0) pump(other)
  }

  /** The safety net: which destinations have something due, whoever put it there. */
  async function look(signal: AbortSignal): Promise<void> {
    await clock.sleep(LIMITS.pollMs, signal)
    if (signal.aborted || draining) return
    for (const { tenant, destination, dueAt, dueInMs } of await dueLanes(db)) {
      const { width, paused } = await tools.widthOf(tenant, destination)
      if (width === 0) continue
      const lane = laneOf(tenant, destination)
      health.resize(lane, width, paused)
      // Ten seconds back: a statement that began then may commit only now.
      lane.watermark = Math.max(0, dueAt - 10_000)
      if (dueInMs <= 0) wakeLane(lane)
    }
    for (const lane of lanes.values()) if (isIdle(lane)) lanes.delete(lane.key)
  }

  const isIdle = (lane: Lane) =>
    lane.kind === 'webhook' &&
    health.isOpen(lane) &&
    lane.unsettled + lane.ready.length + lane.promised === 0 &&
    !lane.behind &&
    !lane.claiming

  const poll = loop('forwarder', look, tools.loopTools)

  return {
    name: 'forwarder',
    start: () => poll.start(),
    handOver(recipient, tenant) {
      const lane = laneOf(tenant, recipient.destination)
      health.resize(lane, recipient.maxInflight, recipient.paused)
      if (draining || recipient.kind !== 'a2a' || lane.behind || lane.claiming || !health.usable(lane)) return undefined
      if (room(lane) - lane.promised - lane.ready.length <= 0) return undefined
      lane.promised++
      const lease = uuidv7()
      const owner = tools.owner()
      held.set(lease, owner)
      return { lease, owner }
    },
    take(handed) {
      const { row, lease } = handed
      const lane = laneOf(row.tenant, row.destination)
      lane.promised--
      const leased = handedDelivery(row, lease, tools.now().getTime())
      lane.ready.push(attempts.handed(leased, handed))
      pump(lane)
    },
    release(tenant, destination, lease) {
      laneOf(tenant, destination).promised--
      held.delete(lease)
    },
    standing: (lease) => (held.has(lease) ? 'held' : begun.delete(lease) ? 'begun' : 'unknown'),
    wake(tenant, destination, orderingKey) {
      const lane = laneOf(tenant, destination)
      if (orderingKey !== undefined && (lane.inFlight > 0 || lane.ready.length > 0)) lane.blocked.add(orderingKey)
      wakeLane(lane)
    },
    open(tenant, destination) {
      const lane = laneOf(tenant, destination)
      health.reopenNow(lane)
      wakeLane(lane)
    },
    isClosed: (tenant, destination) => {
      const lane = lanes.get(laneKey({ tenant, destination }))
      return lane !== undefined && !health.isOpen(lane)
    },
    drain() {
      draining = true
    },
    inFlight: () => running,
    async stop() {
      draining = true
      await poll.stop()
      const unstarted = [...lanes.values()].flatMap((lane) => lane.ready.splice(0))
      await attempts.giveBack(unstarted.map(({ leased }) => leased))
      const until = clock.elapsed() + LIMITS.drainMs
      while (running > 0 && clock.elapsed() < until && !stopping.signal.aborted) {
        // What is on its way may end by itself for a while; a long conversation is handed over.
        if (until - clock.elapsed() < LIMITS.drainMs - LIMITS.stopGraceMs) stopping.abort()
        await clock.sleep(20)
      }
      stopping.abort()
      while (running > 0 && clock.elapsed() < until) await clock.sleep(20)
    },
  }
}

/** Slower than any claim of free rows; a walk over ten thousand blocked ones takes this long. */
const SLOW_CLAIM_MS = 50

async function claimFor(lane: Lane, count: number, owner: string, { db, clock }: ForwarderTools): Promise<Leased[]> {
  const { tenant, destination, watermark, byKey: after } = lane
  if (after === undefined) {
    const began = clock.elapsed()
    const leased = await claim(db, { tenant, destination, watermark, count, owner })
    if (leased.length >= count) lane.behind = true
    if (clock.elapsed() - began > SLOW_CLAIM_MS) lane.byKey = ''
    return leased
  }
  const leased = await claimByKey(db, { tenant, destination, count, owner, after })
  const full = leased.length >= count
  // At the last key the round begins anew.
  if (full || after !== '') lane.behind = true
  if (full) lane.byKey = leased.at(-1)?.orderingKey ?? ''
  else lane.byKey = after === '' && leased.length + lane.unsettled === 0 ? undefined : ''
  return leased
}

/** The delivery that a task was opened with, as a claim would have given it. */
function handedDelivery(row: NewTask, lease: string, now: number): Leased {
  return {
    tenant: row.tenant,
    id: row.id,
    kind: 'a2a',
    destination: row.destination,
    orderingKey: row.orderingKey,
    taskId: row.id,
    seq: 1,
    configId: null,
    attempt: 1,
    lease,
    dueAt: now,
    createdAt: now,
    expiresAt: now + row.ttlSeconds * 1000,
    code: null,
  }
}
