/** How often an agent that collects comes by. */

/** Longest silence of an agent that is connected: one long wait (50 s) and the way back. */
export const CONNECTED_MS = 90_000
/** Of one that asks now and then, if it does not say how often. */
const POLLING_MS = 15 * 60_000

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/

/** Between two of its visits, milliseconds; undefined: not a cadence. A minute to thirty days. */
export function cadenceMs(cadence: string): number | undefined {
  if (cadence === 'live') return CONNECTED_MS
  if (cadence === 'polling') return POLLING_MS
  const [, days, hours, minutes, seconds] = DURATION.exec(cadence) ?? []
  const ms =
    (Number(days ?? 0) * 24 + Number(hours ?? 0)) * 3_600_000 +
    Number(minutes ?? 0) * 60_000 +
    Number(seconds ?? 0) * 1_000
  return ms >= 60_000 && ms <= 30 * 24 * 3_600_000 ? ms : undefined
}
