/** JSON from an agent: within bounds, and without what a database cannot keep. Whatever it holds, nothing gets stuck on it. */
import { LIMITS } from '../../limits.ts'
import { scanJson } from './scan.ts'

/** Undefined: not JSON, or nested deeper than `jsonDepthMax` (JSON.stringify dies at 10,000 levels, and we must say it again). */
export function readAgentJson(body: Buffer): unknown {
  const { depth, suspicious } = scanJson(body)
  if (depth > LIMITS.jsonDepthMax) return undefined
  try {
    return JSON.parse(body.toString(), suspicious ? storable : undefined)
  } catch {
    return undefined
  }
}

/** Postgres takes neither NUL nor half a surrogate pair; numbers out of range would be written as null. */
function storable(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return wellFormed(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (Object.keys(value).every((key) => wellFormed(key) === key)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [wellFormed(key), inner]))
}

const wellFormed = (text: string): string => Buffer.from(text.replaceAll('\0', '\ufffd')).toString()
