/**
 * How much one host is sent by all lanes together, whoever's they are (SR-35). Each lane has its own places, but who points a
 * thousand webhooks at one host has a thousand lanes. In this process's memory: each replica counts its own.
 */
import { LIMITS } from '../../limits.ts'
import { onAbort } from '../../platform/aborts.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Rate } from '../../ports.ts'
import { createBuckets } from '../callers/quotas.ts'

export interface HostRoomTools {
  readonly clock: Pick<Clock, 'elapsed'>
  readonly rate: Rate
  /** Side by side. */
  readonly places?: number
}

export interface HostRoom {
  /**
   * Waits for a place, and gives what is to be called when that is free again. Or after how many milliseconds to come again:
   * too many wait before it, or the host has been sent what it may be in this moment.
   */
  enter(host: string, signal: AbortSignal): Promise<(() => void) | number>
}

/** Each of these keeps its lane's place: the rest comes again by way of the queue. */
const WAITING_MAX = 10
const AGAIN_MS = 1_000
const AGAIN_LONGEST_MS = 10 * 60_000
const HOSTS_MAX = 10_000

interface Host {
  inFlight: number
  readonly waiting: ((isTurn: boolean) => void)[]
  /** Until then others have been told to come again. */
  comersUntil: number
}

export function createHostRoom({ clock, rate, places = LIMITS.webhookInflightPerReceiver }: HostRoomTools): HostRoom {
  const buckets = createBuckets()
  const hosts = new Map<string, Host>()

  function hostOf(name: string): Host {
    const known = hosts.get(name)
    if (known) return known
    if (hosts.size >= HOSTS_MAX)
      for (const [other, { inFlight, comersUntil }] of hosts)
        if (inFlight === 0 && comersUntil <= clock.elapsed()) hosts.delete(other)
    const made = { inFlight: 0, waiting: [], comersUntil: 0 }
    hosts.set(name, made)
    return made
  }

  /** One after the other, at the host's rate: else all of them would come at once, again and again. */
  function comeAgain(host: Host, waitMs: number): number {
    const now = clock.elapsed()
    host.comersUntil = Math.max(host.comersUntil, now + waitMs) + 1_000 / rate.perSecond
    return Math.min(AGAIN_LONGEST_MS, Math.max(AGAIN_MS, Math.ceil(host.comersUntil - now)))
  }

  function leave(host: Host): void {
    const next = host.waiting.shift()
    if (next) next(true)
    else host.inFlight -= 1
  }

  /** False: stopped meanwhile. */
  function turn(host: Host, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const mine = (isTurn: boolean) => {
        forget()
        resolve(isTurn)
      }
      host.waiting.push(mine)
      const forget = onAbort(signal, () => {
        host.waiting.splice(host.waiting.indexOf(mine), 1)
        mine(false)
      })
    })
  }

  return {
    async enter(name, signal) {
      const host = hostOf(name)
      if (host.waiting.length >= WAITING_MAX) return comeAgain(host, 0)
      const wait = buckets.take(name, rate, clock.elapsed())
      if (wait > 0) return comeAgain(host, wait)
      if (host.inFlight < places) host.inFlight += 1
      else if (signal.aborted || !(await turn(host, signal))) return AGAIN_MS
      return () => leave(host)
    },
  }
}
