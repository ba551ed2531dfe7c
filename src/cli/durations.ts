/** Spans of time as people write and read them. */
import { usage } from './errors.ts'

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `2s`, `1m30s`, `24h`; a bare number is seconds. */
export function durationMs(text: string, what: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw usage(`${what}: ${text} is not a duration`, 'write 500ms, 2s, 1m30s or 24h')
  }
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit as string] ?? 0), 0)
}

/** The two largest units: `3m12s`, `23h59m`, `4 s`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const [d, h, m, s] = [
    Math.floor(seconds / 86_400),
    Math.floor((seconds % 86_400) / 3_600),
    Math.floor((seconds % 3_600) / 60),
    seconds % 60,
  ]
  const two = (n: number) => String(n).padStart(2, '0')
  if (d > 0) return `${d}d${two(h)}h`
  if (h > 0) return `${h}h${two(m)}m`
  return `${m}m${two(s)}s`
}

export type TimeFormat = 'relative' | 'iso' | 'raw'

/** A moment of the past or the future, from an ISO text; `–` when there is none. */
export function moment(iso: string | null | undefined, now: Date, format: TimeFormat = 'relative'): string {
  if (!iso) return '–'
  const at = Date.parse(iso)
  if (format !== 'relative' || Number.isNaN(at)) return iso
  const ms = at - now.getTime()
  return ms > 0 ? `in ${spanText(ms)}` : `${spanText(-ms)} ago`
}
