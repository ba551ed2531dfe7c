/** Opens and closes lanes by what their attempts say; what changes is written for other replicas and for people. */
import { LIMITS } from '../../limits.ts'
import { chance } from '../../platform/ids.ts'
import { laneClosed, laneSeen } from '../../store/lanes.ts'
import { afterFailure, afterSuccess, type BreakerBounds, isOpen, reopen } from './breaker.ts'
import type { Lane, LaneResult } from './lane.ts'
import type { ForwarderTools } from './tools.ts'

export interface HealthTools extends Pick<ForwarderTools, 'db' | 'clock' | 'signals' | 'probe'> {
  readonly stopping: AbortSignal
  readonly onOpen: (lane: Lane) => void
}

export interface Health {
  usable(lane: Lane): boolean
  isOpen(lane: Lane): boolean
  /** Learns from an attempt; gives how long until its delivery is due again, if it is. */
  learn(lane: Lane, result: LaneResult): number | undefined
  resize(lane: Lane, width: number, paused: boolean): void
  reopenNow(lane: Lane): void
}

/** A success is written down this often at most: who was seen ten seconds ago is there. */
const SEEN_EVERY_MS = 10_000

export function createHealth({ db, clock, signals, probe, stopping, onOpen }: HealthTools): Health {
  const bounds = (lane: Lane): BreakerBounds => ({
    widthMax: lane.widthMax,
    failuresMax: LIMITS.breakerFailures,
    probeFirstMs: LIMITS.probeFirstMs,
    probeLongestMs: LIMITS.probeLongestMs,
  })

  function seen(lane: Lane): void {
    const now = clock.elapsed()
    if (lane.lastGoodAt > 0 && now - lane.lastGoodAt < SEEN_EVERY_MS) return
    lane.lastGoodAt = now
    laneSeen(db, lane.tenant, lane.destination).catch(() => {})
  }

  function failed(lane: Lane, unreachable: boolean, reason: string): void {
    const before = isOpen(lane.breaker)
    lane.breaker = afterFailure(
      lane.breaker,
      { unreachable, reason, now: clock.elapsed(), random: chance() },
      bounds(lane),
    )
    if (!before || isOpen(lane.breaker)) return
    lane.lastGoodAt = 0
    const probeInMs = Math.round((lane.breaker.probeAt ?? 0) - clock.elapsed())
    const { tenant, destination } = lane
    signals.emit('lane.closed', { destination, reason, probeInMs })
    laneClosed(db, {
      tenant,
      destination,
      reason: reason.slice(0, 300),
      failures: lane.breaker.failures,
      probeInMs,
    }).catch(() => {})
    void probeLater(lane, probeInMs)
  }

  /** An agent is asked for its card, which gives it no work; a webhook receiver is tried with what it is owed. */
  async function probeLater(lane: Lane, waitMs: number): Promise<void> {
    const { probeAt } = lane.breaker
    await clock.sleep(waitMs, stopping)
    if (stopping.aborted || lane.breaker.probeAt !== probeAt || lane.probing) return
    lane.probing = true
    const back = lane.kind === 'webhook' || (await probe(lane.tenant, lane.destination, stopping).catch(() => false))
    lane.probing = false
    if (lane.breaker.probeAt !== probeAt) return
    if (back) return opened(lane)
    const reason = lane.breaker.reason ?? 'no answer'
    lane.breaker = reopen(lane.breaker)
    failed(lane, true, reason)
  }

  function opened(lane: Lane): void {
    lane.breaker = reopen(lane.breaker)
    signals.emit('lane.open', { destination: lane.destination })
    if (lane.kind !== 'webhook') seen(lane)
    onOpen(lane)
  }

  return {
    usable: (lane) => !lane.paused && isOpen(lane.breaker),
    isOpen: (lane) => isOpen(lane.breaker),
    learn(lane, { health, reason, waitMs }) {
      if (health === 'good') {
        lane.breaker = afterSuccess(lane.breaker, bounds(lane))
        seen(lane)
      } else if (health !== undefined) {
        failed(lane, health === 'unreachable', reason ?? 'no reason given')
      }
      return waitMs
    },
    resize(lane, width, paused) {
      if (lane.widthMax !== width && width > 0) {
        const atFull = lane.breaker.width >= lane.widthMax
        lane.widthMax = width
        if (atFull || lane.breaker.width > width) lane.breaker = { ...lane.breaker, width }
      }
      lane.paused = paused
    },
    reopenNow(lane) {
      lane.paused = false
      if (!isOpen(lane.breaker)) opened(lane)
    },
  }
}
