/** One destination as this process sees it: what is in hand, what is on its way, whether it is worth trying. */
import { type DestinationKind, laneKey } from '../../delivery.ts'
import type { Leased } from '../../store/deliveries.ts'
import { type Breaker, newBreaker } from './breaker.ts'

/** A leased delivery with what is needed to carry it. */
export interface Ready {
  readonly leased: Leased
  /** Carries it; gives what became of it. `leave`: the destination has answered, and has a place for the next. */
  readonly run: (leave: () => void) => Promise<LaneResult>
  /** Born leased and handed over, or claimed from the backlog. */
  readonly handed: boolean
}

export interface LaneResult {
  readonly outcome: 'delivered' | 'retry' | 'dead' | 'superseded'
  /** What the attempt says about the destination; undefined: nothing. */
  readonly health: 'good' | 'unreachable' | 'bad' | undefined
  readonly reason?: string
  readonly waitMs?: number
}

export interface Lane {
  readonly key: string
  readonly tenant: string
  readonly destination: string
  readonly kind: DestinationKind
  /** How many side by side at most. */
  widthMax: number
  breaker: Breaker
  /** At the destination. */
  inFlight: number
  /** And those whose end is being written. */
  unsettled: number
  /** Places promised to tasks that are being written, born leased. */
  promised: number
  ready: Ready[]
  /** There may be something to claim. Cleared before a claim looks, so that a wake-up during the look is not lost. */
  behind: boolean
  claiming: boolean
  /** Nothing due is older: milliseconds since 1970, database time. */
  watermark: number
  /**
   * A claim in the order of time was slow, as many rows of few ordering keys make it: claims go by key, from this one on,
   * until the lane is empty. undefined: by time.
   */
  byKey: string | undefined
  /** Ordering keys with something waiting behind what is in flight. */
  readonly blocked: Set<string>
  /** Paused by an operator: nothing is claimed. */
  paused: boolean
  probing: boolean
  lastGoodAt: number
}

export function newLane(tenant: string, destination: string, kind: DestinationKind, widthMax: number): Lane {
  return {
    key: laneKey({ tenant, destination }),
    tenant,
    destination,
    kind,
    widthMax,
    breaker: newBreaker(widthMax),
    inFlight: 0,
    unsettled: 0,
    promised: 0,
    ready: [],
    behind: false,
    claiming: false,
    watermark: 0,
    byKey: undefined,
    blocked: new Set(),
    paused: false,
    probing: false,
    lastGoodAt: 0,
  }
}

/** Places for more attempts now. */
export const room = (lane: Lane): number => Math.min(lane.widthMax, lane.breaker.width) - lane.inFlight

export const kindOf = (destination: string): DestinationKind => (destination.startsWith('webhook:') ? 'webhook' : 'a2a')
