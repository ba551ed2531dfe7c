/** Points in time as peers write them: 0, 3, 6 or 9 fractional digits, with an offset, or (0.3) without any zone. */

const FORM = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*([Zz]|[+-]\d\d:?\d\d)?$/

/** `YYYY-MM-DDTHH:mm:ss.sssZ`; a time without a zone is UTC. Undefined for what is no time: a bad clock spoils no task. */
export function toMilliseconds(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const parts = FORM.exec(value)
  if (!parts) return undefined
  const [, day, time, fraction = '', zone = 'Z'] = parts
  const ms = `${fraction}000`.slice(0, 3)
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase()
  if (offset === 'Z' && fraction.length === 3 && Number.isFinite(Date.parse(`${day}T${time}.${ms}Z`)))
    return `${day}T${time}.${ms}Z`
  const at = Date.parse(`${day}T${time}.${ms}${offset}`)
  return Number.isFinite(at) ? new Date(at).toISOString() : undefined
}
